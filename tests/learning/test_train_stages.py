"""The stages train and predict on drawn people: tables and pictures in, checkpoints, curves and probabilities out."""

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.drawn_people import MASK, PLAIN, TASKS, folds_of, people, write_crops, write_set
from visage.formats.predictions import prediction_columns
from visage.formats.shards import write_shards
from visage.formats.tasks import write_tasks
from visage.networks.recipe import load_recipe, write_recipe
from visage.transplants.picture_set import list_columns

STAGES = Path(__file__).parents[2] / "stages"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the stages before have left, for three tasks; the working folder is the project's."""
    monkeypatch.chdir(tmp_path)
    table = people(8)
    table.to_csv("photos.csv", index=False)
    folds_of(table).to_csv("folds.csv", index=False)
    write_tasks(Path("tasks.json"), TASKS)
    write_crops(Path("crops"), table)
    write_shards(Path("mattes"), [], {})
    write_shards(Path("transplants"), [], list_columns(TASKS))
    write_params({})
    return tmp_path


def write_params(train: dict, **tasks: dict) -> None:
    sections = {
        "train": PLAIN | {"fill": [0, 0, 0], "hidden": [], "eval_every": 1} | train,
        "members": {"small": {}},
        "tasks": {"mask": {}, "age": {}} | tasks,
        "predict": {"tta": "flip"},
    }
    Path("params.yaml").write_text(yaml.safe_dump(sections))


def run_stage(name: str, *paths: str) -> None:
    runpy.run_path(str(STAGES / f"{name}.py"))["main"](*map(Path, paths))


def train(task: str, *pseudo: str) -> list[bytes]:
    """The checkpoints of the folds."""
    tables, pictures = ("photos.csv", "tasks.json", "folds.csv"), ("crops", "mattes", "transplants")
    write_recipe(Path("recipe.json"), task, "small", load_recipe(task, "small"))
    outs = (f"models/{task}", f"curves/{task}.csv", f"plots/{task}")
    run_stage("train", "recipe.json", *tables, *pictures, *pseudo, *outs)
    return [path.read_bytes() for path in sorted(Path(f"models/{task}").glob("fold*"))]


def predict(task: str) -> pd.DataFrame:
    table = f"predictions/{task}.parquet"
    run_stage("predict", task, "small", "photos.csv", "folds.csv", "crops", "mattes", f"models/{task}", table)
    return pd.read_parquet(table)


def test_a_task_goes_from_tables_to_probabilities(project: Path) -> None:
    train("mask")
    curve, predictions = pd.read_csv("curves/mask.csv"), predict("mask")
    assert curve.columns.tolist() == ["fold", "epoch", "split", "loss", "macro_f1", "lr", "images_per_s"]
    assert set(curve["fold"]) == {0, 1, 2} and set(curve["split"]) == {"train", "held_out"}
    plotted = pd.read_csv("plots/mask/plots/metrics/held_out/macro_f1.tsv", sep="\t")
    assert plotted.columns.tolist() == ["step", "macro_f1"]
    means = curve[curve["split"] == "held_out"].groupby("epoch")["macro_f1"].mean()
    assert plotted["macro_f1"].to_numpy() == pytest.approx(means.to_numpy(), rel=1e-3)
    files = ["card.json", *(f"fold{fold}.safetensors" for fold in range(3))]
    assert sorted(path.name for path in Path("models/mask").iterdir()) == files
    assert predictions["kind"].value_counts().to_dict() == {"held_out": 16, "eval": 6}
    assert predictions.columns.tolist() == prediction_columns(MASK.classes)


def test_an_override_of_one_task_leaves_the_other_alone(project: Path) -> None:
    mask, age = train("mask"), train("age")
    write_params({}, age={"epochs": 2})
    assert train("mask") == mask and train("age") != age
    write_params({"lr": 0.001})
    assert train("mask") != mask


def test_going_back_to_earlier_params_gives_the_same_bytes_and_curve(project: Path) -> None:
    first, curve = train("mask"), Path("curves/mask.csv").read_bytes()
    write_params({"epochs": 2})
    train("mask")
    write_params({})
    assert train("mask") == first and Path("curves/mask.csv").read_bytes() == curve


def test_a_joint_member_leaves_the_same_networks_under_every_task(project: Path) -> None:
    write_params({"joint": True})
    assert train("mask") == train("age")
    assert predict("age").columns.tolist() == prediction_columns(TASKS[2].classes)


def test_a_pseudo_label_changes_only_the_fold_that_may_learn_from_it(project: Path) -> None:
    before = train("mask")
    pd.DataFrame({"photo": ["eval/0.jpg"], "fold": [1], "mask": ["worn"], "gender": [""], "age": [""]}).to_csv(
        "pseudo.csv", index=False
    )
    after = train("mask", "pseudo.csv")
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True]


def write_transplant(colour: int) -> None:
    """Of p00 and p01, whom fold 0 holds out, as a picture of one grey."""
    labels = {"mask": "worn", "gender": "male", "age": ">=60", "age_value": 60.0}
    columns = {"donor_person": "p00", "receiver_person": "p01", "fold": 0, "matte": b"", **labels}
    pictures = {"transplant/0": np.full((32, 24, 3), colour, np.uint8)}
    write_set(Path("transplants"), pictures, **{name: {"transplant/0": value} for name, value in columns.items()})


def test_only_a_recipe_with_transplants_learns_from_them_and_not_in_the_fold_of_their_people(project: Path) -> None:
    def checkpoints(colour: int, transplants: bool) -> list[bytes]:
        write_params({"transplants": transplants})
        write_transplant(colour)
        return train("age")

    assert checkpoints(10, False) == checkpoints(200, False)
    pairs = zip(checkpoints(10, True), checkpoints(200, True), strict=True)
    assert [dark == light for dark, light in pairs] == [True, False, False]


@pytest.mark.parametrize(("backbone", "changes"), [("resnet50", {"unfreeze": 10}), ("mlp", {}), ("cnn", {})])
def test_a_fourth_task_needs_no_change_of_code(project: Path, backbone: str, changes: dict) -> None:
    hair = replace(MASK, name="hairstyle", source="hairstyle", classes=("long", "short", "none"))
    table = people(8)
    table["hairstyle"] = table["mask"].map(dict(zip(MASK.classes, hair.classes, strict=True))).fillna("")
    table.to_csv("photos.csv", index=False)
    write_tasks(Path("tasks.json"), (*TASKS, hair))
    write_shards(Path("transplants"), [], list_columns((*TASKS, hair)))
    write_params({"backbone": backbone, "height": 64, "width": 64, "batch": 4} | changes, hairstyle={})
    train("hairstyle")
    assert predict("hairstyle").columns.tolist() == prediction_columns(["long", "short", "none"])
