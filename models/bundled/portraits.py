"""Drawn portraits on disk: one Parquet row per picture, with all its faces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


@dataclass(frozen=True)
class Drawn:
    image: np.ndarray  # RGB uint8
    alpha: np.ndarray  # uint8, 255 = person
    boxes: np.ndarray  # N x 4
    landmarks: np.ndarray  # N x 5 x 2


def write_portraits(path: Path, portraits: Iterable[Drawn]) -> None:
    rows = [
        {
            "image": cv2.imencode(".jpg", portrait.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes(),
            "alpha": cv2.imencode(".png", portrait.alpha)[1].tobytes(),
            "boxes": portrait.boxes.ravel().tolist(),
            "landmarks": portrait.landmarks.ravel().tolist(),
        }
        for portrait in portraits
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)


def read_portraits(path: Path) -> list[Drawn]:
    return [
        Drawn(
            cv2.cvtColor(decoded(row["image"], cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB),
            decoded(row["alpha"], cv2.IMREAD_GRAYSCALE),
            np.array(row["boxes"], np.float32).reshape(-1, 4),
            np.array(row["landmarks"], np.float32).reshape(-1, 5, 2),
        )
        for row in pq.read_table(path).to_pylist()
    ]


def decoded(data: bytes, flags: int) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
