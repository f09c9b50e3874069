"""How a set of photos lies on disk, as one table; what does not fit is listed, never guessed.

A layout reads names and CSV files only. It returns the photos (photo, split, person, one column per field, and
the line of the CSV that speaks of each) and the problems (file, row, person, photo, problem).
"""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from visage.formats.columns import SHOTS
from visage.formats.photos import is_photo, photo_path
from visage.runtime.params import Params

MASKS = {"normal": "not worn", "incorrect_mask": "incorrect"} | dict.fromkeys(SHOTS[2:], "worn")
PROBLEM = ["file", "row", "person", "photo", "problem"]


class IndexParams(Params):
    """Section `index`: how the folder is read, and what happens to what does not fit."""

    layout: Literal["competition", "table"]
    table: str | None
    on_bad: Literal["stop", "skip"]
    label_confidence: float = Field(ge=0, le=1)


class Problems(list):
    """What does not fit, gathered so that a person sees all of it at once."""

    def add(self, file: str, problem: str, *, row: int | None = None, person: str = "", photo: str = "") -> None:
        self.append({"file": file, "row": row, "person": person, "photo": photo, "problem": problem})


def read_layout(root: Path, params: IndexParams) -> tuple[pd.DataFrame, Problems]:
    """The photos of a data folder in the layout that `index.layout` names."""
    if not Path(root).is_dir():
        raise ValueError(
            f"{root} is not there; put your photos in it, or set data.name in params.yaml to a set you have."
        )
    problems = Problems()
    if params.layout == "competition":
        train, eval_ = competition_train(root, problems), competition_eval(root, problems)
        photos = pd.concat([train, eval_], ignore_index=True)
    else:
        photos = table_photos(root, params.table, problems) if params.table else folder_photos(root)
    if photos.empty and not problems:
        raise ValueError(f"{root} holds no photos in the layout {params.layout!r}.")
    return photos.fillna(""), problems


def read_csv(root: Path, name: str, columns: list[str]) -> pd.DataFrame:
    """A CSV as text with its line numbers in `row`; it must have these columns."""
    path = Path(root) / name
    if not path.is_file():
        raise ValueError(f"{path} is missing; the layout needs it, with the columns {', '.join(columns)}.")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise ValueError(f"{path}, row {line}: the file is not UTF-8; save it as UTF-8.") from None
    try:
        table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path} is not a table: {str(error).strip()}") from None
    if lacking := [name for name in columns if name not in table]:
        raise ValueError(f"{path} lacks the column {', '.join(lacking)}; it has {', '.join(table.columns)}.")
    return table.assign(row=np.arange(2, len(table) + 2))


