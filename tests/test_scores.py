import numpy as np
import pytest
from sklearn import calibration, metrics

from visage import scores


def draw_answers(seed=0, photos=500, classes=6):
    """True classes of unequal size, and answers of which two in three are right."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(classes, photos, p=np.arange(1, classes + 1) / np.arange(1, classes + 1).sum())
    return truth, np.where(rng.random(photos) < 0.6, truth, rng.integers(0, classes, photos))


def draw_calibrated(seed=0, photos=400, classes=4):
    """Probabilities, and true classes that come up as often as they say."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(classes), photos)
    return probabilities, (rng.random((photos, 1)) > probabilities.cumsum(1)).sum(1)


@pytest.mark.parametrize("seed", range(5))
def test_macro_f1_is_scikit_learns_also_where_classes_are_missing_on_either_side(seed):
    truth, answers = draw_answers(seed, photos=12, classes=9)
    assert scores.macro_f1(truth, answers) == pytest.approx(metrics.f1_score(truth, answers, average="macro"))


def test_macro_f1_by_hand():
    # class 0: 1 hit, 2 true, 1 answered = 2/3; class 1: 1 hit, 1 true, 2 answered = 2/3; class 2: 1, 1, 1 = 1
    assert scores.macro_f1(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2])) == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)


def test_a_class_without_photos_and_answers_is_left_out_of_the_mean():
    hits, answer_counts, support = np.array([[2, 0, 0], [2, 0, 1], [2, 0, 0]])
    assert scores.macro_f1_of_counts(hits, answer_counts, support) == 0.5
    assert scores.macro_f1(np.array([1, 1]), np.array([1, 1])) == 1


def test_the_listed_f1_are_scikit_learns_and_their_mean_is_the_macro_f1():
    truth, answers = draw_answers()
    card = scores.class_scores(truth, answers, list("abcdef"))
    assert list(card["f1"].values()) == pytest.approx(list(metrics.f1_score(truth, answers, average=None)))
    assert list(card["support"].values()) == np.bincount(truth).tolist()
    assert card["macro_f1"] == pytest.approx(np.mean(list(card["f1"].values())))
    assert card["accuracy"] == pytest.approx(metrics.accuracy_score(truth, answers))


def test_a_class_neither_true_nor_answered_is_not_listed():
    card = scores.class_scores(np.array([0, 3]), np.array([0, 1]), list("abcd"))
    assert card["f1"] == {"a": 1, "b": 0, "d": 0} and card["support"] == {"a": 1, "b": 0, "d": 1}


