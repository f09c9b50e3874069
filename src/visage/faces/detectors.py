"""Face detection: RetinaFace networks, MTCNN, YuNet and the centre of the photo behind one interface.

Photos are read, shrunk and put through the network by as many threads as there are cores, each with its own batch
on its own core, so only a few batches are in memory at any time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import numpy as np
from pydantic import Field, model_validator

from visage.faces.baseline_detectors import Centre, Mtcnn, YuNet
from visage.faces.choice import choose_face, round_pixels
from visage.faces.retina import Faces, RetinaFace
from visage.faces.sessions import PRETRAINED
from visage.formats.columns import CORNERS, LANDMARKS
from visage.formats.photos import decode_reduced, photo_path
from visage.runtime.parallel import map_threads
from visage.runtime.params import Params

BUNDLED = Path("models/bundled/detector.onnx")
STORED_SCORE = 0.1  # faces from this score on are stored, so that another threshold does not run the network again
COLUMNS = ("photo", *CORNERS, "score", *LANDMARKS, "faces", "source")


class DetectParams(Params):
    """Section `detect`."""

    detector: Literal["bundled", "retinaface", "mtcnn", "yunet", "centre"]
    weights: str  # a file instead of the detector's own; yunet has none of its own
    side: int  # px of the photo's longer side as the network sees it; 0 = as the retina-face package does
    upscale: bool  # whether smaller photos are enlarged to that
    threshold: float = Field(gt=0, lt=1)  # the least score of a face
    batch: int = Field(ge=1)  # photos per call of the network
    choose: Literal["largest", "most_central", "best_score"]  # which of several faces

    @model_validator(mode="after")
    def check(self) -> Self:
        if self.side and self.side < 32:
            raise ValueError(f"side is {self.side}, and should be 0 or at least 32.")
        if self.detector == "yunet" and not self.weights:
            raise ValueError("weights is '', and should be the path of a YuNet .onnx file for detector: yunet.")
        return self


class Detector(Protocol):
    side: int  # px of the photo's longer side as the network sees it; 0 = the photo's own

    def detect(self, images: Sequence[np.ndarray]) -> list[Faces]:
        """The faces of RGB photos of any sizes. May be called from several threads."""


def open_detector(params: DetectParams) -> Detector:
    weights = find_weights(params)
    network_input = {"side": params.side, "upscale": params.upscale, "threshold": params.threshold}
    match params.detector:
        case "centre":
            return Centre()
        case "mtcnn":
            return Mtcnn(params.threshold)
        case "yunet":
            return YuNet(weights, **network_input)
        case _:
            return RetinaFace(weights, **network_input, batch=params.batch)


def network_params(params: DetectParams) -> DetectParams:
    """What stored faces depend on: not on the choice among them, nor on a threshold of STORED_SCORE or more."""
    return params.replace(threshold=min(params.threshold, STORED_SCORE), choose="largest")


def detect_faces(root: Path, photos: Sequence[str], params: DetectParams) -> Iterator[dict[str, Any]]:
    """All faces of each photo from `params.threshold` on, in order, as rows that a memo can store."""
    for _, (height, width), faces in detect_all(root, photos, params):
        arrays = {"boxes": faces.boxes, "scores": faces.scores, "landmarks": faces.landmarks}
        yield {name: np.asarray(array, np.float32).tobytes() for name, array in arrays.items()} | {
            "height": height,
            "width": width,
        }


def choose_box(photo: str, stored: Mapping[str, Any], params: DetectParams) -> dict[str, Any]:
    """The row of boxes.csv: of the stored faces that reach the threshold, the one that `choose` means."""
    scores = np.frombuffer(stored["scores"], np.float32)
    found = scores >= params.threshold
    boxes = np.frombuffer(stored["boxes"], np.float32).reshape(-1, 4)
    landmarks = np.frombuffer(stored["landmarks"], np.float32).reshape(-1, 5, 2)
    faces = Faces(boxes[found], scores[found], landmarks[found])
    return make_box_row(photo, faces, (stored["height"], stored["width"]), params.choose)


def detect_all(root: Path, photos: Sequence[str], params: DetectParams) -> Iterator[tuple[str, tuple[int, ...], Faces]]:
    """(photo, its height and width, all its faces), in order."""
    detector = open_detector(params)

    def detect_batch(batch: Sequence[str]) -> list[tuple]:
        images, reductions, shapes = zip(*(read_reduced(root, photo, detector.side) for photo in batch), strict=True)
        faces = [faces.scale(reduction) for faces, reduction in zip(detector.detect(images), reductions, strict=True)]
        return list(zip(batch, shapes, faces, strict=True))

    for batch in map_threads(detect_batch, split_batches(photos, params.batch), ahead=2):
        yield from batch


def read_reduced(root: Path, photo: str, side: int) -> tuple[np.ndarray, int, tuple[int, int]]:
    """`decode_reduced` of a photo on disk."""
    path = photo_path(root, photo)
    if not path.is_file():
        raise ValueError(f"{photo}: the file is not there.")
    return decode_reduced(path.read_bytes(), photo, side)


def split_batches(items: Sequence, size: int) -> Iterator[Sequence]:
    return (items[start : start + size] for start in range(0, len(items), size))


def make_box_row(photo: str, faces: Faces, shape: tuple[int, ...], rule: str) -> dict:
    """A row of boxes.csv: pixels to a hundredth; a photo without a face has empty cells."""
    face = choose_face(faces, shape, rule)
    if face is None:
        return dict.fromkeys(COLUMNS) | {"photo": photo, "faces": 0, "source": "none"}
    cells = [None if np.isnan(value) else value for value in round_pixels(faces, face).tolist()]
    score = round(float(faces.scores[face]), 4)
    return dict(zip(COLUMNS, [photo, *cells[:4], score, *cells[4:], len(faces), "detector"], strict=True))


def find_weights(params: DetectParams) -> Path | None:
    """The detector's weights file, downloaded if need be; None for a detector without one."""
    if params.detector in ("mtcnn", "centre"):
        return None
    path = Path(params.weights or (BUNDLED if params.detector == "bundled" else download_retinaface()))
    if not path.is_file():
        raise ValueError(
            f"detect.weights: {path} is not there, and should be an ONNX file for detector: {params.detector}."
        )
    return path


def download_retinaface() -> Path:
    """The retina-face package's own ResNet-50, downloaded by the package on first use."""
    os.environ["DEEPFACE_BACKEND_ENGINE"] = "onnx"
    home = os.environ.setdefault("DEEPFACE_HOME", str(PRETRAINED))
    from retinaface.commons.weight_utils import download_weights_if_necessary
    from retinaface.model.retinaface_onnx_model import WEIGHTS_URLS

    try:
        return Path(download_weights_if_necessary("retinaface.onnx", WEIGHTS_URLS))
    except (ValueError, OSError) as error:
        target = Path(home) / ".deepface/weights/retinaface.onnx"
        raise ValueError(
            f"detector: retinaface needs weights that could not be downloaded. Fetch {WEIGHTS_URLS[0]} on a machine "
            f"with a network and save it as {target}, or set detect.detector: bundled."
        ) from error
