"""Label corrections made by hand: `data/manual/<name>/labels.csv`, checked row by row and applied."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from visage.formats.columns import CORRECTION_COLUMNS
from visage.formats.tasks import Task, classify
from visage.runtime.params import suggest


def read_corrections(path: Path) -> pd.DataFrame:
    """Corrections made by hand, as text, with the line each stands on."""
    fixes = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8", comment=None)
    if list(fixes.columns) != CORRECTION_COLUMNS:
        raise ValueError(f"{path}: the columns are {list(fixes.columns)}, and should be {CORRECTION_COLUMNS}.")
    return fixes.assign(row=range(2, len(fixes) + 2))


def apply_corrections(
    photos: pd.DataFrame, fixes: pd.DataFrame, tasks: Sequence[Task], *, confidence: float, file: str
) -> pd.DataFrame:
    """The photos with every correction of at least that confidence carried out.

    A correction names a person (the folder, or the id where one person alone has it) or a photo (its key, or
    person/shot). All rows are checked, also those that are off; one that names nobody is an error.
    """
    fixed, problems = photos.copy(), []
    people, shots = index_names(photos, ["person", "id"]), index_names(photos, ["photo", "shot", "id_shot"])
    legal = {task.source: task for task in tasks}
    for fix in fixes.itertuples():
        try:
            rows = find_rows(fix, people, shots, photos)
            value = check_value(fix, legal, photos.loc[rows])
            if to_number(fix.confidence) >= confidence:
                fixed.loc[rows, fix.field] = value
        except ValueError as error:
            problems.append(f"{file}, row {fix.row}: {error}")
    if problems:
        raise ValueError("\n".join(problems))
    return fixed


def index_names(photos: pd.DataFrame, columns: Sequence[str]) -> dict[str, np.ndarray]:
    """Which rows each name stands for, over several ways of naming; the first way wins."""
    found: dict[str, np.ndarray] = {}
    for column in columns:
        if column in photos:
            found = {str(k): np.asarray(v) for k, v in photos.groupby(column).groups.items() if k} | found
    return found


def find_rows(fix: object, people: dict, shots: dict, photos: pd.DataFrame) -> np.ndarray:
    if bool(fix.person) == bool(fix.photo):
        raise ValueError("name a person or a photo, one of the two.")
    what, name, known = ("person", fix.person, people) if fix.person else ("photo", fix.photo, shots)
    if name not in known:
        raise ValueError(f"there is no {what} {name!r}.{suggest(name, list(known)) if len(known) < 50000 else ''}")
    owners = photos.loc[known[name], "person"].unique()
    if len(owners) > 1:
        raise ValueError(f"{name!r} names {len(owners)} people; write the whole folder name: {', '.join(owners)}.")
    return known[name]


def check_value(fix: object, legal: dict[str, Task], rows: pd.DataFrame) -> str | pd.Series:
    """The value to set. `other` is the other one of two classes, for corrections that were published as a flip."""
    if fix.field not in legal:
        raise ValueError(f"there is no field {fix.field!r}.{suggest(fix.field, legal)}")
    if not 0 <= to_number(fix.confidence) <= 1:
        raise ValueError(f"confidence {fix.confidence!r} should be a number from 0 to 1.")
    task = legal[fix.field]
    if fix.value == "other" and len(task.classes) == 2 and not task.bins:
        return rows[fix.field].map(dict(zip(task.classes, task.classes[::-1], strict=True)))
    if wrong := classify(pd.Series([fix.value]), task)[1][0]:
        raise ValueError(wrong)
    return fix.value


def to_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
