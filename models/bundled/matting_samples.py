"""Training pictures for the matting network: a portrait or its face, as it is or before another background."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from detector_samples import recolour


def sample(
    portraits: Sequence, walls: Sequence[np.ndarray], scenery: float, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(RGB uint8, alpha uint8), both size x size."""
    portrait = portraits[rng.integers(len(portraits))]
    matrix = window(portrait, size, rng)
    image, alpha = (
        cv2.warpAffine(part, matrix, (size, size), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
        for part in (portrait.image, portrait.alpha)
    )
    if rng.random() < 0.6:
        share = alpha[..., None] / np.float32(255)
        image = (image * share + background(walls, scenery, size, rng) * (1 - share)).round().astype(np.uint8)
    return recolour(image, rng), alpha


def window(portrait, size: int, rng: np.random.Generator) -> np.ndarray:
    """From portrait to sample: the whole of it or, as the crop stage cuts it, a square around a face; half mirrored."""
    height, width = portrait.alpha.shape
    x0, y0, x1, y1 = 0, 0, width, height
    if rng.random() < 0.7:
        a, b, c, d = portrait.boxes[rng.integers(len(portrait.boxes))]
        side = max(c - a, d - b) * rng.uniform(1.0, 2.4)
        middle = np.array([a + c, b + d]) / 2 + rng.normal(0, 0.06, 2) * side
        (x0, y0), (x1, y1) = middle - side / 2, middle + side / 2
    if rng.random() < 0.5:
        x0, x1 = x1, x0
    across, down = size / (x1 - x0), size / (y1 - y0)
    return np.array([[across, 0, -x0 * across], [0, down, -y0 * down]])


def background(walls: Sequence[np.ndarray], scenery: float, size: int, rng: np.random.Generator) -> np.ndarray:
    """A piece of a street scene above all heads, clouds of colour from fine to coarse, or a shaded wall."""
    if rng.random() < scenery:
        wall = walls[rng.integers(len(walls))]
        side = int(rng.integers(40, min(*wall.shape[:2], 200) + 1))
        top, left = (int(rng.integers(0, length - side + 1)) for length in wall.shape[:2])
        piece = cv2.resize(wall[top : top + side, left : left + side], (size, size), interpolation=cv2.INTER_CUBIC)
        return cv2.GaussianBlur(piece, (0, 0), rng.uniform(0.5, 8)) if rng.random() < 0.5 else piece
    if rng.random() < 0.6:
        cells = int(2 ** rng.uniform(1, 6))
        clouds = rng.uniform(0, 255, 3) + rng.normal(0, rng.uniform(5, 60), (cells, cells, 3))
        return cv2.resize(clouds.clip(0, 255).astype(np.uint8), (size, size), interpolation=cv2.INTER_CUBIC)
    corners = rng.uniform(0, 255, 3) + rng.normal(0, 40, (2, 2, 3))
    wall = cv2.resize(corners, (size, size), interpolation=cv2.INTER_LINEAR) + rng.normal(
        0, rng.uniform(0, 12), (size, size, 1)
    )
    return wall.clip(0, 255).astype(np.uint8)
