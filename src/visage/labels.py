"""What is to be judged: the tasks, their classes, the joint class, and corrections made by hand."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from visage.params import find, nearest, parse, read

FIX_COLUMNS = ["person", "photo", "field", "value", "confidence", "source", "note"]


@dataclass(frozen=True)
class TaskParams:
    """Where a task's label comes from. `tasks.<task>` may hold keys of the training recipe beside these."""

    label: str
    classes: tuple[str, ...] = ()
    bins: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.classes) == bool(self.bins):
            raise ValueError("give either classes (a list of values) or bins (a list of borders), one of the two.")
        if len(set(self.classes)) != len(self.classes) or len(self.classes) == 1:
            raise ValueError(f"classes {list(self.classes)} should be two or more different values.")
        if list(self.bins) != sorted(set(self.bins)):
            raise ValueError(f"bins {list(self.bins)} should rise.")


@dataclass(frozen=True)
class Task:
    """One judgement: its classes in order, the field its label comes from, and the borders if that is a number."""

    name: str
    classes: tuple[str, ...]
    source: str
    bins: tuple[float, ...] = ()


def load_tasks(recipe: type, path: Path = Path("params.yaml")) -> list[Task]:
    """The tasks of `params.yaml`, in their order; `recipe` is the dataclass whose keys they may override."""
    section = find(read(path), "tasks", path)
    if not 1 <= len(section) <= 6:
        raise ValueError(f"{path}: tasks names {len(section)} tasks; from one to six will do.")
    tasks = []
    for name, values in section.items():
        params = parse(TaskParams, values or {}, f"{path}: tasks.{name}", besides=recipe)
        tasks.append(Task(name, params.classes or bin_names(params.bins), params.label, params.bins))
    return tasks


def bin_names(bins: Sequence[float]) -> tuple[str, ...]:
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


def codes(names: pd.Series, task: Task) -> np.ndarray:
    """Class names as their places in the task's order; -1 where there is none."""
    return pd.Index(task.classes).get_indexer(names).astype(np.int64)


def joint_code(parts: Sequence[np.ndarray], tasks: Sequence[Task]) -> np.ndarray:
    """One number for all tasks, mixed radix: the last task turns fastest."""
    joint = np.zeros_like(np.asarray(parts[0], dtype=np.int64))
    for part, task in zip(parts, tasks, strict=True):
        joint = joint * len(task.classes) + np.asarray(part)
    return joint


def split_code(joint: np.ndarray, tasks: Sequence[Task]) -> list[np.ndarray]:
    """The inverse of `joint_code`."""
    parts, rest = [], np.asarray(joint)
    for task in reversed(tasks):
        rest, part = np.divmod(rest, len(task.classes))
        parts.append(part)
    return parts[::-1]


def joint_names(tasks: Sequence[Task]) -> list[str]:
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
        hints = values.map(lambda one: nearest(one, task.classes) if str(one) else "")
        return values.where(~wrong, ""), told.str.cat(hints).where(wrong, "")
    numbers = pd.to_numeric(values, errors="coerce").replace([np.inf, -np.inf], np.nan)
    places = np.digitize(numbers.fillna(0), task.bins)
    names = pd.Series(np.array(task.classes)[places], index=values.index)
    told = values.map(lambda one: f"{task.source} {one!r} is not a number; write one such as 34.")
    return names.where(numbers.notna(), ""), told.where(numbers.isna(), "")


def read_fixes(path: Path) -> pd.DataFrame:
    """Corrections made by hand, as text, with the line each stands on."""
    fixes = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8", comment=None)
    if list(fixes.columns) != FIX_COLUMNS:
        raise ValueError(f"{path}: the columns are {list(fixes.columns)}, and should be {FIX_COLUMNS}.")
    return fixes.assign(row=range(2, len(fixes) + 2))


def apply_fixes(
    photos: pd.DataFrame, fixes: pd.DataFrame, tasks: Sequence[Task], *, confidence: float, file: str
) -> pd.DataFrame:
    """The photos with every correction of at least that confidence carried out.

    A correction names a person (the folder, or the id where one person alone has it) or a photo (its key, or
    person/shot). All rows are checked, also those that are off; one that names nobody is an error.
    """
    fixed, problems = photos.copy(), []
    people, shots = places(photos, ["person", "id"]), places(photos, ["photo", "shot", "id_shot"])
    legal = {task.source: task for task in tasks}
    for fix in fixes.itertuples():
        try:
            rows = named(fix, people, shots, photos)
            value = checked(fix, legal, photos.loc[rows])
            if number(fix.confidence) >= confidence:
                fixed.loc[rows, fix.field] = value
        except ValueError as error:
            problems.append(f"{file}, row {fix.row}: {error}")
    if problems:
        raise ValueError("\n".join(problems))
    return fixed


def places(photos: pd.DataFrame, columns: Sequence[str]) -> dict[str, np.ndarray]:
    """Which rows each name stands for, over several ways of naming; the first way wins."""
    found: dict[str, np.ndarray] = {}
    for column in columns:
        if column in photos:
            found = {str(k): np.asarray(v) for k, v in photos.groupby(column).groups.items() if k} | found
    return found


def named(fix: object, people: dict, shots: dict, photos: pd.DataFrame) -> np.ndarray:
    if bool(fix.person) == bool(fix.photo):
        raise ValueError("name a person or a photo, one of the two.")
    what, name, known = ("person", fix.person, people) if fix.person else ("photo", fix.photo, shots)
    if name not in known:
        raise ValueError(f"there is no {what} {name!r}.{nearest(name, list(known)) if len(known) < 50000 else ''}")
    owners = photos.loc[known[name], "person"].unique()
    if len(owners) > 1:
        raise ValueError(f"{name!r} names {len(owners)} people; write the whole folder name: {', '.join(owners)}.")
    return known[name]


def checked(fix: object, legal: dict[str, Task], rows: pd.DataFrame) -> str | pd.Series:
    """The value to set. `other` is the other one of two classes, for corrections that were published as a flip."""
    if fix.field not in legal:
        raise ValueError(f"there is no field {fix.field!r}.{nearest(fix.field, legal)}")
    if not 0 <= number(fix.confidence) <= 1:
        raise ValueError(f"confidence {fix.confidence!r} should be a number from 0 to 1.")
    task = legal[fix.field]
    if fix.value == "other" and len(task.classes) == 2 and not task.bins:
        return rows[fix.field].map(dict(zip(task.classes, task.classes[::-1], strict=True)))
    if wrong := classify(pd.Series([fix.value]), task)[1][0]:
        raise ValueError(wrong)
    return fix.value


def number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
