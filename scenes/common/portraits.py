"""The Parquet file of drawn portraits: one row per image, with all its people."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from visage.formats.shards import decode_image, encode_image
from visage.runtime.files import replace_file


@dataclass(frozen=True)
class GroupPortrait:
    """One image with all its people; places in pixels."""

    image: np.ndarray  # height x width x 3, RGB uint8
    alpha: np.ndarray  # height x width uint8, 255 = person
    boxes: np.ndarray  # N x 4, x0 y0 x1 y1
    landmarks: np.ndarray  # N x 5 x 2


def write_portraits(path: Path, portraits: Iterable[GroupPortrait]) -> None:
    rows = [
        {
            "image": encode_image(portrait.image, quality=95),
            "alpha": encode_image(portrait.alpha, ".png"),
            "boxes": portrait.boxes.ravel().tolist(),
            "landmarks": portrait.landmarks.ravel().tolist(),
        }
        for portrait in portraits
    ]
    with replace_file(path) as part:
        pq.write_table(pa.Table.from_pylist(rows), part)


def read_portraits(path: Path) -> list[GroupPortrait]:
    return [
        GroupPortrait(
            decode_image(row["image"]),
            decode_image(row["alpha"]),
            np.array(row["boxes"], np.float32).reshape(-1, 4),
            np.array(row["landmarks"], np.float32).reshape(-1, 5, 2),
        )
        for row in pq.read_table(path).to_pylist()
    ]
