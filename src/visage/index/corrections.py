"""Label corrections made by hand: `data/manual/<name>/labels.csv`, checked row by row and applied."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from visage.formats.columns import CORRECTION_COLUMNS
from visage.formats.tables import read_manual_table
from visage.formats.tasks import Task, classify
from visage.runtime.params import suggest
from visage.runtime.problems import join_names, raise_problems, suggest_nearest


def read_corrections(path: Path) -> pd.DataFrame:
    """Corrections made by hand, as text; the index is the line that each stands on."""
    return read_manual_table(path, CORRECTION_COLUMNS)


def apply_corrections(
    photos: pd.DataFrame, corrections: pd.DataFrame, tasks: Sequence[Task], *, confidence: float, file: str
) -> pd.DataFrame:
    """The photos with every correction of at least that confidence carried out.

    A correction names a person (the folder, or the id where one person alone has it) or a photo (its key, or
    person/shot). All rows are checked, also those that are off; one that names nobody is an error.
    """
    corrected, problems = photos.copy(), []
    people, shots = index_names(photos, ["person", "id"]), index_names(photos, ["photo", "shot", "id_shot"])
    tasks_by_field = {task.source: task for task in tasks}
    for correction in corrections.itertuples():
        try:
            rows = find_rows(correction, people, shots, photos)
            value = check_value(correction, tasks_by_field, photos.loc[rows])
            if to_number(correction.confidence) >= confidence:
                corrected.loc[rows, correction.field] = value
        except ValueError as error:
            problems.append(f"{file}, row {correction.Index}: {error}")
    raise_problems(problems)
    return corrected


def index_names(photos: pd.DataFrame, columns: Sequence[str]) -> dict[str, np.ndarray]:
    """Which rows each name stands for, over several ways of naming; the first way wins."""
    rows: dict[str, np.ndarray] = {}
    for column in columns:
        if column in photos:
            groups = photos.groupby(column).groups
            rows = {str(name): np.asarray(labels) for name, labels in groups.items() if name} | rows
    return rows


def find_rows(correction: Any, people: Mapping, shots: Mapping, photos: pd.DataFrame) -> np.ndarray:
    """The rows of the photos that a correction speaks of: all of a person, or one."""
    if bool(correction.person) == bool(correction.photo):
        raise ValueError("name a person or a photo, one of the two.")
    if correction.person:
        what, name, rows = "person", correction.person, people
    else:
        what, name, rows = "photo", correction.photo, shots
    if name not in rows:
        raise ValueError(f"there is no {what} {name!r}.{suggest_nearest(name, rows)}")
    owners = photos.loc[rows[name], "person"].unique()
    if len(owners) > 1:
        raise ValueError(f"{name!r} names {len(owners)} people; write the whole folder name: {join_names(owners)}.")
    return rows[name]


def check_value(correction: Any, tasks_by_field: Mapping[str, Task], rows: pd.DataFrame) -> str | pd.Series:
    """The value to set. `other` is the other one of two classes, for corrections that were published as a flip."""
    field, value = correction.field, correction.value
    if field not in tasks_by_field:
        raise ValueError(f"there is no field {field!r}.{suggest(field, tasks_by_field)}")
    if not 0 <= to_number(correction.confidence) <= 1:
        raise ValueError(f"confidence {correction.confidence!r} should be a number from 0 to 1.")
    task = tasks_by_field[field]
    if value == "other" and len(task.classes) == 2 and not task.bins:
        return rows[field].map(dict(zip(task.classes, task.classes[::-1], strict=True)))
    _, sentences = classify(pd.Series([value]), task)
    if sentences[0]:
        raise ValueError(sentences[0])
    return value


def to_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
