"""The whole pipeline on a handful of drawn people: photos in, a checked submission out, and nothing done twice."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.conftest import PROJECT

DVC = [sys.executable, "-m", "dvc"]
LITTLE = {"practice": {"train_people": 24, "eval_people": 8}, "split": {"folds": 2}, "train": {"epochs": 1}}
EARLY = {"data/dvc.yaml:practice", "index", "split", "explore", "detect", "crop", "cut_out", "transplant"}


def run(home: Path, *words: str) -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith("DVC_")}
    env |= {"PYTHONPATH": str(home / "src"), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"}
    done = subprocess.run(words, cwd=home, env=env, capture_output=True, text=True)
    assert done.returncode == 0, " ".join(words) + "\n" + done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def clone(home: Path) -> Path:
    """The project as git holds it, with less to do; nothing of this machine's runs comes along."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, files.split("\0")):
        if (PROJECT / name).is_file() and name != "dvc.lock":
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, home / name)
    params = yaml.safe_load((home / "params.yaml").read_text())
    for section, values in LITTLE.items():
        params[section] |= values
    params["tasks"]["age"]["epochs"] = 1
    (home / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    (home / "data/manual/practice/boxes.csv").write_text("photo,x0,y0,x1,y1,note\n")
    for words in (["init", "-q"], ["config", "user.email", "a@b.c"], ["config", "user.name", "a"], ["add", "."]):
        run(home, "git", *words)
    run(home, "git", "commit", "-qm", "start")
    return home


def stages_run(told: str) -> set[str]:
    return set(re.findall(r"Running stage '([^']+)'", told))


@pytest.fixture(scope="module")
def road(tmp_path_factory) -> Path:
    home = clone(tmp_path_factory.mktemp("road") / "clone")
    assert stages_run(run(home, *DVC, "repro")) > EARLY
    run(home, "git", "add", ".")
    run(home, "git", "commit", "-qm", "first run")
    return home


def test_the_submission_is_in_the_competitions_form(road):
    info = pd.read_csv(road / "data/raw/practice/eval/info.csv")
    sent = pd.read_csv(road / "data/submission.csv")
    assert list(sent.columns) == ["ImageID", "ans"]
    assert sent["ImageID"].tolist() == info["ImageID"].tolist()
    assert sent["ans"].between(0, 17).all() and sent["ans"].dtype.kind == "i"


def test_a_second_repro_runs_no_stage(road):
    assert stages_run(run(road, *DVC, "repro")) == set()
    assert run(road, *DVC, "status", "dvc.yaml").strip().endswith("up to date.")


def test_two_clones_answer_alike(road, tmp_path):
    other = clone(tmp_path / "clone")
    run(other, *DVC, "repro")
    for name in ("data/submission.csv", "data/photos.csv", "data/folds.csv", "data/boxes.csv", "metrics/ensemble.json"):
        assert (other / name).read_bytes() == (road / name).read_bytes(), name


def test_an_experiment_with_the_shared_recipe_retrains_the_three_tasks_and_nothing_before(road):
    ran = stages_run(run(road, *DVC, "exp", "run", "-S", "train.lr=0.001"))
    assert {"train@mask-plain", "train@gender-plain", "train@age-plain", "ensemble"} <= ran
    assert not ran & EARLY
    run(road, "git", "checkout", "-q", ".")
    run(road, *DVC, "checkout", "-q")


def test_an_experiment_with_one_task_retrains_that_task_alone(road):
    ran = stages_run(run(road, *DVC, "exp", "run", "-S", "tasks.age.epochs=2"))
    assert "train@age-plain" in ran
    assert not ran & {"train@mask-plain", "train@gender-plain", "detect", "crop", "cut_out", "split"}
    run(road, "git", "checkout", "-q", ".")
    run(road, *DVC, "checkout", "-q")


def test_a_corrected_label_changes_no_picture_and_only_the_task_it_touches(road):
    photos = pd.read_csv(road / "data/photos.csv", dtype=str)
    person = photos.loc[photos["gender"] == "male", "person"].iloc[0]
    labels = road / "data/manual/practice/labels.csv"
    before = labels.read_text()
    labels.write_text(before + f"{person},,gender,female,1,test,\n")
    pictures = [path.read_bytes() for path in sorted((road / "data/crops").glob("*"))]
    told = run(road, *DVC, "repro", "crop")
    assert not stages_run(told) & {"data/dvc.yaml:practice"}
    assert [path.read_bytes() for path in sorted((road / "data/crops").glob("*"))] == pictures
    assert pd.read_csv(road / "data/photos.csv", dtype=str).query("person == @person")["gender"].unique() == ["female"]
    labels.write_text(before)
    run(road, *DVC, "repro", "crop")


def test_a_run_in_a_copy_of_the_project_finds_its_data(road):
    told = run(road, *DVC, "exp", "run", "--temp", "-S", "ensemble.seed=5")
    assert "Ran experiment" in told
    assert not stages_run(told) & {"detect", "train@age-plain"}
