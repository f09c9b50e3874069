"""What every member said about every photo, lined up and checked: no model has judged a person it had seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from pydantic import model_validator

from visage.formats.tasks import Task, class_codes
from visage.runtime.params import Params
from visage.runtime.problems import describe_problem, raise_problems

KINDS = ("held_out", "eval")
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
    """Who is to be judged, in the order of the photo keys, so that no result depends on the order of a file.

    `people`, `folds` and `truth` (one array of class codes for each task) are about the training photos.
    """

    tasks: tuple[Task, ...]
    photos: np.ndarray
    people: np.ndarray
    folds: np.ndarray
    truth: tuple[np.ndarray, ...]
    evals: np.ndarray


@dataclass(frozen=True)
class MemberPredictions:
    """One task: held_out is (members, training photos, classes), evals is (members, folds, eval photos, classes)."""

    task: Task
    members: tuple[str, ...]
    held_out: np.ndarray
    evals: np.ndarray


def build_examples(photos: pd.DataFrame, folds: pd.DataFrame, tasks: Sequence[Task]) -> Examples:
    """The tables as arrays; a photo listed twice, a person without a fold or a photo without a label is an error."""
    photos = photos.sort_values("photo")
    train, evals = photos[photos["split"] == "train"], photos[photos["split"] == "eval"]
    fold_of = folds.drop_duplicates("person").set_index("person")["fold"].astype(int)
    truth = tuple(class_codes(train[task.name], task) for task in tasks)
    found = train["person"].map(fold_of)
    raise_problems(
        describe_problem(
            "photos.csv", "photos are listed twice", photos["photo"][photos["photo"].duplicated()], RERUN_ADVICE
        ),
        describe_problem(
            "folds.csv", "people are listed twice", folds["person"][folds["person"].duplicated()], RERUN_ADVICE
        ),
        describe_problem(
            "folds.csv", "people have no fold", train["person"][found.isna()].drop_duplicates(), RERUN_ADVICE
        ),
        *(
            describe_problem(
                "photos.csv", f"training photos have no class of {task.name}", train["photo"][code < 0], RERUN_ADVICE
            )
            for task, code in zip(tasks, truth, strict=True)
        ),
        ["photos.csv: there is no training photo."] if train.empty else [],
        [] if found.nunique() > 1 else ["folds.csv: cross-fitting takes two folds or more; raise split.folds."],
    )
    people = np.unique(train["person"].to_numpy(str), return_inverse=True)[1]
    names = [part["photo"].to_numpy(object) for part in (train, evals)]
    return Examples(tuple(tasks), names[0], people, found.to_numpy(int), truth, names[1])


def read_member_predictions(
    folders: Sequence[Path], cases: Examples, members: Sequence[str]
) -> list[MemberPredictions]:
    """The files `<task>-<member>.parquet` of all tasks and members; other files (of members gone by) are not read."""
    found = {path.name: path for folder in folders for path in sorted(Path(folder).glob("*.parquet"))}
    ballots, problems = [], []
    for task in cases.tasks:
        said = []
        for member in sorted(set(members)):
            name = f"{task.name}-{member}.parquet"
            if name not in found:
                problems.append(f"{name} is in none of {', '.join(map(str, folders))}. {RERUN_ADVICE}")
                continue
            try:
                said.append(align_predictions(pd.read_parquet(found[name]), cases, task, name))
            except ValueError as error:
                problems.append(str(error))
        if not problems:
            held_out, evals = (np.stack(part) for part in zip(*said, strict=True))
            ballots.append(MemberPredictions(task, tuple(sorted(set(members))), held_out, evals))
    raise_problems(problems)
    return ballots


def align_predictions(rows: pd.DataFrame, cases: Examples, task: Task, file: str) -> tuple[np.ndarray, np.ndarray]:
    """One table as arrays in the order of the cases: (training photos, classes) and (folds, eval photos, classes)."""
    wanted = ["photo", "fold", "kind", *task.classes]
    if sorted(rows.columns) != sorted(wanted):
        raise ValueError(f"{file}: the columns are {list(rows.columns)}, and should be {wanted}. {RERUN_ADVICE}")
    raise_problems(
        describe_problem(
            file,
            "rows are of a kind other than held_out or eval",
            rows["photo"][~rows["kind"].isin(KINDS)],
            RERUN_ADVICE,
        ),
        check_probabilities(rows, task, file),
    )
    held, evals = (rows[rows["kind"] == kind] for kind in KINDS)
    folds = np.unique(cases.folds)
    at, at_eval = pd.Index(cases.photos).get_indexer(held["photo"]), pd.Index(cases.evals).get_indexer(evals["photo"])
    fold_at = pd.Index(folds).get_indexer(evals["fold"])
    raise_problems(
        check_coverage(held["photo"], at, cases.photos, file, "held-out"),
        check_leaks(held, at, cases, file),
        describe_problem(file, "eval rows come from an unknown fold", evals["photo"][fold_at < 0], RERUN_ADVICE),
        *(
            check_coverage(
                evals["photo"][fold_at == i], at_eval[fold_at == i], cases.evals, file, f"fold {fold}'s eval"
            )
            for i, fold in enumerate(folds)
        ),
    )
    said = np.empty((len(cases.photos), len(task.classes)))
    said[at] = held[list(task.classes)].to_numpy(float)
    foreseen = np.empty((len(folds), len(cases.evals), len(task.classes)))
    foreseen[fold_at, at_eval] = evals[list(task.classes)].to_numpy(float)
    return said, foreseen


def check_probabilities(rows: pd.DataFrame, task: Task, file: str) -> list[str]:
    values = rows[list(task.classes)].to_numpy(float)
    odd = ~((values >= 0) & (values <= 1)).all(1)  # NaN compares false, and so is odd
    unequal = ~odd & (np.abs(values.sum(1) - 1) > 1e-3)
    return [
        *describe_problem(
            file, "rows hold a probability that is not a number from 0 to 1", rows["photo"][odd], RERUN_ADVICE
        ),
        *describe_problem(
            file, "rows hold probabilities that do not add up to one", rows["photo"][unequal], RERUN_ADVICE
        ),
    ]


def check_coverage(photos: pd.Series, places: np.ndarray, known: np.ndarray, file: str, kind: str) -> list[str]:
    """Photos that are missing, there twice, or not among those of their kind."""
    seen = np.bincount(places[places >= 0], minlength=len(known))
    return [
        *describe_problem(file, f"{kind} photos have no row", known[seen == 0], RERUN_ADVICE),
        *describe_problem(file, f"{kind} photos have more than one row", known[seen > 1], RERUN_ADVICE),
        *describe_problem(
            file,
            f"{kind} rows are about photos that photos.csv does not list as such",
            photos[places < 0],
            RERUN_ADVICE,
        ),
    ]


def check_leaks(held: pd.DataFrame, places: np.ndarray, cases: Examples, file: str) -> list[str]:
    """Held-out rows that come from another fold than the one that holds the person out."""
    known = places >= 0
    seen = held["fold"].to_numpy()[known] != cases.folds[places[known]]
    return describe_problem(
        file, "held-out rows come from a fold that was trained on the person", held["photo"][known][seen], RERUN_ADVICE
    )
