"""Photos of streets with boxes of all faces (Pascal VOC): which are trained on, which are held out."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import Field

from visage.faces.matching import read_voc
from visage.formats.columns import CORNERS
from visage.formats.photos import read_photo
from visage.runtime.params import Params

MARGIN = 10  # px between a background and the highest face below it
MIN_HEIGHT = 60  # px of a background


class ScenesParams(Params):
    """Section `scenes`."""

    name: str  # the folder in data/raw
    held_out: int = Field(ge=2)  # one scene in so many is never trained on


def is_held_out(photo: str, one_in: int) -> bool:
    """Whether a scene is held out. Its name alone decides, so that no change of the list moves a scene across."""
    name_hash = hashlib.sha256(Path(photo).stem.encode()).hexdigest()
    return int(name_hash[:8], 16) % one_in == 0


def read_training_scenes(root: Path, one_in: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(RGB image, N x 4 boxes) of every scene that is not held out, in the order of their names."""
    return [
        (read_photo(root, photo), faces[CORNERS].dropna().to_numpy(np.float32))
        for photo, faces in read_voc(root).groupby("photo", sort=True)
        if not is_held_out(photo, one_in)
    ]


def read_held_out_faces(root: Path, one_in: int) -> pd.DataFrame:
    """True faces of the held-out scenes."""
    faces = read_voc(root)
    return faces[[is_held_out(photo, one_in) for photo in faces["photo"]]].reset_index(drop=True)


def crop_above_faces(scenes: list[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
    """Backgrounds without people: what is above all faces of a scene, where that is high enough."""
    bottoms = [(image, int(boxes[:, 1].min()) - MARGIN) for image, boxes in scenes if len(boxes)]
    return [image[:bottom] for image, bottom in bottoms if bottom >= MIN_HEIGHT]