def list_names(folder: Path, keep: Callable[[os.DirEntry], bool]) -> list[str]:
    """Sorted names in a folder, without the junk whose names start with a dot."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if not entry.name.startswith(".") and keep(entry))


def competition_train(root: Path, problems: Problems) -> pd.DataFrame:
    """`train/train.csv` and a folder of seven shots per person. A person is a folder, never an id."""
    file, images = "train/train.csv", Path(root) / "train" / "images"
    people = read_csv(root, file, ["id", "gender", "age", "path"])
    folders = set(list_names(images, os.DirEntry.is_dir))
    for name in sorted(folders - set(people["path"])):
        problems.add(file, f"the folder train/images/{name} is there, but no row lists it.", person=name)
    twice = people["path"].duplicated()
    rows = []
    for person in people.itertuples(index=False):
        say = {"row": person.row, "person": person.path}
        if twice[person.row - 2]:
            problems.add(file, f"the folder {person.path} is listed twice; a person is one folder.", **say)
        elif not is_folder_name(person.path):
            problems.add(file, f"path {person.path!r} should be the name of one folder in train/images.", **say)
        elif person.path not in folders:
            problems.add(file, f"the folder train/images/{person.path} is listed, but is not there.", **say)
        else:
            rows += person_shots(images, person._asdict(), problems)
    return pd.DataFrame(
        rows, columns=["photo", "split", "person", "id", "shot", "id_shot", "mask", *person_columns(people), "row"]
    )


def person_columns(people: pd.DataFrame) -> list[str]:
    """The columns of train.csv that say something about a person."""
    return [name for name in people if name not in ("id", "path", "row", "mask")]


def is_folder_name(text: str) -> bool:
    return bool(text) and text not in (".", "..") and not set(text) & set("/\\\0:")


def person_shots(images: Path, person: dict, problems: Problems) -> list[dict]:
    """One row per photo in a person's folder; the shot is the file's name without its ending."""
    name = person["path"]
    files = list_names(images / name, lambda entry: is_photo(Path(entry.name)))
    shots: dict[str, list[str]] = {}
    for file in files:
        shots.setdefault(Path(file).stem, []).append(file)
    missing = [shot for shot in SHOTS if shot not in shots]
    strange = [shot for shot in shots if shot not in SHOTS]
    double = [" and ".join(files) for files in shots.values() if len(files) > 1]
    told = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"holds {', '.join(strange)}"] * bool(strange)
    told += [f"holds {', '.join(double)} for one shot"] * bool(double)
    if told:
        told = f"the folder train/images/{name} {'; '.join(told)}; wanted are {', '.join(SHOTS)}."
        problems.add("train/train.csv", told, row=person["row"], person=name)
        return []
    facts = {key: value for key, value in person.items() if key not in ("path", "mask")}
    return [
        facts
        | {"photo": f"train/images/{name}/{shots[shot][0]}", "split": "train", "person": name, "shot": f"{name}/{shot}"}
        | {"id_shot": f"{person['id']}/{shot}", "mask": MASKS[shot]}
        for shot in SHOTS
    ]


def competition_eval(root: Path, problems: Problems) -> pd.DataFrame:
    """`eval/info.csv` names the photos to answer; each must be there, and none beside them."""
    file = "eval/info.csv"
    info = read_csv(root, file, ["ImageID"])
    there = set(list_names(Path(root) / "eval" / "images", lambda entry: is_photo(Path(entry.name))))
    for name in sorted(there - set(info["ImageID"])):
        problems.add(file, f"the photo eval/images/{name} is there, but no row lists it.", photo=f"eval/images/{name}")
    rows, seen = [], set()
    for name, row in zip(info["ImageID"], info["row"], strict=True):
        key = f"eval/images/{name}"
        if not is_folder_name(name):
            problems.add(file, f"ImageID {name!r} should be the name of one file in eval/images.", row=row, photo=key)
        elif name in seen:
            problems.add(file, f"the photo {key} is listed twice.", row=row, photo=key)
        elif name not in there:
            problems.add(file, f"the photo {key} is listed, but is not there.", row=row, photo=key)
        else:
            rows.append({"photo": key, "split": "eval", "person": "", "row": row})
        seen.add(name)
    return pd.DataFrame(rows, columns=["photo", "split", "person", "row"])


def table_photos(root: Path, name: str, problems: Problems) -> pd.DataFrame:
    """Any CSV with a `photo` column and label columns; `person` and `split` (train or eval) if it has them."""
    table = read_csv(root, name, ["photo"])
    table["split"] = table["split"].replace("", "train") if "split" in table else "train"
    table["person"] = (
        table["person"].where(table["person"] != "", table["photo"]) if "person" in table else table["photo"]
    )
    table.loc[table["split"] == "eval", "person"] = ""
    twice, bad = table["photo"].duplicated(), np.zeros(len(table), bool)
    for i, (photo, split, row) in enumerate(zip(table["photo"], table["split"], table["row"], strict=True)):
        try:
            told = "" if photo_path(root, photo).is_file() else f"the photo {photo} is listed, but is not there."
        except ValueError as error:
            told = str(error)
        told = told or (f"the photo {photo} is listed twice." if twice[i] else "")
        if split not in ("train", "eval"):
            told = told or f"split {split!r} is not one of train, eval."
        if told:
            bad[i] = True
            problems.add(name, told, row=row, person=table["person"][i], photo=photo)
    return table[~bad].reset_index(drop=True)


def folder_photos(root: Path) -> pd.DataFrame:
    """One folder per class, its name in the field `folder`; a folder named eval holds the photos to answer."""
    rows = []
    for folder in list_names(Path(root), os.DirEntry.is_dir):
        split = "eval" if folder == "eval" else "train"
        for name in list_names(Path(root) / folder, lambda entry: is_photo(Path(entry.name))):
            key = f"{folder}/{name}"
            person = key if split == "train" else ""
            rows.append({"photo": key, "split": split, "person": person, "folder": folder if person else ""})
    return pd.DataFrame(rows, columns=["photo", "split", "person", "folder"]).assign(row=None)
