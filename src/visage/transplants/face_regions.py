"""Parts of a face as weights or regions of a picture, in face coordinates.

Face coordinates are in *eye distances* from the point between the eyes: x towards the person's left eye, y down the
face. The brows lie at -0.4, the hairline near -1.1, the tip of the nose near 0.65; a mask begins at about 0.3.
"""

import cv2
import numpy as np

from visage.transplants.landmarks import (
    FOREHEAD_HALF_HEIGHT,
    FOREHEAD_HALF_WIDTH,
    FOREHEAD_HEIGHT,
    depth_inside,
    to_complex,
)

SEAM = ((0.0, 0.3, 0.6, 0.95, 1.5), (0.20, 0.28, 0.34, 0.26, 0.10))  # |x|, and the y at which the patch ends there
SEAM_WIDTH = 0.22  # of the seam below the eyes
FOREHEAD_REACH = (1.03, 1.42)  # of the patch, to the temples and to the hairline
TEMPLE_REACH, HAIR_REACH = 1.0, 1.4  # of the hair to the sides, at the temples and above them
SKIN_SPREAD = np.float32([28, 15, 15])  # how far from the median of the skin, in Lab, a pixel may still be skin


def face_grid(landmarks: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Face coordinates x and y of every pixel of a picture of this shape."""
    right, left = to_complex(landmarks)[:2]
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    position = (x + 1j * y - np.complex64((right + left) / 2)) / np.complex64(left - right)
    return position.real, position.imag


def frame_depth(frame: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """How many pixels inside of both outlines of a frame every pixel of a picture of this shape lies; outside below 0.

    A frame counts from the corner of the first pixel.
    """
    x, y = (np.arange(length, dtype=np.float32) + 0.5 for length in (shape[1], shape[0]))
    return np.minimum(*(depth_inside(x, y[:, None], corners.astype(np.float32)) for corners in frame))


def smoothstep(values: np.ndarray, start: float, end: float) -> np.ndarray:
    """0 up to `start`, 1 from `end` on, a smooth step between; `end` may be the smaller of the two."""
    step = np.clip((values - start) / (end - start), 0, 1)
    return step * step * (3 - 2 * step)


def seam_mask(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """1 above the seam, 0 below it."""
    return smoothstep(y - np.interp(np.abs(x), *SEAM).astype(np.float32), SEAM_WIDTH / 2, -SEAM_WIDTH / 2)


def forehead_mask(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """1 from the seam up to the forehead, falling to 0 towards temples and hairline."""
    radius = np.hypot(x / FOREHEAD_REACH[0], np.minimum(y - 0.1, 0) / FOREHEAD_REACH[1])
    return seam_mask(x, y) * smoothstep(radius, 1.1, 0.8)


def hair_mask(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """1 from the seam up to the top of the picture, wider above the temples."""
    reach = TEMPLE_REACH + (HAIR_REACH - TEMPLE_REACH) * smoothstep(y, -0.4, -1.1)
    return seam_mask(x, y) * smoothstep(np.abs(x), reach + 0.25, reach - 0.05)


def half_mask(part: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """1 on one side of a straight line through the face, 0 on the other."""
    return {"upper": y < 0.3, "left": x > 0, "right": x < 0}[part].astype(np.float32)


def skin_region(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where skin shows on nearly every photo, with a mask or without: around the eyes and along the seam; boolean."""
    side = np.abs(x)
    bridge = (side < 0.22) & (y > -0.35)
    below_eyes = (side < 0.7) & (y > 0.14)
    temple = (side > 0.72) & (side < 1.05) & (y > -0.35)
    return (bridge | below_eyes | temple) & (y < np.interp(side, *SEAM))


def forehead_region(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The ellipse that is measured for bare skin; boolean."""
    return np.hypot(x / FOREHEAD_HALF_WIDTH, (y + FOREHEAD_HEIGHT) / FOREHEAD_HALF_HEIGHT) < 1


def skin_mask(image: np.ndarray, x: np.ndarray, y: np.ndarray, eye_distance: float) -> np.ndarray:
    """1 above the lower lids; below them, 1 where the neighbourhood is skin and 0 where a mask reaches up there.

    The neighbourhood is 0.2 eye distances (given in pixels) wide: the rim of glasses is too thin to count.
    """
    lab, upper_skin = to_lab(image), skin_region(x, y) & (y < 0.1)
    if upper_skin.sum() < 20:
        return np.ones_like(x)
    deviation = (lab - np.float32(np.median(lab[upper_skin], axis=0))) / SKIN_SPREAD
    width = 2 * int(eye_distance * 0.1) + 1
    skin = cv2.blur(np.exp(-((deviation / 1.3) ** 2).sum(-1)), (width, width))
    return 1 - smoothstep(y, 0.08, 0.18) * (1 - smoothstep(skin, 0.5, 0.8))


def to_lab(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
