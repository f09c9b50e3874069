"""What an exported detector reaches on held-out scenes and on drawn people that nothing was trained on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from visage.faces.choice import choose_face
from visage.faces.matching import iou_matrix, score_detections
from visage.faces.retina import RetinaFace
from visage.formats.columns import CORNERS
from visage.formats.photos import read_photo
from visage.practice.portraits import Portrait

IOU = 0.5  # from which a detection is the face
MIN_SCORE = 0.02  # of a detection that average precision takes into account


def score_scenes(faces: pd.DataFrame, root: Path, weights: Path, threshold: float) -> dict[str, dict[str, float]]:
    """Scores by size and kind of face, each scene at its own size; `faces` are the true ones."""
    detector = RetinaFace(weights, side=0, upscale=False, threshold=MIN_SCORE, batch=1)
    detections = []
    for photo in faces["photo"].unique():
        [detected] = detector.detect([read_photo(root, photo)])
        detections.append(pd.DataFrame(detected.boxes, columns=CORNERS).assign(photo=photo, score=detected.scores))
    return score_detections(faces, pd.concat(detections), iou=IOU, threshold=threshold)


def score_portraits(portraits: Sequence[Portrait], weights: Path, *, side: int, threshold: float) -> dict[str, float]:
    """Of portraits of one person: the share in which the face is found, in which the largest detection is that face,
    and the median error of the landmarks in widths of the face; the longer side is `side` px when it is looked at."""
    detector = RetinaFace(weights, side=side, upscale=False, threshold=threshold, batch=1)
    found, right_face, landmark_error = 0, [], []
    for portrait in portraits:
        [detected] = detector.detect([portrait.image])
        hits = iou_matrix(detected.boxes, np.array([portrait.box]))[:, 0] >= IOU
        found += hits.any()
        chosen = choose_face(detected, portrait.image.shape, "largest")
        if chosen is not None:
            right_face.append(hits[chosen])
            distances = np.linalg.norm(detected.landmarks[chosen] - portrait.landmarks, axis=1)
            landmark_error.append(distances.mean() / (portrait.box[2] - portrait.box[0]))
    return {
        "found": found / len(portraits),
        "right_face": float(np.mean(right_face)),
        "landmark_error": float(np.median(landmark_error)),
    }
