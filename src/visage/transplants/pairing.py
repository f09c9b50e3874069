"""Whose face goes onto whose photo, so that training sees more people of the oldest class.

The *age task* is the last task whose classes are bins of a number; its last class gives, the others receive. Donor and
receiver are of one fold: a fold's network that may learn from one of them may learn from both.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from visage.formats.columns import LANDMARKS
from visage.formats.tasks import Task
from visage.runtime.params import Params

NOSE_WEIGHT = 0.25  # against 1 for an eye: under a mask the detector only guesses where the nose is
HAIRLINE = np.array([-0.6 - 0.9j, -1.1j, 0.6 - 0.9j])  # eye distances; of a donor the frame has to hold these places
TONE = ["tone_l", "tone_a", "tone_b"]  # the middle of the skin in Lab
MIN_BARE = 0.6  # of the forehead has to be bare skin on both photos: neither a hat nor a fringe is put on, or over
MAX_TURN, MAX_MOUTH_DEPTH = (
    0.4,
    1.45,
)  # a nose further off the middle or a mouth further below (eye distances) is a profile's
MAX_TONE_DISTANCE = 40.0  # between the tones of two skins, in Lab: no matching makes that look natural
REUSE_COST = 2.0  # what using a receiver once more costs; fitting as badly as is allowed costs 5


class TransplantParams(Params):
    """Section `transplant`."""

    method: Literal["forehead", "half_face", "none"]
    blend: Literal["feather", "poisson"]
    match: bool
    per_donor: int = Field(ge=0)
    target_share: float = Field(ge=0, le=1)
    max_tilt: float = Field(gt=0)
    max_turn: float = Field(gt=0)
    max_size: float = Field(gt=1)
    max_error: float = Field(gt=0)
    seed: int


def to_complex(marks: np.ndarray) -> np.ndarray:
    """Eyes and nose of landmarks (... x 5 x 2) as complex numbers, ... x 3."""
    return marks[..., :3, 0] + 1j * marks[..., :3, 1]


def center_shape(shape: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A shape (... x 3) about its weighted middle, that middle, and the weights."""
    weights = np.array([1, 1, NOSE_WEIGHT]) / (2 + NOSE_WEIGHT)
    middle = (shape * weights).sum(-1, keepdims=True)
    return shape - middle, middle, weights


def align_similarity(donor: np.ndarray, receiver: np.ndarray) -> np.ndarray:
    """The 2 x 3 similarity that lays the donor's landmarks nearest to the receiver's (Umeyama's, weighted)."""
    (source, middle, weights), (target, goal, _) = center_shape(to_complex(donor)), center_shape(to_complex(receiver))
    turn = (weights * source.conj() * target).sum() / (weights * abs(source) ** 2).sum()
    shift = (goal - turn * middle)[0]
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def alignment_errors(donors: np.ndarray, receivers: np.ndarray) -> np.ndarray:
    """What `align` leaves between every donor's and every receiver's landmarks: weighted RMS in eye distances."""
    (source, _, weights), (target, _, _) = center_shape(to_complex(donors)), center_shape(to_complex(receivers))
    power = (weights * abs(target) ** 2).sum(-1)
    shared = abs((source.conj() * weights) @ target.T) ** 2 / (weights * abs(source) ** 2).sum(-1)[:, None]
    return np.sqrt(np.clip(power - shared, 0, None)) / abs(target[:, 1] - target[:, 0])


