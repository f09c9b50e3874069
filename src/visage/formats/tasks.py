"""The tasks: their classes, the field and bins that a label comes from, and the joint class of all tasks."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from pydantic import model_validator

from visage.runtime.params import FILE, Params, find_section, read_params, suggest, validate


class LabelParams(Params):
    """`labels.<task>`: the field that a task's label comes from, and its classes or the borders of a number."""

    field: str
    classes: tuple[str, ...] = ()
    bins: tuple[float, ...] = ()
    renamed: ClassVar = {"label": "field"}

    @model_validator(mode="after")
    def check(self) -> Self:
        if bool(self.classes) == bool(self.bins):
            raise ValueError("give either classes (a list of values) or bins (a list of borders), one of the two.")
        if len(set(self.classes)) != len(self.classes) or len(self.classes) == 1:
            raise ValueError(f"classes {list(self.classes)} should be two or more different values.")
        if list(self.bins) != sorted(set(self.bins)):
            raise ValueError(f"bins {list(self.bins)} should rise.")
        return self


@dataclass(frozen=True)
class Task:
    """One judgement: its classes in order, the field its label comes from, and the borders if that is a number."""

    name: str
    classes: tuple[str, ...]
    source: str
    bins: tuple[float, ...] = ()


def load_tasks(path: Path = FILE) -> list[Task]:
    """The tasks of section `labels` in `params.yaml`, in their order."""
    section = find_section(read_params(path), "labels", path)
    if not 1 <= len(section) <= 6:
        raise ValueError(f"{path}: labels names {len(section)} tasks; from one to six will do.")
    tasks = []
    for name, values in section.items():
        params = validate(LabelParams, values or {}, f"{path}: labels.{name}")
        tasks.append(Task(name, params.classes or bin_class_names(params.bins), params.field, params.bins))
    return tasks


def bin_class_names(bins: Sequence[float]) -> tuple[str, ...]:
    """[30, 60] as <30, 30-59, >=60; each border belongs to the class above it."""
    borders = [f"{border:g}" for border in bins]
    tops = [f"{b - 1:g}" if float(b).is_integer() else f"<{b:g}" for b in bins]
    middle = [f"{low}-{high}" for low, high in zip(borders, tops[1:], strict=False)]
    return (f"<{borders[0]}", *middle, f">={borders[-1]}")


def write_tasks(path: Path, tasks: Sequence[Task]) -> None:
    Path(path).write_text(json.dumps([asdict(task) for task in tasks], indent=1) + "\n", encoding="utf-8")


def read_tasks(path: Path) -> list[Task]:
    rows = json.loads(Path(path).read_text(encoding="utf-8"))
    return [Task(row["name"], tuple(row["classes"]), row["source"], tuple(row["bins"])) for row in rows]


def class_codes(names: pd.Series, task: Task) -> np.ndarray:
    """Class names as their places in the task's order; -1 where there is none."""
    return pd.Index(task.classes).get_indexer(names).astype(np.int64)


def joint_codes(parts: Sequence[np.ndarray], tasks: Sequence[Task]) -> np.ndarray:
    """One number for all tasks, mixed radix: the last task turns fastest."""
    joint = np.zeros_like(np.asarray(parts[0], dtype=np.int64))
    for part, task in zip(parts, tasks, strict=True):
        joint = joint * len(task.classes) + np.asarray(part)
    return joint


def split_joint_codes(joint: np.ndarray, tasks: Sequence[Task]) -> list[np.ndarray]:
    """The inverse of `joint_code`."""
    parts, rest = [], np.asarray(joint)
    for task in reversed(tasks):
        rest, part = np.divmod(rest, len(task.classes))
        parts.append(part)
    return parts[::-1]


def joint_class_names(tasks: Sequence[Task]) -> list[str]:
    """`worn/male/<30` and so on, in the order of the joint code."""
    names = [""]
    for task in tasks:
        names = [f"{head}/{name}" if head else name for head in names for name in task.classes]
    return names


def classify(values: pd.Series, task: Task) -> tuple[pd.Series, pd.Series]:
    """Field values as class names, and for each value what is wrong with it ('' where nothing is)."""
    if not task.bins:
        wrong = ~values.isin(task.classes)
        told = values.map(lambda one: f"{task.source} {one!r} is not one of {', '.join(task.classes)}.")
        hints = values.map(lambda one: suggest(one, task.classes) if str(one) else "")
        return values.where(~wrong, ""), told.str.cat(hints).where(wrong, "")
    numbers = pd.to_numeric(values, errors="coerce").replace([np.inf, -np.inf], np.nan)
    places = np.digitize(numbers.fillna(0), task.bins)
    names = pd.Series(np.array(task.classes)[places], index=values.index)
    told = values.map(lambda one: f"{task.source} {one!r} is not a number; write one such as 34.")
    return names.where(numbers.notna(), ""), told.where(numbers.isna(), "")
