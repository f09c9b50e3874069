"""The pipeline on other data: a table of portraits with four tasks, learnt by four networks, without a change of code.

The stages and their arguments are those of dvc.yaml, run one after another in this process.
"""

import json
import runpy
import shlex
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import yaml

from tests.conftest import PROJECT

pytestmark = pytest.mark.slow

SEXES, HAIRSTYLES, FACE_TYPES = ("man", "woman"), ("long", "short", "curly", "none"), ("oval", "round", "square")
LABELS = {
    "sex": {"field": "sex", "classes": list(SEXES)},
    "age": {"field": "years", "bins": [20, 35, 50, 65]},
    "hairstyle": {"field": "hairstyle", "classes": list(HAIRSTYLES)},
    "face_type": {"field": "face_type", "classes": list(FACE_TYPES)},
}
TASKS = {"sex": {}, "age": {}, "hairstyle": {}, "face_type": {"epochs": 20}}
MEMBERS = {
    "alexnet": {"backbone": "alexnet", "joint": True, "epochs": 2, "lr": 0.0003},
    "resnet": {"backbone": "resnet50", "unfreeze": 10, "epochs": 2},
    "small": {"backbone": "cnn"},
    "plain": {"backbone": "mlp"},
}
STAGES = (
    "index",
    "split",
    "detect",
    "crop",
    "cut_out",
    "transplant",
    "resolve",
    "train",
    "predict",
    "ensemble",
    "ablate",
    "submit",
)


def draw_portrait(sex: int, years: float, hair: int, face: int, rng: np.random.Generator) -> np.ndarray:
    """A wide picture whose colours and shapes show every label."""
    picture = np.full((60, 90, 3), (70 + 90 * sex, 120, 160 - 90 * sex), np.uint8)
    cv2.ellipse(picture, (45, 34), ((14, 20), (19, 19), (21, 14))[face], 0, 0, 360, (150, 180, 230), -1)
    cv2.rectangle(picture, (25, 2), (65, 12), ((0, 0, 0), (0, 200, 255), (60, 60, 200), (255, 255, 255))[hair], -1)
    cv2.rectangle(picture, (0, 54), (int(years), 59), (255, 255, 255), -1)
    return np.clip(picture + rng.normal(0, 6, picture.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def project_copy(tmp_path_factory):
    """The project's stages and parameters, and a folder of portraits with their table."""
    home = tmp_path_factory.mktemp("project")
    for name in ("stages", "src", "models/bundled"):
        shutil.copytree(PROJECT / name, home / name, ignore=shutil.ignore_patterns("__pycache__", "made"))
    shutil.copy(PROJECT / "dvc.yaml", home)
    rng, rows = np.random.default_rng(1), []
    (home / "data/raw/portraits").mkdir(parents=True)
    for number in range(96):
        sex, years, hair, face = number % 2, float(rng.integers(5, 90)), number % 4, number // 2 % 3
        photo = f"{number:03d}.png"
        cv2.imwrite(str(home / "data/raw/portraits" / photo), draw_portrait(sex, years, hair, face, rng))
        split = "eval" if number >= 84 else "train"
        labels = (SEXES[sex], years, HAIRSTYLES[hair], FACE_TYPES[face]) if split == "train" else ("",) * 4
        rows.append((photo, split, *labels))
    columns = ["photo", "split", "sex", "years", "hairstyle", "face_type"]
    pd.DataFrame(rows, columns=columns).to_csv(home / "data/raw/portraits/portraits.csv", index=False)
    manual = home / "data/manual/portraits"
    manual.mkdir(parents=True)
    for name in ("boxes.csv", "labels.csv"):
        header = (PROJECT / "data/manual/competition" / name).read_text().splitlines()[0]
        manual.joinpath(name).write_text(header + "\n")
    params = yaml.safe_load((PROJECT / "params.yaml").read_text())
    params |= {"labels": LABELS, "tasks": TASKS, "members": MEMBERS, "rounds": {"first": list(MEMBERS), "second": []}}
    params["data"] = {"name": "portraits"}
    params["index"] |= {"layout": "table", "table": "portraits.csv"}
    params["split"]["folds"] = 2
    params["detect"]["detector"] = "centre"
    params["crop"] |= {"enabled": False, "shape": "square", "fit": "letterbox", "size": 64}
    params["cut_out"]["model"] = "none"
    params["train"] |= {"height": 64, "width": 64, "standardise": "fold", "epochs": 12, "batch": 8, "lr": 0.002}
    params["explain"]["member"] = "small"
    (home / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    yield home
    shutil.rmtree(home / "models/classifiers", ignore_errors=True)  # ResNet-50's weights are 94 MB each time
    shutil.rmtree(home / ".dvc/cache", ignore_errors=True)


@pytest.fixture(scope="module")
def scores(project_copy):
    """metrics/ensemble.json after the stages have run, in the order and with the arguments of dvc.yaml."""
    from dvc.repo import Repo

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project_copy)
        commands = {stage.addressing: stage.cmd for stage in Repo.init(no_scm=True).index.stages}
        for name in STAGES:
            for address, command in commands.items():
                if address.partition("@")[0] == name:
                    _, script, *arguments = shlex.split(command)
                    runpy.run_path(str(project_copy / script))["main"](*map(Path, arguments))
    return json.loads((project_copy / "metrics/ensemble.json").read_text())


def test_four_tasks_of_a_table_of_portraits_are_answered(project_copy, scores):
    assert list(scores["tasks"]) == list(TASKS)
    answers = pd.read_csv(project_copy / "data/answers.csv")
    assert (answers["photo"].str.len() > 0).all()
    assert len(pd.read_csv(project_copy / "data/submission.csv")) == 12


def test_the_best_member_of_each_task_is_the_one_with_the_highest_f1(scores):
    for task, blend in scores["blend"].items():
        f1 = {member: score["macro_f1"] for member, score in blend["members"].items()}
        assert set(f1) == set(MEMBERS)
        assert f1[blend["best"]] == max(f1.values()), task


def test_every_task_is_learnt_far_better_than_by_chance(scores):
    assert scores["tasks"]["sex"]["macro_f1"] > 0.95
    assert scores["tasks"]["hairstyle"]["macro_f1"] > 0.9
    assert scores["tasks"]["face_type"]["macro_f1"] > 0.6  # a third by chance
    assert scores["tasks"]["age"]["macro_f1"] > 0.4  # a fifth by chance
