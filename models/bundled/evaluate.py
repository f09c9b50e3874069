"""What the exported files reach: the detector on held-out scenes and new drawn people, the matte on the latter."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image
from scenes import held_out_faces

from visage.faces.detectors import DetectParams, choose_face, open_detector
from visage.faces.matching import iou_matrix, score_detections
from visage.formats.columns import CORNERS, SHOTS
from visage.practice.people import draw_population
from visage.practice.portraits import Portrait, draw_portrait
from visage.runtime.params import load, read_params


@dataclass(frozen=True)
class EvaluateParams:
    seed: int
    people: int
    threshold: float


def on_scenes(root: Path, weights: Path, one_in: int, threshold: float) -> dict:
    """At the scene's own size; average precision from every find of at least 0.02."""
    true = held_out_faces(root, one_in)
    detector = open_detector(
        DetectParams(detector="bundled", weights=str(weights), side=0, upscale=False, threshold=0.02, batch=1, choose="largest")
    )
    found = []
    for photo in true.photo.unique():
        [faces] = detector.find([cv2.cvtColor(cv2.imread(str(root / photo)), cv2.COLOR_BGR2RGB)])
        found.append(pd.DataFrame(faces.boxes, columns=CORNERS).assign(photo=photo, score=faces.scores))
    return rounded(score_detections(true, pd.concat(found), iou=0.5, threshold=threshold))


def on_portraits(portraits: list[Portrait], weights: Path, side: int, threshold: float) -> dict:
    detector = open_detector(
        DetectParams(detector="bundled", weights=str(weights), side=side, upscale=False, threshold=threshold, batch=1, choose="largest")
    )
    found, right, off = 0, [], []
    for portrait in portraits:
        [faces] = detector.find([portrait.image])
        hits = iou_matrix(faces.boxes, np.array([portrait.box]))[:, 0] >= 0.5
        found += hits.any()
        if len(faces):
            chosen = choose_face(faces, portrait.image.shape, "largest")
            right.append(hits[chosen])
            off.append(
                np.linalg.norm(faces.landmarks[chosen] - portrait.landmarks, axis=1).mean()
                / (portrait.box[2] - portrait.box[0])
            )
    return rounded({"found": found / len(portraits), "right_face": np.mean(right), "landmark_error": np.median(off)})


def on_mattes(portraits: list[Portrait], weights: Path) -> dict:
    """Overlap of the matte with the true alpha, through rembg itself: the whole portrait and its face."""
    os.environ["U2NET_HOME"] = str(weights.parent.resolve())
    from rembg import new_session

    session = new_session("u2net_custom", model_path=str(weights.resolve()))
    whole = [overlap(session.predict(Image.fromarray(one.image))[0], one.alpha) for one in portraits]
    faces = [
        overlap(session.predict(Image.fromarray(one.image[part]))[0], one.alpha[part])
        for one in portraits
        for part in [around(one)]
    ]
    return rounded({"whole": np.mean(whole), "face": np.mean(faces), "least": np.min(whole + faces)})


def around(portrait: Portrait) -> tuple[slice, slice]:
    """The square around the face, half as large again, as far as it lies in the photo."""
    x0, y0, x1, y1 = portrait.box
    half, x, y = 0.75 * max(x1 - x0, y1 - y0), (x0 + x1) / 2, (y0 + y1) / 2
    return np.s_[max(0, int(y - half)) : int(y + half), max(0, int(x - half)) : int(x + half)]


def overlap(matte: Image.Image, alpha: np.ndarray) -> float:
    found, true = np.asarray(matte) > 127, alpha > 127
    return (found & true).sum() / max((found | true).sum(), 1)


def rounded(values: dict) -> dict:
    return {key: rounded(value) if isinstance(value, dict) else round(float(value), 4) for key, value in values.items()}


def main(scenes: Path, detector: Path, matting: Path, written: Path) -> None:
    params = load(EvaluateParams, "evaluate")
    people = draw_population(params.seed, params.people)
    portraits = [
        draw_portrait(person, SHOTS[i % len(SHOTS)], np.random.default_rng([params.seed, 3, i]))
        for i, person in enumerate(people)
    ]
    table = {
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (detector, matting)},
        "scenes": on_scenes(scenes, detector, read_params()["held_out"], params.threshold),
        "portraits": {
            f"side {side}": on_portraits(portraits, detector, side, params.threshold) for side in (192, 256, 320, 512)
        },
        "mattes": on_mattes(portraits, matting),
    }
    written.write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
