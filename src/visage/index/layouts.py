"""How a set of photos lies on disk, as one table; what does not fit is listed, never guessed.

A layout reads names and CSV files only. It returns the photos (photo, split, person, one column per field, and
the row of the CSV that speaks of each) and the problems.
"""

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import Field

from visage.formats.columns import SHOTS
from visage.formats.photos import is_photo, photo_path
from visage.formats.tables import read_numbered_table
from visage.runtime.params import Params

TRAIN_CSV, EVAL_CSV = "train/train.csv", "eval/info.csv"
MASKS = {"normal": "not worn", "incorrect_mask": "incorrect"} | dict.fromkeys(SHOTS[2:], "worn")
SHOT_COLUMNS = ["photo", "split", "person", "id", "shot", "id_shot", "mask"]  # of a photo in the competition's layout


class IndexParams(Params):
    """Section `index`: how the folder is read, and what happens to what does not fit."""

    layout: Literal["competition", "table"]
    table: str | None
    on_bad: Literal["stop", "skip"]
    label_confidence: float = Field(ge=0, le=1)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What does not fit. It leaves out the photo, or all photos of the person."""

    file: str
    row: int | None = None  # as an editor counts lines
    person: str = ""
    photo: str = ""
    problem: str

    def __str__(self) -> str:
        return f"{self.file}{f', row {self.row}' if self.row else ''}: {self.problem}"


def read_layout(root: Path, params: IndexParams) -> tuple[pd.DataFrame, list[Problem]]:
    """The photos of a data folder in the layout that `index.layout` names."""
    if not Path(root).is_dir():
        raise ValueError(
            f"{root} is not there; put your photos in it, or set data.name in params.yaml to a set you have."
        )
    problems: list[Problem] = []
    if params.layout == "competition":
        train, eval_ = read_competition_train(root, problems), read_competition_eval(root, problems)
        photos = pd.concat([train, eval_], ignore_index=True)
    else:
        photos = read_table_photos(root, params.table, problems) if params.table else list_folder_photos(root)
    if photos.empty and not problems:
        raise ValueError(f"{root} holds no photos in the layout {params.layout!r}.{explain_empty(root, params)}")
    return photos.fillna(""), problems


def explain_empty(root: Path, params: IndexParams) -> str:
    """What the layout of folders misses where photos lie in none."""
    if params.layout != "table" or params.table or not (photos := list_photos(Path(root))):
        return ""
    return (
        f" {photos[0]} and {len(photos) - 1} more lie in no folder: put the photos of each class into a folder with "
        "its name (those to answer into `eval`), or write a table and name it in index.table."
    )


def read_listing(root: Path, name: str, columns: Sequence[str], reserved: Collection[str] = ()) -> pd.DataFrame:
    """A CSV below the data folder; its index is the line of each row, and no column has a reserved name."""
    path = Path(root) / name
    table = read_numbered_table(path, columns)
    if clashes := [column for column in table if column in reserved]:
        raise ValueError(f"{path} has a column named {', '.join(clashes)}, which index makes itself; rename it.")
    return table


def list_names(folder: Path, keep: Callable[[os.DirEntry], bool]) -> list[str]:
    """Sorted names in a folder, without the junk whose names start with a dot."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if not entry.name.startswith(".") and keep(entry))


def list_photos(folder: Path) -> list[str]:
    return list_names(folder, lambda entry: is_photo(Path(entry.name)))


def list_folders(folder: Path) -> list[str]:
    return list_names(folder, is_folder)


def is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def is_folder_name(text: str) -> bool:
    return bool(text) and text not in (".", "..") and not set(text) & set("/\\\0:")


def read_competition_train(root: Path, problems: list[Problem]) -> pd.DataFrame:
    """`train/train.csv` and a folder of seven shots per person. A person is a folder, never an id."""
    images = Path(root) / "train" / "images"
    people = read_listing(root, TRAIN_CSV, ["id", "gender", "age", "path"], reserved={*SHOT_COLUMNS, "row"} - {"id"})
    folders = set(list_folders(images))
    for name in sorted(folders - set(people["path"])):
        sentence = f"the folder train/images/{name} is there, but no row lists it."
        problems.append(Problem(file=TRAIN_CSV, person=name, problem=sentence))
    repeated = people["path"].duplicated()
    rows = []
    for line, person in people.to_dict("index").items():
        name = person.pop("path")
        sentence = describe_folder(name, folders, repeated[line])
        if not sentence:
            shots = group_shots(list_photos(images / name))
            sentence = describe_shots(name, shots)
        if sentence:
            problems.append(Problem(file=TRAIN_CSV, row=line, person=name, problem=sentence))
        else:
            rows += [person | shot_row(name, person["id"], shot, shots[shot][0]) | {"row": line} for shot in SHOTS]
    fields = [name for name in people if name not in ("id", "path")]
    return pd.DataFrame(rows, columns=[*SHOT_COLUMNS, *fields, "row"])


