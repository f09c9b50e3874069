"""A still photo as a video: the camera pans and zooms over it, and where every face is stays known."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from visage.faces.matching import iou_matrix


def read_annotation(path: Path) -> np.ndarray:
    """The boxes (x0 y0 x1 y1, pixels) of a Pascal VOC file."""
    corners = ("xmin", "ymin", "xmax", "ymax")
    boxes = [[float(box.findtext(name)) for name in corners] for box in ET.parse(path).getroot().iter("bndbox")]
    return np.array(boxes).reshape(-1, 4)


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
    sights: list[tuple[float, np.ndarray, list[int], np.ndarray]], size: tuple[int, int], smallest: float
) -> dict[str, int]:
    """How often a face changed its number while in view, and how many numbers were given to two faces.

    `sights`: for each frame the time, the boxes found, their numbers (0 = none yet), and the true boxes. Faces count
    while they are whole in the picture and `smallest` px at least.
    """
    number_of: dict[int, int] = {}
    owners: dict[int, set[int]] = {}
    out_of_view: dict[int, float] = {}
    changes = 0
    for time, found, numbers, truth in sights:
        whole = np.all((truth[:, :2] >= 0) & (truth[:, 2:] <= size), axis=1)
        whole &= (truth[:, 2:] - truth[:, :2]).min(axis=1, initial=np.inf) >= smallest
        out_of_view |= dict.fromkeys(np.flatnonzero(~whole).tolist(), time)
        overlap = iou_matrix(truth, found)
        for face in np.flatnonzero(whole):
            best = int(overlap[face].argmax()) if len(found) else -1
            if best < 0 or overlap[face, best] < 0.4 or overlap[:, best].argmax() != face or not numbers[best]:
                continue
            changed = number_of.get(face, numbers[best]) != numbers[best]
            changes += changed and time - out_of_view.get(face, -1.0) > 0.12
            number_of[face] = numbers[best]
            owners.setdefault(numbers[best], set()).add(int(face))
    return {
        "faces": len(number_of),
        "changes": int(changes),
        "shared": sum(len(faces) - 1 for faces in owners.values()),
    }
