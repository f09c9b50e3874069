"""Simulated populations and members for tests and benchmarks: tables as `index`, `split`, `predict` and `ensemble`
write them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

from visage.ensemble.decision_rule import EnsembleParams
from visage.ensemble.member_predictions import Examples, MemberPredictions, align_predictions, build_examples
from visage.formats.columns import SHOTS
from visage.formats.predictions import FIRST_VIEW, view_columns
from visage.formats.tasks import Task, class_codes, classify, write_tasks

MASK = Task("mask", ("worn", "incorrect", "not worn"), "mask")
GENDER = Task("gender", ("male", "female"), "gender")
AGE = Task("age", ("<30", "30-59", ">=60"), "age", (30, 60))
COMPETITION = (MASK, GENDER, AGE)
MASK_BY_SHOT = (1, 0, 0, 0, 0, 0, 2)  # class codes of a person's seven photos; the other tasks are about the person
PARAMS = EnsembleParams(average_people=True, weights="fitted", rule="auto", shrinkage=0.002, resamples=200, seed=0)


def draw_photos(people: int, tests: int, folds: int, rng: np.random.Generator, tasks: Sequence[Task] = COMPETITION):
    """photos.csv, folds.csv, and the class codes of training and of test photos, one array a task."""
    shots = len(MASK_BY_SHOT)
    names = np.array([f"{i:06d}" for i in range(people)])
    by_person = [rng.choice(len(t.classes), people + tests, p=class_shares(len(t.classes))) for t in tasks]
    person = np.repeat(np.arange(people), shots)
    train_codes = [codes[person] for codes in by_person]
    if tasks[0].name == "mask":
        train_codes[0] = np.tile(MASK_BY_SHOT, people)
    test_codes = [codes[people:] for codes in by_person]
    train = pd.DataFrame(
        {"photo": [f"train/images/{names[p]}/{i % shots}.jpg" for i, p in enumerate(person)], "split": "train"}
        | {"person": names[person]}
        | {t.name: np.array(t.classes)[codes] for t, codes in zip(tasks, train_codes, strict=True)}
    )
    test = pd.DataFrame({"photo": [f"eval/images/{i:05d}.jpg" for i in range(tests)], "split": "eval"})
    photos = pd.concat([train, test], ignore_index=True).fillna("")
    return photos, pd.DataFrame({"person": names, "fold": np.arange(people) % folds}), train_codes, test_codes


def class_shares(classes: int) -> np.ndarray:
    """Falling shares: the last class is the rarest."""
    shares = np.linspace(1, 0.2, classes)
    return shares / shares.sum()


def draw_probabilities(codes: np.ndarray, classes: int, skill: float, rng: np.random.Generator) -> np.ndarray:
    """Right more often the higher the skill; nought is chance."""
    return softmax(rng.normal(0, 1, (len(codes), classes)) + skill * np.eye(classes)[codes], axis=-1)


def draw_member(photos, folds, train_codes, test_codes, task, rng, *, skill: float) -> pd.DataFrame:
    """One member's table of predictions for one task."""
    train, test = (photos[photos["split"] == split] for split in ("train", "eval"))
    fold_of_person = folds.set_index("person")["fold"]
    groups = [(train["photo"], train["person"].map(fold_of_person).to_numpy(), "held_out", train_codes)]
    groups += [(test["photo"], fold, "eval", test_codes) for fold in sorted(set(folds["fold"]))]
    tables = []
    for names, fold, kind, codes in groups:
        table = pd.DataFrame({"photo": names.to_numpy(), "fold": fold, "kind": kind})
        table[list(task.classes)] = draw_probabilities(codes, len(task.classes), skill, rng)
        table[view_columns(task.classes, FIRST_VIEW)] = table[list(task.classes)]
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def draw_tables(tasks=COMPETITION, skills=(2.0, 1.0), people=60, tests=20, folds=3, seed=0):
    """photos.csv, folds.csv, the tables of predictions by (task, member number), and the test photos' class codes."""
    rng = np.random.default_rng(seed)
    photos, fold_table, train_codes, test_codes = draw_photos(people, tests, folds, rng, tasks)
    tables = {
        (task.name, i): draw_member(photos, fold_table, train, test, task, rng, skill=skill)
        for i, skill in enumerate(skills)
        for task, train, test in zip(tasks, train_codes, test_codes, strict=True)
    }
    return photos, fold_table, tables, test_codes


