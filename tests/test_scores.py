import numpy as np
import pytest
from sklearn import metrics

from tests.drawn_ballots import AGE, COMPETITION, GENDER, MASK
from visage import scores
from visage.formats.tasks import joint_class_names, joint_codes, split_joint_codes


def answers(seed=0, photos=500, classes=6):
    rng = np.random.default_rng(seed)
    truth = rng.choice(classes, photos, p=np.arange(1, classes + 1) / np.arange(1, classes + 1).sum())
    return truth, np.where(rng.random(photos) < 0.6, truth, rng.integers(0, classes, photos))


def probabilities(seed=0, photos=400, classes=4):
    p = np.random.default_rng(seed).dirichlet(np.ones(classes), photos)
    return p, np.array([np.random.default_rng(i).choice(classes, p=row) for i, row in enumerate(p)])


def test_the_joint_code_is_the_competitions_in_both_directions():
    assert joint_class_names(COMPETITION)[8] == "incorrect/male/>=60"  # 1*6 + 0*3 + 2, by hand
    assert joint_class_names(COMPETITION)[14] == "not worn/male/>=60"
    by_hand = {(0, 0, 0): 0, (0, 1, 2): 5, (1, 0, 1): 7, (2, 1, 0): 15, (2, 1, 2): 17}
    for (mask, gender, age), code in by_hand.items():
        parts = [np.array([mask]), np.array([gender]), np.array([age])]
        assert joint_codes(parts, [MASK, GENDER, AGE]).tolist() == [code]
        assert [part.tolist() for part in split_joint_codes(np.array([code]), [MASK, GENDER, AGE])] == [
            [mask],
            [gender],
            [age],
        ]


@pytest.mark.parametrize("seed", range(5))
def test_macro_f1_is_scikit_learns_also_where_classes_are_missing_on_either_side(seed):
    truth, answer = answers(seed, photos=12, classes=9)
    assert scores.macro_f1(truth, answer) == pytest.approx(metrics.f1_score(truth, answer, average="macro"))


def test_macro_f1_by_hand():
    # class 0: 1 hit, 2 true, 1 answered = 2/3; class 1: 1 hit, 1 true, 2 answered = 2/3; class 2: 1, 1, 1 = 1
    assert scores.macro_f1(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2])) == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)


def test_the_listed_f1_are_scikit_learns_and_their_mean_is_the_macro_f1():
    truth, answer = answers()
    card = scores.class_scores(truth, answer, list("abcdef"))
    expected = metrics.precision_recall_fscore_support(truth, answer)
    assert list(card["f1"].values()) == pytest.approx(list(expected[2]))
    assert list(card["support"].values()) == expected[3].tolist()
    assert card["macro_f1"] == pytest.approx(np.mean(list(card["f1"].values())))
    assert card["accuracy"] == pytest.approx(metrics.accuracy_score(truth, answer))


def test_the_log_loss_is_scikit_learns_and_one_sure_mistake_does_not_cost_infinity():
    p, truth = probabilities()
    assert scores.nll(p, truth).mean() == pytest.approx(metrics.log_loss(truth, p, labels=range(4)))
    assert scores.nll(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(-np.log(scores.MIN_PROBABILITY))


def test_the_calibration_error_is_the_one_counted_bin_by_bin():
    p, truth = probabilities()
    confidence, right = p.max(1), p.argmax(1) == truth
    error = 0.0
    for i in range(scores.CALIBRATION_BINS):
        inside = (confidence > i / scores.CALIBRATION_BINS) & (confidence <= (i + 1) / scores.CALIBRATION_BINS)
        if inside.any():
            error += inside.sum() * abs(right[inside].mean() - confidence[inside].mean()) / len(truth)
    assert scores.calibration_error(confidence, right) == pytest.approx(error)


def test_one_who_is_always_sure_and_half_right_is_half_wrong_in_calibration():
    assert scores.calibration_error(np.ones(10), np.arange(10) < 5) == pytest.approx(0.5)


def test_every_point_of_the_precision_recall_curve_is_on_scikit_learns():
    p, truth = probabilities()
    values, positive = np.round(p[:, 0], 2), truth == 0  # rounded: many photos share a threshold
    mine = scores.precision_recall(values, positive)
    precision, recall, thresholds = metrics.precision_recall_curve(positive, values)
    theirs = {t: (pr, r) for t, pr, r in zip(thresholds, precision, recall, strict=False)}
    for row in mine.itertuples():
        assert (row.precision, row.recall) == pytest.approx(theirs[row.threshold])
    assert mine["recall"].is_monotonic_increasing and mine["recall"].iloc[-1] == 1


def test_the_curve_of_a_class_that_never_occurs_has_no_recall():
    assert (scores.precision_recall(np.array([0.2, 0.7]), np.array([False, False]))["recall"] == 0).all()


def test_resampled_f1_is_the_f1_of_the_drawn_peoples_photos():
    truth, answer = answers(photos=60)
    people = np.repeat(np.arange(20), 3)
    drawn = scores.resampled_f1(truth, answer, people, resamples=5, seed=3)
    rng = np.random.default_rng(3)
    for value in drawn:
        photos = np.concatenate([np.flatnonzero(people == one) for one in rng.integers(20, size=20)])
        assert value == pytest.approx(metrics.f1_score(truth[photos], answer[photos], average="macro"))


def test_a_thousand_joint_classes_are_resampled_in_chunks_to_the_same_result(monkeypatch):
    truth, answer = answers(photos=300, classes=40)
    people = np.repeat(np.arange(100), 3)
    whole = scores.resampled_f1(truth, answer, people, resamples=50, seed=0)
    monkeypatch.setattr(scores, "CHUNK", 7)
    assert np.allclose(scores.resampled_f1(truth, answer, people, resamples=50, seed=0), whole)


def test_the_interval_covers_the_score_of_the_whole_world():
    """A person's photos fall together, so an interval that draws photos would be too narrow, and fails this test."""
    rng = np.random.default_rng(0)
    covered = narrow = 0
    truth_of = lambda n: np.repeat(rng.integers(0, 3, n), 7)  # noqa: E731
    says = lambda t: np.where(np.repeat(rng.random(len(t) // 7) < 0.7, 7), t, (t + 1) % 3)  # noqa: E731
    for seed in range(150):
        truth = truth_of(120)
        answer, people = says(truth), np.repeat(np.arange(120), 7)
        low, high = scores.interval(scores.resampled_f1(truth, answer, people, resamples=200, seed=seed))
        covered += low <= 0.7 <= high  # with three classes alike, macro F1 is the share of right people
        low, high = scores.interval(scores.resampled_f1(truth, answer, np.arange(len(truth)), resamples=200, seed=seed))
        narrow += low <= 0.7 <= high
    assert covered >= 0.88 * 150
    assert narrow < 0.75 * 150
