import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from tests.drawn_ballots import AGE, COMPETITION, GENDER, write_drawn
from visage.ensemble.submission import compare_counts, fill_form, read_form, score_key, write_submission
from visage.formats.tasks import joint_codes

STAGES = Path(__file__).parents[2] / "stages"
PARAMS = """
rounds: {first: [small, wide], second: []}
ensemble: {weights: fitted, rule: auto, shrinkage: 0.002, resamples: 200, seed: 0}
pseudo: {min_probability: 0.9, classes: {age: {">=60": 0.8}}}
"""


def answered(names=("b.jpg", "a.png", "c.jpeg")):
    """An eval of three photos: the answers as the ensemble writes them, and the form in an order of its own."""
    codes = [np.array([0, 1, 2]), np.array([1, 0, 1]), np.array([2, 0, 1])]
    answers = pd.DataFrame({"photo": [f"eval/images/{name}" for name in names], "split": "eval"})
    for task, code in zip(COMPETITION, codes, strict=True):
        answers[task.name] = np.array(task.classes)[code]
    answers["ans"] = joint_codes(codes, COMPETITION).astype(str)  # 5, 6, 16 by hand
    train = answers.iloc[:1].assign(photo="train/images/x/normal.jpg", split="train")
    form = pd.DataFrame({"ImageID": ["c.jpeg", "b.jpg", "a.png"]})
    return pd.concat([train, answers], ignore_index=True), form.assign(photo="eval/images/" + form["ImageID"])


def filled(answers, form):
    return fill_form(answers, form, COMPETITION, form="eval/info.csv")


def test_the_submission_has_the_rows_and_the_order_of_the_form_and_no_index(tmp_path):
    answers, form = answered()
    write_submission(tmp_path / "submission.csv", filled(answers, form))
    assert (tmp_path / "submission.csv").read_bytes() == b"ImageID,ans\nc.jpeg,16\nb.jpg,5\na.png,6\n"
    assert [path.name for path in tmp_path.iterdir()] == ["submission.csv"]


def test_the_order_of_the_answers_does_not_matter():
    answers, form = answered()
    assert filled(answers[::-1], form).equals(filled(answers, form))


def at(row, column, value):
    def change(answers, form):
        answers = answers.astype({column: object})
        answers.loc[row, column] = value
        return answers, form

    return change


