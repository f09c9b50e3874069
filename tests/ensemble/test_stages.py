"""The stages from predictions to a submission, each in a process of its own, as DVC runs them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from tests.conftest import PROJECT
from tests.drawn_members import AGE, COMPETITION, write_population
from tests.drawn_people import recipe
from visage.formats.tasks import joint_codes
from visage.networks.recipe import write_recipe

PARAMS = """
rounds: {first: [small, wide], second: []}
ensemble: {average_people: true, weights: fitted, rule: auto, shrinkage: 0.002, resamples: 200, seed: 0}
pseudo: {min_probability: 0.9, classes: {age: {">=60": 0.8}}}
members: {small: {}, wide: {keep: person}}
tasks: {mask: {}, gender: {}, age: {}}
transplant: {method: none}
"""
ABLATE = ["photos.csv", "tasks.json", "folds.csv", "recipes", "predictions", "second", "ablation.csv"]
ENSEMBLE = [
    "photos.csv", "tasks.json", "folds.csv", "predictions", "second",
    "answers.csv", "fitted.json", "plots", "ensemble.json",
]  # fmt: skip
SUBMIT = ["answers.csv", "photos.csv", "tasks.json", "raw", "submission.csv", "key.json"]


def run_stage(name: str, folder: Path, *paths: str) -> subprocess.CompletedProcess:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DVC")}
    command = [sys.executable, PROJECT / "stages" / f"{name}.py", *paths]
    return subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True, check=False)


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory) -> Path:
    """The tables of a simulated population, and what the stages make of them."""
    folder = tmp_path_factory.mktemp("run")
    skills = {"small": 3.0, "wide": 2.0}
    photos, _, test_codes = write_population(folder, people=50, tests=30, folds=3, skills=skills)
    (folder / "params.yaml").write_text(PARAMS)
    names = photos["photo"][photos["split"] == "eval"].str.removeprefix("eval/images/").to_numpy()
    order = np.random.default_rng(0).permutation(30)
    (folder / "raw/eval").mkdir(parents=True)
    pd.DataFrame({"ImageID": names[order], "ans": 0}).to_csv(folder / "raw/eval/info.csv", index=False)
    key = pd.DataFrame({"ImageID": names, "ans": joint_codes(test_codes, COMPETITION)})
    key.to_csv(folder / "raw/answers.csv", index=False)
    for process in (run_stage("ensemble", folder, *ENSEMBLE), run_stage("submit", folder, *SUBMIT)):
        assert process.returncode == 0, process.stderr
    return folder


@pytest.fixture
def folder(finished_run: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return shutil.copytree(finished_run, tmp_path / "run")


def test_the_stages_lead_from_predictions_to_a_scored_submission(finished_run):
    form, submission = (pd.read_csv(finished_run / name) for name in ("raw/eval/info.csv", "submission.csv"))
    assert list(submission.columns) == ["ImageID", "ans"]
    assert submission["ImageID"].tolist() == form["ImageID"].tolist()
    key = pd.read_csv(finished_run / "raw/answers.csv").set_index("ImageID").loc[submission["ImageID"], "ans"]
    expected = f1_score(key, submission["ans"], average="macro")
    assert json.loads((finished_run / "key.json").read_text())["joint"]["macro_f1"] == pytest.approx(expected)
    assert json.loads((finished_run / "ensemble.json").read_text())["joint"]["accuracy"] > 0.8


def test_the_stages_write_the_same_bytes_again(finished_run, folder):
    files = ["answers.csv", "submission.csv", "ensemble.json", "key.json"]
    files += [str(path.relative_to(folder)) for path in (folder / "plots").rglob("*.csv")]
    for name in files:
        (folder / name).unlink()
    run_stage("ensemble", folder, *ENSEMBLE), run_stage("submit", folder, *SUBMIT)
    assert {n: (folder / n).read_bytes() for n in files} == {n: (finished_run / n).read_bytes() for n in files}


def test_files_of_members_that_are_not_asked_for_are_left_out(folder):
    answers = (folder / "answers.csv").read_bytes()
    (folder / "predictions/mask-gone.parquet").write_bytes(b"not even a table")
    assert run_stage("ensemble", folder, *ENSEMBLE).returncode == 0
    assert (folder / "answers.csv").read_bytes() == answers


def test_files_that_are_missing_are_named(folder):
    (folder / "params.yaml").write_text(PARAMS.replace("small, wide", "small, late"))
    process = run_stage("ensemble", folder, *ENSEMBLE)
    assert process.returncode != 0 and "Traceback" not in process.stderr
    for task in COMPETITION:
        assert f"{task.name}-late.parquet is in none of predictions, second. Run `dvc repro`" in process.stderr


def test_a_second_rounds_member_joins_the_blend(folder):
    for task in COMPETITION:
        (folder / f"predictions/{task.name}-wide.parquet").rename(folder / f"second/{task.name}-wide.parquet")
    (folder / "params.yaml").write_text(PARAMS.replace("[small, wide], second: []", "[small], second: [wide]"))
    answers = (folder / "answers.csv").read_bytes()
    assert run_stage("ensemble", folder, *ENSEMBLE).returncode == 0
    assert (folder / "answers.csv").read_bytes() == answers


def test_pseudo_labels_are_written_for_every_fold(folder):
    process = run_stage("pseudo", folder, "photos.csv", "tasks.json", "folds.csv", "predictions", "pseudo.csv")
    assert process.returncode == 0, process.stderr
    pseudo = pd.read_csv(folder / "pseudo.csv", keep_default_na=False)
    assert set(pseudo[AGE.name]) <= {"", *AGE.classes} and set(pseudo["fold"]) == {0, 1, 2}


def name_people(folder: Path, photos_each: int) -> pd.DataFrame:
    """Photos to answer show so many of one person; returns photos.csv."""
    photos = pd.read_csv(folder / "photos.csv", dtype=str, keep_default_na=False)
    rows = photos["split"] == "eval"
    photos.loc[rows, "person"] = [f"x{i // photos_each}" for i in range(rows.sum())]
    photos.to_csv(folder / "photos.csv", index=False)
    return photos


def test_a_person_to_answer_gets_one_age_and_gender_where_the_table_names_people_and_only_there(folder):
    nameless = (folder / "answers.csv").read_bytes()
    (folder / "params.yaml").write_text(PARAMS.replace("average_people: true", "average_people: false"))
    assert run_stage("ensemble", folder, *ENSEMBLE).returncode == 0
    assert (folder / "answers.csv").read_bytes() == nameless  # whatever is asked for
    photos = name_people(folder, 3)
    run_stage("ensemble", folder, *ENSEMBLE)
    assert (folder / "answers.csv").read_bytes() == nameless
    (folder / "params.yaml").write_text(PARAMS)
    run_stage("ensemble", folder, *ENSEMBLE)
    answers = pd.read_csv(folder / "answers.csv").merge(photos[["photo", "person"]], on="photo")
    kinds = answers.groupby(["split", "person"])[[task.name for task in COMPETITION]].nunique().max()
    assert (kinds["gender"], kinds["age"]) == (1, 1) and kinds["mask"] > 1


def test_the_ablation_compares_what_the_run_has_and_names_commands_for_the_rest(folder):
    (folder / "recipes").mkdir()
    for task in COMPETITION:
        for member, keep in (("small", "all"), ("wide", "person")):
            write_recipe(folder / f"recipes/{task.name}-{member}.json", task.name, member, recipe(keep=keep))
    process = run_stage("ablate", folder, *ABLATE)
    assert process.returncode == 0, process.stderr
    table = pd.read_csv(folder / "ablation.csv")
    measured = table[table["command"].isna()]
    assert {"background", "more than one member", "decision rule"} <= set(measured["part"])
    ensemble = json.loads((folder / "ensemble.json").read_text())
    rule = measured[measured["part"] == "decision rule"].set_index("task").loc["joint"]
    assert [rule["f1_without"], rule["f1_with"]] == [ensemble["rule"]["argmax"], ensemble["rule"]["offsets"]]
    views = table[table["part"] == "test-time views"]  # the drawn members have one view
    assert views["command"].tolist() == ["dvc exp run -S predict.tta=flip"]
