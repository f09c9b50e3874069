"""The answers in the competition's form; refused unless every row is valid."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from visage.formats.tables import read_text_table
from visage.formats.tasks import Task, class_codes, joint_class_names, joint_codes, split_joint_codes
from visage.runtime.files import replace_file
from visage.runtime.problems import describe_problem, raise_problems
from visage.scores import class_scores

NOTHING_TO_ANSWER = "This set has no photos to answer: there is nothing to submit."
FORM_FILE, KEY_FILE, TEST_IMAGES = "eval/info.csv", "answers.csv", "eval/images/"


def read_form(raw: Path, photos: pd.DataFrame) -> tuple[pd.DataFrame, str | None]:
    """The rows to answer (`ImageID` and `photo`), and the form's name; without a form all test photos (`photo`)."""
    path = Path(raw) / FORM_FILE
    if not path.is_file():
        return photos[photos["split"] == "eval"][["photo"]].reset_index(drop=True), None
    info = read_text_table(path, ["ImageID"])
    return info.assign(photo=TEST_IMAGES + info["ImageID"])[["ImageID", "photo"]], FORM_FILE


def fill_form(answers: pd.DataFrame, form: pd.DataFrame, tasks: Sequence[Task], *, file: str | None) -> pd.DataFrame:
    """The submission in the order of the form: `ImageID,ans`, or where there is no form `photo`, the tasks and `ans`.

    `answers` is the table of the ensemble; `form` and the name of its file are those of `read_form`.
    """
    test = answers[answers["split"] == "eval"]
    check_answers(test, form["photo"], tasks, file or "photos.csv")
    rows = test.set_index("photo").loc[form["photo"]].reset_index()
    rows["ans"] = pd.to_numeric(rows["ans"]).astype(np.int64)
    if file:
        return pd.DataFrame({"ImageID": form["ImageID"].to_numpy(), "ans": rows["ans"].to_numpy()})
    return rows[["photo", *(task.name for task in tasks), "ans"]]


def check_answers(answers: pd.DataFrame, form_photos: pd.Series, tasks: Sequence[Task], file: str) -> None:
    """Everything that is wrong with the answers, as one error."""
    photos, count = answers["photo"], len(joint_class_names(tasks))
    joint = pd.to_numeric(answers["ans"], errors="coerce").to_numpy(float)
    whole = np.isfinite(joint) & (joint == np.round(joint))
    legal = whole & (joint >= 0) & (joint < count)
    codes = [class_codes(answers[task.name], task) for task in tasks]
    consistent = (np.min(codes, axis=0) >= 0) & (joint_codes(codes, tasks) == joint)
    problems = {
        f"photos of {file} have no answer": form_photos[~form_photos.isin(photos)],
        f"answers are about photos that {file} does not list": photos[~photos.isin(form_photos)],
        "photos have more than one answer": photos[photos.duplicated()],
        "answers are not whole numbers": photos[~whole],
        f"answers are not from 0 to {count - 1}": photos[whole & ~legal],
        "answers are not what the tasks' classes beside them say": photos[legal & ~consistent],
    }
    twice = form_photos[form_photos.duplicated()]
    raise_problems(
        describe_problem(file, "photos are listed twice", twice, "A photo takes one answer: mend it."),
        *(
            describe_problem("answers.csv", what, names, "Run `dvc repro ensemble`.")
            for what, names in problems.items()
        ),
    )


def write_submission(path: Path, submission: pd.DataFrame) -> None:
    """Under a temporary name first: a half-written submission is never there to be sent.

    Where there are no photos to answer, the file says so instead of looking like a submission.
    """
    with replace_file(path) as part:
        if submission.empty:
            part.write_text(NOTHING_TO_ANSWER + "\n", encoding="utf-8")
        else:
            submission.to_csv(part, index=False, lineterminator="\n")


def compare_counts(submission: pd.DataFrame, photos: pd.DataFrame, tasks: Sequence[Task]) -> str:
    """A table of how often each joint class was answered, beside how often it is true of the training photos."""
    train = photos[photos["split"] == "train"]
    truth = joint_codes([class_codes(train[task.name], task) for task in tasks], tasks)
    names = joint_class_names(tasks)
    counts = [np.bincount(codes, minlength=len(names)) for codes in (truth, submission["ans"].to_numpy())]
    width = max(map(len, [*names, "class"]))
    lines = [f"{'ans':>4}  {'class':{width}}  {'training':>15}  {'answered':>15}"]
    for i in np.flatnonzero(counts[0] + counts[1]):
        cells = [f"{c[i]:>8} {c[i] / max(c.sum(), 1):>6.1%}" for c in counts]
        lines.append(f"{i:>4}  {names[i]:{width}}  {cells[0]}  {cells[1]}")
    return "\n".join(lines)


def score_key(raw: Path, submission: pd.DataFrame, tasks: Sequence[Task]) -> dict:
    """`metrics/key.json`: the scores on the answer key if there is one, otherwise the reason why not."""
    path = Path(raw) / KEY_FILE
    if not path.is_file():
        return {"reason": f"{KEY_FILE} is not there: only the judges know the answers of these photos."}
    name = submission.columns[0]
    truth = read_key(path, submission[name], tasks)
    answers = submission["ans"].to_numpy()
    by_task = zip(tasks, split_joint_codes(truth, tasks), split_joint_codes(answers, tasks), strict=True)
    return {
        "joint": class_scores(truth, answers, joint_class_names(tasks)),
        "tasks": {task.name: class_scores(t, a, task.classes) for task, t, a in by_task},
    }


def read_key(path: Path, photos: pd.Series, tasks: Sequence[Task]) -> np.ndarray:
    """The true joint codes of these photos; the key has a column of the same name as `photos`, and `ans`."""
    key = read_text_table(path, [photos.name, "ans"])
    key_photos, codes = key[photos.name], pd.to_numeric(key["ans"], errors="coerce")
    count = len(joint_class_names(tasks))
    problems = {
        "photos are missing": photos[~photos.isin(key_photos)],
        "photos are not among those to answer": key_photos[~key_photos.isin(photos)],
        "photos are listed twice": key_photos[key_photos.duplicated()],
        f"answers are not whole numbers from 0 to {count - 1}": key_photos[~codes.isin(range(count))],
    }
    advice = "Mend the key, or go without it."
    raise_problems(*(describe_problem(str(path), what, names, advice) for what, names in problems.items()))
    return codes.set_axis(key_photos).loc[photos].to_numpy(np.int64)
