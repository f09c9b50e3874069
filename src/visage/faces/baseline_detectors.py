"""Other detectors to compare with: OpenCV's YuNet, the `mtcnn` package, and the centre of the photo."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from visage.faces.retina import NO_FACES, Faces, input_scale, resize

YUNET_NMS_IOU, YUNET_CANDIDATES = 0.3, 5000  # OpenCV's own defaults: overlap of one face, boxes before suppression
MTCNN_POINTS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")  # its left is the viewer's


class YuNet:
    """OpenCV's own detector. It stores the photo's size inside, so every thread has its own."""

    def __init__(self, weights: Path, *, side: int, upscale: bool, threshold: float) -> None:
        self.weights, self.side, self.upscale, self.threshold = weights, side, upscale, threshold
        self.thread_local = threading.local()

    def detect(self, images: Sequence[np.ndarray]) -> list[Faces]:
        return [self.detect_image(image) for image in images]

    def detect_image(self, image: np.ndarray) -> Faces:
        scale = input_scale(*image.shape[:2], side=self.side, upscale=self.upscale)
        resized = resize(image, scale, side=self.side)
        network = self.thread_network()
        network.setInputSize(resized.shape[1::-1])
        _, rows = network.detect(cv2.cvtColor(resized, cv2.COLOR_RGB2BGR))
        if rows is None:
            return NO_FACES
        rows = rows[np.argsort(-rows[:, 14], kind="stable")]
        boxes = np.hstack([rows[:, :2], rows[:, :2] + rows[:, 2:4]])
        return Faces(boxes, rows[:, 14], rows[:, 4:14].reshape(-1, 5, 2)).scale(1 / scale)

    def thread_network(self) -> cv2.FaceDetectorYN:
        if not hasattr(self.thread_local, "network"):
            self.thread_local.network = cv2.FaceDetectorYN.create(
                str(self.weights), "", (32, 32), self.threshold, YUNET_NMS_IOU, YUNET_CANDIDATES
            )
        return self.thread_local.network


class Mtcnn:
    """The `mtcnn` package, an optional extra. It searches every photo at many sizes by itself."""

    side = 0

    def __init__(self, threshold: float) -> None:
        try:
            from mtcnn import MTCNN
        except ImportError as error:
            raise ValueError("detector: mtcnn needs an optional package: pip install 'visage[mtcnn]'") from error
        self.network, self.lock, self.threshold = MTCNN(), threading.Lock(), threshold

    def detect(self, images: Sequence[np.ndarray]) -> list[Faces]:
        with self.lock:
            return [self.to_faces(self.network.detect_faces(image, box_format="xyxy")) for image in images]

    def to_faces(self, detections: Sequence[dict]) -> Faces:
        confident = [face for face in detections if face["confidence"] >= self.threshold]
        confident.sort(key=lambda face: -face["confidence"])
        if not confident:
            return NO_FACES
        return Faces(
            np.array([face["box"] for face in confident], np.float32),
            np.array([face["confidence"] for face in confident]),
            np.array([[face["keypoints"][point] for point in MTCNN_POINTS] for face in confident], np.float32),
        )


class Centre:
    """The baseline: a face fills the middle half of the photo's width and height."""

    side = 0

    def detect(self, images: Sequence[np.ndarray]) -> list[Faces]:
        boxes = [np.array([[1, 1, 3, 3]], np.float32) / 4 * np.tile(image.shape[1::-1], 2) for image in images]
        return [Faces(box, np.ones(1, np.float32), np.full((1, 5, 2), np.nan, np.float32)) for box in boxes]
