"""The face, cut out of its photo as a small picture of fixed size."""

from collections.abc import Callable, Mapping
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

COLUMNS = dict.fromkeys([*CORNERS, *LANDMARKS], float) | {"by": str}
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


def make_cropper(root: Path, params: CropParams) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """A function from a chosen box (with `photo`) to the row of its crop."""

    def row(face: Mapping[str, Any]) -> dict[str, Any]:
        image = read_photo(root, face["photo"])
        picture, region, points = crop_face(image, face, params)
        places = dict(zip([*CORNERS, *LANDMARKS], [*region, *points.ravel()], strict=True))
        places = {name: None if np.isnan(value) else round(float(value), 3) for name, value in places.items()}
        data = encode_image(picture, quality=params.quality)
        return {"photo": face["photo"], "width": picture.shape[1], "height": picture.shape[0], "image": data} | (
            places | {"by": face["by"]}
        )

    return row


def crop_face(
    image: np.ndarray, face: Mapping[str, Any], params: CropParams
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The crop, the part of the photo it shows (x0 y0 x1 y1, before any turn), and the landmarks in the crop (5x2)."""
    height, width = image.shape[:2]
    points = np.array([face[name] for name in LANDMARKS], float).reshape(5, 2)
    whole = not params.enabled or face["by"] == "whole"
    box = np.array([0, 0, width, height] if whole else [face[name] for name in CORNERS], float)
    region = box if whole and params.enabled is False else add_margin(box, 0 if whole else params.margin)
    aspect = params.width / params.size
    if whole and params.enabled:
        region = shrink_to_aspect(region, aspect)
    elif params.fit == "grow" and params.enabled:
        region = grow_to_aspect(region, aspect)
    turn = eye_angle(points) if params.align and not whole else 0.0
    move = crop_matrix(region, turn, params)
    picture = warp_photo(image, move, params)
    if params.fit == "letterbox":
        pad_outside(picture, region)
    return picture, region, points @ move[:, :2].T + move[:, 2]


def add_margin(box: np.ndarray, margin: float) -> np.ndarray:
    """The box with `margin` of its width and height added on each side."""
    width, height = box[2] - box[0], box[3] - box[1]
    return box + np.array([-width, -height, width, height]) * margin


def grow_to_aspect(box: np.ndarray, aspect: float) -> np.ndarray:
    """The smallest box around it, with the same centre, whose width is `aspect` times its height."""
    centre, width, height = (box[:2] + box[2:]) / 2, box[2] - box[0], box[3] - box[1]
    half = np.array([max(width, height * aspect), max(height, width / aspect)]) / 2
    return np.concatenate([centre - half, centre + half])


def shrink_to_aspect(box: np.ndarray, aspect: float) -> np.ndarray:
    """The largest box inside it, with the same centre, whose width is `aspect` times its height."""
    centre, width, height = (box[:2] + box[2:]) / 2, box[2] - box[0], box[3] - box[1]
    half = np.array([min(width, height * aspect), min(height, width / aspect)]) / 2
    return np.concatenate([centre - half, centre + half])


def eye_angle(points: np.ndarray) -> float:
    """Degrees by which the eyes are out of level; 0 where they are not known."""
    (right_x, right_y), (left_x, left_y) = points[:2]
    angle = np.degrees(np.arctan2(left_y - right_y, left_x - right_x))
    return 0.0 if np.isnan(angle) else float(angle)


def crop_matrix(region: np.ndarray, turn: float, params: CropParams) -> np.ndarray:
    """The 2x3 matrix that takes photo pixels to crop pixels, turned about the region's centre."""
    scale = np.array([params.width, params.size]) / (region[2:] - region[:2])
    if params.fit == "letterbox":
        scale = np.repeat(scale.min(), 2)
    angle = np.radians(turn)
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    linear = scale[:, None] * rotation
    return np.column_stack([linear, np.array([params.width, params.size]) / 2 - linear @ (region[:2] + region[2:]) / 2])


def pad_outside(picture: np.ndarray, region: np.ndarray) -> None:
    """Grey over all that is not the region, which lies in the middle and fills the picture one way."""
    sides = region[2:] - region[:2]
    inner = sides * (np.array(picture.shape[1::-1]) / sides).min()
    left, top = ((np.array(picture.shape[1::-1]) - inner) / 2).round().astype(int)
    picture[:top], picture[picture.shape[0] - top :] = GREY, GREY
    picture[:, :left], picture[:, picture.shape[1] - left :] = GREY, GREY


def warp_photo(image: np.ndarray, move: np.ndarray, params: CropParams) -> np.ndarray:
    """The photo under the matrix, shrunk by a whole number first where pixels would be lost between samples."""
    shrink = max(1, int(1 / np.sqrt(abs(np.linalg.det(move[:, :2])))))
    if shrink > 1:
        height, width = (side // shrink * shrink for side in image.shape[:2])
        image = cv2.resize(image[:height, :width], (width // shrink, height // shrink), interpolation=cv2.INTER_AREA)
    pixels = np.diag([shrink, shrink, 1.0])  # a shrunk pixel's place in the photo, pixel centres at halves
    halves = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    matrix = (np.linalg.inv(halves) @ np.vstack([move, [0, 0, 1]]) @ pixels @ halves)[:2]
    return cv2.warpAffine(image, matrix, (params.width, params.size), borderMode=cv2.BORDER_REPLICATE)
