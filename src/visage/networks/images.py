"""Pictures as one uint8 array in memory: decoded once, resized, and cut out of their background by the matte."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from visage.formats.shards import decode_image, join_mattes, read_shards
from visage.formats.tasks import Task
from visage.runtime.parallel import map_threads

FACE_LANDMARKS = [f"{mark}_{axis}" for mark in ("right_eye", "left_eye", "mouth_right", "mouth_left") for axis in "xy"]
CHIN_DEPTH = 0.85  # the chin lies this far below the mouth, in distances from the eyes to the mouth


@dataclass(frozen=True)
class Preprocessing:
    """The size of a picture (pixels), what of the crop it shows and keeps, and the colour of the rest."""

    height: int
    width: int
    keep: str = "all"
    fill: tuple[int, int, int] = (0, 0, 0)
    trim: float = 0.0


@dataclass(frozen=True)
class ImageArray:
    """`pixels[i]` (height x width x 3) is the picture of `rows.photo[i]`, and `digests[i]` the sum of its bytes."""

    pixels: np.ndarray
    digests: np.ndarray
    rows: pd.DataFrame


def read_images(crops: Path, mattes: Path, look: Preprocessing, *, wanted: Iterable[str] | None = None) -> ImageArray:
    """The crops (of the wanted photos, or all) in the order of the set; mattes are read only where they are used."""
    marks = FACE_LANDMARKS if look.keep == "face" else []
    entries = join_mattes(read_shards(crops, ["photo", "image", *marks]), None if look.keep == "all" else mattes)
    return build_image_array(entries, look, wanted)


def read_transplant_images(folder: Path, look: Preprocessing, tasks: Sequence[Task]) -> ImageArray:
    """The transplants with what they are labelled as and from which people of which fold they come."""
    labels = [name for task in tasks for name in (task.name, *[f"{task.name}_value"] * bool(task.bins))]
    columns = ["photo", "image", "matte", "donor_person", "receiver_person", "fold", *labels]
    tables = read_shards(folder, [*columns, *(FACE_LANDMARKS if look.keep == "face" else [])])
    return build_image_array((row for table in tables for row in table.to_pylist()), look, None)


def build_image_array(
    entries: Iterable[dict[str, Any]], look: Preprocessing, wanted: Iterable[str] | None
) -> ImageArray:
    wanted = None if wanted is None else set(wanted)
    entries = (entry for entry in entries if wanted is None or entry["photo"] in wanted)
    done = list(map_threads(lambda entry: preprocess(entry, look), entries, ahead=16))
    pixels = (
        np.stack([pixels for _, pixels, _ in done]) if done else np.empty((0, look.height, look.width, 3), np.uint8)
    )
    return ImageArray(
        pixels, np.array([total for *_, total in done], dtype=object), pd.DataFrame([row for row, *_ in done])
    )


def preprocess(entry: dict[str, Any], look: Preprocessing) -> tuple[dict[str, Any], np.ndarray, str]:
    """One picture at its final size, what the set says about it, and the sum of its bytes."""
    picture = decode_image(entry.pop("image"))
    matte = decode_image(entry.pop("matte")) if look.keep != "all" else entry.pop("matte", None)
    if look.keep == "face":
        matte = mask_below_chin(matte, [entry[mark] for mark in FACE_LANDMARKS])
    picture = resize(picture, look)
    if look.keep != "all":
        picture = composite(picture, resize(matte, look), look.fill)
    return entry, picture, hashlib.blake2b(picture.tobytes(), digest_size=16).hexdigest()


def resize(image: np.ndarray, look: Preprocessing) -> np.ndarray:
    """The image at the look's size, less what is trimmed from each side."""
    top, left = (round(side * look.trim) for side in image.shape[:2])
    image = image[top : image.shape[0] - top, left : image.shape[1] - left]
    shrinks = image.shape[0] > look.height
    return cv2.resize(image, (look.width, look.height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def composite(picture: np.ndarray, matte: np.ndarray, fill: tuple[int, int, int]) -> np.ndarray:
    """The picture where the matte is 255, the fill colour where it is 0, their mix between."""
    share = matte[..., None].astype(np.uint16)
    mixed = picture * share + np.array(fill, np.uint16) * (255 - share)
    return ((mixed + 127) // 255).astype(np.uint8)


def mask_below_chin(matte: np.ndarray, marks: list[float | None]) -> np.ndarray:
    """The matte without what lies below the chin (clothes, shoulders), along the face's own upright.

    A face without landmarks (boxed by hand, or not found) keeps the whole person: where its chin is would be a guess.
    """
    points = np.array(marks, float).reshape(4, 2)
    if np.isnan(points).any():
        return matte
    eyes, mouth = points[:2].mean(0), points[2:].mean(0)
    down = mouth - eyes
    y, x = np.indices(matte.shape)
    depth = ((x - eyes[0]) * down[0] + (y - eyes[1]) * down[1]) / max(
        down @ down, 1e-6
    )  # 0 at the eyes, 1 at the mouth
    return np.where(depth <= 1 + CHIN_DEPTH, matte, 0).astype(np.uint8)
