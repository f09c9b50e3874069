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

NOSE_WEIGHT = 0.25  # against 1 for an eye: under a mask the detector only guesses where the nose is
HAIRLINE = np.array([-0.6 - 0.9j, -1.1j, 0.6 - 0.9j])  # eye distances from between the eyes; a donor's crop holds them
TONE = ["tone_l", "tone_a", "tone_b"]  # median of the skin in Lab
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


def to_complex(landmarks: np.ndarray) -> np.ndarray:
    """Right eye, left eye and nose of landmarks (... x 5 x 2) as complex numbers x + iy, ... x 3."""
    return landmarks[..., :3, 0] + 1j * landmarks[..., :3, 1]


def center_shape(shape: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A shape (complex, ... x 3) relative to its weighted centroid, the centroid (... x 1), and the weights (3)."""
    weights = np.array([1, 1, NOSE_WEIGHT]) / (2 + NOSE_WEIGHT)
    centroid = (shape * weights).sum(-1, keepdims=True)
    return shape - centroid, centroid, weights


def align_similarity(donor: np.ndarray, receiver: np.ndarray) -> np.ndarray:
    """The similarity (2 x 3) that maps the donor's landmarks nearest to the receiver's: weighted Umeyama."""
    source, source_centroid, weights = center_shape(to_complex(donor))
    target, target_centroid, _ = center_shape(to_complex(receiver))
    factor = (weights * source.conj() * target).sum() / (weights * abs(source) ** 2).sum()  # rotation and scale
    shift = (target_centroid - factor * source_centroid)[0]
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])


def alignment_errors(donors: np.ndarray, receivers: np.ndarray) -> np.ndarray:
    """Weighted RMS distance of the landmarks after `align_similarity`, in the receiver's eye distances.

    For n donors and m receivers (n x 5 x 2 and m x 5 x 2), n x m.
    """
    source, _, weights = center_shape(to_complex(donors))
    target, _, _ = center_shape(to_complex(receivers))
    total = (weights * abs(target) ** 2).sum(-1)
    explained = abs((source.conj() * weights) @ target.T) ** 2 / (weights * abs(source) ** 2).sum(-1)[:, None]
    return np.sqrt(np.clip(total - explained, 0, None)) / abs(target[:, 1] - target[:, 0])


def estimate_pose(landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tilt (degrees), turn (of the nose off the middle, in eye distances), size (the eye distance in pixels)."""
    right, left, nose = to_complex(landmarks).T
    turn = ((nose - (right + left) / 2) / (left - right)).real
    return np.angle(left - right, deg=True), turn, abs(left - right)


def landmark_array(faces: pd.DataFrame) -> np.ndarray:
    """Landmarks, n x 5 x 2 crop pixels."""
    return faces[LANDMARKS].to_numpy(float).reshape(-1, 5, 2)


def has_whole_forehead(faces: pd.DataFrame) -> np.ndarray:
    """Whether the hairline lies within the crop and within the photo. A turned crop is treated as upright."""
    right, left = to_complex(landmark_array(faces))[:, :2].T
    hairline = ((right + left) / 2)[:, None] + HAIRLINE * (left - right)[:, None]
    inside = np.ones(len(faces), bool)
    for in_crop, side, low, high in ((hairline.real, "width", "x0", "x1"), (hairline.imag, "height", "y0", "y1")):
        crop, photo, start, end = (faces[name].to_numpy(float)[:, None] for name in (side, f"photo_{side}", low, high))
        in_photo = start + in_crop / crop * (end - start)
        inside &= ((in_crop >= 0) & (in_crop <= crop) & (in_photo >= 0) & (in_photo <= photo)).all(1)
    return inside


def pair_costs(
    donors: pd.DataFrame, receivers: pd.DataFrame, params: TransplantParams
) -> tuple[np.ndarray, np.ndarray]:
    """How different each donor's face is from each receiver's, and the alignment errors; both donors x receivers.

    A cost is the sum of five differences, each as a share of its limit (0 to 5); inf where one is above its limit.
    """
    donor_landmarks, receiver_landmarks = landmark_array(donors), landmark_array(receivers)
    tilt, turn, size = (values[:, None] for values in estimate_pose(donor_landmarks))
    receiver_tilt, receiver_turn, receiver_size = estimate_pose(receiver_landmarks)
    errors = alignment_errors(donor_landmarks, receiver_landmarks)
    tone_difference = donors[TONE].to_numpy()[:, None] - receivers[TONE].to_numpy()
    shares = [
        np.abs((tilt - receiver_tilt + 180) % 360 - 180) / params.max_tilt,
        np.abs(turn - receiver_turn) / params.max_turn,
        np.abs(np.log(size / receiver_size)) / np.log(params.max_size),
        errors / params.max_error,
        np.linalg.norm(tone_difference, axis=-1) / MAX_TONE_DISTANCE,
    ]
    return np.where(np.max(shares, axis=0) <= 1, np.sum(shares, axis=0), np.inf), errors


def find_age_task(tasks: Sequence[Task]) -> Task:
    """The last task with bins."""
    age_tasks = [task for task in tasks if task.bins]
    if not age_tasks:
        raise ValueError("no task has bins, so there is no oldest class to give faces; set transplant.method to none.")
    return age_tasks[-1]


def person_tasks(faces: pd.DataFrame, tasks: Sequence[Task]) -> list[str]:
    """Tasks about the person, not the photo: most people have the same class on all their photos."""
    class_counts = faces.groupby("person")[[task.name for task in tasks]].nunique()
    return [name for name in class_counts if (class_counts[name] <= 1).mean() > 0.5]


def pair_faces(faces: pd.DataFrame, tasks: Sequence[Task], params: TransplantParams) -> pd.DataFrame:
    """One row per picture to make: donor, receiver, fold, alignment error, and the part of the face that moves.

    In each fold the oldest class is brought to the target share, as far as `per_donor` pictures of each donor photo
    allow; a share of 1 asks for all of these. A fold without a donor or a receiver stays as it is. Left out are photos
    without landmarks, profiles, foreheads under a hat or a fringe, and donors whose hairline is out of the frame.
    Half faces agree in every task but age, foreheads only in tasks about the person: the mouth stays the receiver's.
    """
    rows: list[tuple] = []
    if params.method != "none":
        age, rng = find_age_task(tasks), np.random.default_rng(params.seed)
        names = person_tasks(faces, tasks) if params.method == "forehead" else [task.name for task in tasks]
        shared_tasks = [name for name in names if name != age.name]
        for fold, members in faces.groupby("fold"):
            rows += pair_fold(int(fold), members, age, shared_tasks, params, rng)
    return pd.DataFrame(rows, columns=["donor", "receiver", "fold", "error", "part"])


def pair_fold(
    fold: int, faces: pd.DataFrame, age: Task, shared_tasks: Sequence[str], params: TransplantParams,
    rng: np.random.Generator,
) -> list[tuple]:  # fmt: skip
    """The rows of one fold; donor and receiver agree in the shared tasks. Which half of a face moves is random."""
    old = (faces[age.name] == age.classes[-1]).to_numpy()
    has_labels = (faces[[age.name, *shared_tasks]] != "").all(axis=1).to_numpy()
    suitable = is_suitable(faces, params) & has_labels
    donors, receivers = faces[old & suitable], faces[~old & suitable]
    donors = donors[has_whole_forehead(donors)]
    cost, errors = pair_costs(donors, receivers, params)
    for name in shared_tasks:
        cost[donors[name].to_numpy()[:, None] != receivers[name].to_numpy()] = np.inf
    count = transplant_count(int(old.sum()), len(faces), params.target_share)
    pairs = choose_pairs(cost, receivers["person"].to_numpy(), count, params.per_donor, rng)
    parts = ["forehead"] if params.method == "forehead" else ["upper", "left", "right"]
    return [(donors.index[d], receivers.index[r], fold, errors[d, r], str(rng.choice(parts))) for d, r in pairs]


def is_suitable(faces: pd.DataFrame, params: TransplantParams) -> np.ndarray:
    """Whether the landmarks are known, the face is no profile and, if foreheads are to move, the forehead is bare."""
    suitable = faces[LANDMARKS].notna().all(axis=1).to_numpy(copy=True)
    landmarks = landmark_array(faces[suitable])
    _, turn, size = estimate_pose(landmarks)
    mouth_depth = np.linalg.norm(landmarks[:, 3:].mean(1) - landmarks[:, :2].mean(1), axis=1) / size
    suitable[suitable] = (np.abs(turn) < PROFILE_TURN) & (mouth_depth < PROFILE_MOUTH_DEPTH)
    return suitable & (faces["bare"] >= MIN_BARE).to_numpy() if params.method == "forehead" else suitable


def transplant_count(old: int, total: int, share: float) -> float:
    """How many transplants bring the oldest class (`old` of `total` pictures) to this share; inf for a share of 1."""
    return np.inf if share == 1 else max(0, np.ceil((share * total - old) / (1 - share) - 1e-9))


def choose_pairs(
    cost: np.ndarray, people: np.ndarray, count: float, per_donor: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """At most `count` pairs (row, column) of `cost` (donors x receivers); `people` are the receivers' persons.

    Donors take turns, in random order, and each takes its cheapest receiver; the costs vary by up to 1 at random.
    A receiver gets dearer each time it is used, and for one donor so do all photos of the receiver's person.
    """
    cost, pairs = cost + rng.random(cost.shape), []
    donor_order = (donor for _ in range(per_donor) for donor in rng.permutation(len(cost)))
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
