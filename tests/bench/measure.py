"""How a whole process is measured: wall seconds, CPU seconds, and the most memory it held."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
SHARED = PROJECT.parent / "shared"


@dataclass(frozen=True)
class Cost:
    wall: float  # seconds
    cpu: float  # seconds, user and system
    peak: float  # MB


def figure(value: float, target: float, better: str, unit: str) -> dict:
    return {"figure": round(float(value), 4), "target": target, "better": better, "unit": unit}


def run(*words: str, cwd: Path, **environment: str) -> Cost:
    """Run a Python script of the project in a folder."""
    start = time.monotonic()
    env = os.environ | {"PYTHONPATH": str(PROJECT / "src")} | environment
    process = subprocess.Popen(
        [sys.executable, *words], cwd=cwd, env=env, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    peak = 0
    while (done := os.wait4(process.pid, os.WNOHANG))[0] == 0:
        peak = max(peak, most_memory(process.pid))
        time.sleep(0.02)
    _, status, usage = done
    assert status == 0, f"{words[0]} failed"
    return Cost(time.monotonic() - start, usage.ru_utime + usage.ru_stime, peak / 1024)


def most_memory(pid: int) -> int:
    """The most that a process has held so far, kB. (What wait4 tells includes its parent's, from before the exec.)"""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def evict(folder: Path) -> None:
    """Ask the system to forget the files of a folder, so that the next reader meets them cold."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
