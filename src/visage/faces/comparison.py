"""Detectors side by side: each looks at the same photos, and its finds are held against the true boxes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from pydantic import Field

from visage.faces.detectors import DetectParams, detect_all
from visage.faces.matching import read_voc, score_detections
from visage.formats.columns import CORNERS
from visage.runtime.params import Params, suggest

OVERLAPS = (0.3, 0.5)  # IoU from which a find is a face
DETECTORS = ("bundled", "retinaface", "mtcnn", "yunet", "centre")


class CompareDetectorsParams(Params):
    """Section `compare_detectors`."""

    side: int = Field(ge=0)  # px of the photo's longer side when a detector looks at it; 0 = the photo's own size
    threshold: float = Field(gt=0, lt=1)  # least score of a face in precision, recall and counts
    min_score: float = Field(gt=0, lt=1)  # least score of a detection that average precision takes into account


def read_true_boxes(path: Path) -> tuple[pd.DataFrame, Path]:
    """(true faces, the folder of their photos) of a Pascal VOC folder, or of a table of boxes beside its photos."""
    if path.is_dir():
        return read_voc(path), path
    table = pd.read_csv(path, dtype={"photo": str})
    if lacking := [name for name in ("photo", *CORNERS) if name not in table]:
        raise ValueError(
            f"{path} lacks the columns {', '.join(lacking)}; wanted photo, {', '.join(CORNERS)} and perhaps kind."
        )
    return table, path.parent


def compare_detectors(
    true: pd.DataFrame, root: Path, asked: Sequence[str], params: CompareDetectorsParams
) -> dict[str, dict]:
    """For every detector (`bundled`, `yunet=weights.onnx` ...) its photos a second, and its scores by IoU and group."""
    detectors = [parse_detector(one, params) for one in asked]
    return {detector_name(detector): score_detector(true, root, detector, params) for detector in detectors}


def parse_detector(asked: str, params: CompareDetectorsParams) -> DetectParams:
    name, _, weights = asked.partition("=")
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


def score_detector(true: pd.DataFrame, root: Path, detector: DetectParams, params: CompareDetectorsParams) -> dict:
    photos, found = true["photo"].drop_duplicates().tolist(), []
    for photo, _, faces in detect_all(root, photos, detector):
        found.append(pd.DataFrame(faces.boxes, columns=CORNERS).assign(photo=photo, score=faces.scores))
    table = pd.concat(found, ignore_index=True)
    by_overlap = {f"iou {iou}": score_detections(true, table, iou=iou, threshold=params.threshold) for iou in OVERLAPS}
    return {
        "photos_per_second": measure_speed(root, photos, detector.replace(threshold=params.threshold)),
        **by_overlap,
    }


def measure_speed(root: Path, photos: Sequence[str], detector: DetectParams) -> float:
    """Photos a second, reading included, at the threshold that somebody would use: weak finds cost time too."""
    start = time.perf_counter()
    seen = sum(1 for _ in detect_all(root, photos, detector))
    return round(seen / (time.perf_counter() - start), 1)
