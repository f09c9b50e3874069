"""Pictures as one uint8 array in memory: decoded once, resized, and cut out of their background by the matte."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from visage.formats.shards import decode_image, join_mattes, read_rows, read_shards
from visage.formats.tasks import Task
from visage.runtime.parallel import map_threads

if TYPE_CHECKING:  # a bundle prepares pictures where there is no pandas
    import pandas as pd

FACE_LANDMARKS = [
    f"{point}_{axis}" for point in ("right_eye", "left_eye", "mouth_right", "mouth_left") for axis in "xy"
]
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
    """`pixels[i]` (height x width x 3, uint8) is the picture of `rows.photo[i]`, and `digests[i]` of its bytes."""

    pixels: np.ndarray
    digests: np.ndarray
    rows: pd.DataFrame


def read_images(
    crops: Path, mattes: Path, preprocessing: Preprocessing, *, photos: Iterable[str] | None = None
) -> ImageArray:
    """The crops (of these photos, or all) in the order of the set; mattes are read only where they are used."""
    landmarks = FACE_LANDMARKS if preprocessing.keep == "face" else []
    tables = read_shards(crops, ["photo", "image", *landmarks])
    rows = join_mattes(tables, None if preprocessing.keep == "all" else mattes)
    return build_image_array(rows, preprocessing, photos)


def read_transplant_images(folder: Path, preprocessing: Preprocessing, tasks: Sequence[Task]) -> ImageArray:
    """The transplants with what they are labelled as and from which people of which fold they come."""
    labels = [name for task in tasks for name in (task.name, *[f"{task.name}_value"] * bool(task.bins))]
    columns = ["photo", "image", "matte", "donor_person", "receiver_person", "fold", *labels]
    landmarks = FACE_LANDMARKS if preprocessing.keep == "face" else []
    return build_image_array(read_rows(folder, [*columns, *landmarks]), preprocessing, None)


def build_image_array(
    rows: Iterable[dict[str, Any]], preprocessing: Preprocessing, photos: Iterable[str] | None
) -> ImageArray:
    """Rows of a picture set, decoded and preprocessed; `photos` selects some of them."""
    import pandas as pd

    if photos is not None:
        selection = set(photos)
        rows = (row for row in rows if row["photo"] in selection)
    pictures, digests, others = [], [], []
    for picture, digest, other in map_threads(lambda row: preprocess(row, preprocessing), rows, ahead=16):
        pictures.append(picture)
        digests.append(digest)
        others.append(other)
    empty = np.empty((0, preprocessing.height, preprocessing.width, 3), np.uint8)
    return ImageArray(np.stack(pictures) if pictures else empty, np.array(digests, dtype=object), pd.DataFrame(others))


def preprocess(row: dict[str, Any], preprocessing: Preprocessing) -> tuple[np.ndarray, str, dict[str, Any]]:
    """One picture at its final size, the digest of its bytes, and the row's other columns."""
    matte = decode_image(row["matte"]) if preprocessing.keep != "all" else None
    landmarks = [row[name] for name in FACE_LANDMARKS] if preprocessing.keep == "face" else []
    picture = prepare(decode_image(row["image"]), matte, landmarks, preprocessing)
    digest = hashlib.blake2b(picture.tobytes(), digest_size=16).hexdigest()
    return picture, digest, {name: value for name, value in row.items() if name not in ("image", "matte")}


def prepare(
    picture: np.ndarray, matte: np.ndarray | None, landmarks: list[float | None], preprocessing: Preprocessing
) -> np.ndarray:
    """A crop as networks see it: at its final size, and only what is kept of it.

    The matte is needed unless all is kept; `landmarks` (FACE_LANDMARKS, crop pixels) if the face is.
    """
    resized = resize(picture, preprocessing)
    if preprocessing.keep == "all":
        return resized
    assert matte is not None, f"keep: {preprocessing.keep} needs a matte"
    if preprocessing.keep == "face":
        matte = mask_below_chin(matte, landmarks)
    return composite(resized, resize(matte, preprocessing), preprocessing.fill)


def resize(image: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """The image (a picture or matte), less what is trimmed from each side, at the final size."""
    top, left = (round(side * preprocessing.trim) for side in image.shape[:2])
    image = image[top : image.shape[0] - top, left : image.shape[1] - left]
    interpolation = cv2.INTER_AREA if image.shape[0] > preprocessing.height else cv2.INTER_LINEAR
    return cv2.resize(image, (preprocessing.width, preprocessing.height), interpolation=interpolation)


def composite(picture: np.ndarray, matte: np.ndarray, fill: tuple[int, int, int]) -> np.ndarray:
    """The picture where the matte is 255, the fill colour where it is 0, their mix between."""
    alpha = matte[..., None].astype(np.uint16)
    mixed = picture * alpha + np.array(fill, np.uint16) * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def mask_below_chin(matte: np.ndarray, landmarks: list[float | None]) -> np.ndarray:
    """The matte without what lies below the chin (clothes, shoulders), along the face's own upright.

    A face without landmarks (boxed by hand, or not found) keeps the whole person: where its chin is would be a guess.
    """
    points = np.array(landmarks, float).reshape(4, 2)
    if np.isnan(points).any():
        return matte
    eyes, mouth = points[:2].mean(0), points[2:].mean(0)
    down = mouth - eyes
    y, x = np.indices(matte.shape)
    depth = (x - eyes[0]) * down[0] + (y - eyes[1]) * down[1]
    depth = depth / max(down @ down, 1e-6)  # 0 at the eyes, 1 at the mouth
    return np.where(depth <= 1 + CHIN_DEPTH, matte, 0).astype(np.uint8)
