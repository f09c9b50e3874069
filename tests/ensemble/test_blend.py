import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize
from scipy.special import softmax

from tests.drawn_members import draw_probabilities
from visage.ensemble.answers import Blend, average_folds, log_probs
from visage.ensemble.blend import cross_fit_blend, fit_blend, leave_one_fold_out, penalised_loss
from visage.scores import nll


def draw_members(seed=0, photos=800, skills=(2.0, 1.0, 0.5)):
    """(members, photos, classes) and the true classes."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, photos)
    return np.stack([draw_probabilities(truth, 3, skill, rng) for skill in skills]), truth


def slow_loss(exponents, probabilities, truth):
    """What is minimised, written from its definition."""
    exponents = np.asarray(exponents)
    ridge = ((exponents - 1 / len(exponents)) ** 2).sum() / 2 / len(truth)
    return nll(Blend(exponents)(probabilities), truth).mean() + ridge


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("photos", [30, 800])  # the ridge is worth one photo: with few of them it shows
def test_the_exponents_are_those_of_an_optimiser_that_is_given_no_gradient(seed, photos):
    probabilities, truth = draw_members(seed, photos, skills=(1.5, 1.0, 0.0))
    start, bounds = np.full(3, 1 / 3), [(0, None)] * 3
    expected = minimize(slow_loss, start, (probabilities, truth), method="SLSQP", bounds=bounds, tol=1e-15)
    assert fit_blend(probabilities, truth).exponents == pytest.approx(expected.x, abs=1e-5)


def test_no_exponents_of_a_grid_give_a_lower_loss():
    probabilities, truth = draw_members(skills=(1.0, 0.5), photos=100)
    lowest = slow_loss(fit_blend(probabilities, truth).exponents, probabilities, truth)
    grid = np.linspace(0, 2, 41)
    assert min(slow_loss((a, b), probabilities, truth) for a in grid for b in grid) >= lowest


def test_the_gradient_is_that_of_the_loss():
    probabilities, truth = draw_members(photos=50)
    exponents, log_p = np.array([0.9, 0.1, 0.4]), log_probs(probabilities)
    expected = approx_fprime(exponents, lambda w: penalised_loss(w, log_p, truth)[0], 1e-7)
    assert penalised_loss(exponents, log_p, truth)[1] == pytest.approx(expected, abs=1e-5)


def test_weights_and_temperature_are_read_from_the_exponents():
    assert Blend(np.array([0.3, 0.1])).weights == pytest.approx([0.75, 0.25])
    assert Blend(np.array([0.3, 0.1])).temperature == pytest.approx(2.5)


def test_weights_add_up_to_one_and_the_better_member_gets_more():
    weights = fit_blend(*draw_members()).weights
    assert weights.sum() == pytest.approx(1)
    assert weights[0] > weights[1] > weights[2] > 0


def test_a_member_that_is_mostly_wrong_gets_no_weight():
    assert fit_blend(*draw_members(skills=(2.0, -2.0))).weights.tolist() == [1, 0]


def test_members_that_predict_the_same_share_alike():
    probabilities, truth = draw_members(skills=(1.0,))
    assert fit_blend(np.concatenate([probabilities, probabilities]), truth).weights == pytest.approx([0.5, 0.5])


def test_members_that_predict_nothing_keep_the_exponents_of_the_plain_mean():
    assert fit_blend(np.full((4, 30, 3), 1 / 3), np.zeros(30, int)).exponents == pytest.approx(np.full(4, 0.25))


def test_without_any_exponent_the_weights_are_equal_and_every_class_is_as_likely():
    blend = Blend(np.zeros(2))
    assert blend.weights.tolist() == [0.5, 0.5]
    assert blend(np.array([[[0.9, 0.1]], [[0.2, 0.8]]])).tolist() == [[0.5, 0.5]]
    assert np.isfinite(blend.temperature)


def test_the_mean_gives_all_members_the_one_exponent_of_the_lowest_loss():
    probabilities, truth = draw_members()
    exponents = fit_blend(probabilities, truth, "mean").exponents
    assert np.ptp(exponents) == 0
    average = softmax(log_probs(probabilities).mean(0), axis=-1)[None]
    assert exponents.sum() == pytest.approx(fit_blend(average, truth).exponents[0], abs=1e-5)


def test_the_best_is_one_calibrated_member_of_the_lowest_loss():
    probabilities, truth = draw_members(skills=(0.5, 2.0, 1.0))
    blend = fit_blend(probabilities, truth, "best")
    assert blend.weights.tolist() == [0, 1, 0]
    assert blend.exponents[1] == pytest.approx(fit_blend(probabilities[1:2], truth).exponents[0])


def test_the_cross_fitted_blend_beats_its_members_and_the_mean_beats_the_worst():
    probabilities, truth = draw_members(photos=3000)
    folds = np.arange(3000) % 5
    loss = {
        way: nll(cross_fit_blend(probabilities, truth, folds, way), truth).mean() for way in ("fitted", "mean", "best")
    }
    assert loss["fitted"] < loss["mean"] < nll(probabilities[-1], truth).mean()
    assert loss["fitted"] < loss["best"] < nll(probabilities[0], truth).mean()


def test_a_folds_blend_does_not_know_the_folds_labels():
    probabilities, truth = draw_members(photos=90)
    folds = np.arange(90) % 3
    blended = cross_fit_blend(probabilities, truth, folds, "fitted")
    changed = cross_fit_blend(probabilities, np.where(folds == 0, 0, truth), folds, "fitted")
    assert np.array_equal(blended[folds == 0], changed[folds == 0])
    assert not np.array_equal(blended[folds != 0], changed[folds != 0])


def test_every_fold_is_left_out_once():
    rows = [(fold, out.tolist(), rest.tolist()) for fold, out, rest in leave_one_fold_out(np.array([4, 1, 4]))]
    assert rows == [(1, [False, True, False], [True, False, True]), (4, [True, False, True], [False, True, False])]


@pytest.mark.parametrize("factor", [0.4, 1.0, 2.5])
def test_the_temperature_undoes_the_factor_that_was_put_in(factor):
    rng = np.random.default_rng(0)
    calibrated = rng.dirichlet(np.ones(3), 20000)
    truth = (rng.random((20000, 1)) > calibrated.cumsum(1)).sum(1)
    blend = fit_blend(softmax(log_probs(calibrated) * factor, axis=-1)[None], truth)
    assert blend.temperature == pytest.approx(factor, rel=0.04)


def test_a_member_that_is_never_mistaken_gets_a_finite_exponent():
    truth = np.array([0, 1, 2] * 20)
    assert 0.1 < fit_blend(np.eye(3)[None, truth], truth).exponents[0] < 10


def test_a_member_that_is_never_right_still_makes_a_blend():
    truth = np.array([0, 1, 2] * 20)
    sure = np.eye(3)[None, truth]
    blend = fit_blend(sure, (truth + 1) % 3)
    assert blend.weights.tolist() == [1]
    assert blend(sure) == pytest.approx(np.full((60, 3), 1 / 3), abs=1e-6)


def test_the_folds_of_test_photos_are_averaged_member_by_member():
    probabilities = np.array([[[[0.8, 0.2]], [[0.5, 0.5]]], [[[0.9, 0.1]], [[0.9, 0.1]]]])
    # by hand: sqrt(0.8 * 0.5) against sqrt(0.2 * 0.5) is two against one
    assert average_folds(probabilities) == pytest.approx(np.array([[[2 / 3, 1 / 3]], [[0.9, 0.1]]]))


def test_a_photos_probabilities_do_not_depend_on_other_photos():
    probabilities, truth = draw_members()
    blend = fit_blend(probabilities, truth)
    other = probabilities.copy()
    other[:, 1:] = 1 / 3
    assert np.array_equal(blend(other)[0], blend(probabilities)[0])
