"""Answers in the form that the competition takes, refused unless every row is beyond doubt."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from visage.formats.tasks import Task, class_codes, joint_class_names, joint_codes, split_joint_codes
from visage.runtime.files import replace_file
from visage.runtime.problems import describe_problem, raise_problems
from visage.scores import class_scores

FORM_FILE, KEY_FILE, IMAGES = "eval/info.csv", "answers.csv", "eval/images/"


def fill_form(answers: pd.DataFrame, wanted: pd.DataFrame, tasks: Sequence[Task], *, form: str | None) -> pd.DataFrame:
    """The submission: `ImageID,ans` in the rows and order of the form, or without one `photo`, the tasks and `ans`.

    `wanted` has the column `photo` (and `ImageID` where there is a form); `answers` is the table of the ensemble.
    """
    given = answers[answers["split"] == "eval"]
    check_answers(given, wanted["photo"], tasks, form or "photos.csv")
    rows = given.set_index("photo").loc[wanted["photo"]].reset_index()
    rows["ans"] = pd.to_numeric(rows["ans"]).astype(np.int64)
    if form:
        return pd.DataFrame({"ImageID": wanted["ImageID"].to_numpy(), "ans": rows["ans"].to_numpy()})
    return rows[["photo", *(task.name for task in tasks), "ans"]]


def check_answers(given: pd.DataFrame, wanted: pd.Series, tasks: Sequence[Task], form: str) -> None:
    """Everything that is wrong with the answers, at once."""
    photos, code, count = (
        given["photo"],
        pd.to_numeric(given["ans"], errors="coerce").to_numpy(float),
        count_joint_classes(tasks),
    )
    whole = np.isfinite(code) & (code == np.round(code))
    legal = whole & (code >= 0) & (code < count)
    parts = [class_codes(given[task.name], task) for task in tasks]
    agree = (np.min(parts, axis=0) >= 0) & (joint_codes(parts, tasks) == code)
    found = {
        f"photos of {form} have no answer": wanted[~wanted.isin(photos)],
        f"answers are about photos that {form} does not list": photos[~photos.isin(wanted)],
        "photos have more than one answer": photos[photos.duplicated()],
        "answers are not whole numbers": photos[~whole],
        f"answers are not from 0 to {count - 1}": photos[whole & ~legal],
        "answers are not what the tasks' classes beside them say": photos[legal & ~agree],
    }
    raise_problems(
        describe_problem(
            form, "photos are listed twice", wanted[wanted.duplicated()], "A photo takes one answer: mend it."
        ),
        *(describe_problem("answers.csv", what, names, "Run `dvc repro ensemble`.") for what, names in found.items()),
    )


def count_joint_classes(tasks: Sequence[Task]) -> int:
    """How many joint classes there are."""
    return math.prod(len(task.classes) for task in tasks)


def read_form(raw: Path, photos: pd.DataFrame) -> tuple[pd.DataFrame, str | None]:
    """What is to be answered, and the name of the form if the data set has one."""
    path = Path(raw) / FORM_FILE
    if not path.is_file():
        return photos[photos["split"] == "eval"][["photo"]].reset_index(drop=True), None
    info = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    if "ImageID" not in info:
        raise ValueError(f"{path}: there is no column ImageID; the columns are {', '.join(info.columns)}.")
    return info.assign(photo=IMAGES + info["ImageID"])[["ImageID", "photo"]], FORM_FILE


def write_submission(path: Path, submission: pd.DataFrame) -> None:
    """Under a temporary name first: a half-written submission is never there to be sent."""
    with replace_file(path) as part:
        submission.to_csv(part, index=False, lineterminator="\n")


def compare_counts(submission: pd.DataFrame, photos: pd.DataFrame, tasks: Sequence[Task]) -> str:
    """How often each joint class was answered, beside how often it is true of the training photos."""
    train = photos[photos["split"] == "train"]
    true = joint_codes([class_codes(train[task.name], task) for task in tasks], tasks)
    names = joint_class_names(tasks)
    counts = [np.bincount(values, minlength=len(names)) for values in (true, submission["ans"].to_numpy())]
    wide = max(map(len, [*names, "class"]))
    lines = [f"{'ans':>4}  {'class':{wide}}  {'training':>15}  {'answered':>15}"]
    for i in np.flatnonzero(counts[0] + counts[1]):
        shares = [f"{c[i]:>8} {c[i] / max(c.sum(), 1):>6.1%}" for c in counts]
        lines.append(f"{i:>4}  {names[i]:{wide}}  {shares[0]}  {shares[1]}")
    return "\n".join(lines)


def score_key(raw: Path, submission: pd.DataFrame, tasks: Sequence[Task]) -> dict:
    """`metrics/key.json`: the scores on the key where there is one, otherwise the reason why not."""
    path = Path(raw) / KEY_FILE
    if not path.is_file():
        return {"reason": f"{KEY_FILE} is not there: only the judges know the answers of these photos."}
    name = submission.columns[0]
    key = pd.read_csv(path, dtype={name: str}, keep_default_na=False, encoding="utf-8-sig")
    if name not in key or "ans" not in key:
        raise ValueError(f"{path}: the columns are {', '.join(key.columns)}, and should be {name},ans.")
    code = pd.to_numeric(key["ans"], errors="coerce")
    wanted, listed = submission[name], key[name]
    found = {
        "photos are missing": wanted[~wanted.isin(listed)],
        "photos are not among those to answer": listed[~listed.isin(wanted)],
        "photos are listed twice": listed[listed.duplicated()],
        f"answers are not whole numbers from 0 to {count_joint_classes(tasks) - 1}": listed[
            ~code.isin(range(count_joint_classes(tasks)))
        ],
    }
    raise_problems(
        *(describe_problem(str(path), what, names, "Mend the key, or go without it.") for what, names in found.items())
    )
    true = code.set_axis(listed).loc[wanted].to_numpy(np.int64)
    said = submission["ans"].to_numpy()
    parts = zip(tasks, split_joint_codes(true, tasks), split_joint_codes(said, tasks), strict=True)
    return {
        "joint": class_scores(true, said, joint_class_names(tasks)),
        "tasks": {task.name: class_scores(t, s, task.classes) for task, t, s in parts},
    }
