"""Crops: the face of a photo as a small picture of fixed size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from visage.faces.regions import choose_region, measure_outside, turn_angle
from visage.formats.columns import CORNERS, LANDMARKS
from visage.formats.photos import read_photo
from visage.formats.shards import encode_image

if TYPE_CHECKING:  # a bundle cuts crops where there is no pydantic
    from visage.faces.crop_params import CropParams

COLUMNS = dict.fromkeys([*CORNERS, *LANDMARKS, "margin", "outside"], float) | {"by": str}  # beside those of every set
GREY = (128, 128, 128)  # what letterboxing pads with
BLUR = 1 / 16  # of what lies outside the photo: standard deviation, in heights of the crop
FADE = 1 / 8  # a reflection turns into its blur over this distance, in heights of the crop


def make_crop_row(root: Path, params: CropParams, face: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a crop; `face` is a chosen box with `photo`, landmarks and `by`."""
    photo = read_photo(root, face["photo"])
    crop, region, points = crop_face(photo, face, params)
    values = zip([*CORNERS, *LANDMARKS], [*region, *points.ravel()], strict=True)
    return {
        "photo": face["photo"],
        "width": crop.shape[1],
        "height": crop.shape[0],
        "image": encode_image(crop, quality=params.quality),
        **{name: None if np.isnan(value) else round(float(value), 3) for name, value in values},
        "margin": params.margin,
        "outside": round(measure_outside(region, turn_angle(face, params), *photo.shape[:2]), 4),
        "by": face["by"],
    }


def crop_face(
    image: np.ndarray, face: Mapping[str, Any], params: CropParams
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The crop, the part of the photo it shows (x0 y0 x1 y1, before any turn), and the landmarks in the crop (5x2)."""
    height, width = image.shape[:2]
    region, degrees = choose_region(face, height, width, params), turn_angle(face, params)
    matrix = crop_matrix(region, degrees, params)
    crop = warp_photo(image, matrix, params)
    if measure_outside(region, degrees, height, width):
        crop = fill_outside(crop, image, matrix, params)
    if params.fit == "letterbox":
        paint_bars(crop, region)
    points = np.array([face[name] for name in LANDMARKS], float).reshape(5, 2)
    return crop, region, points @ matrix[:, :2].T + matrix[:, 2]


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
    """The photo under the matrix, mirrored at its edges; shrunk by a whole number first where it would lose pixels."""
    shrink = max(1, int(1 / np.sqrt(abs(np.linalg.det(matrix[:, :2])))))
    if shrink > 1:
        height, width = (side // shrink * shrink for side in image.shape[:2])
        image = cv2.resize(image[:height, :width], (width // shrink, height // shrink), interpolation=cv2.INTER_AREA)
    # OpenCV counts from the middle of the first pixel, our coordinates from its corner.
    corner_from_centre = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    photo_from_shrunk = np.diag([shrink, shrink, 1.0])
    crop_from_photo = np.vstack([matrix, [0, 0, 1]])
    warp = np.linalg.inv(corner_from_centre) @ crop_from_photo @ photo_from_shrunk @ corner_from_centre
    return cv2.warpAffine(image, warp[:2], (params.width, params.size), borderMode=cv2.BORDER_REFLECT)


def fill_outside(crop: np.ndarray, image: np.ndarray, matrix: np.ndarray, params: CropParams) -> np.ndarray:
    """The crop, which mirrors the photo (`image`) at its edges, with another filling beyond them as `pad` says.

    `mean` is the photo's mean colour; `blur` the mirrored photo, blurred; `reflect` the mirrored photo, which fades
    into the blurred one with distance, so that no second face shows.
    """
    distance = measure_distance(matrix, *image.shape[:2], params)
    outside = distance > 0
    filling = np.full_like(crop, np.round(cv2.mean(image)[:3])) if params.pad == "mean" else blur(crop)
    if params.pad == "reflect":
        share = np.minimum(distance / (FADE * params.size), 1)[..., None]
        filling = (crop * (1 - share) + filling * share).round().astype(np.uint8)
    return np.where(outside[..., None], filling, crop)


def blur(crop: np.ndarray) -> np.ndarray:
    """The crop without any detail; computed at a quarter of its size, which is many times faster."""
    height, width = crop.shape[:2]
    small = cv2.resize(crop, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    return cv2.resize(cv2.GaussianBlur(small, (0, 0), BLUR * height / 4), (width, height))


def measure_distance(matrix: np.ndarray, height: int, width: int, params: CropParams) -> np.ndarray:
    """How far each pixel of the crop lies from a photo of this size, in pixels of the crop; 0 inside."""
    columns, rows = np.meshgrid(np.arange(params.width) + 0.5, np.arange(params.size) + 0.5)
    x, y = (a * columns + b * rows + c for a, b, c in cv2.invertAffineTransform(matrix))
    far_x, far_y = np.maximum(np.maximum(-x, x - width), 0), np.maximum(np.maximum(-y, y - height), 0)
    return np.hypot(far_x, far_y) * np.sqrt(abs(np.linalg.det(matrix[:, :2])))


def paint_bars(crop: np.ndarray, region: np.ndarray) -> None:
    """Paint grey all that is not the region, which lies in the middle and fills the crop one way. In place."""
    size, sides = np.array(crop.shape[1::-1]), region[2:] - region[:2]
    inner = sides * (size / sides).min()
    left, top = ((size - inner) / 2).round().astype(int)
    crop[:top], crop[crop.shape[0] - top :] = GREY, GREY
    crop[:, :left], crop[:, crop.shape[1] - left :] = GREY, GREY
