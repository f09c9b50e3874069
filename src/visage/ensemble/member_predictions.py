"""The predictions of all members, aligned and checked: no model has predicted a person that it was trained on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from pydantic import model_validator

from visage.formats.predictions import KINDS, MEAN_VIEW, prediction_columns, view_columns
from visage.formats.tasks import Task, class_codes
from visage.runtime.params import Params
from visage.runtime.problems import describe_problem, raise_problems

RERUN_ADVICE = "Run `dvc repro`, so that the predictions, photos.csv and folds.csv belong together."


class RoundParams(Params):
    """Section `rounds`: the members that learn from labels alone, and those that learn from pseudo-labels too."""

    first: tuple[str, ...]
    second: tuple[str, ...] = ()

    @model_validator(mode="after")
    def check(self) -> Self:
        names = [*self.first, *self.second]
        if not self.first or len(set(names)) != len(names):
            raise ValueError(f"first names one member or more, and none is named twice; these are {names}.")
        return self


@dataclass(frozen=True)
class Examples:
    """The photos to predict, sorted by photo key, so that no result depends on the order of a file.

    `people` (numbers), `folds` and `truth` (one array of class codes for each task) are about the training photos;
    `test_people` about those to answer, -1 where nobody is named.
    """

    tasks: tuple[Task, ...]
    train_photos: np.ndarray
    people: np.ndarray
    folds: np.ndarray
    truth: tuple[np.ndarray, ...]
    test_photos: np.ndarray
    test_people: np.ndarray

    def subset(self, rows: np.ndarray) -> Self:
        """The same with only these of the training photos."""
        return replace(
            self,
            train_photos=self.train_photos[rows],
            people=self.people[rows],
            folds=self.folds[rows],
            truth=tuple(codes[rows] for codes in self.truth),
        )


@dataclass(frozen=True)
class MemberPredictions:
    """Probabilities of one task.

    held_out: (members, training photos, classes); test: (members, folds, test photos, classes).
    """

    task: Task
    members: tuple[str, ...]
    held_out: np.ndarray
    test: np.ndarray


def build_examples(photos: pd.DataFrame, folds: pd.DataFrame, tasks: Sequence[Task]) -> Examples:
    """The tables as arrays; a photo listed twice, a person without a fold or a photo without a label is an error."""
    photos = photos.sort_values("photo")
    train, test = photos[photos["split"] == "train"], photos[photos["split"] == "eval"]
    fold_of_person = folds.drop_duplicates("person").set_index("person")["fold"].astype(int)
    truth = tuple(class_codes(train[task.name], task) for task in tasks)
    fold = train["person"].map(fold_of_person)
    unlabelled = {
        f"training photos have no class of {task.name}": train["photo"][codes < 0]
        for task, codes in zip(tasks, truth, strict=True)
    }
    raise_problems(
        describe_problems("photos.csv", {"photos are listed twice": photos["photo"][photos["photo"].duplicated()]}),
        describe_problems(
            "folds.csv",
            {
                "people are listed twice": folds["person"][folds["person"].duplicated()],
                "people have no fold": train["person"][fold.isna()].drop_duplicates(),
            },
        ),
        describe_problems("photos.csv", unlabelled),
        ["photos.csv: there is no training photo."] if train.empty else [],
        [] if fold.nunique() > 1 else ["folds.csv: cross-fitting takes two folds or more; raise split.folds."],
    )
    people, test_people = (np.unique(own["person"].to_numpy(str), return_inverse=True)[1] for own in (train, test))
    return Examples(
        tasks=tuple(tasks),
        train_photos=train["photo"].to_numpy(object),
        people=people,
        folds=fold.to_numpy(int),
        truth=truth,
        test_photos=test["photo"].to_numpy(object),
        test_people=np.where(test["person"] == "", -1, test_people),
    )


def read_member_predictions(
    folders: Sequence[Path], examples: Examples, members: Sequence[str], view: str = MEAN_VIEW
) -> list[MemberPredictions]:
    """The files `<task>-<member>.parquet` of all tasks and members; files of members not asked for are not read."""
    paths = {path.name: path for folder in folders for path in sorted(Path(folder).glob("*.parquet"))}
    members = sorted(set(members))
    predictions, problems = [], []
    for task in examples.tasks:
        arrays = []
        for file in (f"{task.name}-{member}.parquet" for member in members):
            if file not in paths:
                problems.append(f"{file} is in none of {', '.join(map(str, folders))}. {RERUN_ADVICE}")
                continue
            try:
                arrays.append(align_predictions(pd.read_parquet(paths[file]), examples, task, file, view))
            except ValueError as error:
                problems.append(str(error))
        if not problems:
            held_out, test = (np.stack(parts) for parts in zip(*arrays, strict=True))
            predictions.append(MemberPredictions(task, tuple(members), held_out, test))
    raise_problems(problems)
    return predictions


def align_predictions(
    rows: pd.DataFrame, examples: Examples, task: Task, file: str, view: str = MEAN_VIEW
) -> tuple[np.ndarray, np.ndarray]:
    """One table in the order of the examples: (training photos, classes) and (folds, test photos, classes)."""
    classes, columns = view_columns(task.classes, view), prediction_columns(task.classes)
    if sorted(rows.columns) != sorted(columns):
        raise ValueError(f"{file}: the columns are {list(rows.columns)}, and should be {columns}. {RERUN_ADVICE}")
    raise_problems(describe_problems(file, find_bad_rows(rows, classes)))
    held_out, test = (rows[rows["kind"] == kind] for kind in KINDS)
    folds = np.unique(examples.folds)
    train_place = pd.Index(examples.train_photos).get_indexer(held_out["photo"])
    test_place = pd.Index(examples.test_photos).get_indexer(test["photo"])
    fold_place = pd.Index(folds).get_indexer(test["fold"])
    problems = find_coverage_gaps(held_out["photo"], train_place, examples.train_photos, "held-out")
    problems |= find_leaks(held_out, train_place, examples.folds)
    problems["eval rows come from an unknown fold"] = test["photo"][fold_place < 0]
    for place, fold in enumerate(folds):
        own = fold_place == place
        problems |= find_coverage_gaps(test["photo"][own], test_place[own], examples.test_photos, f"fold {fold}'s eval")
    raise_problems(describe_problems(file, problems))
    train_array = np.empty((len(examples.train_photos), len(classes)))
    train_array[train_place] = held_out[classes].to_numpy(float)
    test_array = np.empty((len(folds), len(examples.test_photos), len(classes)))
    test_array[fold_place, test_place] = test[classes].to_numpy(float)
    return train_array, test_array


def find_bad_rows(rows: pd.DataFrame, classes: Sequence[str]) -> dict[str, pd.Series]:
    """What is wrong with rows of their own, and the photos concerned."""
    values = rows[list(classes)].to_numpy(float)
    valid = ((values >= 0) & (values <= 1)).all(1)  # NaN compares false, and so is not valid
    unequal = valid & (np.abs(values.sum(1) - 1) > 1e-3)
    return {
        "rows are of a kind other than held_out or eval": rows["photo"][~rows["kind"].isin(KINDS)],
        "rows hold a probability that is not a number from 0 to 1": rows["photo"][~valid],
        "rows hold probabilities that do not add up to one": rows["photo"][unequal],
    }


def find_coverage_gaps(photos: pd.Series, places: np.ndarray, known: np.ndarray, kind: str) -> dict[str, Iterable]:
    """Photos that are missing, there twice, or not among the `known` ones (place -1)."""
    counts = np.bincount(places[places >= 0], minlength=len(known))
    return {
        f"{kind} photos have no row": known[counts == 0],
        f"{kind} photos have more than one row": known[counts > 1],
        f"{kind} rows are about photos that photos.csv does not list as such": photos[places < 0],
    }


def find_leaks(held_out: pd.DataFrame, places: np.ndarray, folds: np.ndarray) -> dict[str, pd.Series]:
    """Held-out rows that come from another fold than the one that holds the person out."""
    known = places >= 0
    leaked = held_out["fold"].to_numpy()[known] != folds[places[known]]
    return {"held-out rows come from a fold that was trained on the person": held_out["photo"][known][leaked]}


def describe_problems(file: str, problems: dict[str, Iterable]) -> list[str]:
    return [line for what, names in problems.items() for line in describe_problem(file, what, names, RERUN_ADVICE)]
