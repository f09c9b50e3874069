"""Run the measurements (all, or those named) and keep their figures with the machine they were taken on."""

import importlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import visage  # noqa: F401  (says how threads wait, before torch comes in)

HERE = Path(__file__).parent
OUT = HERE.parents[1] / "metrics/bench.json"


def machine() -> str:
    """Cores, processor and memory, as a reader needs them to judge a figure."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        cpu = next((line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line), cpu)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{len(os.sched_getaffinity(0))} cores of {cpu}, {memory:.0f} GiB, load {os.getloadavg()[0]:.1f} at the start"
    )


def main(names: list[str]) -> None:
    every = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))
    kept = json.loads(OUT.read_text()) if OUT.exists() else {}
    if len(names) != 1:  # each in a process of its own: what one has loaded is not counted as the memory of the next
        for name in names or every:
            subprocess.run([sys.executable, "-m", "tests.bench", name], check=True)
        return
    for name in names:
        where, figures = machine(), getattr(importlib.import_module(f"tests.bench.{name}"), "figures", dict)
        for figure, row in figures().items():
            kept[figure] = row | {"machine": where}
            good = row["figure"] >= row["target"] if row["better"] == "higher" else row["figure"] <= row["target"]
            target = f"{'>=' if row['better'] == 'higher' else '<='} {row['target']:g}"
            print(f"{figure:58} {row['figure']:10.3f} {row['unit']:12} wanted {target:8} {'' if good else '  MISSED'}")
            OUT.parent.mkdir(exist_ok=True)
            OUT.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
