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
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, f"{words[0]} failed"
    return Cost(time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def evict(folder: Path) -> None:
    """Ask the system to forget the files of a folder, so that the next reader meets them cold."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
