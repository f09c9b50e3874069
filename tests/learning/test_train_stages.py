"""The stages train and predict on drawn people: tables and pictures in, checkpoints, curves and probabilities out."""

import runpy
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.drawn_lessons import MASK, PLAIN, TASKS, folds_of, people, write_crops
from visage.formats.shards import write_shards
from visage.formats.tasks import write_tasks
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
    write_shards(Path("made"), [], list_columns(TASKS))
    settle({})
    return tmp_path


def settle(train: dict, **tasks: dict) -> None:
    plain = PLAIN | {"fill": [0, 0, 0], "hidden": [], "eval_every": 1} | train
    sections = {"mask": {"label": "mask", "classes": list(MASK.classes)}, "age": {"label": "age", "bins": [30, 60]}}
    sections = {name: section | tasks.get(name, {}) for name, section in sections.items()}
    whole = {"train": plain, "members": {"small": {}}, "tasks": sections, "predict": {"tta": "flip"}}
    Path("params.yaml").write_text(yaml.safe_dump(whole))


def stage(name: str, *paths: str) -> None:
    runpy.run_path(str(STAGES / f"{name}.py"))["main"](*map(Path, paths))


def train(task: str, *pseudo: str) -> bytes:
    stage(
        "train",
        task,
        "small",
        "photos.csv",
        "tasks.json",
        "folds.csv",
        "crops",
        "mattes",
        "made",
        *pseudo,
        f"models/{task}",
        f"curves/{task}.csv",
    )
    return b"".join(path.read_bytes() for path in sorted(Path(f"models/{task}").glob("fold*")))


def predict(task: str) -> pd.DataFrame:
    stage(
        "predict", task, "small", "photos.csv", "folds.csv", "crops", "mattes", f"models/{task}", f"said/{task}.parquet"
    )
    return pd.read_parquet(f"said/{task}.parquet")


def test_a_task_goes_from_tables_to_probabilities(project: Path) -> None:
    train("mask")
    curve, said = pd.read_csv("curves/mask.csv"), predict("mask")
    assert curve.columns.tolist() == ["fold", "epoch", "split", "loss", "macro_f1", "lr", "images_per_s"]
    assert set(curve["fold"]) == {0, 1, 2} and set(curve["split"]) == {"train", "held_out"}
    assert sorted(path.name for path in Path("models/mask").iterdir()) == [
        "card.json",
        *(f"fold{k}.safetensors" for k in range(3)),
    ]
    assert said["kind"].value_counts().to_dict() == {"held_out": 16, "eval": 6}
    assert said.columns.tolist() == ["photo", "fold", "kind", *MASK.classes]


def test_an_override_of_one_task_leaves_the_other_alone(project: Path) -> None:
    mask, age = train("mask"), train("age")
    settle({}, age={"epochs": 2})
    assert train("mask") == mask and train("age") != age
    settle({"lr": 0.001})
    assert train("mask") != mask


def test_going_back_to_earlier_params_gives_the_same_bytes_and_curve(project: Path) -> None:
    first, curve = train("mask"), Path("curves/mask.csv").read_bytes()
    settle({"epochs": 2})
    train("mask")
    settle({})
    assert train("mask") == first and Path("curves/mask.csv").read_bytes() == curve


def test_a_joint_member_leaves_the_same_networks_under_every_task(project: Path) -> None:
    settle({"joint": True})
    assert train("mask") == train("age")
    assert predict("age").columns.tolist()[3:] == list(TASKS[2].classes)


def test_pseudo_labels_may_join_in(project: Path) -> None:
    plain = train("mask")
    pd.DataFrame({"photo": ["eval/0.jpg"], "fold": [1], "mask": ["worn"], "gender": [""], "age": [""]}).to_csv(
        "pseudo.csv", index=False
    )
    folds = [Path(f"models/mask/fold{k}.safetensors").read_bytes() for k in range(3)]
    assert train("mask", "pseudo.csv") != plain
    again = [Path(f"models/mask/fold{k}.safetensors").read_bytes() for k in range(3)]
    assert [a == b for a, b in zip(folds, again, strict=True)] == [True, False, True]


def test_four_tasks_of_a_portrait_table_need_no_change_of_code(project: Path) -> None:
    hair = replace(MASK, name="hairstyle", source="hairstyle", classes=("long", "short", "none"))
    table = people(8)
    table["hairstyle"] = table["mask"].map(dict(zip(MASK.classes, hair.classes, strict=True))).fillna("")
    table.to_csv("photos.csv", index=False)
    write_tasks(Path("tasks.json"), (*TASKS, hair))
    write_shards(Path("made"), [], list_columns((*TASKS, hair)))
    for backbone, changes in (("resnet50", {"unfreeze": 10}), ("mlp", {}), ("cnn", {})):
        settle({"backbone": backbone, "height": 64, "width": 64, "batch": 4} | changes)
        whole = yaml.safe_load(Path("params.yaml").read_text())
        whole["tasks"]["hairstyle"] = {"label": "hairstyle", "classes": list(hair.classes)}
        Path("params.yaml").write_text(yaml.safe_dump(whole))
        train("hairstyle")
        assert predict("hairstyle").columns.tolist()[3:] == ["long", "short", "none"]
