"""Drawn populations and members for tests and measurements: tables as `index`, `split` and `predict` write them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from visage.formats.tasks import Task, write_tasks

MASK = Task("mask", ("worn", "incorrect", "not worn"), "mask")
GENDER = Task("gender", ("male", "female"), "gender")
AGE = Task("age", ("<30", "30-59", ">=60"), "age", (30, 60))
COMPETITION = (MASK, GENDER, AGE)
SHOTS = (1, 0, 0, 0, 0, 0, 2)  # of the first task; the later tasks are about the person


def drawn_photos(people: int, evals: int, folds: int, rng: np.random.Generator, tasks: Sequence[Task] = COMPETITION):
    """photos.csv, folds.csv and the class codes of train and eval photos, one array a task."""
    names = np.array([f"{i:06d}" for i in range(people)])
    by_person = [rng.choice(len(t.classes), people + evals, p=rare_last(len(t.classes))) for t in tasks]
    owner = np.repeat(np.arange(people), len(SHOTS))
    train = [codes[owner] for codes in by_person]
    if tasks[0].name == "mask":
        train[0] = np.tile(SHOTS, people)
    held = [codes[people:] for codes in by_person]
    photos = pd.DataFrame(
        {
            "photo": [f"train/images/{names[o]}/{i % len(SHOTS)}.jpg" for i, o in enumerate(owner)]
            + [f"eval/images/{i:05d}.jpg" for i in range(evals)],
            "split": ["train"] * len(owner) + ["eval"] * evals,
            "person": [*names[owner], *[""] * evals],
        }
        | {t.name: [*np.array(t.classes)[c], *[""] * evals] for t, c in zip(tasks, train, strict=True)}
    )
    return photos, pd.DataFrame({"person": names, "fold": np.arange(people) % folds}), train, held


def rare_last(classes: int) -> np.ndarray:
    share = np.linspace(1, 0.2, classes)
    return share / share.sum()


def drawn_member(photos, folds, truth, held, task, rng, *, skill: float) -> pd.DataFrame:
    """One member's table of predictions: right more often the higher its skill; nought is chance."""
    count, numbers = len(task.classes), sorted(set(folds["fold"]))
    train, evals = (photos[photos["split"] == split] for split in ("train", "eval"))
    fold_of = folds.set_index("person")["fold"]
    rows = [(train["photo"], train["person"].map(fold_of), "held_out", truth)]
    rows += [(evals["photo"], fold, "eval", held) for fold in numbers]
    parts = []
    for names, fold, kind, codes in rows:
        heights = rng.normal(0, 1, (len(codes), count)) + skill * np.eye(count)[codes]
        powers = np.exp(heights)
        part = pd.DataFrame(powers / powers.sum(1, keepdims=True), columns=list(task.classes))
        parts.append(part.assign(photo=names.to_numpy(), fold=np.asarray(fold), kind=kind))
    return pd.concat(parts, ignore_index=True)[["photo", "fold", "kind", *task.classes]]


def write_drawn(root: Path, *, people=40, evals=30, folds=4, tasks=COMPETITION, skills=None, seed=0):
    """Everything that the stage reads, in one folder; returns the photos, the folds and the true codes of the eval."""
    rng = np.random.default_rng(seed)
    photos, fold_table, truth, held = drawn_photos(people, evals, folds, rng, tasks)
    (root / "predictions").mkdir(parents=True)
    (root / "second").mkdir()
    for member, skill in (skills or {"small": 2.0, "wide": 1.0}).items():
        for task, true, hidden in zip(tasks, truth, held, strict=True):
            table = drawn_member(photos, fold_table, true, hidden, task, rng, skill=skill)
            table.to_parquet(root / "predictions" / f"{task.name}-{member}.parquet", index=False)
    photos.to_csv(root / "photos.csv", index=False)
    fold_table.to_csv(root / "folds.csv", index=False)
    write_tasks(root / "tasks.json", tasks)
    return photos, fold_table, held
