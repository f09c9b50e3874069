"""The part of a photo that a crop shows: how it is chosen, and how much of it lies outside the photo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from visage.formats.columns import CORNERS, LANDMARKS

if TYPE_CHECKING:  # a bundle chooses regions where there is no pydantic
    from visage.faces.crop_params import CropParams


def choose_region(face: Mapping[str, Any], height: int, width: int, params: CropParams) -> np.ndarray:
    """The part of a photo of this size that the crop shows: x0 y0 x1 y1, before any turn.

    The box with its margin, in the crop's shape if it is to grow, moved into the photo; of a photo without a box its
    centre in the crop's shape; with cropping off the whole photo.
    """
    photo, aspect = np.array([0, 0, width, height], float), params.width / params.size
    if not params.enabled:
        return photo
    if face["by"] == "whole":
        return shrink_to_aspect(photo, aspect)
    assert params.margin != "auto", "fit_margin makes a number of `margin: auto`"
    box = np.array([face[name] for name in CORNERS], float)
    region = add_margin(box, params.margin)
    if params.fit == "grow":
        region = grow_to_aspect(region, aspect)
    return move_into_photo(region, box, photo[2:], turn_angle(face, params))


def turn_angle(face: Mapping[str, Any], params: CropParams) -> float:
    """Degrees by which the crop is turned about its centre to level the eyes."""
    if not (params.align and params.enabled) or face["by"] == "whole":
        return 0.0
    return eye_angle(np.array([face[name] for name in LANDMARKS], float).reshape(5, 2))


def eye_angle(points: np.ndarray) -> float:
    """Degrees by which the eyes are out of level; 0 where they are not known."""
    (right_x, right_y), (left_x, left_y) = points[:2]
    angle = np.degrees(np.arctan2(left_y - right_y, left_x - right_x))
    return 0.0 if np.isnan(angle) else float(angle)


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


def move_into_photo(region: np.ndarray, box: np.ndarray, photo: np.ndarray, degrees: float) -> np.ndarray:
    """The region moved the least, so that it lies inside the photo (width, height) when it is turned.

    Along an axis on which it is longer than the photo, it is moved the least so that all of the photo is in it. It
    never loses a part of the box: a box that itself leaves the photo keeps the region outside.
    """
    sides = turned_sides(region, degrees)
    start = (region[:2] + region[2:] - sides) / 2
    spare = photo - sides
    shift = np.clip(start, np.minimum(spare, 0), np.maximum(spare, 0)) - start
    shift = np.clip(shift, box[2:] - region[2:], box[:2] - region[:2])
    return region + np.tile(shift, 2)


def turned_sides(region: np.ndarray, degrees: float) -> np.ndarray:
    """Width and height of the upright box around the turned region."""
    cos, sin = abs(np.cos(np.radians(degrees))), abs(np.sin(np.radians(degrees)))
    return np.array([[cos, sin], [sin, cos]]) @ (region[2:] - region[:2])


def measure_outside(region: np.ndarray, degrees: float, height: int, width: int) -> float:
    """The share of the region, turned about its centre, that lies outside a photo of this size; 0 to 1."""
    centre, half = (region[:2] + region[2:]) / 2, (region[2:] - region[:2]) / 2
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    corners = half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) @ np.array([[cos, sin], [-sin, cos]]) + centre
    if (corners >= 0).all() and (corners <= (width, height)).all():
        return 0.0
    polygon = corners.tolist()
    for axis, sign, limit in [(0, 1, 0), (0, -1, -width), (1, 1, 0), (1, -1, -height)]:
        polygon = clip_polygon(polygon, axis, sign, limit)
    return float(np.clip(1 - polygon_area(polygon) / np.prod(2 * half), 0, 1))


def clip_polygon(polygon: list[list[float]], axis: int, sign: int, limit: float) -> list[list[float]]:
    """The part of a convex polygon in which `sign` times the coordinate is `limit` or more (Sutherland-Hodgman)."""
    kept = []
    for start, end in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        first, second = sign * start[axis] - limit, sign * end[axis] - limit
        if first >= 0:
            kept.append(start)
        if (first >= 0) != (second >= 0):
            share = first / (first - second)
            kept.append([a + share * (b - a) for a, b in zip(start, end, strict=True)])
    return kept


def polygon_area(polygon: list[list[float]]) -> float:
    """The area of a polygon, by the shoelace formula."""
    following = polygon[1:] + polygon[:1]
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(polygon, following, strict=True))) / 2
