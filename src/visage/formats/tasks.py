"""The tasks: their classes, the class of a label's value, and the joint class of all tasks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from visage.runtime.problems import suggest_nearest

if TYPE_CHECKING:  # a bundle knows its tasks where there is no pandas
    import pandas as pd


PERSON_SHARE = 0.95  # a label that is the same on all photos of so many people is a fact about people


@dataclass(frozen=True)
class Task:
    """One question about every photo: its classes in order, the field its label comes from, the borders of a number."""

    name: str
    classes: tuple[str, ...]
    source: str
    bins: tuple[float, ...] = ()


def write_tasks(path: Path, tasks: Sequence[Task]) -> None:
    Path(path).write_text(json.dumps([asdict(task) for task in tasks], indent=1) + "\n", encoding="utf-8")


def read_tasks(path: Path) -> list[Task]:
    rows = json.loads(Path(path).read_text(encoding="utf-8"))
    return [Task(row["name"], tuple(row["classes"]), row["source"], tuple(row["bins"])) for row in rows]


def class_codes(names: pd.Series, task: Task) -> np.ndarray:
    """The index of each class name in the task's order, int64; -1 where there is none."""
    import pandas as pd

    return pd.Index(task.classes).get_indexer(names).astype(np.int64)


def is_about_people(people: np.ndarray, codes: np.ndarray) -> bool:
    """Whether a label (class codes, -1: unknown) is the person's and not the photo's: nearly all people with two labels
    or more have one class throughout."""
    known = codes >= 0
    _, person, counts = np.unique(people[known], return_inverse=True, return_counts=True)
    pairs = np.unique(np.stack([person, codes[known]], axis=1), axis=0)
    classes_of_person = np.bincount(pairs[:, 0])
    several = counts > 1
    return bool(several.any()) and bool((classes_of_person[several] == 1).mean() >= PERSON_SHARE)


def joint_codes(parts: Sequence[np.ndarray], tasks: Sequence[Task]) -> np.ndarray:
    """One number for all tasks, mixed radix: the last task turns fastest."""
    joint = np.zeros_like(np.asarray(parts[0], dtype=np.int64))
    for part, task in zip(parts, tasks, strict=True):
        joint = joint * len(task.classes) + np.asarray(part)
    return joint


def split_joint_codes(joint: np.ndarray, tasks: Sequence[Task]) -> list[np.ndarray]:
    """The inverse of `joint_codes`: the class codes of each task."""
    parts, rest = [], np.asarray(joint)
    for task in reversed(tasks):
        rest, part = np.divmod(rest, len(task.classes))
        parts.append(part)
    return parts[::-1]


def joint_class_names(tasks: Sequence[Task]) -> list[str]:
    """`worn/male/<30` and so on, in the order of the joint codes."""
    names = [""]
    for task in tasks:
        names = [f"{head}/{name}" if head else name for head in names for name in task.classes]
    return names


def classify(values: pd.Series, task: Task) -> tuple[pd.Series, pd.Series]:
    """Field values as class names, and for each value what is wrong with it ('' where nothing is)."""
    return classify_numbers(values, task) if task.bins else classify_names(values, task)


def classify_names(values: pd.Series, task: Task) -> tuple[pd.Series, pd.Series]:
    unknown = [value for value in values.unique() if value not in task.classes]
    sentences = {
        value: f"{task.source} {value!r} is not one of {', '.join(task.classes)}.{suggest_nearest(value, task.classes)}"
        for value in unknown
    }
    return values.where(~values.isin(unknown), ""), values.map(lambda value: sentences.get(value, ""))


def classify_numbers(values: pd.Series, task: Task) -> tuple[pd.Series, pd.Series]:
    import pandas as pd

    numbers = pd.to_numeric(values, errors="coerce").replace([np.inf, -np.inf], np.nan)
    known = numbers.notna()
    codes = np.digitize(numbers.fillna(0), task.bins)
    names = pd.Series(np.array(task.classes)[codes], index=values.index)
    sentences = values.map(lambda value: f"{task.source} {value!r} is not a number; write one such as 34.")
    return names.where(known, ""), sentences.where(~known, "")
