"""The table of photos: what was listed, measured, corrected and classified, or rejected with a reason."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from visage.formats.photos import read_size
from visage.formats.tasks import Task, classify
from visage.index.corrections import apply_corrections
from visage.index.groups import list_groups
from visage.index.layouts import TRAIN_CSV, IndexParams, Problem
from visage.runtime.problems import shorten

Size = tuple[int, int]  # width and height of the upright photo, in pixels


@dataclass(frozen=True)
class PhotoTable:
    """What `index` writes; `original` has the training photos' classes as they came, uncorrected.

    `groups` has for each training photo what else the layout says of its person, such as race.
    """

    photos: pd.DataFrame
    original: pd.DataFrame
    groups: pd.DataFrame
    rejected: pd.DataFrame
    counts: dict


def size_reader(root: Path) -> Callable[[str], Size | str]:
    """A function from a photo key to its upright width and height, or to what is wrong with it."""

    def read(photo: str) -> Size | str:
        try:
            return read_size(root, photo)
        except ValueError as error:
            return str(error).removeprefix(f"{photo}: ")
        except OSError as error:
            return f"the file cannot be read ({error.strerror})."

    return read


def build_photo_table(
    photos: pd.DataFrame,
    sizes: Sequence[Size | str],
    problems: Sequence[Problem],
    tasks: Sequence[Task],
    corrections: pd.DataFrame,
    params: IndexParams,
    *,
    corrections_file: Path,
) -> PhotoTable:
    """Join everything; stop with all problems at once, or reject what has one, as `index.on_bad` says.

    `photos` and `problems` are the layout's, `sizes` are what `size_reader` says of each photo.
    """
    if not problems:
        check_labels(photos)
    check_fields(photos, tasks)
    corrected = apply_corrections(
        photos, corrections, tasks, confidence=params.label_confidence, file=str(corrections_file)
    )
    classes, label_problems = classify_photos(corrected, tasks, params)
    problems = [*problems, *find_unreadable(photos["photo"], sizes), *label_problems]
    if problems and params.on_bad == "stop":
        head = f"{len(problems)} problem{'s' * (len(problems) > 1)} with the photos"
        raise ValueError(f"{head} (index.on_bad: skip leaves them out):\n{describe_problems(problems)}")
    values = {f"{task.name}_value": corrected[task.source] for task in tasks if task.bins}
    table = corrected[["photo", "split", "person"]].assign(**classes, **values)
    pixels = [(0, 0) if isinstance(size, str) else size for size in sizes]
    table["width"], table["height"] = [width for width, _ in pixels], [height for _, height in pixels]
    rejected = pd.DataFrame(map(asdict, problems), columns=[field.name for field in fields(Problem)])
    table = drop_rejected(table, rejected).sort_values("photo", ignore_index=True)
    if not (table["split"] == "train").any():
        raise ValueError(f"no photo to train on is left.\n{describe_problems(problems)}".strip())
    n_corrected = int((corrected != photos).any(axis=1).sum())
    counts = count_classes(table, tasks, len(rejected), n_corrected)
    original = original_labels(table, photos, tasks)
    labels = corrected.set_index("photo").loc[original["photo"], list_fields(photos)]
    groups = list_groups(labels, original["person"], tasks).reset_index()
    return PhotoTable(table, original, groups, rejected.astype({"row": "Int64"}), counts)


def original_labels(table: pd.DataFrame, photos: pd.DataFrame, tasks: Sequence[Task]) -> pd.DataFrame:
    """photo, person and the classes before any correction (after it where the label as it came is no class).

    Folds are dealt by these, so that a correction moves nobody to another fold.
    """
    train = table.loc[table["split"] == "train", ["photo", "person", *(task.name for task in tasks)]]
    uncorrected = photos.set_index("photo").loc[train["photo"]]
    for task in tasks:
        names = classify(uncorrected[task.source], task)[0].to_numpy()
        train = train.assign(**{task.name: np.where(names == "", train[task.name], names)})
    return train


def list_fields(photos: pd.DataFrame) -> list[str]:
    """The columns that a label may come from."""
    own = ("photo", "split", "person", "row", "shot", "id_shot")
    return [name for name in photos if name not in own]


def check_labels(photos: pd.DataFrame) -> None:
    """There must be photos to learn from, and something to learn."""
    if not list_fields(photos) or not (photos["split"] == "train").any():
        raise ValueError(
            f"none of the {len(photos)} photos has a label, so nothing can be learnt from them. Put photos with labels "
            "beside them, in the same table or as folders, and list these as `eval`: then they are answered."
        )


def check_fields(photos: pd.DataFrame, tasks: Sequence[Task]) -> None:
    """Every task's label must be a field that the layout gives."""
    known = list_fields(photos)
    for task in tasks:
        if task.source not in known:
            raise ValueError(
                f"params.yaml: labels.{task.name}.field is {task.source!r}, which the photos do not have; "
                f"they have {', '.join(known) or 'none'}."
            )


