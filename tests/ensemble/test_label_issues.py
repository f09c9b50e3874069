"""Label issues: planted mistakes come first, and the rows go straight into labels.csv."""

import runpy

import numpy as np
import pandas as pd
import pytest

from tests.conftest import PROJECT
from tests.drawn_members import COMPETITION, GENDER, MASK, draw_answers, draw_people
from tests.planted import audit_scores, plant, with_mistakes
from visage.ensemble.label_issues import (
    MAX_NOISE,
    Evidence,
    build_person_evidence,
    calibrate,
    find_label_issues,
    find_person_issues,
    find_photo_issues,
    find_swaps,
    issue_probabilities,
    label_weights,
    nearest_legal_value,
    noise_matrix,
)
from visage.formats.columns import CORRECTION_COLUMNS
from visage.formats.tasks import write_tasks
from visage.index.corrections import apply_corrections, read_corrections


@pytest.fixture(scope="module")
def audit():
    """Planted mistakes, the photos with these labels, and the label issues."""
    photos = draw_people(800, 1)
    planted = plant(photos, 0.02, 51)
    wrong = with_mistakes(photos, planted, COMPETITION)
    return planted, wrong, find_label_issues(wrong, draw_answers(photos, 10), COMPETITION, 0.05)


def test_planted_mistakes_come_first(audit):
    """2% of the people's genders, ages and mask pairs are wrong: a perfect list would begin with all of them."""
    planted, _, issues = audit
    precision, recall = audit_scores(issues, planted, 800, 0.02)
    assert precision >= 0.7 and recall >= 0.7
    assert audit_scores(issues, planted, 800, 0.05)[1] >= 0.85


@pytest.mark.parametrize("field, least_recall", [("mask", 0.95), ("gender", 0.9), ("age", 0.6)])
def test_every_kind_is_found(audit, field, least_recall):
    planted, _, issues = audit
    assert audit_scores(issues, planted[planted["field"] == field], 800, 0.05)[1] >= least_recall


def test_labels_without_mistakes_raise_few_sure_issues():
    photos = draw_people(400, 4)
    issues = find_label_issues(photos, draw_answers(photos, 5), COMPETITION, 0.05)
    assert (issues["confidence"].astype(float) > 0.9).sum() <= 0.01 * 3 * 400


def test_the_rows_pasted_into_labels_csv_correct_what_was_planted(audit, tmp_path):
    _, wrong, issues = audit
    file = tmp_path / "labels.csv"
    issues.to_csv(file, index=False)
    raw = wrong.assign(age=wrong["age_value"].astype(str))
    corrected = apply_corrections(raw, read_corrections(file), COMPETITION, confidence=0.6, file="labels.csv")
    true = draw_people(800, 1)
    assert list(issues.columns) == CORRECTION_COLUMNS
    for name in ("mask", "gender"):
        assert (corrected[name] != true[name]).sum() < 0.5 * (wrong[name] != true[name]).sum()


def test_a_swap_is_one_issue_of_two_rows_about_one_person(audit):
    _, _, issues = audit
    swaps = issues[issues["source"].str.contains("swap")].groupby("source")
    assert len(swaps) and (swaps.size() == 2).all()
    assert all(rows["photo"].str.split("/").str[0].nunique() == rows["value"].nunique() - 1 == 1 for _, rows in swaps)


def test_the_list_is_as_long_as_asked_and_sorted(audit):
    _, _, issues = audit
    assert issues["source"].nunique() == 0.05 * 800 * 3
    assert issues["confidence"].astype(float).is_monotonic_decreasing


def test_neither_the_order_of_the_photos_nor_of_the_answers_matters():
    photos = draw_people(60, 6)
    answers = draw_answers(photos, 7)
    first = find_label_issues(photos, answers, COMPETITION, 0.2)
    shuffled = find_label_issues(
        photos.sample(frac=1, random_state=1), answers.sample(frac=1, random_state=2), COMPETITION, 0.2
    )
    pd.testing.assert_frame_equal(first, shuffled)


def test_a_fact_about_a_person_is_weighed_from_all_photos_together():
    """Two photos out of seven that look like a woman's do not make a man's label suspect; seven do."""
    photos = draw_people(300, 8).assign(gender=lambda p: np.where(p["person"] < "0150", "male", "female"))
    female = np.where(photos["gender"] == "female", 0.95, 0.05)
    female[:2], female[7:14] = 0.9, 0.9
    table = photos.assign(**{"gender/male": 1 - female, "gender/female": female})
    wrong, _ = issue_probabilities(build_person_evidence(table, GENDER))
    assert wrong[1] > 0.3 > 0.05 > wrong[0] > wrong[2]


