"""Crops: the face of a photo as a small picture of fixed size."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from pydantic import Field

from visage.faces.boxes import Missing
from visage.formats.columns import CORNERS, LANDMARKS
from visage.formats.photos import read_photo
from visage.formats.shards import encode_image
from visage.runtime.params import Params

COLUMNS = dict.fromkeys([*CORNERS, *LANDMARKS], float) | {"by": str}  # beside those of every picture set
GREY = (128, 128, 128)  # what letterboxing pads with


class CropParams(Params):
    """Section `crop`."""

    enabled: bool
    size: int = Field(ge=16, le=1024)
    shape: Literal["square", "portrait"]
    margin: float = Field(ge=0, le=3)
    align: bool
    fit: Literal["grow", "letterbox", "stretch"]
    missing: Missing
    quality: int = Field(ge=50, le=100)

    @property
    def width(self) -> int:
        """Pixels; a portrait is three wide and four high."""
        return self.size if self.shape == "square" else round(self.size * 3 / 4)


def make_crop_row(root: Path, params: CropParams, face: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a crop; `face` is a chosen box with `photo`, landmarks and `by`."""
    crop, region, points = crop_face(read_photo(root, face["photo"]), face, params)
    values = zip([*CORNERS, *LANDMARKS], [*region, *points.ravel()], strict=True)
    return {
        "photo": face["photo"],
        "width": crop.shape[1],
        "height": crop.shape[0],
        "image": encode_image(crop, quality=params.quality),
        **{name: None if np.isnan(value) else round(float(value), 3) for name, value in values},
        "by": face["by"],
    }


def crop_face(
    image: np.ndarray, face: Mapping[str, Any], params: CropParams
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The crop, the part of the photo it shows (x0 y0 x1 y1, before any turn), and the landmarks in the crop (5x2)."""
    height, width = image.shape[:2]
    region = choose_region(face, height, width, params)
    points = np.array([face[name] for name in LANDMARKS], float).reshape(5, 2)
    is_aligned = params.align and params.enabled and face["by"] != "whole"
    matrix = crop_matrix(region, eye_angle(points) if is_aligned else 0.0, params)
    crop = warp_photo(image, matrix, params)
    if params.fit == "letterbox":
        pad_outside(crop, region)
    return crop, region, points @ matrix[:, :2].T + matrix[:, 2]


def choose_region(face: Mapping[str, Any], height: int, width: int, params: CropParams) -> np.ndarray:
    """The part of a photo of this size that the crop shows: x0 y0 x1 y1, before any turn.

    The box with its margin, in the crop's shape if it is to grow; of a photo without a box its centre in the crop's
    shape; with cropping off the whole photo.
    """
    photo, aspect = np.array([0, 0, width, height], float), params.width / params.size
    if not params.enabled:
        return photo
    if face["by"] == "whole":
        return shrink_to_aspect(photo, aspect)
    box = add_margin(np.array([face[name] for name in CORNERS], float), params.margin)
    return grow_to_aspect(box, aspect) if params.fit == "grow" else box


def add_margin(box: np.ndarray, margin: float) -> np.ndarray:
    """The box with `margin` of its width and height added on each side."""
    width, height = box[2] - box[0], box[3] - box[1]
    return box + np.array([-width, -height, width, height]) * margin


def grow_to_aspect(box: np.ndarray, aspect: float) -> np.ndarray:
    """The smallest box around this one, with the same centre, whose width is `aspect` times its height."""
    centre, width, height = (box[:2] + box[2:]) / 2, box[2] - box[0], box[3] - box[1]
    half = np.array([max(width, height * aspect), max(height, width / aspect)]) / 2
    return np.concatenate([centre - half, centre + half])


def shrink_to_aspect(box: np.ndarray, aspect: float) -> np.ndarray:
    """The largest box inside this one, with the same centre, whose width is `aspect` times its height."""
    centre, width, height = (box[:2] + box[2:]) / 2, box[2] - box[0], box[3] - box[1]
    half = np.array([min(width, height * aspect), min(height, width / aspect)]) / 2
    return np.concatenate([centre - half, centre + half])


def eye_angle(points: np.ndarray) -> float:
    """Degrees by which the eyes are out of level; 0 where they are not known."""
    (right_x, right_y), (left_x, left_y) = points[:2]
    angle = np.degrees(np.arctan2(left_y - right_y, left_x - right_x))
    return 0.0 if np.isnan(angle) else float(angle)


def crop_matrix(region: np.ndarray, degrees: float, params: CropParams) -> np.ndarray:
    """The 2x3 matrix that takes photo pixels to crop pixels, turned about the region's centre."""
    size = np.array([params.width, params.size])
    scale = size / (region[2:] - region[:2])
    if params.fit == "letterbox":
        scale = np.repeat(scale.min(), 2)
    angle = np.radians(degrees)
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    linear = scale[:, None] * rotation
    return np.column_stack([linear, size / 2 - linear @ (region[:2] + region[2:]) / 2])


def warp_photo(image: np.ndarray, matrix: np.ndarray, params: CropParams) -> np.ndarray:
    """The photo under the matrix, shrunk by a whole number first where pixels would be lost between samples."""
    shrink = max(1, int(1 / np.sqrt(abs(np.linalg.det(matrix[:, :2])))))
    if shrink > 1:
        height, width = (side // shrink * shrink for side in image.shape[:2])
        image = cv2.resize(image[:height, :width], (width // shrink, height // shrink), interpolation=cv2.INTER_AREA)
    # OpenCV counts from the middle of the first pixel, our coordinates from its corner.
    corner_from_centre = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    photo_from_shrunk = np.diag([shrink, shrink, 1.0])
    crop_from_photo = np.vstack([matrix, [0, 0, 1]])
    warp = np.linalg.inv(corner_from_centre) @ crop_from_photo @ photo_from_shrunk @ corner_from_centre
    return cv2.warpAffine(image, warp[:2], (params.width, params.size), borderMode=cv2.BORDER_REPLICATE)


def pad_outside(crop: np.ndarray, region: np.ndarray) -> None:
    """Paint grey all that is not the region, which lies in the middle and fills the crop one way. In place."""
    size, sides = np.array(crop.shape[1::-1]), region[2:] - region[:2]
    inner = sides * (size / sides).min()
    left, top = ((size - inner) / 2).round().astype(int)
    crop[:top], crop[crop.shape[0] - top :] = GREY, GREY
    crop[:, :left], crop[:, crop.shape[1] - left :] = GREY, GREY
