"""RetinaFace networks: photos in, faces out, a whole batch at once.

Same anchors, same arithmetic and same suppression as `retinaface.RetinaFace.detect_faces`, so the same boxes; but only
anchors that reach the threshold are decoded, and photos of one shape share a call of the network.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from visage.faces.sessions import open_onnx

STRIDES = (32, 16, 8)  # of the outputs, in their order: scores, boxes, landmarks of each stride
ANCHOR_SIDES = {32: (512.0, 256.0), 16: (128.0, 64.0), 8: (32.0, 16.0)}  # px of the two square anchors of a cell
ANCHOR_OFFSET = 7.5  # px from a cell's corner to the centre of its anchors, at every stride
NMS_IOU = 0.4  # a face that overlaps a better one at least this much is the same face
MAX_SHORT_SIDE, MAX_LONG_SIDE = 1024, 1980  # px that the package allows a photo's shorter and longer side


@dataclass(frozen=True)
class Faces:
    """The faces of one photo, the best score first; pixels of the photo.

    Landmarks: right eye, left eye, nose, mouth right, mouth left (the person's own right); NaN = unknown.
    """

    boxes: np.ndarray  # N x 4, x0 y0 x1 y1
    scores: np.ndarray  # N
    landmarks: np.ndarray  # N x 5 x 2, x y

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, rows: Sequence[int] | np.ndarray) -> Faces:
        """The faces with these numbers, or where a mask of them is true."""
        return Faces(self.boxes[rows], self.scores[rows], self.landmarks[rows])

    def scale(self, factor: float) -> Faces:
        return Faces(self.boxes * np.float32(factor), self.scores, self.landmarks * np.float32(factor))


NO_FACES = Faces(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty((0, 5, 2), np.float32))


def input_scale(height: int, width: int, *, side: int, upscale: bool) -> float:
    """The factor that a photo is resized by for the network: to `side` px on its longer side; 0 = as in the package."""
    longer, shorter = max(height, width), min(height, width)
    scale = side / longer if side else MAX_SHORT_SIDE / shorter
    if not upscale:
        scale = min(1.0, scale)
    if not side and np.round(scale * longer) > MAX_LONG_SIDE:
        scale = MAX_LONG_SIDE / longer
    return scale


def resize(image: np.ndarray, scale: float, *, side: int) -> np.ndarray:
    """Shrunk to a `side` by averaging over areas, so that every pixel counts; otherwise as the package resizes."""
    interpolation = cv2.INTER_AREA if side and scale < 1 else cv2.INTER_LINEAR
    return image if scale == 1 else cv2.resize(image, None, fx=scale, fy=scale, interpolation=interpolation)


def decode_faces(outputs: Sequence[np.ndarray], height: int, width: int, *, threshold: float) -> list[Faces]:
    """Faces of every photo of a batch, in pixels of the network's input (height x width)."""
    by_stride = [decode_anchors(*outputs[3 * i : 3 * i + 3], stride, threshold) for i, stride in enumerate(STRIDES)]
    photos, scores, boxes, landmarks = (np.concatenate(arrays) for arrays in zip(*by_stride, strict=True))
    boxes = boxes.clip(0, [width - 1, height - 1, width - 1, height - 1]).astype(np.float32)
    faces = []
    for photo in range(len(outputs[0])):
        rows = np.flatnonzero(photos == photo)
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        rows = rows[non_max_suppression(boxes[rows])]
        faces.append(Faces(boxes[rows], scores[rows], landmarks[rows]))
    return faces


def decode_anchors(
    scores: np.ndarray, boxes: np.ndarray, landmarks: np.ndarray, stride: int, threshold: float
) -> tuple[np.ndarray, ...]:
    """(photo number, score, box, landmarks) of the anchors of one stride that reach the threshold.

    The network predicts a box as the shift of its centre in anchor sides and the logarithm of its size in anchor sides.
    """
    face_scores = scores[..., 2:]  # the first two channels are the scores of "no face"
    photo, row, column, anchor = np.nonzero(face_scores >= threshold)
    side = np.array(ANCHOR_SIDES[stride])[anchor, None]
    anchor_centre = np.column_stack([column, row]) * stride + ANCHOR_OFFSET
    deltas = boxes.reshape(*boxes.shape[:3], 2, 4)[photo, row, column, anchor].astype(float)
    shift, log_size = np.split(deltas, 2, axis=1)
    centre, half = shift * side + anchor_centre, (np.exp(log_size) * side - 1) / 2
    points = landmarks.reshape(*landmarks.shape[:3], 2, 5, 2)[photo, row, column, anchor]
    points = points * side[:, None] + anchor_centre[:, None]
    return (
        photo,
        face_scores[photo, row, column, anchor],
        np.hstack([centre - half, centre + half]),
        points.astype(np.float32),
    )


def non_max_suppression(boxes: np.ndarray) -> list[int]:
    """Rows of boxes sorted best first that overlap no better box of the result by NMS_IOU or more.

    Sides count both border pixels (+ 1), as in the package.
    """
    area = (boxes[:, 2:] - boxes[:, :2] + 1).prod(axis=1)
    result, rest = [], np.arange(len(boxes))
    while rest.size:
        best, rest = rest[0], rest[1:]
        result.append(int(best))
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        intersection = np.clip(high - low + 1, 0, None).prod(axis=1)
        rest = rest[intersection / (area[best] + area[rest] - intersection) < NMS_IOU]
    return result


class RetinaFace:
    """Any RetinaFace network with the inputs and outputs of the retina-face package: ours, the package's or a file."""

    def __init__(self, weights: Path, *, side: int, upscale: bool, threshold: float, batch: int) -> None:
        self.session = open_onnx(weights)
        self.side, self.upscale, self.threshold, self.batch = side, upscale, threshold, batch
        self.thread_local = threading.local()

    def detect(self, images: Sequence[np.ndarray]) -> list[Faces]:
        scales = [input_scale(*image.shape[:2], side=self.side, upscale=self.upscale) for image in images]
        resized = [resize(image, scale, side=self.side) for image, scale in zip(images, scales, strict=True)]
        by_shape = defaultdict(list)
        for number, image in enumerate(resized):
            by_shape[image.shape].append(number)
        faces: dict[int, Faces] = {}
        for (height, width, _), numbers in by_shape.items():
            for start in range(0, len(numbers), self.batch):
                batch = numbers[start : start + self.batch]
                outputs = self.session.run(None, {"input": self.to_tensor([resized[number] for number in batch])})
                faces |= zip(batch, decode_faces(outputs, height, width, threshold=self.threshold), strict=True)
        return [faces[number].scale(1 / scale) for number, scale in enumerate(scales)]

    def to_tensor(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """N x H x W x 3 float32 of images of one shape, in a buffer of the thread: fresh memory costs more."""
        shape = (len(images), *images[0].shape)
        size = np.prod(shape)
        if getattr(self.thread_local, "buffer", np.empty(0)).size < size:
            self.thread_local.buffer = np.empty(size, np.float32)
        tensor = self.thread_local.buffer[:size].reshape(shape)
        for slot, image in zip(tensor, images, strict=True):
            slot[:] = image
        return tensor
