"""RetinaFace networks: photos in, the nine outputs decoded to faces, a whole batch at once.

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

STRIDES = (32, 16, 8)  # of the outputs, in their order: scores, boxes, landmarks of each stride
ANCHOR_SIDES = {32: (512.0, 256.0), 16: (128.0, 64.0), 8: (32.0, 16.0)}  # px of the two square anchors of a cell
ANCHOR_OFFSET = 7.5  # px from a cell's corner to the centre of its anchors, at every stride
NMS_IOU = 0.4  # a face that overlaps a better one this much is that one again
MAX_SHORT_SIDE, MAX_LONG_SIDE = 1024, 1980  # px that the package allows a photo's shorter and longer side


@dataclass(frozen=True)
class Faces:
    """The faces of one photo, the best score first; pixels of the photo."""

    boxes: np.ndarray  # N x 4, x0 y0 x1 y1
    scores: np.ndarray  # N
    landmarks: (
        np.ndarray
    )  # N x 5 x 2: right eye, left eye, nose, mouth right, mouth left (the person's own right); NaN = unknown

    def __len__(self) -> int:
        return len(self.scores)

    def scaled(self, factor: float) -> Faces:
        return Faces(self.boxes * np.float32(factor), self.scores, self.landmarks * np.float32(factor))


NO_FACES = Faces(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty((0, 5, 2), np.float32))


def input_scale(height: int, width: int, *, side: int, upscale: bool) -> float:
    """How much a photo grows before the network sees it: to `side` px on its longer side; 0 = as in the package."""
    longer, shorter = max(height, width), min(height, width)
    scale = side / longer if side else MAX_SHORT_SIDE / shorter
    if not upscale:
        scale = min(1.0, scale)
    if not side and np.round(scale * longer) > MAX_LONG_SIDE:
        scale = MAX_LONG_SIDE / longer
    return scale


def decode_faces(outputs: Sequence[np.ndarray], height: int, width: int, *, threshold: float) -> list[Faces]:
    """Faces of every photo of a batch, in pixels of the network's input (height x width)."""
    found = [decode_anchors(*outputs[3 * i : 3 * i + 3], stride, threshold) for i, stride in enumerate(STRIDES)]
    photo, scores, boxes, landmarks = (np.concatenate(parts) for parts in zip(*found, strict=True))
    boxes = boxes.clip(0, [width - 1, height - 1, width - 1, height - 1]).astype(np.float32)
    faces = []
    for number in range(len(outputs[0])):
        own = np.flatnonzero(photo == number)
        own = own[np.argsort(-scores[own], kind="stable")]
        own = own[non_max_suppression(boxes[own])]
        faces.append(Faces(boxes[own], scores[own], landmarks[own]))
    return faces


def decode_anchors(
    scores: np.ndarray, boxes: np.ndarray, landmarks: np.ndarray, stride: int, threshold: float
) -> tuple:
    """(photo, score, box, landmarks) of the anchors of one stride that reach the threshold."""
    photo, row, column, anchor = np.nonzero(scores[..., 2:] >= threshold)  # the first two are the scores of "no face"
    side = np.array(ANCHOR_SIDES[stride])[anchor, None]
    centre = np.column_stack([column, row]) * stride + ANCHOR_OFFSET
    shift, size = np.split(boxes.reshape(*boxes.shape[:3], 2, 4)[photo, row, column, anchor].astype(float), 2, axis=1)
    middle, half = shift * side + centre, (np.exp(size) * side - 1) / 2
    points = landmarks.reshape(*landmarks.shape[:3], 2, 5, 2)[photo, row, column, anchor]
    points = points * side[:, None] + centre[:, None]
    return (
        photo,
        scores[photo, row, column, 2 + anchor],
        np.hstack([middle - half, middle + half]),
        points.astype(np.float32),
    )


def non_max_suppression(boxes: np.ndarray) -> list[int]:
    """Rows to keep of boxes sorted best first: those that overlap no better kept one (non-maximum suppression)."""
    area = (boxes[:, 2:] - boxes[:, :2] + 1).prod(axis=1)
    kept, rest = [], np.arange(len(boxes))
    while rest.size:
        best, rest = rest[0], rest[1:]
        kept.append(int(best))
        corner = np.maximum(boxes[best, :2], boxes[rest, :2])
        shared = np.clip(np.minimum(boxes[best, 2:], boxes[rest, 2:]) - corner + 1, 0, None).prod(axis=1)
        rest = rest[shared / (area[best] + area[rest] - shared) < NMS_IOU]
    return kept


def resize(image: np.ndarray, scale: float, *, side: int) -> np.ndarray:
    """Shrunk to a `side` by averaging, so that every pixel has its say; otherwise as the package resizes."""
    way = cv2.INTER_AREA if side and scale < 1 else cv2.INTER_LINEAR
    return image if scale == 1 else cv2.resize(image, None, fx=scale, fy=scale, interpolation=way)


class RetinaFace:
    """Any RetinaFace network in the contract of the retina-face package: ours, the package's own or a file.

    One thread per call: the threads that call it, one a core, keep the cores busy, and no photo waits for another.
    """

    def __init__(self, weights: Path, *, side: int, upscale: bool, threshold: float, batch: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
        self.side, self.upscale, self.threshold, self.batch = side, upscale, threshold, batch
        self.own = threading.local()

    def find(self, images: Sequence[np.ndarray]) -> list[Faces]:
        scales = [input_scale(*image.shape[:2], side=self.side, upscale=self.upscale) for image in images]
        ready = [resize(image, scale, side=self.side) for image, scale in zip(images, scales, strict=True)]
        alike = defaultdict(list)
        for number, image in enumerate(ready):
            alike[image.shape].append(number)
        found: dict[int, Faces] = {}
        for (height, width, _), numbers in alike.items():
            for start in range(0, len(numbers), self.batch):
                part = numbers[start : start + self.batch]
                outputs = self.session.run(None, {"input": self.tensor([ready[i] for i in part])})
                found |= zip(part, decode_faces(outputs, height, width, threshold=self.threshold), strict=True)
        return [found[number].scaled(1 / scale) for number, scale in enumerate(scales)]

    def tensor(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Photos of one shape as the network wants them, in memory that the thread keeps: fresh pages cost more."""
        shape = (len(images), *images[0].shape)
        if getattr(self.own, "pages", np.empty(0)).size < np.prod(shape):
            self.own.pages = np.empty(np.prod(shape), np.float32)
        tensor = self.own.pages[: np.prod(shape)].reshape(shape)
        for place, image in zip(tensor, images, strict=True):
            place[:] = image
        return tensor
