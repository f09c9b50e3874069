"""The files of a whole run about people who do not exist, for the tests of the report."""

import json
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from tests.drawn_members import COMPETITION as TASKS
from visage.ensemble.ablation import COLUMNS
from visage.ensemble.evaluation import count_confusion
from visage.explain.face_regions import REGIONS
from visage.formats.columns import CORRECTION_COLUMNS, LANDMARKS
from visage.formats.shards import shard_order, write_shards
from visage.formats.tasks import class_codes, joint_class_names, joint_codes, write_tasks
from visage.scores import AnswerSet, class_scores

RACES = ("Asian", "Black", "White")
SHOTS = {"normal": "not worn", "incorrect_mask": "incorrect", **{f"mask{n}": "worn" for n in range(1, 6)}}


def write_example_run(folder: Path, people: int = 60) -> dict[str, Path]:
    """Input name -> path, as `read_run_results` takes them."""
    rng = np.random.default_rng(0)
    photos = example_photos(people, rng)
    answers = example_answers(photos, rng)
    issues = [
        ("0001_male", "", "gender", "female", 0.97, "audit: person 1", "given male; models say female (0.99)"),
        ("", "0002_male/normal.jpg", "mask", "worn", 0.62, "audit: photo 2", "given not worn; models say worn (0.80)"),
        ("0003_male", "", "age", "58", 0.21, "audit: person 3", "given 61; models say 30-59 (0.55)"),
    ]
    tables = {
        "photos": photos,
        "answers": answers,
        "missed": photos[["photo"]].head(),
        "submission": pd.DataFrame({"ImageID": ["a.jpg"] * 350, "ans": 0}),
        "ablation": example_ablation(),
        "label_issues": pd.DataFrame(issues, columns=CORRECTION_COLUMNS),
        "groups": photos[["photo"]].assign(race=photos["person"].map(lambda name: RACES[int(name[:4]) % 7 % 3])),
    }
    paths = {name: folder / f"{name}.csv" for name in tables} | {"tasks": folder / "tasks.json"}
    for name, table in tables.items():
        table.to_csv(paths[name], index=False)
    write_tasks(paths["tasks"], TASKS)
    paths |= write_scores(folder, photos, answers) | {"card": write_card(folder)}
    return paths | write_logs(folder, rng) | write_pictures(folder, photos, rng)


def example_ablation() -> pd.DataFrame:
    """Parts with every verdict, and one that only a command can tell; columns as `ablate` writes them."""
    gains = {"background": (-0.04, -0.07, -0.01), "decision rule": (0.012, -0.004, 0.03),
             "more than one member": (0.05, 0.02, 0.08), "test-time views": (0.0, 0.0, 0.0)}  # fmt: skip
    rows = [
        {"part": part, "task": task, "without": f"without {part}", "with": f"with {part}", "f1_without": 0.8,
         "f1_with": 0.8 + gain[0], **dict(zip(("difference", "low", "high"), gain, strict=True)), "people": 60}
        for part, gain in gains.items() for task in ("joint", *(task.name for task in TASKS))
    ]  # fmt: skip
    command = "dvc exp run -S 'rounds.first=[plain,no_transplants]'"
    return pd.DataFrame([*rows, {"part": "transplants", "command": command}], columns=COLUMNS).astype(
        {"people": "Int64"}
    )


def example_photos(people: int, rng: np.random.Generator) -> pd.DataFrame:
    """Seven photos of each person; columns as `index` writes them."""
    rows = []
    for n in range(people):
        gender, age = rng.choice(TASKS[1].classes), rng.choice(TASKS[2].classes)
        person = {"person": f"{n:04d}_{gender}", "split": "train", "gender": gender, "age": age}
        rows += [person | {"photo": f"{n:04d}_{gender}/{shot}.jpg", "mask": mask} for shot, mask in SHOTS.items()]
    return pd.DataFrame(rows)