def test_the_log_loss_is_scikit_learns_and_one_sure_mistake_does_not_cost_infinity():
    p, truth = draw_calibrated()
    assert scores.nll(p, truth).mean() == pytest.approx(metrics.log_loss(truth, p, labels=range(4)))
    assert scores.nll(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(-np.log(scores.MIN_PROBABILITY))


def test_the_bins_are_those_of_scikit_learns_calibration_curve():
    p, truth = draw_calibrated()
    confidence, right = p.max(1), p.argmax(1) == truth
    accuracy, mean_confidence = calibration.calibration_curve(right, confidence, n_bins=scores.CALIBRATION_BINS)
    bins = scores.reliability(confidence, right)
    assert bins["accuracy"].to_numpy() == pytest.approx(accuracy)
    assert bins["confidence"].to_numpy() == pytest.approx(mean_confidence)
    assert bins["photos"].sum() == len(truth)


def test_the_border_of_two_bins_belongs_to_the_lower_one_and_nought_to_the_first():
    width = 1 / scores.CALIBRATION_BINS
    bins = scores.reliability(np.array([0.0, width, width + 1e-9, 1.0, 1 + 1e-9]), np.ones(5))
    assert bins["photos"].tolist() == [2, 1, 2]  # a product of probabilities may exceed one by rounding


def test_the_calibration_error_is_the_mean_distance_of_the_bins_weighted_by_their_photos():
    p, truth = draw_calibrated()
    confidence, right = p.max(1), p.argmax(1) == truth
    place = np.ceil(confidence * scores.CALIBRATION_BINS)
    distances = [abs((right[place == i] - confidence[place == i]).sum()) for i in np.unique(place)]
    assert scores.calibration_error(confidence, right) == pytest.approx(sum(distances) / len(truth))


def test_full_confidence_and_half_right_is_a_calibration_error_of_one_half():
    assert scores.calibration_error(np.ones(10), np.arange(10) < 5) == pytest.approx(0.5)


def test_every_point_of_the_precision_recall_curve_is_on_scikit_learns():
    p, truth = draw_calibrated()
    values, positive = np.round(p[:, 0], 2), truth == 0  # rounded: many photos share a threshold
    curve = scores.precision_recall(values, positive)
    precision, recall, thresholds = metrics.precision_recall_curve(positive, values)
    expected = {t: (p, r) for t, p, r in zip(thresholds, precision, recall, strict=False)}
    for row in curve.itertuples():
        assert (row.precision, row.recall) == pytest.approx(expected[row.threshold])
    assert curve["recall"].is_monotonic_increasing and curve["recall"].iloc[-1] == 1


def test_the_curve_has_the_first_threshold_that_reaches_each_level_of_recall():
    p, truth = draw_calibrated(photos=5000)
    curve = scores.precision_recall(p[:, 0], truth == 0, points=20)
    _, recall, thresholds = metrics.precision_recall_curve(truth == 0, p[:, 0])
    levels = np.arange(1, 21) / 20
    expected = [thresholds[recall[:-1] >= level - 1e-12].max() for level in levels]
    assert curve["threshold"].tolist() == expected


def test_the_curve_of_a_single_photo_of_the_class_reaches_full_recall():
    curve = scores.precision_recall(np.array([0.2, 0.7, 0.9]), np.array([False, True, False]))
    assert curve.values.tolist() == [[1.0, 0.5, 0.7]]


def test_the_curve_of_a_class_that_never_occurs_has_no_recall():
    assert (scores.precision_recall(np.array([0.2, 0.7]), np.array([False, False]))["recall"] == 0).all()


def test_resampled_f1_is_the_f1_of_all_photos_of_people_drawn_with_replacement():
    truth, answers = draw_answers(photos=60)
    people = np.repeat(np.arange(20), 3)
    rng = np.random.default_rng(3)
    for value in scores.resampled_f1(truth, answers, people, resamples=5, seed=3):
        photos = np.concatenate([np.flatnonzero(people == person) for person in rng.integers(20, size=20)])
        assert value == pytest.approx(metrics.f1_score(truth[photos], answers[photos], average="macro"))


def test_a_thousand_joint_classes_are_resampled_in_chunks_to_the_same_result(monkeypatch):
    truth, answers = draw_answers(photos=300, classes=40)
    people = np.repeat(np.arange(100), 3)
    in_one_chunk = scores.resampled_f1(truth, answers, people, resamples=50, seed=0)
    monkeypatch.setattr(scores, "CHUNK", 7)
    assert np.allclose(scores.resampled_f1(truth, answers, people, resamples=50, seed=0), in_one_chunk)


def test_the_interval_holds_the_middle_of_the_values():
    assert scores.percentile_interval(np.arange(101.0), 0.9) == pytest.approx((5, 95))
    assert scores.percentile_interval(np.arange(1001.0)) == pytest.approx((25, 975))


def test_the_interval_covers_the_score_of_the_whole_population():
    """All photos of a person are right or wrong together, so an interval that draws photos would be too narrow."""
    rng = np.random.default_rng(0)
    covered = covered_by_photos = 0
    people = np.repeat(np.arange(120), 7)
    for seed in range(150):
        truth, right = rng.integers(0, 3, 120)[people], (rng.random(120) < 0.7)[people]
        answers = np.where(right, truth, (truth + 1) % 3)
        draws = {"resamples": 200, "seed": seed}
        low, high = scores.percentile_interval(scores.resampled_f1(truth, answers, people, **draws))
        covered += low <= 0.7 <= high  # with three classes alike, macro F1 is the share of right people
        photos = np.arange(len(truth))
        low, high = scores.percentile_interval(scores.resampled_f1(truth, answers, photos, **draws))
        covered_by_photos += low <= 0.7 <= high
    assert covered >= 0.88 * 150
    assert covered_by_photos < 0.75 * 150


def paired_answers(seed=0, people=200, gain=0.5):
    """Seven photos of each person; old answers are wrong for a third of the people, new ones for fewer of the same."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), 7)
    truth = rng.integers(0, 3, people)[person]
    wrong = (rng.random(people) < 0.3)[person]
    old = np.where(wrong, (truth + 1) % 3, truth)
    return truth, old, np.where(wrong & (rng.random(people) < gain)[person], truth, old), person


def test_a_paired_gain_is_the_difference_of_the_f1_and_its_interval_is_narrower_than_that_of_either_score():
    truth, old, new, people = paired_answers()
    gain = scores.paired_gain(truth, old, new, people, resamples=400, seed=0)
    assert gain.old == scores.macro_f1(truth, old) and gain.new == scores.macro_f1(truth, new)
    assert gain.low < gain.difference == gain.new - gain.old < gain.high and gain.low > 0
    for answers in (old, new):
        low, high = scores.percentile_interval(scores.resampled_f1(truth, answers, people, resamples=400, seed=0))
        assert gain.high - gain.low < high - low + gain.difference
    assert gain == scores.paired_gain(truth, old, new, people, resamples=400, seed=0)


def test_a_paired_gain_turns_its_sign_with_the_sides_and_is_nothing_for_the_same_answers():
    truth, old, new, people = paired_answers()
    there, back = (scores.paired_gain(truth, *pair, people, resamples=200, seed=0) for pair in ((old, new), (new, old)))
    assert (there.low, there.difference, there.high) == pytest.approx((-back.high, -back.difference, -back.low))
    same = scores.paired_gain(truth, old, old, people, resamples=200, seed=0)
    assert (same.low, same.difference, same.high) == (0, 0, 0)


def test_the_interval_of_no_true_gain_holds_nought_about_95_times_of_100():
    """Answers whose mistakes fall on people at random, as often on either side."""
    rng, held = np.random.default_rng(3), 0
    for seed in range(60):
        person = np.repeat(np.arange(80), 7)
        truth = rng.integers(0, 3, 80)[person]
        old, new = (np.where((rng.random(80) < 0.3)[person], (truth + 1) % 3, truth) for _ in range(2))
        gain = scores.paired_gain(truth, old, new, person, resamples=200, seed=seed)
        held += gain.low <= 0 <= gain.high
    assert held >= 51
