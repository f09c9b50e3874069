"""The ensemble stage on as many predictions as the competition has: 3 tasks, 2 members, 5 folds, 31,500 photos."""

import tempfile
from pathlib import Path

from tests.bench.measure import PROJECT, figure, run
from tests.drawn_members import write_population

PARAMS = """
rounds: {first: [small, wide], second: []}
ensemble: {weights: fitted, rule: auto, shrinkage: 0.002, resamples: 1000, seed: 0}
"""


def figures() -> dict[str, dict]:
    """Wall seconds from start to end (imports too), CPU seconds, and peak memory, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_population(home, people=2700, tests=12600, folds=5)
        (home / "params.yaml").write_text(PARAMS)
        paths = ["photos.csv", "tasks.json", "folds.csv", "predictions", "second"]  # read
        paths += ["answers.csv", "plots", "ensemble.json"]  # written
        cost = run(str(PROJECT / "stages/ensemble.py"), *paths, cwd=home)
    title = "ensemble of 31,500 photos, 3 tasks x 2 members x 5 folds"
    return {
        f"{title}: seconds": figure(cost.wall, 20, "lower", "s"),
        f"{title}: CPU seconds": figure(cost.cpu, 30, "lower", "s"),
        f"{title}: peak memory": figure(cost.peak, 1024, "lower", "MiB"),
    }
