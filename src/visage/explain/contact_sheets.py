"""Contact sheets of attention: one row per class, the mean face and, if people may be shown, some single ones."""

from collections.abc import Sequence

import cv2
import numpy as np

from visage.explain.explanations import Attributions

SIDE = 150  # pixels of a tile's height
GAP, BAND = 6, 22  # between tiles, and for the text above a row
SINGLES = 4  # people per class


def draw_attribution_sheet(
    pixels: np.ndarray, found: Attributions, codes: np.ndarray, classes: Sequence[str], *, single_people: bool
) -> np.ndarray:
    """RGB: for each class the mean face, Grad-CAM and integrated gradients on it; then, if asked, single people."""
    strips = []
    for code, name in enumerate(classes):
        own = np.flatnonzero(codes == code)
        if not len(own):
            continue
        faces = [(array[own].mean(0) for array in (pixels, found.grad_cam, found.gradients))]
        faces += [(pixels[i], found.grad_cam[i], found.gradients[i]) for i in own[:SINGLES]] if single_people else []
        tiles = [tile for face, *heats in faces for tile in (face, *(overlay(face, heat) for heat in heats))]
        text = f"{name}: the mean of {len(own)} held-out faces, Grad-CAM, integrated gradients"
        text += "; then single people" if single_people else ""
        strips.append(join_tiles([resize_tile(tile) for tile in tiles], text))
    width = max(one.shape[1] for one in strips)
    return np.concatenate(
        [np.pad(one, ((0, 0), (0, width - one.shape[1]), (0, 0)), constant_values=255) for one in strips]
    )


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
    spaced = [np.pad(tile, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for tile in tiles]
    row = np.concatenate(spaced, axis=1)
    band = np.full((BAND, max(row.shape[1], 9 * len(text)), 3), 255, np.uint8)
    cv2.putText(band, text, (2, BAND - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (40, 40, 40), 1, cv2.LINE_AA)
    return np.concatenate([band, np.pad(row, ((0, 0), (0, band.shape[1] - row.shape[1]), (0, 0)), constant_values=255)])