def align_tables(photos, folds, tables, tasks=COMPETITION) -> tuple[list[MemberPredictions], Examples]:
    """What `read_member_predictions` makes of the tables."""
    examples = build_examples(photos, folds, tasks)
    members = sorted({member for _, member in tables})
    predictions = []
    for task in tasks:
        arrays = [align_predictions(tables[task.name, member], examples, task, "file") for member in members]
        held_out, test = (np.stack(parts) for parts in zip(*arrays, strict=True))
        predictions.append(MemberPredictions(task, tuple(map(str, members)), held_out, test))
    return predictions, examples


def write_population(root: Path, *, people=40, tests=30, folds=4, tasks=COMPETITION, skills=None, seed=0):
    """All that stage `ensemble` reads, in one folder; returns the photos, the folds and the test photos' codes."""
    rng = np.random.default_rng(seed)
    photos, fold_table, train_codes, test_codes = draw_photos(people, tests, folds, rng, tasks)
    (root / "predictions").mkdir(parents=True)
    (root / "second").mkdir()
    for member, skill in (skills or {"small": 2.0, "wide": 1.0}).items():
        for task, train, test in zip(tasks, train_codes, test_codes, strict=True):
            table = draw_member(photos, fold_table, train, test, task, rng, skill=skill)
            table.to_parquet(root / "predictions" / f"{task.name}-{member}.parquet", index=False)
    photos.to_csv(root / "photos.csv", index=False)
    fold_table.to_csv(root / "folds.csv", index=False)
    write_tasks(root / "tasks.json", tasks)
    return photos, fold_table, test_codes


def draw_people(count: int, seed: int) -> pd.DataFrame:
    """Seven training photos of each person, in the shares of the competition; columns as `index` writes them."""
    rng = np.random.default_rng(seed)
    ages = rng.choice([*range(18, 30), *range(30, 60), 60], count, p=[0.475 / 12] * 12 + [0.455 / 30] * 30 + [0.07])
    genders = rng.choice(["male", "female"], count, p=[0.4, 0.6])
    masks = {"normal": "not worn", "incorrect_mask": "incorrect"}
    rows = []
    for i, (gender, age) in enumerate(zip(genders, ages, strict=True)):
        person = {"person": f"{i:04d}_{gender}", "gender": gender, "age_value": age}
        for shot in SHOTS:
            photo = {"photo": f"{person['person']}/{shot}.jpg", "mask": masks.get(shot, "worn")}
            rows.append(person | photo)
    photos = pd.DataFrame(rows)
    return photos.assign(age=classify(photos["age_value"], AGE)[0])


def draw_answers(photos: pd.DataFrame, seed: int) -> pd.DataFrame:
    """What decent, somewhat overconfident models would predict of the photos of `draw_people`, by the true labels.

    The errors of a person's photos are correlated; ages are read to within 5 years, genders are right 96 times of 100,
    masks 98; one photo in a hundred carries no information; the oldest class is predicted too often, as by models
    trained with 58-year-olds in it.
    """
    rng = np.random.default_rng(seed)
    _, person = np.unique(photos["person"], return_inverse=True)
    people = person.max() + 1
    female = np.where(photos["gender"] == "female", 1, -1) * 2.4 + rng.normal(0, 1.2, people)[person]
    female = female * 1.6 + rng.normal(0, 1.5, len(photos))
    age = photos["age_value"].to_numpy() + rng.normal(0, 4, people)[person] + rng.normal(0, 3, len(photos)) + 1
    mask = rng.normal(0, 1.5, (len(photos), 3)) + 7 * np.eye(3)[class_codes(photos["mask"], MASK)]
    logits = {
        "mask": mask + rng.normal(0, 1, (people, 3))[person],
        "gender": np.stack([-female, female], 1),
        "age": np.stack([np.zeros(len(age)), (age - 30) / 2, (age - 30) / 2 + (age - 59) / 2], 1),
    }
    unreadable = rng.random(len(photos)) < 0.01
    columns: dict[str, object] = {"photo": photos["photo"], **{task.name: "" for task in COMPETITION}}
    for task in COMPETITION:
        noise = rng.normal(0, 1, logits[task.name].shape)
        probabilities = softmax(np.where(unreadable[:, None], noise, logits[task.name]), axis=-1)
        columns |= {f"{task.name}/{name}": probabilities[:, i] for i, name in enumerate(task.classes)}
    return pd.DataFrame(columns)
