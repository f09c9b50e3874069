"""Training images for the matting network: a portrait or its face, as it is or before another background."""

from collections.abc import Sequence

import cv2
import numpy as np

from common.colours import jitter_colours
from common.portraits import GroupPortrait

NEW_BACKGROUND_SHARE = 0.6
FACE_SHARE = 0.7  # of the samples show the square around a face, the rest the whole portrait


def make_sample(
    portraits: Sequence[GroupPortrait],
    backgrounds: Sequence[np.ndarray],
    scene_share: float,
    size: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """(RGB uint8, alpha uint8), both size x size; `scene_share` of the new backgrounds are pieces of scenes."""
    portrait = portraits[rng.integers(len(portraits))]
    matrix = random_window(portrait, size, rng)
    image, alpha = (
        cv2.warpAffine(part, matrix, (size, size), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
        for part in (portrait.image, portrait.alpha)
    )
    if rng.random() < NEW_BACKGROUND_SHARE:
        person = alpha[..., None] / np.float32(255)
        background = random_background(backgrounds, scene_share, size, rng)
        image = (image * person + background * (1 - person)).round().astype(np.uint8)
    return jitter_colours(image, rng), alpha


def random_window(portrait: GroupPortrait, size: int, rng: np.random.Generator) -> np.ndarray:
    """Affine map from portrait to sample: the whole or, as the crop stage cuts it, a square around a face; half are
    mirrored."""
    height, width = portrait.alpha.shape
    left, top, right, bottom = 0, 0, width, height
    if rng.random() < FACE_SHARE:
        x0, y0, x1, y1 = portrait.boxes[rng.integers(len(portrait.boxes))]
        side = max(x1 - x0, y1 - y0) * rng.uniform(1.0, 2.4)
        centre = np.array([x0 + x1, y0 + y1]) / 2 + rng.normal(0, 0.06, 2) * side
        (left, top), (right, bottom) = centre - side / 2, centre + side / 2
    if rng.random() < 0.5:
        left, right = right, left
    scale_x, scale_y = size / (right - left), size / (bottom - top)
    return np.array([[scale_x, 0, -left * scale_x], [0, scale_y, -top * scale_y]])


def random_background(
    backgrounds: Sequence[np.ndarray], scene_share: float, size: int, rng: np.random.Generator
) -> np.ndarray:
    """size x size x 3: a piece of a street scene, clouds of colour, or a shaded wall."""
    if rng.random() < scene_share:
        return crop_scene(backgrounds[rng.integers(len(backgrounds))], size, rng)
    if rng.random() < 0.6:
        return random_clouds(size, rng)
    return random_wall(size, rng)


def crop_scene(scene: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A square of 40 to 200 px, half of them blurred."""
    height, width = scene.shape[:2]
    side = int(rng.integers(40, min(height, width, 200) + 1))
    top, left = int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1))
    piece = cv2.resize(scene[top : top + side, left : left + side], (size, size), interpolation=cv2.INTER_CUBIC)
    return cv2.GaussianBlur(piece, (0, 0), rng.uniform(0.5, 8)) if rng.random() < 0.5 else piece


def random_clouds(size: int, rng: np.random.Generator) -> np.ndarray:
    """A colour that varies over 2 to 64 cells a side."""
    cells = int(2 ** rng.uniform(1, 6))
    clouds = rng.uniform(0, 255, 3) + rng.normal(0, rng.uniform(5, 60), (cells, cells, 3))
    return cv2.resize(clouds.clip(0, 255).astype(np.uint8), (size, size), interpolation=cv2.INTER_CUBIC)


def random_wall(size: int, rng: np.random.Generator) -> np.ndarray:
    """A colour that changes evenly from corner to corner, with grain."""
    corners = rng.uniform(0, 255, 3) + rng.normal(0, 40, (2, 2, 3))
    wall = cv2.resize(corners, (size, size), interpolation=cv2.INTER_LINEAR)
    grain = rng.normal(0, rng.uniform(0, 12), (size, size, 1))
    return (wall + grain).clip(0, 255).astype(np.uint8)
