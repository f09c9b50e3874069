"""Training images for the detector: a face brought to a random size, turned, mirrored, recoloured; some mosaics."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from common.colours import jitter_colours

MIRRORED = [1, 0, 2, 4, 3]  # landmarks of a mirrored face: eyes and corners of the mouth change sides
MOSAIC_SHARE = 0.35
MIN_FACE = 9  # px of the smallest face that an image is scaled for
MIN_VISIBLE = 0.4  # a face of which less is in view is not labelled


@dataclass(frozen=True)
class AnnotatedImage:
    """An image and its faces; places in pixels."""

    image: np.ndarray  # height x width x 3, RGB uint8
    boxes: np.ndarray  # N x 4, x0 y0 x1 y1
    landmarks: np.ndarray  # N x 5 x 2, NaN where they are unknown


def make_sample(
    groups: Sequence[Sequence[AnnotatedImage]], shares: Sequence[float], size: int, rng: np.random.Generator
) -> AnnotatedImage:
    """A size x size image with its faces; each tile shows an image of a group that is picked by `shares`."""
    canvas = np.empty((size, size, 3), np.uint8)
    boxes, landmarks = [], []
    for left, top, right, bottom in split_tiles(size, rng):
        group = groups[rng.choice(len(groups), p=shares)]
        view = random_view(group[rng.integers(len(group))], right - left, bottom - top, rng)
        canvas[top:bottom, left:right] = view.image
        boxes.append(view.boxes + np.array([left, top, left, top]))
        landmarks.append(view.landmarks + np.array([left, top]))
    image = jitter_colours(canvas, rng)
    return AnnotatedImage(image, np.concatenate(boxes).astype(np.float32), np.concatenate(landmarks).astype(np.float32))


def split_tiles(size: int, rng: np.random.Generator) -> list[tuple[int, int, int, int]]:
    """(left, top, right, bottom) of the whole square or, for a mosaic, of four parts of it."""
    if rng.random() > MOSAIC_SHARE:
        return [(0, 0, size, size)]
    x, y = rng.integers(size // 4, 3 * size // 4, 2)
    return [(0, 0, x, y), (x, 0, size, y), (0, y, x, size), (x, y, size, size)]


def random_view(source: AnnotatedImage, width: int, height: int, rng: np.random.Generator) -> AnnotatedImage:
    """A width x height view. In 90% a face gets a size from MIN_FACE to most of the view, log-uniformly."""
    focus, scale = np.array(source.image.shape[1::-1]) / 2, rng.uniform(0.5, 2)
    target = np.array([width, height]) * rng.uniform(0.1, 0.9, 2)  # where the focus comes to lie
    if len(source.boxes) and rng.random() < 0.9:
        box = source.boxes[rng.integers(len(source.boxes))]
        focus, side = (box[:2] + box[2:]) / 2, np.sqrt(np.prod(box[2:] - box[:2]))
        target_side = np.exp(rng.uniform(np.log(MIN_FACE), np.log(0.85 * max(width, height))))
        scale = np.clip(target_side / side, 0.25, 4.5)
    angle = np.deg2rad(rng.normal(0, 10)) * (rng.random() < 0.5)
    mirror = np.diag([-1.0 if rng.random() < 0.5 else 1.0, 1])
    stretch = np.exp(rng.normal(0, 0.06))
    turn = np.array([[np.cos(angle) * stretch, -np.sin(angle)], [np.sin(angle), np.cos(angle) / stretch]])
    linear = scale * turn @ mirror
    shift = target - linear @ focus
    return warp(source, np.column_stack([linear, shift]), width, height, rng)


def warp(
    source: AnnotatedImage, matrix: np.ndarray, width: int, height: int, rng: np.random.Generator
) -> AnnotatedImage:
    """The image and its faces under an affine map (2 x 3); what lies outside gets a random colour."""
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    image, image_matrix = source.image, matrix
    if scale < 0.6:  # area averaging first, so that small faces do not alias
        factor = max(scale, 0.05)
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        real_factor = np.array(image.shape[1::-1]) / source.image.shape[1::-1]
        image_matrix = np.column_stack([matrix[:, :2] / real_factor, matrix[:, 2]])
    flags = cv2.INTER_CUBIC if scale > 1.5 else cv2.INTER_LINEAR
    fill = rng.integers(0, 256, 3).tolist()
    image = cv2.warpAffine(
        image, image_matrix, (width, height), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=fill
    )
    boxes, landmarks, visible = transform_faces(source, matrix, width, height)
    return AnnotatedImage(image, boxes[visible > MIN_VISIBLE], landmarks[visible > MIN_VISIBLE])


def transform_faces(
    source: AnnotatedImage, matrix: np.ndarray, width: int, height: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(boxes, landmarks, visible share of each face). Boxes stay upright around the transformed centre."""
    linear, shift = matrix[:, :2], matrix[:, 2]
    centre = (source.boxes[:, :2] + source.boxes[:, 2:]) / 2 @ linear.T + shift
    half = (source.boxes[:, 2:] - source.boxes[:, :2]) / 2 * np.linalg.norm(linear, axis=0)
    whole = np.concatenate([centre - half, centre + half], axis=1)
    boxes = whole.clip(0, [width - 1, height - 1, width - 1, height - 1])
    visible = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) / np.maximum((2 * half).prod(axis=1), 1e-6)
    landmarks = source.landmarks @ linear.T + shift
    if np.linalg.det(linear) < 0:
        landmarks = landmarks[:, MIRRORED]
    return boxes, landmarks, visible
