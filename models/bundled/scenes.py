"""The street scenes: which are learnt from and which are kept to be judged by, and their faces."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from visage.faces.matching import read_voc
from visage.formats.columns import CORNERS


def kept_apart(photo: str, one_in: int) -> bool:
    """Whether a scene is held out. Its name alone decides, so that no change of the list moves a scene across."""
    return int(hashlib.sha256(Path(photo).stem.encode()).hexdigest()[:8], 16) % one_in == 0


def learnt_scenes(root: Path, one_in: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(RGB image, N x 4 boxes) of every scene that is not held out, in the order of their names."""
    true = read_voc(root)
    return [
        (cv2.cvtColor(cv2.imread(str(root / photo)), cv2.COLOR_BGR2RGB), faces[CORNERS].dropna().to_numpy(np.float32))
        for photo, faces in true.groupby("photo", sort=True)
        if not kept_apart(photo, one_in)
    ]


def held_out_faces(root: Path, one_in: int) -> pd.DataFrame:
    """True faces of the scenes that are held out."""
    true = read_voc(root)
    return true[[kept_apart(photo, one_in) for photo in true.photo]].reset_index(drop=True)


def walls(scenes: list[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
    """What is above all heads: pieces of the world without people."""
    tops = [(image, int(boxes[:, 1].min()) - 10) for image, boxes in scenes if len(boxes)]
    return [image[:top] for image, top in tops if top >= 60]
