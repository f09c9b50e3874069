"""How well each group of people is answered: accuracy with an interval over people, and the largest difference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from visage.formats.tasks import Task, class_codes, is_about_people

FEWEST_PEOPLE = 20  # of fewer, an accuracy tells next to nothing
Z = 1.96  # of a normal distribution, 95% lie within so many standard deviations


@dataclass(frozen=True)
class Accuracy:
    """The share of right answers; 95% of the time, other people of the same kind would have it in low to high."""

    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Group:
    """People who have one value in common, and the accuracy of each task among their photos."""

    field: str
    value: str
    people: int
    photos: int
    accuracy: dict[str, Accuracy]

    @property
    def enough(self) -> bool:
        return self.people >= FEWEST_PEOPLE


@dataclass(frozen=True)
class Difference:
    """How much more often one group is answered right than another of the same field; low to high hold 95%."""

    better: Group
    worse: Group
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Groups by field, and for each task the largest difference between two groups of a field with enough people.

    `beyond_labels` tells whether the table of photos has columns to compare by that no task answers, such as race.
    """

    groups: dict[str, list[Group]]
    largest: dict[str, Difference | None]
    beyond_labels: bool


def compare_groups(
    photos: pd.DataFrame | None, answers: pd.DataFrame | None, extra: pd.DataFrame | None, tasks: Sequence[Task]
) -> Comparison | None:
    """Held-out answers by the tasks' classes and the columns of `extra` (photo, such as race); None without answers."""
    if photos is None or answers is None or not tasks:
        return None
    train = photos[photos["split"] == "train"].set_index("photo")
    train = train.loc[train.index.isin(answers["photo"])]
    given = answers.set_index("photo").loc[train.index]
    right = {task.name: (given[task.name] == train[task.name]).to_numpy() for task in tasks}
    fields = list_fields(train, extra, tasks)
    groups = measure_groups(train["person"].to_numpy(str), right, fields)
    if not groups:
        return None
    largest = {task.name: find_largest(groups, task.name) for task in tasks}
    return Comparison(groups, largest, beyond_labels=not set(groups) <= set(right))


def list_fields(train: pd.DataFrame, extra: pd.DataFrame | None, tasks: Sequence[Task]) -> dict[str, pd.Series]:
    """What people are grouped by, a value for each photo: labels about the person, then the other columns.

    Where every person has one photo, nothing tells what is the person's and what the photo's: all labels count.
    """
    people = train["person"].to_numpy(str)
    single = len(np.unique(people)) == len(people)
    own = [task for task in tasks if single or is_about_people(people, class_codes(train[task.name], task))]
    fields = {task.name: pd.Categorical(train[task.name], task.classes) for task in own}
    others = pd.DataFrame(index=train.index) if extra is None else extra.set_index("photo").reindex(train.index)
    names = [name for name in others if name not in {task.name for task in tasks}]
    return fields | {name: pd.Categorical(others[name].replace("", np.nan)) for name in names}


def measure_groups(
    people: np.ndarray, right: Mapping[str, np.ndarray], fields: Mapping[str, pd.Categorical]
) -> dict[str, list[Group]]:
    """`right` tells for each task which photos are answered right; a group without a photo is left out."""
    groups: dict[str, list[Group]] = {}
    for field, values in fields.items():
        for code, value in enumerate(values.categories):
            inside = values.codes == code
            if inside.any():
                accuracy = {task: measure_accuracy(own[inside], people[inside]) for task, own in right.items()}
                count = len(np.unique(people[inside]))
                groups.setdefault(field, []).append(Group(field, str(value), count, int(inside.sum()), accuracy))
    return groups


def measure_accuracy(right: np.ndarray, people: np.ndarray) -> Accuracy:
    """The accuracy of some photos with Wilson's interval, for as many independent photos as theirs are worth.

    Photos of one person fail together, so ten of each are worth less than ten times as many people. How much less
    is read from the spread over people; where all are right, or none is, only people count. Unlike resampling, this
    gives few people without a mistake no interval of nought.
    """
    _, person, counts = np.unique(people, return_inverse=True, return_counts=True)
    n, share = len(counts), float(right.mean())
    residuals = np.bincount(person, weights=right, minlength=n) - share * counts
    variance = np.square(residuals).sum() * n / max(n - 1, 1) / len(right) ** 2
    worth = min(share * (1 - share) / variance, len(right)) if variance > 0 else n
    middle = (share + Z**2 / (2 * worth)) / (1 + Z**2 / worth)
    half = Z / (1 + Z**2 / worth) * np.sqrt(share * (1 - share) / worth + Z**2 / (4 * worth**2))
    return Accuracy(share, max(float(middle - half), 0.0), min(float(middle + half), 1.0))


def find_largest(groups: Mapping[str, Sequence[Group]], task: str) -> Difference | None:
    """The largest difference of a task between two groups of one field with enough people; None without such two."""
    enough = [[group for group in own if group.enough] for own in groups.values()]
    differences = [subtract(*pair, task) for own in enough for pair in combinations(own, 2)]
    return max(differences, key=lambda difference: difference.share, default=None)


def subtract(one: Group, other: Group, task: str) -> Difference:
    """The higher accuracy less the lower; the interval joins theirs, as of two independent numbers (Newcombe)."""
    better, worse = sorted((one, other), key=lambda group: group.accuracy[task].share, reverse=True)
    up, down = better.accuracy[task], worse.accuracy[task]
    share = up.share - down.share
    low = share - np.hypot(up.share - up.low, down.high - down.share)
    high = share + np.hypot(up.high - up.share, down.share - down.low)
    return Difference(better, worse, share, float(low), float(high))