def test_an_issue_says_what_was_given_what_models_say_and_from_how_many_photos():
    photos = draw_people(300, 8).assign(gender=lambda p: np.where(p["person"] < "0150", "male", "female"))
    photos["mask"], photos["age"] = "worn", "<30"  # of no interest here, and the same for everyone
    photos["age_value"] = 20
    answers = photos[["photo"]].assign(mask="", gender="", age="")
    female = np.where(photos["gender"] == "female", 0.95, 0.05)
    female[7:14] = 0.9
    answers[["gender/male", "gender/female"]] = np.stack([1 - female, female], 1)
    answers[[f"mask/{name}" for name in COMPETITION[0].classes]] = [0.98, 0.01, 0.01]
    answers[[f"age/{name}" for name in COMPETITION[2].classes]] = [0.98, 0.01, 0.01]
    (row,) = find_label_issues(photos, answers, COMPETITION, 0.001).to_dict("records")
    assert (row["person"], row["photo"], row["field"], row["value"]) == (photos["person"][7], "", "gender", "female")
    assert row["source"] == "audit: person 1" and 0 < float(row["confidence"]) < 1
    assert row["note"].startswith("given male; models say female (0.") and row["note"].endswith(", 7 photos)")


def test_calibration_undoes_overconfidence_and_shifted_classes():
    rng = np.random.default_rng(0)
    true = rng.dirichlet([1, 1, 0.3], 20000)
    labels = (rng.random((20000, 1)) > true.cumsum(1)).sum(1)
    calibrated = calibrate(3 * np.log(true) + [0, 1, -2], labels)
    assert np.abs(calibrated - true).mean() < 0.02


def test_the_weight_of_a_label_is_the_probability_that_it_is_right():
    weights = label_weights(np.array([[0.98, 0.01, 0.01], [0.02, 0.49, 0.49], [0.0, 0.5, 0.5]]), np.zeros(3, int))
    by_hand = 0.99 * 0.02 / (0.99 * 0.02 + 0.01 * 0.98 / 2)  # one mistake in 100, to either other class
    assert weights[0] > 0.999 and weights[1] == pytest.approx(by_hand) and weights[2] == 0


def test_noise_between_classes_is_estimated_from_confident_disagreement():
    true = np.arange(3000) % 3
    labels = np.where((true == 0) & (np.arange(3000) % 20 == 0), 1, true)
    probabilities = np.full((3000, 3), 0.02)
    probabilities[np.arange(3000), true] = 0.96
    noise = noise_matrix(probabilities, labels)
    assert noise[1, 0] == pytest.approx(0.05, abs=0.01) and noise[2, 0] < 0.01 and np.allclose(noise.sum(0), 1)


def test_noise_is_bounded_whatever_the_models_predict():
    labels = np.arange(300) % 3
    noise = noise_matrix(np.eye(3)[(labels + 1) % 3] * 0.97 + 0.01, labels)
    assert (np.diag(noise) >= 1 - MAX_NOISE).all()


def test_noise_by_hand():
    """Of 50 photos taken for class 0, 2 are labelled 1; every rate is drawn to the prior of one mistake in 100."""
    labels = np.array([0] * 48 + [1] * 2 + [1] * 50)
    predicted = np.array([0] * 50 + [1] * 50)
    noise = noise_matrix(np.eye(2)[predicted], labels)
    assert noise[1, 0] == pytest.approx((2 + 0.01 * 50 / 2) / (50 * 1.01))
    assert noise[0, 1] == pytest.approx((0 + 0.01 * 50 / 2) / (50 * 1.01))
    assert noise.sum(0) == pytest.approx([1, 1])


def make_evidence(task, labels, probabilities, counts=None):
    labels = np.array(labels)
    names, counts = np.array([f"a/{i}.jpg" for i in range(len(labels))]), counts or [1] * len(labels)
    return Evidence(task, names, labels, np.array(task.classes)[labels], np.array(probabilities), np.array(counts))


def test_two_photos_of_a_person_that_look_like_each_others_label_are_a_swap():
    """Odds of 9 and of 4 that one and the other are labelled wrong, and one mistake in 100: 0.36 to 1."""
    evidence = make_evidence(MASK, [0, 1], [[0.1, 0.9, 0.0], [0.8, 0.2, 0.0]])
    ((i, j, probability),) = find_swaps(evidence, np.array([1, 0]), np.array(["a", "a"]))
    assert (i, j) == (0, 1) and probability == pytest.approx(0.36 / 1.36)