AGAIN = " Run `dvc repro ensemble`."
B = "eval/images/b.jpg."
UNLIKE = f"answers.csv: 1 answers are not what the tasks' classes beside them say: {B}" + AGAIN
REFUSED = {
    "empty": (at(1, "ans", ""), f"answers.csv: 1 answers are not whole numbers: {B}" + AGAIN),
    "nan": (at(1, "ans", np.nan), f"answers.csv: 1 answers are not whole numbers: {B}" + AGAIN),
    "infinite": (at(1, "ans", "inf"), f"answers.csv: 1 answers are not whole numbers: {B}" + AGAIN),
    "half": (at(1, "ans", "5.5"), f"answers.csv: 1 answers are not whole numbers: {B}" + AGAIN),
    "word": (at(1, "ans", "old"), f"answers.csv: 1 answers are not whole numbers: {B}" + AGAIN),
    "too high": (at(1, "ans", "18"), f"answers.csv: 1 answers are not from 0 to 17: {B}" + AGAIN),
    "negative": (at(1, "ans", "-1"), f"answers.csv: 1 answers are not from 0 to 17: {B}" + AGAIN),
    "other": (at(1, "ans", "4"), UNLIKE),
    "class": (at(1, "age", "old"), UNLIKE),
    "missing": (lambda a, f: (a.drop(1), f), f"answers.csv: 1 photos of eval/info.csv have no answer: {B}" + AGAIN),
    "extra": (
        lambda a, f: (a, f[f["ImageID"] != "b.jpg"]),
        f"answers.csv: 1 answers are about photos that eval/info.csv does not list: {B}" + AGAIN,
    ),
    "twice": (
        lambda a, f: (a.loc[[0, 1, 1, 2, 3]], f),
        f"answers.csv: 1 photos have more than one answer: {B}" + AGAIN,
    ),
    "form twice": (
        lambda a, f: (a, f.iloc[[0, 1, 1, 2]]),
        f"eval/info.csv: 1 photos are listed twice: {B} A photo takes one answer: mend it.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_doubtful_answers_are_refused_with_a_sentence(name):
    change, sentence = REFUSED[name]
    with pytest.raises(ValueError) as told:
        filled(*change(*answered()))
    assert str(told.value) == sentence


def test_all_that_is_wrong_is_told_at_once():
    answers, form = answered()
    with pytest.raises(ValueError) as told:
        filled(at(2, "ans", "99")(answers.drop(1), form)[0], form)
    assert len(str(told.value).split("\n")) == 2


def test_a_set_without_a_form_gets_its_eval_photos_in_order_with_a_column_a_task(tmp_path):
    answers, _ = answered()
    photos = pd.DataFrame({"photo": ["t", *sorted(answers["photo"][1:])], "split": ["train", *["eval"] * 3]})
    wanted, form = read_form(tmp_path, photos)
    table = fill_form(answers, wanted, COMPETITION, form=form)
    assert form is None and list(table.columns) == ["photo", "mask", "gender", "age", "ans"]
    assert table["photo"].tolist() == ["eval/images/a.png", "eval/images/b.jpg", "eval/images/c.jpeg"]
    assert table["ans"].tolist() == [6, 5, 16]


def test_one_task_alone_is_submitted_too():
    answers, form = answered()
    answers["ans"] = answers["gender"].map({"male": "0", "female": "1"})
    assert fill_form(answers, form, [GENDER], form="f")["ans"].tolist() == [1, 1, 0]


def test_a_form_without_the_photos_names_is_refused(tmp_path):
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval/info.csv").write_text("id,ans\n1,0\n")
    with pytest.raises(ValueError, match="there is no column ImageID; the columns are id, ans"):
        read_form(tmp_path, pd.DataFrame())


def test_the_counts_stand_beside_the_training_ones():
    answers, form = answered()
    photos = answers[answers["split"] == "train"]
    lines = compare_counts(filled(answers, form), photos, COMPETITION).split("\n")
    assert lines[1].split() == ["5", "worn/female/>=60", "1", "100.0%", "1", "33.3%"]
    assert lines[2].split() == ["6", "incorrect/male/<30", "0", "0.0%", "1", "33.3%"]


def test_the_key_scores_as_scikit_learn_does_whatever_its_order(tmp_path):
    submission = filled(*answered())
    (tmp_path / "answers.csv").write_text("ImageID,ans\na.png,6\nb.jpg,5\nc.jpeg,15\n")
    told = score_key(tmp_path, submission, COMPETITION)
    assert told["joint"]["macro_f1"] == pytest.approx(f1_score([15, 5, 6], [16, 5, 6], average="macro"))
    assert told["joint"]["accuracy"] == pytest.approx(2 / 3)
    assert told["tasks"]["mask"]["macro_f1"] == 1
    assert told["tasks"]["age"]["f1"] == pytest.approx({"<30": 2 / 3, "30-59": 0, ">=60": 1})


def test_without_a_key_there_is_a_reason(tmp_path):
    told = score_key(tmp_path, filled(*answered()), COMPETITION)
    assert told == {"reason": "answers.csv is not there: only the judges know the answers of these photos."}


KEYS = {
    "ImageID,ans\na.png,6\nb.jpg,5\n": "1 photos are missing: c.jpeg.",
    "ImageID,ans\na.png,6\nb.jpg,5\nc.jpeg,1\nd.jpg,1\n": "1 photos are not among those to answer: d.jpg.",
    "ImageID,ans\na.png,6\nb.jpg,5\nc.jpeg,1\nc.jpeg,1\n": "1 photos are listed twice: c.jpeg.",
    "ImageID,ans\na.png,6\nb.jpg,5\nc.jpeg,\n": "1 answers are not whole numbers from 0 to 17: c.jpeg.",
    "ImageID,ans\na.png,6\nb.jpg,5\nc.jpeg,18\n": "1 answers are not whole numbers from 0 to 17: c.jpeg.",
}


@pytest.mark.parametrize("text", KEYS)
def test_a_key_that_does_not_fit_is_refused(text, tmp_path):
    (tmp_path / "answers.csv").write_text(text)
    with pytest.raises(ValueError) as told:
        score_key(tmp_path, filled(*answered()), COMPETITION)
    assert str(told.value) == f"{tmp_path}/answers.csv: {KEYS[text]} Mend the key, or go without it."


# the stages


def stage(name, folder, *paths):
    """A stage in a process of its own, as DVC runs it."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("DVC")}
    command = [sys.executable, STAGES / f"{name}.py", *paths]
    return subprocess.run(command, cwd=folder, env=env, text=True, capture_output=True, check=False)


ENSEMBLE = ["photos.csv", "tasks.json", "folds.csv", "predictions", "second", "answers.csv", "plots", "ensemble.json"]
SUBMIT = ["answers.csv", "photos.csv", "tasks.json", "raw", "submission.csv", "key.json"]


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """The tables of a drawn population, and what the stages make of them."""
    folder = tmp_path_factory.mktemp("road")
    photos, _, held = write_drawn(folder, people=50, evals=30, folds=3, skills={"small": 3.0, "wide": 2.0})
    (folder / "params.yaml").write_text(PARAMS)
    names = photos["photo"][photos["split"] == "eval"].str.removeprefix("eval/images/").to_numpy()
    order = np.random.default_rng(0).permutation(30)
    (folder / "raw/eval").mkdir(parents=True)
    pd.DataFrame({"ImageID": names[order], "ans": 0}).to_csv(folder / "raw/eval/info.csv", index=False)
    key = pd.DataFrame({"ImageID": names, "ans": joint_codes(held, COMPETITION)})
    key.to_csv(folder / "raw/answers.csv", index=False)
    for done in (stage("ensemble", folder, *ENSEMBLE), stage("submit", folder, *SUBMIT)):
        assert done.returncode == 0, done.stderr
    return folder


def test_the_stages_lead_from_predictions_to_a_scored_submission(road):
    form, sent = pd.read_csv(road / "raw/eval/info.csv"), pd.read_csv(road / "submission.csv")
    assert sent["ImageID"].tolist() == form["ImageID"].tolist() and list(sent.columns) == ["ImageID", "ans"]
    key = pd.read_csv(road / "raw/answers.csv").set_index("ImageID").loc[sent["ImageID"], "ans"]
    expected = f1_score(key, sent["ans"], average="macro")
    assert json.loads((road / "key.json").read_text())["joint"]["macro_f1"] == pytest.approx(expected)
    assert json.loads((road / "ensemble.json").read_text())["joint"]["accuracy"] > 0.8


def test_the_stages_write_the_same_bytes_again(road):
    wanted = [road / "answers.csv", road / "submission.csv", road / "ensemble.json", *(road / "plots").rglob("*.csv")]
    before = {path: path.read_bytes() for path in wanted}
    stage("ensemble", road, *ENSEMBLE), stage("submit", road, *SUBMIT)
    assert before == {path: path.read_bytes() for path in wanted}


def test_files_of_members_gone_by_are_left_out_and_missing_ones_are_named(road):
    answers = (road / "answers.csv").read_bytes()
    stray = road / "predictions/mask-gone.parquet"
    stray.write_bytes(b"not even a table")
    assert stage("ensemble", road, *ENSEMBLE).returncode == 0
    assert (road / "answers.csv").read_bytes() == answers
    stray.unlink()
    (road / "params.yaml").write_text(PARAMS.replace("small, wide", "small, late"))
    told = stage("ensemble", road, *ENSEMBLE).stderr
    (road / "params.yaml").write_text(PARAMS)
    for task in COMPETITION:
        assert f"{task.name}-late.parquet is in none of predictions, second. Run `dvc repro`" in told
    assert "Traceback" not in told


def test_a_second_rounds_member_joins_the_blend(road):
    for task in COMPETITION:
        (road / f"predictions/{task.name}-wide.parquet").rename(road / f"second/{task.name}-wide.parquet")
    (road / "params.yaml").write_text(PARAMS.replace("[small, wide], second: []", "[small], second: [wide]"))
    answers = (road / "answers.csv").read_bytes()
    assert stage("ensemble", road, *ENSEMBLE).returncode == 0
    assert (road / "answers.csv").read_bytes() == answers
    done = stage("pseudo", road, "photos.csv", "tasks.json", "folds.csv", "predictions", "pseudo.csv")
    assert done.returncode == 0, done.stderr
    chosen = pd.read_csv(road / "pseudo.csv", keep_default_na=False)
    assert set(chosen[AGE.name]) <= {"", *AGE.classes} and set(chosen["fold"]) == {0, 1, 2}