def example_answers(photos: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Answers of which some are wrong in every task; columns as `ensemble` writes them."""
    answers = photos[["photo", "split"]].assign(fold=0, confidence=0.9)
    for task in TASKS:
        logits = (
            rng.normal(0, 1, (len(photos), len(task.classes)))
            + 3 * np.eye(len(task.classes))[class_codes(photos[task.name], task)]
        )
        probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        answers[task.name] = np.array(task.classes)[probabilities.argmax(1)]
        answers[[f"{task.name}/{name}" for name in task.classes]] = probabilities
    return answers


def write_scores(folder: Path, photos: pd.DataFrame, answers: pd.DataFrame) -> dict[str, Path]:
    """Scores, confusions and the scores on the key, from the answers."""
    labels = [class_codes(photos[task.name], task) for task in TASKS]
    predictions = [class_codes(answers[task.name], task) for task in TASKS]
    (folder / "plots/confusion").mkdir(parents=True)

    def score(name: str, actual: np.ndarray, predicted: np.ndarray, classes: list[str]) -> dict:
        own = AnswerSet(name, classes, actual, predicted, np.zeros(0), np.zeros(0), np.zeros(0))
        count_confusion(own).to_csv(folder / f"plots/confusion/{name}.csv", index=False)
        scores = class_scores(actual, predicted, classes)
        interval = {"low": scores["macro_f1"] - 0.05, "high": min(1.0, scores["macro_f1"] + 0.04)}
        return scores | interval | {"log_loss": 0.31, "ece": 0.021, "fold_mean": 0.8, "fold_spread": 0.012}

    by_task = zip(TASKS, labels, predictions, strict=True)
    tasks = {task.name: score(task.name, actual, predicted, list(task.classes)) for task, actual, predicted in by_task}
    joint = score("joint", joint_codes(labels, TASKS), joint_codes(predictions, TASKS), joint_class_names(TASKS))
    for name in ("scores", "key"):
        (folder / f"{name}.json").write_text(json.dumps({"joint": joint, "tasks": tasks}))
    return {"scores": folder / "scores.json", "key": folder / "key.json", "plots": folder / "plots"}


def write_card(folder: Path) -> Path:
    """The card of a bundle with two members, as `bundle` writes it, without what only the networks themselves need."""
    held_out = json.loads((folder / "scores.json").read_text())
    kept = {"joint": held_out["joint"], **held_out["tasks"]}
    way = {"height": 128, "width": 96}
    change = {"scores": {"joint": {"before": 0.81, "after": 0.8, "low": -0.02, "high": 0.004}}, "photos": 420}
    card = {
        "tasks": [asdict(task) for task in TASKS],
        "detect": {"detector": "bundled", "threshold": 0.3},
        "networks": [
            {"member": member, "tasks": [task.name], "preprocessing": way} for task in TASKS
            for member in ("plain", "person") for _ in range(3)
        ],
        "views": "flip",
        "precision": "int8",
        "folds": "all",
        "blend": {task.name: {"plain": 0.9, "person": 0.3} for task in TASKS},
        "rule": {task.name: {"offsets": [0.4, *[0.0] * (len(task.classes) - 1)]} for task in TASKS},
        "check": {"photos": 100, "largest_difference": 4.7e-07},
        "scores": {"held_out": kept, "key": kept},
        "cost": {"precision": change},
        "trained_on": {"people": 60, "photos": 420, "revision": "0123456789abcdef"},
        "licences": ["code: visage (MIT).", "classifiers: learnt from your photos; <ask> those who own these."],
    }  # fmt: skip
    (folder / "card.json").write_text(json.dumps(card))
    return folder / "card.json"


def write_logs(folder: Path, rng: np.random.Generator) -> dict[str, Path]:
    """Learning curves, attention, parameters and times."""
    for name in ("curves", "seconds"):
        (folder / name).mkdir()
    attention = {}
    for task in TASKS:
        rows = [
            {"fold": fold, "epoch": e, "split": split, "macro_f1": 0.95 - gap - 0.6 / e + rng.normal(0, 0.01)}
            for fold in range(3) for e in range(1, 15) for split, gap in (("train", 0), ("held_out", 0.08))
        ]  # fmt: skip
        pd.DataFrame(rows).to_csv(folder / f"curves/{task.name}-plain.csv", index=False)
        shares = {
            name: dict(zip(REGIONS, rng.dirichlet(np.ones(len(REGIONS))).round(4).tolist(), strict=True))
            for name in ("all", *task.classes)
        }
        blanked = {f"without {name}": round(float(rng.uniform(0.3, 0.9)), 4) for name in REGIONS}
        attention[task.name] = {"attention": shares, "area": shares["all"], "macro_f1": {"whole": 0.9} | blanked}
    (folder / "attention.json").write_text(json.dumps(attention))
    (folder / "params.yaml").write_text("data:\n  name: <practice> & friends\n")
    for stage, seconds in {"detect": 12.1, "train@mask-plain": 250.0, "ensemble": 3.4}.items():
        (folder / "seconds" / stage).write_text(f"{seconds}\n")
    files = {"attention": "attention.json", "params": "params.yaml", "seconds": "seconds", "curves": "curves"}
    return {name: folder / file for name, file in files.items()}


def write_pictures(folder: Path, photos: pd.DataFrame, rng: np.random.Generator) -> dict[str, Path]:
    """Crops of plain colours, mattes, transplants, and contact sheets."""
    columns = dict.fromkeys([*LANDMARKS, "outside"], float) | {"by": str}
    fixed = {"width": 12, "height": 16, "by": "detector", "outside": 0.31, **dict.fromkeys(LANDMARKS)}
    keys = shard_order(photos["photo"])
    rows = [fixed | {"photo": photo, "image": encode_colour("JPEG", rng, (12, 16))} for photo in keys]
    write_shards(folder / "crops", rows, columns)
    write_shards(folder / "mattes", rows, {})
    write_shards(folder / "transplants", rows[:70], {})
    sheets = ("sheets", "single_sheets", "crop_sheets", "transplant_sheets")
    for name in sheets:
        (folder / name).mkdir()
        (folder / name / "mask.png").write_bytes(encode_colour("PNG", rng, (900, 300)))
    return {name: folder / name for name in ("crops", "mattes", "transplants", *sheets)}


def encode_colour(form: str, rng: np.random.Generator, size: tuple[int, int]) -> bytes:
    """A picture of one colour; size is width, height."""
    data = BytesIO()
    Image.new("RGB", size, tuple(rng.integers(60, 200, 3).tolist())).save(data, form)
    return data.getvalue()
