"""Contact sheets of attributions: one row per class, the mean face and, if people may be shown, some single ones."""

from collections.abc import Sequence

import cv2
import numpy as np

from visage.explain.explanations import Attributions

SIDE = 150  # pixels of a tile's height
GAP = 6  # pixels between tiles
BAND = 22  # pixels for the text above a row
SINGLES = 4  # people per class


def draw_attribution_sheet(
    pixels: np.ndarray, attributions: Attributions, codes: np.ndarray, classes: Sequence[str], *, single_people: bool
) -> np.ndarray:
    """RGB: for each class the mean face, Grad-CAM and integrated gradients on it; then, if asked, single people."""
    arrays = (pixels, attributions.grad_cam, attributions.gradients)
    rows = []
    for code, name in enumerate(classes):
        indices = np.flatnonzero(codes == code)
        if not len(indices):
            continue
        faces = [[array[indices].mean(0) for array in arrays]]
        text = f"{name}: the mean of {len(indices)} held-out faces, Grad-CAM, integrated gradients"
        if single_people:
            faces += [[array[i] for array in arrays] for i in indices[:SINGLES]]
            text += "; then single people"
        tiles = [tile for face, *maps in faces for tile in (face, *(overlay(face, heat) for heat in maps))]
        rows.append(join_tiles([resize_tile(tile) for tile in tiles], text))
    width = max(row.shape[1] for row in rows)
    return np.concatenate([pad_white(row, right=width - row.shape[1]) for row in rows])


def overlay(face: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """The face in grey, and colour where the heat is; the hottest hundredth is full."""
    level = np.clip(heat / max(float(np.quantile(heat, 0.99)), 1e-12), 0, 1)
    grey = face.mean(2, keepdims=True).repeat(3, axis=2)
    colour = cv2.applyColorMap((level * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    weight = (0.15 + 0.75 * level)[..., None]
    return grey * (1 - weight) + colour * weight


def resize_tile(tile: np.ndarray) -> np.ndarray:
    width = round(tile.shape[1] * SIDE / tile.shape[0])
    return cv2.resize(np.clip(tile, 0, 255).astype(np.uint8), (width, SIDE), interpolation=cv2.INTER_CUBIC)


def join_tiles(tiles: Sequence[np.ndarray], text: str) -> np.ndarray:
    """A row of tiles below a line of text."""
    row = np.concatenate([pad_white(tile, bottom=GAP, right=GAP) for tile in tiles], axis=1)
    band = np.full((BAND, max(row.shape[1], 9 * len(text)), 3), 255, np.uint8)
    cv2.putText(band, text, (2, BAND - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (40, 40, 40), 1, cv2.LINE_AA)
    return np.concatenate([band, pad_white(row, right=band.shape[1] - row.shape[1])])


def pad_white(image: np.ndarray, *, bottom: int = 0, right: int = 0) -> np.ndarray:
    return np.pad(image, ((0, bottom), (0, right), (0, 0)), constant_values=255)
