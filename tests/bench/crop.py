"""Crops a second, and whether 30,000 photos need more memory than 1,000."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from tests.bench.measure import PROJECT, figure, run
from visage.formats.columns import CORNERS, LANDMARKS, MANUAL_BOX_COLUMNS
from visage.formats.shards import encode_image

FEW, MANY = 1_000, 30_000


def write_photos(home: Path, count: int) -> None:
    """Photos of 384x512 (25 KB, links to twenty files), each with a tilted face, and the tables that `crop` reads."""
    rng = np.random.default_rng(0)
    (home / "raw").mkdir(parents=True)
    for number in range(20):
        image = np.kron(rng.integers(60, 200, (32, 24, 3), np.uint8), np.ones((16, 16, 1), np.uint8))
        (home / f"{number}.jpg").write_bytes(
            encode_image(image + rng.integers(0, 12, image.shape, np.uint8), quality=80)
        )
    keys = [f"{number:05d}.jpg" for number in range(count)]
    for number, key in enumerate(keys):
        (home / "raw" / key).hardlink_to(home / f"{number % 20}.jpg")
    photos = pd.DataFrame({"photo": keys, "split": "train", "person": "", "width": 384, "height": 512})
    photos.to_csv(home / "photos.csv", index=False)
    face = [110.5, 120.5, 270.5, 330.5, 0.99, 150, 200, 230, 206, 190, 245, 160, 285, 222, 290, 1, "detector"]
    columns = ["photo", *CORNERS, "score", *LANDMARKS, "faces", "source"]
    pd.DataFrame([[key, *face] for key in keys], columns=columns).to_csv(home / "boxes.csv", index=False)
    (home / "manual.csv").write_text(",".join(MANUAL_BOX_COLUMNS) + "\n")
    shutil.copy(PROJECT / "params.yaml", home)


def figures() -> dict[str, dict]:
    costs = {}
    for count in (FEW, MANY):
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            write_photos(home, count)
            words = ["raw", "photos.csv", "boxes.csv", "manual.csv", "crops", "sheets"]
            costs[count] = run(str(PROJECT / "stages/crop.py"), *words, cwd=home)
    few, many = costs[FEW], costs[MANY]
    rate = (MANY - FEW) / (many.wall - few.wall)
    by_cpu = (MANY - FEW) / (many.cpu - few.cpu)
    return {
        "crop: photos a second, 2 cores": figure(rate, 400, "higher", "photos/s"),
        "crop: photos a CPU second": figure(by_cpu, 200, "higher", "photos/s"),
        "crop: peak memory of 30,000 photos over 1,000": figure(many.peak / few.peak, 1.25, "lower", "ratio"),
        "crop: peak memory of 30,000 photos": figure(many.peak, 1000, "lower", "MB"),
    }
