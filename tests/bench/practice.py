"""Drawing the practice set: 210 people, 1,470 photos."""

import shutil
import tempfile
from pathlib import Path

from tests.bench.measure import PROJECT, figure, run


def figures() -> dict[str, dict]:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(PROJECT / "params.yaml", folder)
        cost = run(str(PROJECT / "stages/practice.py"), "practice", cwd=Path(folder))
    return {
        "practice: 1,470 photos drawn": figure(cost.wall, 60, "lower", "s"),
        "practice: 1,470 photos drawn, CPU": figure(cost.cpu, 120, "lower", "CPU s"),
    }
