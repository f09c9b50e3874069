"""Doubted labels: planted mistakes come first, and the rows go straight into labels.csv."""

import runpy

import numpy as np
import pandas as pd
import pytest

from tests.conftest import PROJECT
from tests.planted import found, plant
from visage.ensemble.label_issues import (
    calibrate,
    find_label_issues,
    issue_probabilities,
    nearest_legal_value,
    noise_matrix,
    person_evidence,
)
from visage.formats.columns import CORRECTION_COLUMNS
from visage.formats.tasks import Task, class_codes, classify, write_tasks
from visage.index.corrections import apply_corrections, read_corrections

TASKS = [
    Task("mask", ("worn", "incorrect", "not worn"), "mask"),
    Task("gender", ("male", "female"), "gender"),
    Task("age", ("<30", "30-59", ">=60"), "age", (30, 60)),
]
SHOTS = ["normal", "incorrect_mask", *(f"mask{i}" for i in range(1, 6))]


def drawn_people(count: int, seed: int) -> pd.DataFrame:
    """Seven photos of each, in the shares of the competition; columns as `index` writes them."""
    rng = np.random.default_rng(seed)
    ages = rng.choice([*range(18, 30), *range(30, 60), 60], count, p=[0.475 / 12] * 12 + [0.455 / 30] * 30 + [0.07])
    genders = rng.choice(["male", "female"], count, p=[0.4, 0.6])
    rows = [
        {"photo": f"{i:04d}_{gender}/{shot}.jpg", "person": f"{i:04d}_{gender}", "gender": gender, "age_value": age,
         "mask": {"normal": "not worn", "incorrect_mask": "incorrect"}.get(shot, "worn")}
        for i, (gender, age) in enumerate(zip(genders, ages, strict=True)) for shot in SHOTS
    ]  # fmt: skip
    photos = pd.DataFrame(rows)
    return photos.assign(age=classify(photos["age_value"], TASKS[2])[0])


def drawn_answers(photos: pd.DataFrame, seed: int) -> pd.DataFrame:
    """What decent, somewhat too confident models would say of these photos, by the true labels.

    The photos of a person err together; ages are seen to within 5 years, genders 96 times of 100, masks 98; one photo
    in a hundred says nothing at all; the oldest class is called out too often, as models taught that 58 is old do.
    """
    rng = np.random.default_rng(seed)
    _, person = np.unique(photos["person"], return_inverse=True)
    people = person.max() + 1
    sexed = np.where(photos["gender"] == "female", 1, -1) * 2.4 + rng.normal(0, 1.2, people)[person]
    sexed = sexed * 1.6 + rng.normal(0, 1.5, len(photos))
    old = photos["age_value"].to_numpy() + rng.normal(0, 4, people)[person] + rng.normal(0, 3, len(photos)) + 1
    masked = rng.normal(0, 1.5, (len(photos), 3)) + 7 * np.eye(3)[class_codes(photos["mask"], TASKS[0])]
    logits = {
        "mask": masked + rng.normal(0, 1, (people, 3))[person],
        "gender": np.stack([-sexed, sexed], 1),
        "age": np.stack([np.zeros(len(old)), (old - 30) / 2, (old - 30) / 2 + (old - 59) / 2], 1),
    }
    lost = rng.random(len(photos)) < 0.01
    columns: dict[str, object] = {"photo": photos["photo"], **{task.name: "" for task in TASKS}}
    for task in TASKS:
        powers = np.exp(np.where(lost[:, None], rng.normal(0, 1, logits[task.name].shape), logits[task.name]))
        columns |= {
            f"{task.name}/{n}": p for n, p in zip(task.classes, (powers / powers.sum(1, keepdims=True)).T, strict=True)
        }
    return pd.DataFrame(columns)


def with_mistakes(photos: pd.DataFrame, planted: pd.DataFrame) -> pd.DataFrame:
    """The photos as `index` would list them with the planted corrections."""
    raw = photos.assign(age=photos["age_value"].astype(str)).drop(columns="age_value")
    fixed = apply_corrections(raw, planted.assign(row=2), TASKS, confidence=0.5, file="planted")
    fixed["age_value"] = fixed["age"].astype(float)
    return fixed.assign(age=classify(fixed["age_value"], TASKS[2])[0])


World = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


@pytest.fixture(scope="module")
def world() -> World:
    """Planted mistakes, the photos that suffer from them, and the doubts."""
    photos = drawn_people(800, 1)
    planted = plant(photos, 0.02, 51)
    wrong = with_mistakes(photos, planted)
    return planted, wrong, find_label_issues(wrong, drawn_answers(photos, 10), TASKS, 0.05)


def test_planted_mistakes_come_first(world):
    """2% of the people's genders, ages and mask pairs are wrong: a perfect list would begin with all of them."""
    planted, _, doubts = world
    precision, recall = found(doubts, planted, 800, 0.02)
    assert precision >= 0.7 and recall >= 0.7
    assert found(doubts, planted, 800, 0.05)[1] >= 0.85


@pytest.mark.parametrize("field, least", [("mask", 0.95), ("gender", 0.9), ("age", 0.6)])
def test_every_kind_is_found(world, field, least):
    planted, _, doubts = world
    assert found(doubts, planted[planted["field"] == field], 800, 0.05)[1] >= least


