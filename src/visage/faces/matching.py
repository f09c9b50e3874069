"""Detections against ground truth: which detection is which face, and the scores of a detector.

A detection is matched at most once, the best score first, to the free face it overlaps most. The scores of one size of
face come from that same matching: faces of another size, their matches, and false positives of another size are left
out.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from visage.formats.columns import CORNERS

SIZES = {"<16": (0, 16), "16-32": (16, 32), ">=32": (32, np.inf), "all": (0, np.inf)}  # px, side of the face's box


def read_voc(folder: Path) -> pd.DataFrame:
    """Photo, box and kind of every face that `annotations/*.xml` marks in `images/`; an empty row for a photo without.

    Read by pattern, not as XML: published sets carry stray text between the tags.
    """
    files = sorted((folder / "annotations").glob("*.xml"))
    if not files:
        raise ValueError(
            f"{folder}/annotations holds no *.xml; the folder should be a Pascal VOC set with annotations/ and images/."
        )
    photos = {photo.stem: f"images/{photo.name}" for photo in sorted((folder / "images").iterdir())}
    lacking = [file.name for file in files if file.stem not in photos]
    if lacking:
        raise ValueError(f"{folder}/images: no photo for {len(lacking)} annotations, such as {lacking[:3]}.")
    return pd.DataFrame([row for file in files for row in parse_objects(file.read_text(), photos[file.stem])])


def parse_objects(annotation: str, photo: str) -> list[dict]:
    """A row for each object of one photo's annotation."""
    rows = []
    for face in re.findall(r"<object>.*?</object>", annotation, re.DOTALL):
        tags = {tag: re.search(rf"<{tag}>\s*([^<]*?)\s*<", face) for tag in ("name", "xmin", "ymin", "xmax", "ymax")}
        if lacking := [tag for tag, match in tags.items() if not match]:
            raise ValueError(f"{photo}: an annotated object lacks {', '.join(lacking)}.")
        kind, *box = (match[1] for match in tags.values())
        rows.append({"photo": photo, **dict(zip(CORNERS, map(float, box), strict=True)), "kind": kind})
    return rows or [{"photo": photo, **dict.fromkeys(CORNERS, np.nan), "kind": None}]


def iou_matrix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of every box of `a` (N x 4) with every box of `b` (M x 4)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    intersection = np.clip(high - low, 0, None).prod(axis=2)
    areas = (a[:, 2:] - a[:, :2]).prod(axis=1)[:, None] + (b[:, 2:] - b[:, :2]).prod(axis=1)[None]
    return intersection / np.maximum(areas - intersection, 1e-9)


def match_faces(truth: pd.DataFrame, detections: pd.DataFrame, *, iou: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(truth, detections), each with `side` in px and without rows that have no box; `iou` is the least IoU of a match.

    Truth gets the `score` of its detection (NaN = missed). Detections are sorted by score and get `match` (their row in
    truth, -1 = false positive) and `iou` (0 for a false positive).
    """
    truth = truth.dropna(subset=CORNERS).reset_index(drop=True)
    detections = detections.dropna(subset=CORNERS).sort_values("score", ascending=False, kind="stable")
    detections = detections.reset_index(drop=True)
    faces_of = truth.groupby("photo").indices
    match, overlap = np.full(len(detections), -1), np.zeros(len(detections))
    for photo, rows in detections.groupby("photo").indices.items():
        if photo in faces_of:
            faces = faces_of[photo]
            ious = iou_matrix(detections.loc[rows, CORNERS].to_numpy(float), truth.loc[faces, CORNERS].to_numpy(float))
            for row, column in match_boxes(ious, iou).items():
                match[rows[row]], overlap[rows[row]] = faces[column], ious[row, column]
    score = np.full(len(truth), np.nan)
    score[match[match >= 0]] = detections["score"].to_numpy(float)[match >= 0]
    return (
        truth.assign(side=box_sides(truth), score=score),
        detections.assign(side=box_sides(detections), match=match, iou=overlap),
    )


def match_boxes(ious: np.ndarray, iou: float) -> dict[int, int]:
    """Column by row: each row, in order, takes the free column of its largest IoU if that is at least `iou`."""
    free, columns = ious.copy(), {}
    for row in range(len(ious)):
        best = int(free[row].argmax())
        if free[row, best] >= iou:
            columns[row] = best
            free[:, best] = -1
    return columns


def box_sides(boxes: pd.DataFrame) -> np.ndarray:
    """Pixels: the side of the square of the same area."""
    return np.sqrt((boxes.x1 - boxes.x0) * (boxes.y1 - boxes.y0)).to_numpy(float)


def score_detections(
    truth: pd.DataFrame, detections: pd.DataFrame, *, iou: float, threshold: float = 0.0
) -> dict[str, dict[str, float]]:
    """Scores by size of face and, recall only, by `kind` of face.

    Curves (`ap`, `recall_at_90`) come from all detections, everything else from those of at least `threshold`.
    """
    truth, detections = match_faces(truth, detections, iou=iou)
    is_match = detections["match"].to_numpy() >= 0
    table = {}
    for name, (low, high) in SIZES.items():
        has_size = truth["side"].between(low, high, inclusive="left").to_numpy()
        counts = detections["side"].between(low, high, inclusive="left").to_numpy(copy=True)
        counts[is_match] = has_size[detections["match"][is_match]]  # a match has the size of its face
        table[name] = score_group(truth[has_size], detections[counts], threshold)
    for kind, faces in truth.groupby("kind", sort=True) if "kind" in truth else ():
        hits = int((faces["score"] >= threshold).sum())
        table[str(kind)] = {"faces": len(faces), "true": hits, "missed": len(faces) - hits, "recall": hits / len(faces)}
    return table


def score_group(truth: pd.DataFrame, detections: pd.DataFrame, threshold: float) -> dict[str, float]:
    """Scores of one group of faces and the detections that count for it, as `match_faces` returns them."""
    is_match = detections["match"].to_numpy() >= 0
    above = detections[detections["score"] >= threshold]
    true_positives = above[above["match"] >= 0]
    hits = len(true_positives)
    return {
        "faces": len(truth),
        "true": hits,
        "false": len(above) - hits,
        "missed": len(truth) - hits,
        "precision": hits / max(len(above), 1),
        "recall": hits / max(len(truth), 1),
        "recall_at_90": recall_at_precision(is_match, len(truth), precision=0.9),
        "ap": average_precision(is_match, len(truth)),
        "median_iou": float(true_positives["iou"].median()) if hits else 0.0,
    }


def average_precision(is_match: np.ndarray, faces: int) -> float:
    """Area under the precision-recall curve of all points, precision made monotone.

    `is_match` says of each detection, best score first, whether it is a true positive; `faces` is the number of faces.
    """
    if not faces or not len(is_match):
        return 0.0
    precision = np.cumsum(is_match) / np.arange(1, len(is_match) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float((best_from_here * is_match).sum() / faces)


def recall_at_precision(is_match: np.ndarray, faces: int, *, precision: float) -> float:
    """The highest recall among the thresholds at which the detections have at least this precision."""
    true_positives = np.cumsum(is_match)
    precise = true_positives[true_positives >= precision * np.arange(1, len(is_match) + 1)]
    return float(precise.max(initial=0) / max(faces, 1))
