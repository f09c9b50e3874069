"""The tasks: their classes, the field and bins that a label comes from, and the joint class of all tasks."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from pydantic import model_validator

from visage.runtime.params import FILE, Params, check_name, find_section, read_params, validate
from visage.runtime.problems import suggest_nearest

RESERVED = ("photo", "split", "person", "fold", "kind", "width", "height", "ans", "confidence", "joint", "low", "high",
            "key", "log_loss")  # fmt: skip


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
        if bad := [name for name in self.classes if not name.strip() or not name.isprintable() or "/" in name]:
            raise ValueError(f"classes {bad} should be printable text without /, and not empty.")
        if list(self.bins) != sorted(set(self.bins)) or len({f"{border:g}" for border in self.bins}) < len(self.bins):
            raise ValueError(f"bins {list(self.bins)} should rise, by more than six digits can tell.")
        return self


@dataclass(frozen=True)
class Task:
    """One question about every photo: its classes in order, the field its label comes from, the borders of a number."""

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
        check_name(name, f"{path}: a task of labels", RESERVED)
        params = validate(LabelParams, values or {}, f"{path}: labels.{name}")
        tasks.append(Task(name, params.classes or bin_class_names(params.bins), params.field, params.bins))
    return tasks


def bin_class_names(bins: Sequence[float]) -> tuple[str, ...]:
    """[30, 60] as <30, 30-59, >=60; each border belongs to the class above it."""
    borders = [f"{border:g}" for border in bins]
    tops = [f"{border - 1:g}" if float(border).is_integer() else f"<{border:g}" for border in bins]
    middle = [f"{low}-{high}" for low, high in zip(borders, tops[1:], strict=False)]
    return (f"<{borders[0]}", *middle, f">={borders[-1]}")


def write_tasks(path: Path, tasks: Sequence[Task]) -> None:
    Path(path).write_text(json.dumps([asdict(task) for task in tasks], indent=1) + "\n", encoding="utf-8")


def read_tasks(path: Path) -> list[Task]:
    rows = json.loads(Path(path).read_text(encoding="utf-8"))
    return [Task(row["name"], tuple(row["classes"]), row["source"], tuple(row["bins"])) for row in rows]


def class_codes(names: pd.Series, task: Task) -> np.ndarray:
    """The index of each class name in the task's order, int64; -1 where there is none."""
    return pd.Index(task.classes).get_indexer(names).astype(np.int64)


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
    numbers = pd.to_numeric(values, errors="coerce").replace([np.inf, -np.inf], np.nan)
    known = numbers.notna()
    codes = np.digitize(numbers.fillna(0), task.bins)
    names = pd.Series(np.array(task.classes)[codes], index=values.index)
    sentences = values.map(lambda value: f"{task.source} {value!r} is not a number; write one such as 34.")
    return names.where(known, ""), sentences.where(~known, "")