def test_labels_without_mistakes_raise_few_sure_doubts():
    photos = drawn_people(400, 4)
    doubts = find_label_issues(photos, drawn_answers(photos, 5), TASKS, 0.05)
    assert (doubts["confidence"].astype(float) > 0.9).sum() <= 0.01 * 3 * 400


def test_the_rows_pasted_into_labels_csv_mend_what_was_planted(world, tmp_path):
    _, wrong, doubts = world
    doubts.to_csv(tmp_path / "labels.csv", index=False)
    raw = wrong.assign(age=wrong["age_value"].astype(str))
    mended = apply_corrections(raw, read_corrections(tmp_path / "labels.csv"), TASKS, confidence=0.6, file="labels.csv")
    true = drawn_people(800, 1)
    assert list(doubts.columns) == CORRECTION_COLUMNS
    for name in ("mask", "gender"):
        assert (mended[name] != true[name]).sum() < 0.5 * (wrong[name] != true[name]).sum()


def test_a_swap_is_one_doubt_of_two_rows_about_one_person(world):
    _, _, doubts = world
    swaps = doubts[doubts["source"].str.contains("swap")].groupby("source")
    assert len(swaps) and (swaps.size() == 2).all()
    assert all(rows["photo"].str.split("/").str[0].nunique() == rows["value"].nunique() - 1 == 1 for _, rows in swaps)


def test_the_list_is_as_long_as_asked_and_sorted(world):
    _, _, doubts = world
    assert doubts["source"].nunique() == 0.05 * 800 * 3
    assert doubts["confidence"].astype(float).is_monotonic_decreasing


def test_neither_the_order_of_the_photos_nor_of_the_answers_matters():
    photos = drawn_people(60, 6)
    answers = drawn_answers(photos, 7)
    first = find_label_issues(photos, answers, TASKS, 0.2)
    shuffled = find_label_issues(
        photos.sample(frac=1, random_state=1), answers.sample(frac=1, random_state=2), TASKS, 0.2
    )
    pd.testing.assert_frame_equal(first, shuffled)


def test_a_fact_about_a_person_is_judged_from_all_photos_together():
    """Two photos out of seven that look like a woman's do not make a man doubted; seven do."""
    photos = drawn_people(300, 8).assign(gender=lambda p: np.where(p["person"] < "0150", "male", "female"))
    likely = np.where(photos["gender"] == "female", 0.95, 0.05)
    likely[:2], likely[7:14] = 0.9, 0.9
    known = photos.assign(**{"gender/male": 1 - likely, "gender/female": likely})
    chance, _ = issue_probabilities(person_evidence(known, TASKS[1]))
    assert chance[1] > 0.3 > 0.05 > chance[0] > chance[2]


def test_calibration_makes_shouting_and_shifted_models_say_what_comes_true():
    rng = np.random.default_rng(0)
    true = rng.dirichlet([1, 1, 0.3], 20000)
    given = (rng.random((20000, 1)) > true.cumsum(1)).sum(1)
    said = calibrate(3 * np.log(true) + [0, 1, -2], given)
    assert np.abs(said - true).mean() < 0.02


def test_noise_between_classes_is_read_off_confident_disagreement():
    meant = np.arange(3000) % 3
    given = np.where((meant == 0) & (np.arange(3000) % 20 == 0), 1, meant)
    said = np.full((3000, 3), 0.02)
    said[np.arange(3000), meant] = 0.96
    rate = noise_matrix(said, given)
    assert rate[1, 0] == pytest.approx(0.05, abs=0.01) and rate[2, 0] < 0.01 and np.allclose(rate.sum(0), 1)


@pytest.mark.parametrize(
    "given, meant, value", [(25, 1, "30"), (58, 2, "60"), (70, 1, "59"), (45, 0, "29"), (20, 2, "60")]
)
def test_a_suggested_number_is_the_nearest_of_its_class(given, meant, value):
    assert nearest_legal_value(given, meant, (30, 60)) == value


def test_photos_without_answers_are_an_error():
    photos = drawn_people(10, 0)
    with pytest.raises(ValueError, match="7 labelled photos have no answer"):
        find_label_issues(photos, drawn_answers(photos[7:], 0), TASKS, 0.05)


def test_the_stage_reads_what_index_and_ensemble_write(project):
    """Photos to answer have no labels and no fold; in a CSV that turns whole columns into text."""
    photos = drawn_people(60, 6).assign(split="train")
    answers = drawn_answers(photos, 7).assign(split="train", fold=1)
    unknown = dict.fromkeys(["person", "mask", "gender", "age", "age_value"], "") | {
        "photo": "eval/a.jpg",
        "split": "eval",
    }
    pd.concat([photos.astype(object), pd.DataFrame([unknown])]).to_csv("photos.csv", index=False)
    other = answers.iloc[:1].assign(photo="eval/a.jpg", split="eval", fold="")
    pd.concat([answers.astype({"fold": object}), other]).to_csv("answers.csv", index=False)
    write_tasks(project / "tasks.json", TASKS)
    (project / "params.yaml").write_text("audit: {share: 0.2}\n")
    main = runpy.run_path(str(PROJECT / "stages/audit.py"))["main"]
    main(project / "photos.csv", project / "tasks.json", project / "answers.csv", project / "doubts.csv")
    written = pd.read_csv("doubts.csv", dtype=str, keep_default_na=False)
    expected = find_label_issues(photos, answers, TASKS, 0.2)
    pd.testing.assert_frame_equal(written, expected, check_dtype=False)
