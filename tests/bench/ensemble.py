"""The ensemble stage on as many predictions as the competition has: 3 tasks, 2 members, 5 folds, 31,500 photos."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.drawn_ballots import write_drawn

STAGE = Path(__file__).parents[2] / "stages" / "ensemble.py"
PARAMS = """
rounds: {first: [small, wide], second: []}
ensemble: {weights: fitted, rule: auto, shrinkage: 0.002, resamples: 1000, seed: 0}
"""
WATCHED = """
import resource, runpy, sys, time
start = time.perf_counter()
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
used = resource.getrusage(resource.RUSAGE_SELF)
print("took", time.perf_counter() - start, "cpu", used.ru_utime + used.ru_stime, "peak", used.ru_maxrss / 2**10)
"""


def figures() -> dict[str, dict]:
    """Wall seconds from start to end (imports too), CPU seconds, and peak memory, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        write_drawn(Path(folder), people=2700, evals=12600, folds=5)
        (Path(folder) / "params.yaml").write_text(PARAMS)
        paths = ["photos.csv", "tasks.json", "folds.csv", "predictions", "second"]  # read
        paths += ["answers.csv", "plots", "ensemble.json"]  # written
        command = [sys.executable, "-c", WATCHED, str(STAGE), *paths]
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    seconds, cpu, peak = map(float, re.search(r"took (\S+) cpu (\S+) peak (\S+)", done.stdout).groups())
    what = "ensemble of 31,500 photos, 3 tasks x 2 members x 5 folds"
    return {
        f"{what}: seconds": {"figure": round(seconds, 1), "target": 20, "better": "lower", "unit": "s"},
        f"{what}: CPU seconds": {"figure": round(cpu, 1), "target": 30, "better": "lower", "unit": "s"},
        f"{what}: peak memory": {"figure": round(peak), "target": 1024, "better": "lower", "unit": "MiB"},
    }
