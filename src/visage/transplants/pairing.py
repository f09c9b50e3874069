"""Which donor's face goes onto which receiver's photo, so that training sees more people of the oldest class.

The *age task* is the last task whose classes are bins of a number. Donors are of its last class, receivers of the
others. Both are of one fold: a network that may learn from one of them may learn from both.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from visage.formats.columns import LANDMARKS
from visage.formats.tasks import Task
from visage.runtime.params import Params
from visage.transplants.landmarks import alignment_errors, estimate_pose, landmark_array

TONE = ["tone_l", "tone_a", "tone_b"]  # median of the skin in Lab
MIN_IN_PICTURE = 0.5  # of the forehead: with less, brows and eyes would move, and they alone do not make anyone old
MIN_BARE = 0.6  # of the forehead is bare skin on both photos: no hat or fringe is moved, or covered
PROFILE_TURN = 0.4  # eye distances; in a profile the nose is further off the middle,
PROFILE_MOUTH_DEPTH = 1.45  # or the mouth is further below the eyes
MAX_TONE_DISTANCE = 40.0  # in Lab, between the skins of donor and receiver: matching cannot hide more
REUSE_COST = 2.0  # of using a receiver once more; a pair as different as the limits allow costs 5


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


def compare_faces(
    donors: pd.DataFrame, receivers: pd.DataFrame, shared_tasks: Sequence[str], params: TransplantParams
) -> dict[str, np.ndarray]:
    """How different each donor's face is from each receiver's, in each way as a share of its limit: donors x receivers.

    Above 1 in any way, and the two are not paired; another class is infinitely far. The sum is the cost of a pair.
    """
    donor_landmarks, receiver_landmarks = landmark_array(donors), landmark_array(receivers)
    tilt, turn, size = (values[:, None] for values in estimate_pose(donor_landmarks))
    receiver_tilt, receiver_turn, receiver_size = estimate_pose(receiver_landmarks)
    tone_difference = donors[TONE].to_numpy()[:, None] - receivers[TONE].to_numpy()
    differs = {name: paired_labels(donors, name)[:, None] != paired_labels(receivers, name) for name in shared_tasks}
    return {f"another {name}": np.where(differs[name], np.inf, 0.0) for name in shared_tasks} | {
        "tilt": np.abs((tilt - receiver_tilt + 180) % 360 - 180) / params.max_tilt,
        "turn": np.abs(turn - receiver_turn) / params.max_turn,
        "size": np.abs(np.log(size / receiver_size)) / np.log(params.max_size),
        "alignment": alignment_errors(donor_landmarks, receiver_landmarks) / params.max_error,
        "tone": np.linalg.norm(tone_difference, axis=-1) / MAX_TONE_DISTANCE,
    }


def find_age_task(tasks: Sequence[Task]) -> Task:
    """The last task with bins."""
    age_tasks = [task for task in tasks if task.bins]
    if not age_tasks:
        raise ValueError("no task has bins, so there is no oldest class to give faces; set transplant.method to none.")
    return age_tasks[-1]


def paired_labels(faces: pd.DataFrame, task: str) -> np.ndarray:
    """The classes by which faces are paired: as they came where that is known (`original_<task>`), so that a corrected
    label does not pair everybody else anew."""
    return faces.get(f"original_{task}", faces[task]).to_numpy()


def shared_tasks(faces: pd.DataFrame, tasks: Sequence[Task], params: TransplantParams) -> list[str]:
    """Tasks in which donor and receiver have to agree: all but age; for foreheads, which leave the mouth, only tasks
    about the person, not the photo: where most people have the same class on all their photos."""
    names = [task.name for task in tasks if task != find_age_task(tasks)]
    class_counts = faces.groupby("person")[names].nunique()
    return [name for name in names if params.method != "forehead" or (class_counts[name] <= 1).mean() > 0.5]


def pair_faces(faces: pd.DataFrame, tasks: Sequence[Task], params: TransplantParams) -> pd.DataFrame:
    """One row per picture to make: donor, receiver, fold, alignment error, and the part of the face that moves.

    In each fold the oldest class is brought to the target share, as far as `per_donor` pictures of each donor photo
    allow; a share of 1 asks for all of these. A fold without a donor or a receiver stays as it is.
    """
    rows: list[tuple] = []
    if params.method != "none":
        age, shared = find_age_task(tasks), shared_tasks(faces, tasks, params)
        reasons = refuse_photos(faces, [age.name, *shared], params)
        for fold, members in faces.groupby("fold"):
            is_old, is_suitable = members[age.name] == age.classes[-1], reasons[members.index] == ""
            count = transplant_count(int(is_old.sum()), len(members), params.target_share)
            donors, receivers = members[is_old & is_suitable], members[~is_old & is_suitable]
            rng = np.random.default_rng([params.seed, int(fold)])  # a change in one fold leaves the others
            rows += pair_fold(int(fold), donors, receivers, count, shared, params, rng)
    return pd.DataFrame(rows, columns=["donor", "receiver", "fold", "error", "part"])


def pair_fold(
    fold: int, donors: pd.DataFrame, receivers: pd.DataFrame, count: float, shared: Sequence[str],
    params: TransplantParams, rng: np.random.Generator,
) -> list[tuple]:  # fmt: skip
    """The rows of one fold, at most `count`. Which half of a face moves is random."""
    shares = compare_faces(donors, receivers, shared, params)
    cost = np.where(np.max(list(shares.values()), axis=0) <= 1, sum(shares.values()), np.inf)
    is_whole = donors["in_picture"].to_numpy() == 1
    pairs = choose_pairs(cost, is_whole, receivers["person"].to_numpy(), count, params.per_donor, rng)
    errors = shares["alignment"] * params.max_error
    parts = ["forehead"] if params.method == "forehead" else ["upper", "left", "right"]
    return [(donors.index[d], receivers.index[r], fold, errors[d, r], str(rng.choice(parts))) for d, r in pairs]


def refuse_photos(faces: pd.DataFrame, labels: Sequence[str], params: TransplantParams) -> pd.Series:
    """The first reason why a photo neither gives nor receives, "" where it may; `labels` may not be empty."""
    _, turn, size = estimate_pose(landmarks := landmark_array(faces))
    mouth_depth = np.linalg.norm(landmarks[:, 3:].mean(1) - landmarks[:, :2].mean(1), axis=1) / size
    is_forehead = params.method == "forehead"
    refused = {
        "no label": (faces[list(labels)] == "").any(axis=1),
        "no landmarks": faces[LANDMARKS].isna().any(axis=1),
        "profile": (np.abs(turn) >= PROFILE_TURN) | (mouth_depth >= PROFILE_MOUTH_DEPTH),
        "forehead out of the photo": faces["in_photo"] < MIN_IN_PICTURE,
        "forehead out of the crop": faces["in_picture"] < MIN_IN_PICTURE,
        "covered forehead": is_forehead & ~(faces["bare"] >= MIN_BARE),
    }
    return pd.Series(np.select([np.asarray(rows) for rows in refused.values()], list(refused), ""), faces.index)


def transplant_count(old: int, total: int, share: float) -> float:
    """How many transplants bring the oldest class (`old` of `total` pictures) to this share; inf for a share of 1."""
    return np.inf if share == 1 else max(0, np.ceil((share * total - old) / (1 - share) - 1e-9))


def choose_pairs(
    cost: np.ndarray, is_whole: np.ndarray, people: np.ndarray, count: float, per_donor: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """At most `count` pairs (row, column) of `cost` (donors x receivers); `people` are the receivers' persons.

    Donors take turns in random order, those with a whole forehead first, and each takes its cheapest receiver; the
    costs vary by up to 1 at random. A receiver gets dearer each time it is used, and for one donor so do all photos of
    the receiver's person.
    """
    cost, pairs = cost + rng.random(cost.shape), []
    turns = (rng.permutation(len(cost)) for _ in range(per_donor))
    donor_order = (donor for turn in turns for donor in turn[np.argsort(~is_whole[turn], kind="stable")])
    for donor in donor_order:
        if len(pairs) >= count or not cost.size:
            break
        receiver = int(cost[donor].argmin())
        if np.isfinite(cost[donor, receiver]):
            pairs.append((int(donor), receiver))
            cost[:, receiver] += REUSE_COST
            cost[donor, people == people[receiver]] += REUSE_COST
            cost[donor, receiver] = np.inf
    return pairs
