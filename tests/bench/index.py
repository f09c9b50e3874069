"""The input table of a full-size competition: 31,500 photos, read cold."""

import shutil
import tempfile
from pathlib import Path

import numpy as np

from tests.bench.measure import PROJECT, evict, figure, run
from visage.formats.columns import SHOTS
from visage.formats.shards import encode_image


def draw_set(root: Path, people: int, answers: int) -> None:
    """The competition's layout with noise for photos, 25 KB each."""
    rng = np.random.default_rng(0)
    data = encode_image(rng.integers(90, 160, (512, 384, 3), np.uint8), quality=30)
    lines = ["id,gender,race,age,path"]
    for number in range(people):
        gender, age = ("male", "female")[number % 2], 18 + number % 43
        name = f"{number:06d}_{gender}_Asian_{age}"
        lines.append(f"{number:06d},{gender},Asian,{age},{name}")
        folder = root / "train/images" / name
        folder.mkdir(parents=True)
        for shot in SHOTS:
            (folder / f"{shot}.jpg").write_bytes(data)
    (root / "train/train.csv").write_text("\n".join(lines) + "\n")
    (root / "eval/images").mkdir(parents=True)
    names = [f"{number:040x}.jpg" for number in range(answers)]
    for name in names:
        (root / "eval/images" / name).write_bytes(data)
    (root / "eval/info.csv").write_text("\n".join(["ImageID,ans", *(f"{name},0" for name in names)]) + "\n")


def figures() -> dict[str, dict]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        draw_set(home / "raw", 2700, 12600)
        for name in ("data", "metrics"):
            (home / name).mkdir()
        shutil.copy(PROJECT / "params.yaml", home)
        (home / "labels.csv").write_text("person,photo,field,value,confidence,source,note\n")
        evict(home / "raw")
        tables = [f"data/{name}" for name in ("photos.csv", "original.csv", "groups.csv", "tasks.json", "rejected.csv")]
        cost = run(str(PROJECT / "stages/index.py"), "raw", "labels.csv", *tables, "metrics/photos.json", cwd=home)
    return {
        "index: 31,500 photos, cold": figure(cost.wall, 60, "lower", "s"),
        "index: 31,500 photos, peak memory": figure(cost.peak, 600, "lower", "MB"),
    }