def test_photos_of_two_people_are_no_swap():
    evidence = make_evidence(MASK, [0, 1], [[0.1, 0.9, 0.0], [0.8, 0.2, 0.0]])
    assert find_swaps(evidence, np.array([1, 0]), np.array(["a", "b"])) == []


def test_two_photos_that_do_not_look_like_each_others_label_are_no_swap():
    evidence = make_evidence(MASK, [0, 1], [[0.1, 0.9, 0.0], [0.0, 0.2, 0.8]])
    assert find_swaps(evidence, np.array([1, 2]), np.array(["a", "a"])) == []


def test_a_photo_is_in_one_swap_with_the_photo_that_is_clearest():
    evidence = make_evidence(MASK, [0, 1, 1], [[0.1, 0.9, 0.0], [0.8, 0.2, 0.0], [0.9, 0.1, 0.0]])
    assert [swap[:2] for swap in find_swaps(evidence, np.array([1, 0, 0]), np.array(["a"] * 3))] == [(0, 2)]


def test_a_photo_that_is_part_of_a_swap_is_no_issue_of_its_own():
    right = [[0.97, 0.02, 0.01], [0.02, 0.97, 0.01], [0.01, 0.02, 0.97]] * 20
    wrong = [[0.05, 0.94, 0.01], [0.94, 0.05, 0.01], [0.1, 0.85, 0.05]]
    evidence = make_evidence(MASK, [0, 1, 2] * 20 + [0, 1, 0], right + wrong)
    issues = sorted(find_photo_issues(evidence, np.array(["b"] * 60 + ["a"] * 3)), key=lambda issue: issue.sort_key)
    assert [(issue.kind, [row["photo"] for row in issue.corrections]) for issue in issues[:2]] == [
        ("swap", ["a/60.jpg", "a/61.jpg"]),
        ("photo", ["a/62.jpg"]),
    ]
    assert [row["value"] for issue in issues[:2] for row in issue.corrections] == ["incorrect", "worn", "incorrect"]
    assert len(issues) == 62 and issues[1].probability > 0.3 > 0.05 > issues[2].probability
    assert issues[0].corrections[0]["note"].endswith("(0.94, as 61.jpg the other way round)")


def test_a_person_of_a_single_photo_is_an_issue_of_1_photo():
    evidence = make_evidence(GENDER, [0, 1, 0], [[0.97, 0.03], [0.03, 0.97], [0.1, 0.9]], counts=[7, 7, 1])
    notes = [issue.corrections[0]["note"] for issue in find_person_issues(evidence)]
    assert notes[0] == "given male; models say female (0.03, 7 photos)"
    assert notes[2] == "given male; models say female (0.90, 1 photo)"


@pytest.mark.parametrize(
    "given, target, value", [(25, 1, "30"), (58, 2, "60"), (60, 1, "59"), (70, 1, "59"), (45, 0, "29"), (20, 2, "60")]
)
def test_a_suggested_number_is_the_nearest_of_its_class(given, target, value):
    assert nearest_legal_value(given, target, (30, 60)) == value


def test_photos_without_answers_are_an_error():
    photos = draw_people(10, 0)
    with pytest.raises(ValueError, match="7 labelled photos have no answer"):
        find_label_issues(photos, draw_answers(photos[7:], 0), COMPETITION, 0.05)


def test_the_stage_reads_what_index_and_ensemble_write(project):
    """Photos to answer have no labels and no fold; in a CSV that turns whole columns into text."""
    photos = draw_people(60, 6).assign(split="train")
    answers = draw_answers(photos, 7).assign(split="train", fold=1)
    unknown = dict.fromkeys(["person", "mask", "gender", "age", "age_value"], "") | {
        "photo": "eval/a.jpg",
        "split": "eval",
    }
    pd.concat([photos.astype(object), pd.DataFrame([unknown])]).to_csv("photos.csv", index=False)
    other = answers.iloc[:1].assign(photo="eval/a.jpg", split="eval", fold="")
    pd.concat([answers.astype({"fold": object}), other]).to_csv("answers.csv", index=False)
    write_tasks(project / "tasks.json", COMPETITION)
    (project / "params.yaml").write_text("audit: {share: 0.2}\n")
    main = runpy.run_path(str(PROJECT / "stages/audit.py"))["main"]
    main(project / "photos.csv", project / "tasks.json", project / "answers.csv", project / "doubts.csv")
    written = pd.read_csv("doubts.csv", dtype=str, keep_default_na=False)
    expected = find_label_issues(photos, answers, COMPETITION, 0.2)
    pd.testing.assert_frame_equal(written, expected, check_dtype=False)