def estimate_pose(marks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tilt (degrees), turn (the nose's way off the middle, eye distances), size (the eye distance, pixels)."""
    right, left, nose = to_complex(marks).T
    return np.angle(left - right, deg=True), ((nose - (right + left) / 2) / (left - right)).real, abs(left - right)


def landmark_array(faces: pd.DataFrame) -> np.ndarray:
    """Landmarks, n x 5 x 2 crop pixels."""
    return faces[LANDMARKS].to_numpy(float).reshape(-1, 5, 2)


def has_whole_forehead(faces: pd.DataFrame) -> np.ndarray:
    """Whether the hairline lies within the crop and within the photo. A turned crop is taken as if it were straight."""
    right, left = to_complex(landmark_array(faces))[:, :2].T
    places = ((right + left) / 2)[:, None] + HAIRLINE * (left - right)[:, None]
    inside = np.ones(len(faces), bool)
    for place, side, low, high in ((places.real, "width", "x0", "x1"), (places.imag, "height", "y0", "y1")):
        crop, photo, start, end = (faces[name].to_numpy(float)[:, None] for name in (side, f"photo_{side}", low, high))
        spot = start + place / crop * (end - start)
        inside &= ((place >= 0) & (place <= crop) & (spot >= 0) & (spot <= photo)).all(1)
    return inside


def pair_costs(
    donors: pd.DataFrame, receivers: pd.DataFrame, params: TransplantParams
) -> tuple[np.ndarray, np.ndarray]:
    """How badly each donor's face lies on each receiver's (0 to 5, inf: too badly), and the error of aligning them."""
    own, other = landmark_array(donors), landmark_array(receivers)
    (tilt, turn, size), (tilts, turns, sizes) = (column[:, None] for column in estimate_pose(own)), estimate_pose(other)
    errors = alignment_errors(own, other)
    parts = [
        np.abs((tilt - tilts + 180) % 360 - 180) / params.max_tilt,
        np.abs(turn - turns) / params.max_turn,
        np.abs(np.log(size / sizes)) / np.log(params.max_size),
        errors / params.max_error,
        np.linalg.norm(donors[TONE].to_numpy()[:, None] - receivers[TONE].to_numpy(), axis=-1) / MAX_TONE_DISTANCE,
    ]
    return np.where(np.max(parts, axis=0) <= 1, np.sum(parts, axis=0), np.inf), errors


def find_age_task(tasks: Sequence[Task]) -> Task:
    """The last task made by bins."""
    if not (binned := [task for task in tasks if task.bins]):
        raise ValueError("no task is made by bins, so nobody is oldest; set transplant.method to none.")
    return binned[-1]


def person_tasks(faces: pd.DataFrame, tasks: Sequence[Task]) -> list[str]:
    """Tasks that judge the person, not the photo: most people have one class of it on all their photos."""
    kinds = faces.groupby("person")[[task.name for task in tasks]].nunique()
    return [name for name in kinds if (kinds[name] <= 1).mean() > 0.5]


def pair_faces(faces: pd.DataFrame, tasks: Sequence[Task], params: TransplantParams) -> pd.DataFrame:
    """One row per picture to make: donor, receiver, fold, error, and the part of the face that moves.

    Each fold by itself is brought to the target share, as far as `per_donor` pictures of each donor photo allow; a
    share of 1 asks for all of these. A fold without a donor or a receiver stays as it is. Photos without landmarks,
    profiles, foreheads under a hat or a fringe, and donors whose hairline is out of the frame take no part. Half faces
    agree in every task but age, foreheads only in those that judge the person: the mouth stays the receiver's.
    """
    rows: list[tuple] = []
    if params.method != "none":
        age, rng = find_age_task(tasks), np.random.default_rng(params.seed)
        same = person_tasks(faces, tasks) if params.method == "forehead" else [task.name for task in tasks]
        for fold, members in faces.groupby("fold"):
            rows += pair_fold(int(fold), members, age, [name for name in same if name != age.name], params, rng)
    return pd.DataFrame(rows, columns=["donor", "receiver", "fold", "error", "part"])


def pair_fold(
    fold: int, faces: pd.DataFrame, age: Task, same: Sequence[str], params: TransplantParams, rng: np.random.Generator
) -> list[tuple]:
    """The rows of one fold. A half face is a half at random."""
    old = (faces[age.name] == age.classes[-1]).to_numpy()
    fit = is_suitable(faces, params) & (faces[[age.name, *same]] != "").all(axis=1).to_numpy()
    donors, receivers = faces[old & fit], faces[~old & fit]
    donors = donors[has_whole_forehead(donors)]
    cost, errors = pair_costs(donors, receivers, params)
    for name in same:
        cost[donors[name].to_numpy()[:, None] != receivers[name].to_numpy()] = np.inf
    count = count_wanted(int(old.sum()), len(faces), params.target_share)
    pairs = choose_pairs(cost, receivers["person"].to_numpy(), count, params.per_donor, rng)
    parts = ["forehead"] if params.method == "forehead" else ["upper", "left", "right"]
    return [(donors.index[d], receivers.index[r], fold, errors[d, r], str(rng.choice(parts))) for d, r in pairs]


def is_suitable(faces: pd.DataFrame, params: TransplantParams) -> np.ndarray:
    """Whether the landmarks are known, the face is no profile and, if a forehead is to move, the forehead is bare."""
    fit = faces[LANDMARKS].notna().all(axis=1).to_numpy(copy=True)
    marks = landmark_array(faces[fit])
    _, turn, size = estimate_pose(marks)
    depth = np.linalg.norm(marks[:, 3:].mean(1) - marks[:, :2].mean(1), axis=1) / size
    fit[fit] = (np.abs(turn) < MAX_TURN) & (depth < MAX_MOUTH_DEPTH)
    return fit & (faces["bare"] >= MIN_BARE).to_numpy() if params.method == "forehead" else fit


def count_wanted(old: int, total: int, share: float) -> float:
    """How many pictures lift the oldest class to this share of the training pictures; for a share of 1, inf."""
    return np.inf if share == 1 else max(0, np.ceil((share * total - old) / (1 - share) - 1e-9))


def choose_pairs(
    cost: np.ndarray, people: np.ndarray, count: float, per_donor: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """(donor, receiver) places in the table of costs: donors take turns, each time the cheapest receiver that is left.

    A receiver grows dearer each time it is used, and so do for one donor all photos of a person it was put on.
    """
    cost, chosen = cost + rng.random(cost.shape), []
    for donor in (donor for _ in range(per_donor) for donor in rng.permutation(len(cost))):
        if len(chosen) >= count or not cost.size:
            break
        receiver = int(cost[donor].argmin())
        if np.isfinite(cost[donor, receiver]):
            chosen.append((int(donor), receiver))
            cost[:, receiver] += REUSE_COST
            cost[donor, people == people[receiver]] += REUSE_COST
            cost[donor, receiver] = np.inf
    return chosen
