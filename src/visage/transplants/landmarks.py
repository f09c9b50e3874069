"""Landmarks as geometry: how a face is held, how one is laid onto another, and how much of it the picture shows."""

import numpy as np
import pandas as pd

from visage.formats.columns import CORNERS, LANDMARKS

NOSE_WEIGHT = 0.25  # against 1 for an eye: under a mask the detector only guesses where the nose is
FOREHEAD_HEIGHT = 0.62  # eye distances: the middle of the bare forehead lies this far above the eyes
FOREHEAD_HALF_WIDTH, FOREHEAD_HALF_HEIGHT = 0.75, 0.28  # half axes of the ellipse that stands for the forehead


def landmark_array(faces: pd.DataFrame, prefix: str = "") -> np.ndarray:
    """Landmarks, n x 5 x 2 pixels: of the crop, or with the prefix `photo_` of the photo."""
    return faces[[prefix + name for name in LANDMARKS]].to_numpy(float).reshape(-1, 5, 2)


def to_complex(landmarks: np.ndarray) -> np.ndarray:
    """Right eye, left eye and nose of landmarks (... x 5 x 2) as complex numbers x + iy, ... x 3."""
    return landmarks[..., :3, 0] + 1j * landmarks[..., :3, 1]


def center_shape(shape: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A shape (complex, ... x 3) relative to its weighted centroid, the centroid (... x 1), and the weights (3)."""
    weights = np.array([1, 1, NOSE_WEIGHT]) / (2 + NOSE_WEIGHT)
    centroid = (shape * weights).sum(-1, keepdims=True)
    return shape - centroid, centroid, weights


def align_similarity(donor: np.ndarray, receiver: np.ndarray) -> np.ndarray:
    """The similarity (2 x 3) that maps the donor's landmarks nearest to the receiver's: weighted Umeyama."""
    source, source_centroid, weights = center_shape(to_complex(donor))
    target, target_centroid, _ = center_shape(to_complex(receiver))
    factor = (weights * source.conj() * target).sum() / (weights * abs(source) ** 2).sum()  # rotation and scale
    shift = (target_centroid - factor * source_centroid)[0]
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])


def alignment_errors(donors: np.ndarray, receivers: np.ndarray) -> np.ndarray:
    """Weighted RMS distance of the landmarks after `align_similarity`, in the receiver's eye distances.

    For n donors and m receivers (n x 5 x 2 and m x 5 x 2), n x m.
    """
    source, _, weights = center_shape(to_complex(donors))
    target, _, _ = center_shape(to_complex(receivers))
    total = (weights * abs(target) ** 2).sum(-1)
    explained = abs((source.conj() * weights) @ target.T) ** 2 / (weights * abs(source) ** 2).sum(-1)[:, None]
    return np.sqrt(np.clip(total - explained, 0, None)) / abs(target[:, 1] - target[:, 0])


def estimate_pose(landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tilt (degrees), turn (of the nose off the middle, in eye distances), size (the eye distance in pixels)."""
    right, left, nose = to_complex(landmarks).T
    with np.errstate(invalid="ignore"):  # NaN without landmarks
        turn = ((nose - (right + left) / 2) / (left - right)).real
    return np.angle(left - right, deg=True), turn, abs(left - right)


def photo_frames(faces: pd.DataFrame) -> np.ndarray:
    """What a crop really shows, n x 2 x 4 x 2: corners of the region that was cut, and of the photo, in crop pixels.

    Beyond either the crop is padding. A crop may be turned or stretched: the five landmarks in the photo and in the
    crop tell how. NaN without landmarks.
    """
    frames = np.full((len(faces), 2, 4, 2), np.nan)
    corner = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
    known = np.flatnonzero(faces[LANDMARKS].notna().all(axis=1))
    photo_points, crop_points = (landmark_array(faces.iloc[known], prefix) for prefix in ("photo_", ""))
    sizes = faces[["width", "height", "photo_width", "photo_height"]].to_numpy(float)
    corners = faces[CORNERS].to_numpy(float)
    for row, source, target in zip(known, photo_points, crop_points, strict=True):
        affine = np.linalg.lstsq(np.column_stack([source, np.ones(5)]), target, rcond=None)[0]  # 3 x 2
        region = (corners[row, 2:] - corners[row, :2]) * np.linalg.norm(affine[:2], axis=0)  # sides in crop pixels
        frames[row, 0] = sizes[row, :2] / 2 + (corner - 0.5) * region
        frames[row, 1] = np.column_stack([corner * sizes[row, 2:], np.ones(4)]) @ affine
    return frames


def depth_inside(x: np.ndarray, y: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """How far points lie inside a convex outline (... x corners x 2, clockwise on screen); < 0 outside.

    x, y and the outline without its last two axes broadcast: a row of x and a column of y are a picture.
    """
    depth = None
    for corner in range(corners.shape[-2]):
        start, end = corners[..., corner - 1, :], corners[..., corner, :]
        side = (end - start) / np.linalg.norm(end - start, axis=-1, keepdims=True)
        distance = side[..., 0] * (y - start[..., 1]) - side[..., 1] * (x - start[..., 0])
        depth = distance if depth is None else np.minimum(depth, distance)
    return depth


def forehead_shares(faces: pd.DataFrame) -> pd.DataFrame:
    """Shares of the forehead: `in_photo`, and `in_picture`, which is what the crop holds of that; 0 to 1 or NaN."""
    right, left = to_complex(landmark_array(faces))[:, :2].T
    y, x = np.mgrid[-0.95:1:20j, -0.95:1:20j]
    ellipse = (x + 1j * y)[np.hypot(x, y) < 1]
    points = ellipse.real * FOREHEAD_HALF_WIDTH + 1j * (ellipse.imag * FOREHEAD_HALF_HEIGHT - FOREHEAD_HEIGHT)
    position = ((right + left) / 2)[:, None] + points * (left - right)[:, None]
    outlines = photo_frames(faces).swapaxes(0, 1)[:, :, None]  # 2 x faces x 1 x 4 x 2
    is_inside = np.stack([depth_inside(position.real, position.imag, corners) > 0 for corners in outlines])
    shares = {"in_photo": is_inside[1].mean(1), "in_picture": is_inside.all(0).mean(1)}
    return pd.DataFrame(shares, index=faces.index).where(faces[LANDMARKS].notna().all(axis=1))
