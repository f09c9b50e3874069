"""Training pictures for the detector: a face at a wished size, turned, mirrored, recoloured, or four to a mosaic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

MIRRORED = [1, 0, 2, 4, 3]  # the landmarks of the mirrored face: eyes and corners of the mouth change sides


@dataclass(frozen=True)
class Picture:
    image: np.ndarray  # RGB uint8
    boxes: np.ndarray  # N x 4
    landmarks: np.ndarray  # N x 5 x 2, NaN where nobody marked them


def sample(
    groups: Sequence[Sequence[Picture]], shares: Sequence[float], size: int, rng: np.random.Generator
) -> Picture:
    canvas = np.empty((size, size, 3), np.uint8)
    boxes, landmarks = [], []
    for left, top, right, bottom in tiles(size, rng):
        group = groups[rng.choice(len(groups), p=shares)]
        part = view(group[rng.integers(len(group))], right - left, bottom - top, rng)
        canvas[top:bottom, left:right] = part.image
        boxes.append(part.boxes + np.array([left, top, left, top]))
        landmarks.append(part.landmarks + np.array([left, top]))
    return Picture(
        recolour(canvas, rng), np.concatenate(boxes).astype(np.float32), np.concatenate(landmarks).astype(np.float32)
    )


def tiles(size: int, rng: np.random.Generator) -> list[tuple[int, int, int, int]]:
    if rng.random() > 0.35:
        return [(0, 0, size, size)]
    x, y = rng.integers(size // 4, 3 * size // 4, 2)
    return [(0, 0, x, y), (x, 0, size, y), (0, y, x, size), (x, y, size, size)]


def view(picture: Picture, width: int, height: int, rng: np.random.Generator) -> Picture:
    """A width x height look at the picture. One face is wished a size from 9 px to most of the view, log-uniformly."""
    middle, scale = np.array(picture.image.shape[1::-1]) / 2, rng.uniform(0.5, 2)
    spot = np.array([width, height]) * rng.uniform(0.1, 0.9, 2)
    if len(picture.boxes) and rng.random() < 0.9:
        box = picture.boxes[rng.integers(len(picture.boxes))]
        middle, side = (box[:2] + box[2:]) / 2, np.sqrt(np.prod(box[2:] - box[:2]))
        scale = np.clip(np.exp(rng.uniform(np.log(9), np.log(0.85 * max(width, height)))) / side, 0.25, 4.5)
    turn = np.deg2rad(rng.normal(0, 10)) * (rng.random() < 0.5)
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    stretch = np.exp(rng.normal(0, 0.06))
    matrix = (
        scale
        * np.array([[np.cos(turn) * stretch, -np.sin(turn)], [np.sin(turn), np.cos(turn) / stretch]])
        @ np.diag([mirror, 1])
    )
    shift = spot - matrix @ middle
    return warped(picture, np.column_stack([matrix, shift]), width, height, rng)


def warped(picture: Picture, matrix: np.ndarray, width: int, height: int, rng: np.random.Generator) -> Picture:
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    image = picture.image
    if scale < 0.6:  # area averaging first, so that small faces look like small faces and not like aliases
        factor = max(scale, 0.05)
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        real = np.array(image.shape[1::-1]) / picture.image.shape[1::-1]
        matrix_image = np.column_stack([matrix[:, :2] / real, matrix[:, 2]])
    else:
        matrix_image = matrix
    flags = cv2.INTER_CUBIC if scale > 1.5 else cv2.INTER_LINEAR
    fill = rng.integers(0, 256, 3).tolist()
    image = cv2.warpAffine(
        image, matrix_image, (width, height), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=fill
    )
    boxes, landmarks, kept = moved(picture, matrix, width, height)
    return Picture(image, boxes[kept], landmarks[kept])


def moved(picture: Picture, matrix: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes keep their upright shape around the moved centre; a face less than half in view is no face to learn."""
    centre = (picture.boxes[:, :2] + picture.boxes[:, 2:]) / 2 @ matrix[:, :2].T + matrix[:, 2]
    half = (picture.boxes[:, 2:] - picture.boxes[:, :2]) / 2 * np.linalg.norm(matrix[:, :2], axis=0)
    whole = np.concatenate([centre - half, centre + half], axis=1)
    boxes = whole.clip(0, [width - 1, height - 1, width - 1, height - 1])
    visible = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) / np.maximum((2 * half).prod(axis=1), 1e-6)
    landmarks = picture.landmarks @ matrix[:, :2].T + matrix[:, 2]
    if np.linalg.det(matrix[:, :2]) < 0:
        landmarks = landmarks[:, MIRRORED]
    return boxes, landmarks, visible > 0.4


def recolour(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light, contrast and colour cast per channel; now and then grey, blurred, noisy or badly compressed."""
    if rng.random() < 0.8:
        gain = np.exp(rng.normal(0, 0.2) + rng.normal(0, 0.06, 3))
        tone = np.clip(128 + gain[:, None] * (np.arange(256) - 128) + rng.normal(0, 20), 0, 255).astype(np.uint8)
        image = cv2.LUT(image, np.ascontiguousarray(tone.T[None]))
    if rng.random() < 0.08:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    trouble = rng.random()
    if trouble < 0.1:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6))
    elif trouble < 0.2:
        noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(2, 12))
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    elif trouble < 0.3:
        image = cv2.imdecode(
            cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 80))])[1], cv2.IMREAD_COLOR
        )
    return image