def describe_folder(name: str, folders: Collection[str], repeated: bool) -> str:
    """What is wrong with a person's `path`, or nothing."""
    if repeated:
        return f"the folder {name} is listed twice; a person is one folder."
    if not is_folder_name(name):
        return f"path {name!r} should be the name of one folder in train/images."
    if name not in folders:
        return f"the folder train/images/{name} is listed, but is not there."
    return ""


def group_shots(files: Sequence[str]) -> dict[str, list[str]]:
    """The files of each shot; the shot is the file's name without its ending."""
    shots: dict[str, list[str]] = {}
    for file in files:
        shots.setdefault(Path(file).stem, []).append(file)
    return shots


def describe_shots(name: str, shots: dict[str, list[str]]) -> str:
    """What is wrong with the photos in a person's folder, or nothing."""
    missing = [shot for shot in SHOTS if shot not in shots]
    unknown = [shot for shot in shots if shot not in SHOTS]
    doubled = [" and ".join(files) for files in shots.values() if len(files) > 1]
    faults = [f"lacks {', '.join(missing)}"] if missing else []
    faults += [f"holds {', '.join(unknown)}"] if unknown else []
    faults += [f"holds {', '.join(doubled)} for one shot"] if doubled else []
    return f"the folder train/images/{name} {'; '.join(faults)}; wanted are {', '.join(SHOTS)}." if faults else ""


def shot_row(name: str, number: str, shot: str, file: str) -> dict[str, str]:
    """What a file's place says of a photo."""
    return {
        "photo": f"train/images/{name}/{file}",
        "split": "train",
        "person": name,
        "shot": f"{name}/{shot}",
        "id_shot": f"{number}/{shot}",
        "mask": MASKS[shot],
    }


def read_competition_eval(root: Path, problems: list[Problem]) -> pd.DataFrame:
    """`eval/info.csv` names the photos to answer; each must be there, and none beside them."""
    info = read_listing(root, EVAL_CSV, ["ImageID"])["ImageID"]
    files = set(list_photos(Path(root) / "eval" / "images"))
    for name in sorted(files - set(info)):
        photo = f"eval/images/{name}"
        problems.append(
            Problem(file=EVAL_CSV, photo=photo, problem=f"the photo {photo} is there, but no row lists it.")
        )
    repeated = info.duplicated()
    rows = []
    for line, name in info.items():
        photo = f"eval/images/{name}"
        if not is_folder_name(name):
            sentence = f"ImageID {name!r} should be the name of one file in eval/images."
        elif repeated[line]:
            sentence = f"the photo {photo} is listed twice."
        elif name not in files:
            sentence = f"the photo {photo} is listed, but is not there."
        else:
            rows.append({"photo": photo, "split": "eval", "person": "", "row": line})
            continue
        problems.append(Problem(file=EVAL_CSV, row=line, photo=photo, problem=sentence))
    return pd.DataFrame(rows, columns=["photo", "split", "person", "row"])


def read_table_photos(root: Path, name: str, problems: list[Problem]) -> pd.DataFrame:
    """Any CSV with a `photo` column and label columns; `person` and `split` (train or eval) if it has them.

    A training photo without a person is a person of its own; a photo to answer names one only if the table does.
    """
    table = read_listing(root, name, ["photo"], reserved=["row"])
    table = table.assign(row=table.index).reset_index(drop=True)
    table["split"] = table["split"].replace("", "train") if "split" in table else "train"
    named = table["person"] if "person" in table else pd.Series("", table.index)
    table["person"] = named.where((named != "") | (table["split"] == "eval"), table["photo"])
    listings = zip(table["photo"], table["split"], table["photo"].duplicated(), strict=True)
    sentences = [describe_listing(root, *listing) for listing in listings]
    places = table.assign(person=table["person"].where(table["split"] != "eval", ""))  # one bad photo drops no others
    places = places[["row", "person", "photo"]].to_dict("records")
    problems += [
        Problem(file=name, problem=sentence, **place)
        for place, sentence in zip(places, sentences, strict=True)
        if sentence
    ]
    return table[[not sentence for sentence in sentences]].reset_index(drop=True)


def describe_listing(root: Path, photo: str, split: str, repeated: bool) -> str:
    """What is wrong with a row of a table of photos, or nothing."""
    try:
        path = photo_path(root, photo)
    except ValueError as error:
        return str(error)
    if not path.is_file():
        return f"the photo {photo} is listed, but is not there."
    if repeated:
        return f"the photo {photo} is listed twice."
    return "" if split in ("train", "eval") else f"split {split!r} is not one of train, eval."


def list_folder_photos(root: Path) -> pd.DataFrame:
    """One folder per class, its name in the field `folder`; a folder named eval holds the photos to answer."""
    rows = []
    for folder in list_folders(Path(root)):
        split = "eval" if folder == "eval" else "train"
        for name in list_photos(Path(root) / folder):
            photo = f"{folder}/{name}"
            person = photo if split == "train" else ""
            rows.append({"photo": photo, "split": split, "person": person, "folder": folder if person else ""})
    return pd.DataFrame(rows, columns=["photo", "split", "person", "folder"]).assign(row=None)
