"""What an exported matting network reaches on drawn people, through rembg itself."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from visage.faces.mattes import open_rembg_session
from visage.practice.portraits import Portrait


def score_mattes(portraits: Sequence[Portrait], weights: Path) -> dict[str, float]:
    """Mean IoU of the thresholded mattes, of whole portraits and of their faces, and the least of all."""
    session, _ = open_rembg_session(str(weights))

    def matte_iou(image: np.ndarray, alpha: np.ndarray) -> float:
        return mask_iou(np.asarray(session.predict(Image.fromarray(image))[0]), alpha)

    whole = [matte_iou(portrait.image, portrait.alpha) for portrait in portraits]
    squares = [face_square(portrait.box) for portrait in portraits]
    faces = [matte_iou(p.image[square], p.alpha[square]) for p, square in zip(portraits, squares, strict=True)]
    return {"whole": float(np.mean(whole)), "face": float(np.mean(faces)), "least": float(np.min(whole + faces))}


def face_square(box: tuple[float, float, float, float]) -> tuple[slice, slice]:
    """Rows and columns of the square around a face, half as large again; it may reach beyond the photo."""
    x0, y0, x1, y1 = box
    half, x, y = 0.75 * max(x1 - x0, y1 - y0), (x0 + x1) / 2, (y0 + y1) / 2
    return np.s_[max(0, int(y - half)) : int(y + half), max(0, int(x - half)) : int(x + half)]


def mask_iou(matte: np.ndarray, alpha: np.ndarray) -> float:
    """IoU of two uint8 mattes, thresholded at one half; 0 where both are empty."""
    predicted, true = matte > 127, alpha > 127
    return (predicted & true).sum() / max((predicted | true).sum(), 1)
