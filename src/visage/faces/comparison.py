"""Detectors side by side: each gets the same photos, and its detections are scored against the true boxes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from visage.faces.boxes import parse_numbers
from visage.faces.detectors import DetectParams, detect_all
from visage.faces.matching import read_voc, score_detections
from visage.formats.columns import CORNERS
from visage.formats.tables import read_text_table
from visage.runtime.params import Params, suggest

IOUS = (0.3, 0.5)  # least IoU of a detection with a face
DETECTORS = ("bundled", "retinaface", "mtcnn", "yunet", "centre")


class CompareDetectorsParams(Params):
    """Section `compare_detectors`."""

    side: int = Field(ge=0)  # px of the photo's longer side as a detector sees it; 0 = the photo's own size
    threshold: float = Field(gt=0, lt=1)  # least score of a face in precision, recall and counts
    min_score: float = Field(gt=0, lt=1)  # least score of a detection that average precision takes into account
    renamed: ClassVar = {"least": "min_score"}


def read_true_boxes(path: Path) -> tuple[pd.DataFrame, Path]:
    """(true faces, the folder of their photos) of a Pascal VOC folder, or of a table of boxes beside its photos."""
    if path.is_dir():
        return read_voc(path), path
    table = parse_numbers(read_text_table(path, ["photo", *CORNERS]), CORNERS)
    if "kind" in table:
        table["kind"] = table["kind"].replace("", np.nan)  # an empty cell is no kind of its own
    return table, path.parent


def compare_detectors(
    truth: pd.DataFrame, root: Path, names: Sequence[str], params: CompareDetectorsParams
) -> dict[str, dict]:
    """For every detector (`bundled`, `yunet=weights.onnx` ...) its photos a second, and its scores by IoU and group."""
    detectors = [parse_detector(name, params) for name in names]
    return {detector_name(detector): score_detector(truth, root, detector, params) for detector in detectors}


def parse_detector(text: str, params: CompareDetectorsParams) -> DetectParams:
    """A detector by name, or by name=weights."""
    name, _, weights = text.partition("=")
    if name not in DETECTORS:
        raise ValueError(f"there is no detector {name!r}.{suggest(name, DETECTORS)}")
    return DetectParams(
        detector=name,
        weights=weights,
        side=params.side,
        upscale=params.side > 0,
        threshold=params.min_score,
        batch=4,
        choose="largest",
    )


def detector_name(detector: DetectParams) -> str:
    return f"{detector.detector} {Path(detector.weights).stem}" if detector.weights else detector.detector


def score_detector(truth: pd.DataFrame, root: Path, detector: DetectParams, params: CompareDetectorsParams) -> dict:
    photos = truth["photo"].drop_duplicates().tolist()
    detections = pd.concat(
        [
            pd.DataFrame(faces.boxes, columns=CORNERS).assign(photo=photo, score=faces.scores)
            for photo, _, faces in detect_all(root, photos, detector)
        ],
        ignore_index=True,
    )
    return {
        "photos_per_second": measure_speed(root, photos, detector.replace(threshold=params.threshold)),
        **{f"iou {iou}": score_detections(truth, detections, iou=iou, threshold=params.threshold) for iou in IOUS},
    }


def measure_speed(root: Path, photos: Sequence[str], detector: DetectParams) -> float:
    """Photos a second, reading included, at the threshold of actual use: weak detections cost time too."""
    start = time.perf_counter()
    count = sum(1 for _ in detect_all(root, photos, detector))
    return round(count / (time.perf_counter() - start), 1)
