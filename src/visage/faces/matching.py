"""True boxes against found ones: which find is which face, and what that says of a detector.

A find is matched once, the best score first, to the free true face it overlaps most. Scores of one size or one class
come from that same matching: true faces outside the group, and finds of a size outside it, then count neither way.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from visage.formats.columns import CORNERS

SIZES = {"<16": (0, 16), "16-32": (16, 32), ">=32": (32, np.inf), "all": (0, np.inf)}  # side of the face in its photo


def read_voc(folder: Path) -> pd.DataFrame:
    """Photo, box and kind of every face that `annotations/*.xml` marks in `images/`; an empty row for a photo without.

    Read by pattern, not as XML: published sets carry stray text between the tags.
    """
    files = sorted((folder / "annotations").glob("*.xml"))
    if not files:
        raise ValueError(
            f"{folder}/annotations: no *.xml here; wanted a Pascal VOC folder with annotations/ and images/"
        )
    photos = {photo.stem: f"images/{photo.name}" for photo in sorted((folder / "images").iterdir())}
    lost = [file.name for file in files if file.stem not in photos]
    if lost:
        raise ValueError(f"{folder}/images: no photo for {len(lost)} annotations, such as {lost[:3]}")
    return pd.DataFrame([row for file in files for row in _objects(file.read_text(), photos[file.stem])])


def _objects(text: str, photo: str) -> list[dict]:
    rows = []
    for face in re.findall(r"<object>.*?</object>", text, re.DOTALL):
        found = {tag: re.search(rf"<{tag}>\s*([^<]*?)\s*<", face) for tag in ("name", "xmin", "ymin", "xmax", "ymax")}
        if lacking := [tag for tag, value in found.items() if not value]:
            raise ValueError(f"{photo}: an annotated object lacks {', '.join(lacking)}.")
        kind, *box = (value[1] for value in found.values())
        rows.append({"photo": photo, **dict(zip(CORNERS, map(float, box), strict=True)), "kind": kind})
    return rows or [{"photo": photo, **dict.fromkeys(CORNERS, np.nan), "kind": None}]


def iou_matrix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of every box of `a` (N x 4) with every box of `b` (M x 4)."""
    corner = np.maximum(a[:, None, :2], b[None, :, :2])
    inner = np.clip(np.minimum(a[:, None, 2:], b[None, :, 2:]) - corner, 0, None).prod(axis=2)
    whole = (a[:, 2:] - a[:, :2]).prod(axis=1)[:, None] + (b[:, 2:] - b[:, :2]).prod(axis=1)[None]
    return inner / np.maximum(whole - inner, 1e-9)


def match_faces(true: pd.DataFrame, found: pd.DataFrame, *, iou: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(true, found), each with `side` in pixels; true also with the `score` of its find (NaN = missed).

    Found is sorted by score, with `face` (its row in true, -1 for none) and `overlap` (IoU).
    """
    true = true.dropna(subset=CORNERS).reset_index(drop=True)
    found = found.dropna(subset=CORNERS).sort_values("score", ascending=False, kind="stable").reset_index(drop=True)
    face, overlap = np.full(len(found), -1), np.zeros(len(found))
    faces = {photo: rows.to_numpy() for photo, rows in true.groupby("photo").groups.items()}
    for photo, finds in found.groupby("photo").groups.items():
        rows = faces.get(photo, np.empty(0, int))
        shared = iou_matrix(found.loc[finds, CORNERS].to_numpy(float), true.loc[rows, CORNERS].to_numpy(float))
        for find, row in zip(finds, shared, strict=True):
            if row.size and row.max() >= iou:
                face[find], overlap[find] = rows[row.argmax()], row.max()
                shared[:, row.argmax()] = -1
    hits = found[face >= 0].assign(face=face[face >= 0]).set_index("face")["score"]
    return true.assign(side=_side(true), score=hits.reindex(true.index)), found.assign(
        side=_side(found), face=face, overlap=overlap
    )


def _side(boxes: pd.DataFrame) -> np.ndarray:
    return np.sqrt((boxes.x1 - boxes.x0) * (boxes.y1 - boxes.y0)).to_numpy(float)


def score_detections(
    true: pd.DataFrame, found: pd.DataFrame, *, iou: float, threshold: float = 0.0
) -> dict[str, dict[str, float]]:
    """Scores by size of face and, recall only, by kind; AP uses every find, the rest those of at least `threshold`."""
    true, found = match_faces(true, found, iou=iou)
    table = {}
    for name, (low, high) in SIZES.items():
        wanted = true.side.between(low, high, inclusive="left").to_numpy()
        own = found.side.between(low, high, inclusive="left").to_numpy()
        hit = (found.face >= 0).to_numpy()
        hit_wanted = hit & np.append(wanted, False)[found.face]
        counted = found[hit_wanted | (~hit & own)]
        table[name] = _summary(true[wanted], counted, threshold)
    for kind, rows in true.groupby("kind", sort=True) if "kind" in true else ():
        taken = int((rows.score >= threshold).sum())
        table[str(kind)] = {"faces": len(rows), "true": taken, "missed": len(rows) - taken, "recall": taken / len(rows)}
    return table


def _summary(true: pd.DataFrame, found: pd.DataFrame, threshold: float) -> dict[str, float]:
    taken = found[found.score >= threshold]
    hits = int((taken.face >= 0).sum())
    return {
        "faces": len(true),
        "true": hits,
        "false": len(taken) - hits,
        "missed": len(true) - hits,
        "precision": hits / max(len(taken), 1),
        "recall": hits / max(len(true), 1),
        "recall_at_90": recall_at_precision(found.face.to_numpy() >= 0, len(true), precision=0.9),
        "ap": average_precision(found.face.to_numpy() >= 0, len(true)),
        "median_iou": float(taken.overlap[taken.face >= 0].median()) if hits else 0.0,
    }


def average_precision(hit: np.ndarray, faces: int) -> float:
    """Area under the precision-recall curve; `hit` says of each find, best score first, whether it is a true face."""
    if not faces or not len(hit):
        return 0.0
    true = np.cumsum(hit)
    precision = np.maximum.accumulate((true / np.arange(1, len(hit) + 1))[::-1])[::-1]
    return float((precision * hit).sum() / faces)


def recall_at_precision(hit: np.ndarray, faces: int, *, precision: float) -> float:
    """The most faces that some threshold finds while this share of its finds are faces."""
    true = np.cumsum(hit)
    enough = true[true >= precision * np.arange(1, len(hit) + 1)]
    return float(enough.max(initial=0) / max(faces, 1))
