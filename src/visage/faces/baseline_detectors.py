"""Other ways to find faces, to compare with: OpenCV's YuNet, the `mtcnn` package, and the centre of the photo."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from visage.faces.retina import NO_FACES, Faces, input_scale, resize


class YuNet:
    """OpenCV's own detector. It keeps the photo's size inside, so every thread has its own."""

    def __init__(self, weights: Path, *, side: int, upscale: bool, threshold: float) -> None:
        self.weights, self.side, self.upscale, self.threshold = weights, side, upscale, threshold
        self.own = threading.local()

    def find(self, images: Sequence[np.ndarray]) -> list[Faces]:
        return [self.find_one(image) for image in images]

    def find_one(self, image: np.ndarray) -> Faces:
        if not hasattr(self.own, "network"):
            self.own.network = cv2.FaceDetectorYN.create(str(self.weights), "", (32, 32), self.threshold, 0.3, 5000)
        scale = input_scale(*image.shape[:2], side=self.side, upscale=self.upscale)
        ready = resize(image, scale, side=self.side)
        self.own.network.setInputSize(ready.shape[1::-1])
        _, rows = self.own.network.detect(cv2.cvtColor(ready, cv2.COLOR_RGB2BGR))
        if rows is None:
            return NO_FACES
        rows = rows[np.argsort(-rows[:, 14], kind="stable")]
        boxes = np.hstack([rows[:, :2], rows[:, :2] + rows[:, 2:4]])
        return Faces(boxes, rows[:, 14], rows[:, 4:14].reshape(-1, 5, 2)).scaled(1 / scale)


class Mtcnn:
    """The `mtcnn` package, an optional extra. It looks at every photo in many sizes by itself."""

    side = 0

    def __init__(self, threshold: float) -> None:
        try:
            from mtcnn import MTCNN
        except ImportError as error:
            raise ValueError("detector: mtcnn needs an optional package: pip install 'visage[mtcnn]'") from error
        self.network, self.lock, self.threshold = MTCNN(), threading.Lock(), threshold

    def find(self, images: Sequence[np.ndarray]) -> list[Faces]:
        with self.lock:
            return [self.face_list(self.network.detect_faces(image, box_format="xyxy")) for image in images]

    def face_list(self, found: Sequence[dict]) -> Faces:
        found = sorted(
            (face for face in found if face["confidence"] >= self.threshold), key=lambda face: -face["confidence"]
        )
        if not found:
            return NO_FACES
        names = (
            "left_eye",
            "right_eye",
            "nose",
            "mouth_left",
            "mouth_right",
        )  # its left is the viewer's, ours the person's
        points = np.array([[face["keypoints"][name] for name in names] for face in found], np.float32)
        return Faces(
            np.array([face["box"] for face in found], np.float32), np.array([f["confidence"] for f in found]), points
        )


class Centre:
    """The baseline: a face fills the middle half of the photo's width and height."""

    side = 0

    def find(self, images: Sequence[np.ndarray]) -> list[Faces]:
        boxes = [np.array([[1, 1, 3, 3]], np.float32) / 4 * np.tile(image.shape[1::-1], 2) for image in images]
        return [Faces(box, np.ones(1, np.float32), np.full((1, 5, 2), np.nan, np.float32)) for box in boxes]
