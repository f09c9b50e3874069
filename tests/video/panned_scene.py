"""A still photo as a video: the camera pans and zooms over it, and where every face is stays known."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from visage.faces.matching import iou_matrix, read_voc
from visage.formats.columns import CORNERS
from visage.formats.photos import read_photo


def read_scenes(folder: Path, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """RGB photos of a Pascal VOC folder, evenly from its first to its last, each with its boxes (x0 y0 x1 y1)."""
    photos = list(read_voc(folder).groupby("photo"))
    for number in np.linspace(0, len(photos) - 1, min(count, len(photos))).astype(int):
        photo, rows = photos[number]
        yield read_photo(folder, photo), rows[list(CORNERS)].dropna().to_numpy(float)


def pan(
    photo: np.ndarray, boxes: np.ndarray, seconds: float = 6.0, fps: float = 25, size: tuple[int, int] = (640, 360)
) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """Time (s), RGB frame, and the boxes in it: once in and out (92% to 32% of the width) and around a figure of 8."""
    height, width = photo.shape[:2]
    for number in range(round(seconds * fps)):
        angle = 2 * np.pi * number / (seconds * fps)
        part = width * (0.62 + 0.3 * np.cos(angle))
        scale = max(size[0] / part, size[1] / height)
        room = np.array([width, height]) - np.array(size) / scale
        centre = np.array([width, height]) / 2 + room / 2 * [np.sin(angle), 0.7 * np.sin(2 * angle)]
        shift = np.array(size) / 2 - scale * centre
        matrix = np.column_stack([np.eye(2) * scale, shift])
        frame = cv2.warpAffine(photo, matrix, size, flags=cv2.INTER_LINEAR if scale > 1 else cv2.INTER_AREA)
        yield number / fps, frame, boxes * scale + np.tile(shift, 2)


def count_changes(
    sights: list[tuple[np.ndarray, list[int], np.ndarray]], size: tuple[int, int], smallest: float
) -> dict[str, int]:
    """How often a face changed its number while in view, and how many numbers were given to two faces.

    `sights`: for each frame the boxes found, their numbers (0 = none yet), and the true boxes. Faces count
    while they are whole in the picture and `smallest` px at least.
    """
    number_of: dict[int, int] = {}
    owners: dict[int, set[int]] = {}
    in_view: set[int] = set()  # since their number was last known
    changes = 0
    for found, numbers, truth in sights:
        whole = np.all((truth[:, :2] >= 0) & (truth[:, 2:] <= size), axis=1)
        whole &= (truth[:, 2:] - truth[:, :2]).min(axis=1, initial=np.inf) >= smallest
        in_view &= set(np.flatnonzero(whole).tolist())
        overlap = iou_matrix(truth, found)
        for face in np.flatnonzero(whole).tolist() if len(found) else []:
            best = int(overlap[face].argmax())
            if overlap[face, best] >= 0.4 and overlap[:, best].argmax() == face and numbers[best]:
                changes += face in in_view and number_of[face] != numbers[best]
                number_of[face] = numbers[best]
                owners.setdefault(numbers[best], set()).add(face)
                in_view.add(face)
    return {
        "faces": len(number_of),
        "changes": changes,
        "shared": sum(len(faces) - 1 for faces in owners.values()),
    }