def classify_photos(
    photos: pd.DataFrame, tasks: Sequence[Task], params: IndexParams
) -> tuple[dict[str, pd.Series], list[Problem]]:
    """The class names of each task, empty for photos to answer; a bad label is one problem per row of the CSV."""
    train = photos["split"] == "train"
    classes: dict[str, pd.Series] = {}
    problems: list[Problem] = []
    for task in tasks:
        names, sentences = classify(photos[task.source], task)
        classes[task.name] = names.where(train, "")
        bad = train & (sentences != "")
        places = photos.loc[bad, ["row", "person", "photo"]].to_dict("records")
        problems += [
            label_problem(params, sentence, **place) for place, sentence in zip(places, sentences[bad], strict=True)
        ]
    return classes, list(dict.fromkeys(problems))  # in the competition's layout a row speaks of seven photos


def label_problem(params: IndexParams, sentence: str, *, row: int | str, person: str, photo: str) -> Problem:
    """A bad label, with the place that it comes from: the person's row, the photo's row, or the photo's folder."""
    if params.layout == "competition":
        return Problem(file=TRAIN_CSV, row=row, person=person, problem=sentence)
    if params.table:
        return Problem(file=params.table, row=row, person=person, photo=photo, problem=f"{photo}: {sentence}")
    return Problem(file=photo, person=person, photo=photo, problem=sentence)


def find_unreadable(photos: Sequence[str], sizes: Sequence[Size | str]) -> list[Problem]:
    """A problem for each photo whose size could not be read."""
    return [
        Problem(file=photo, photo=photo, problem=size)
        for photo, size in zip(photos, sizes, strict=True)
        if isinstance(size, str)
    ]


def drop_rejected(table: pd.DataFrame, rejected: pd.DataFrame) -> pd.DataFrame:
    people = set(rejected["person"]) - {""}
    by_person = table["person"].isin(people) & (table["split"] == "train")
    return table[~table["photo"].isin(rejected["photo"]) & ~by_person]


def describe_problems(problems: Sequence[Problem]) -> str:
    """All problems as sentences, one a line, in the order of the files."""
    ordered = sorted(problems, key=lambda problem: (problem.file, problem.row or 0, problem.problem))
    return "\n".join(shorten([str(problem) for problem in ordered]))


def count_classes(photos: pd.DataFrame, tasks: Sequence[Task], rejected: int, corrected: int) -> dict:
    """`metrics/photos.json`: what is in the table."""
    train = photos[photos["split"] == "train"]
    classes = {task.name: {name: int((train[task.name] == name).sum()) for name in task.classes} for task in tasks}
    return {
        "photos": {"train": len(train), "eval": int((photos["split"] == "eval").sum())},
        "people": int(train["person"].nunique()),
        "rejected": rejected,
        "corrected": corrected,
        "classes": classes,
    }
