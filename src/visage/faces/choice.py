"""Which of a photo's faces counts, and how exactly its place is stored."""

import numpy as np

from visage.faces.retina import Faces


def choose_face(faces: Faces, shape: tuple[int, ...], rule: str) -> int | None:
    """The number of the photo's face by the rule `detect.choose`; None where there is none.

    `shape` is the photo's (height, width, ...). Ties go to the better score.
    """
    if not len(faces):
        return None
    low, high = faces.boxes[:, :2], faces.boxes[:, 2:]
    if rule == "largest":
        ranks = (high - low).prod(axis=1)
    elif rule == "most_central":
        ranks = -np.hypot(*((low + high) / 2 - np.array(shape[1::-1]) / 2).T)
    else:
        ranks = faces.scores
    return int(np.argmax(ranks))


def round_pixels(faces: Faces, face: int) -> np.ndarray:
    """Box and landmarks of one face as boxes.csv stores them: x0 y0 x1 y1 and five x y, to a hundredth of a pixel."""
    return np.concatenate([faces.boxes[face], faces.landmarks[face].ravel()]).astype(float).round(2)


def contains_landmarks(box: np.ndarray, landmarks: np.ndarray) -> bool:
    """Whether all five landmarks (5 x 2) lie in the box (x0 y0 x1 y1); unknown ones (NaN) do not."""
    return bool(((landmarks >= box[:2]) & (landmarks <= box[2:])).all())
