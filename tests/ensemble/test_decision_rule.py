import dataclasses

import numpy as np
import pytest
from scipy.special import softmax

from tests.drawn_members import COMPETITION, PARAMS, draw_probabilities
from visage.ensemble.answers import DecisionRule, argmax_by_order, log_probs
from visage.ensemble.decision_rule import (
    OFFSET_GRID,
    best_offset,
    bootstrap_gains,
    cross_fit_decisions,
    f1_along_grid,
    find_threshold,
    fit_offsets,
    fit_rule,
    rarest_first,
)
from visage.ensemble.member_predictions import Examples
from visage.formats.tasks import Task, joint_codes
from visage.scores import macro_f1

AUTO = PARAMS.replace(resamples=300)


def make_examples(truth, sizes, people=None, folds=None) -> Examples:
    """Training photos with these class codes, one array a task; each photo a person unless told otherwise."""
    count = len(truth[0])
    people = np.arange(count) if people is None else people
    tasks = tuple(Task(f"t{i}", tuple("abcde"[:size]), f"t{i}") for i, size in enumerate(sizes))
    names = np.arange(count).astype(str)
    return Examples(tasks, names, people, people % 3 if folds is None else folds, tuple(truth), names[:0], np.arange(0))


def test_a_tie_goes_to_the_class_that_is_rarer_in_training_and_then_to_the_earlier_one():
    order = rarest_first(np.array([0, 0, 0, 1, 2, 2, 3]), 4)
    assert order.tolist() == [1, 3, 2, 0]
    scores = np.array([[0.4, 0.1, 0.4, 0.1], [0.25] * 4, [0.0, 0.3, 0.1, 0.3]])
    assert argmax_by_order(scores, order).tolist() == [2, 1, 1]


def test_a_class_that_no_photo_has_is_the_rarest():
    assert rarest_first(np.array([0, 0, 1]), 3).tolist() == [2, 1, 0]


def test_a_tie_that_floating_point_hides_is_still_a_tie():
    assert argmax_by_order(np.array([[0.1 + 0.2, 0.3]]), np.array([1, 0])).tolist() == [1]


def test_scores_are_equal_that_agree_to_nine_digits():
    scores = np.array([[0.3 + 2e-10, 0.3], [0.3 + 2e-9, 0.3]])
    assert argmax_by_order(scores, np.array([1, 0])).tolist() == [1, 0]


def test_the_joint_answer_is_the_likeliest_joint_class_counted_by_brute_force():
    rng = np.random.default_rng(0)
    parts = [rng.dirichlet(np.ones(len(t.classes)), 200) for t in COMPETITION]
    offsets = tuple(rng.normal(0, 1, len(t.classes)) for t in COMPETITION)
    rule = DecisionRule(offsets, tuple(np.arange(len(t.classes)) for t in COMPETITION))
    a, b, c = (log_probs(p) + o for p, o in zip(parts, offsets, strict=True))
    joint = (a[:, :, None, None] + b[:, None, :, None] + c[:, None, None, :]).reshape(200, -1)
    assert joint_codes(rule(parts), COMPETITION).tolist() == joint.argmax(1).tolist()


def test_above_its_threshold_a_class_is_the_answer_and_up_to_it_the_runner_up():
    log_p, offsets = np.log([[0.5, 0.3, 0.2], [0.2, 0.7, 0.1]]), np.array([0.0, 9.0, 0.5])
    runner_up, threshold = find_threshold(log_p, offsets, 1)
    assert runner_up.tolist() == [0, 0]
    for photo in range(2):
        for offset in (threshold[photo] - 0.01, threshold[photo] + 0.01):
            scores = log_p[photo] + [0, offset, 0.5]
            assert (scores.argmax() == 1) == (offset > threshold[photo])


def test_f1_along_the_grid_is_the_f1_of_the_answers_at_each_offset():
    rng = np.random.default_rng(0)
    truth, below, above = rng.integers(0, 6, (3, 80))
    threshold = np.concatenate([rng.uniform(-4, 4, 60), rng.choice(OFFSET_GRID, 20)])  # beyond the grid, and on it
    expected = [macro_f1(truth, np.where(threshold < offset, above, below)) for offset in OFFSET_GRID]
    assert f1_along_grid(truth, below, above, threshold) == pytest.approx(expected)


def test_of_equally_good_offsets_the_one_closest_to_nought_is_taken():
    values = np.where((OFFSET_GRID > 0.45) | (OFFSET_GRID < -0.75), 1.0, 0.0)
    assert best_offset(values) == pytest.approx(0.5)
    assert best_offset(-values) == pytest.approx(0)


@pytest.mark.parametrize("seed", range(3))
def test_no_other_offset_of_a_single_class_would_be_better_than_the_fitted_ones(seed):
    rng = np.random.default_rng(seed)
    truth = [rng.choice(3, 300, p=[0.7, 0.2, 0.1]), rng.integers(0, 2, 300)]
    probabilities = [softmax(np.eye(s)[t] + rng.normal(0, 1, (300, s)) + np.eye(s)[0], axis=-1)
                     for s, t in zip((3, 2), truth, strict=True)]  # fmt: skip
    examples = make_examples(truth, (3, 2))
    offsets = fit_offsets(probabilities, examples, 0.001)

    def objective(candidate):
        answers = [(log_probs(p) + o).argmax(1) for p, o in zip(probabilities, candidate, strict=True)]
        f1 = macro_f1(joint_codes(truth, examples.tasks), joint_codes(answers, examples.tasks))
        return f1 - 0.001 * sum((o**2).sum() for o in candidate)

    for task, size in enumerate((3, 2)):
        for c in range(size):
            for step in OFFSET_GRID:
                candidate = [o.copy() for o in offsets]
                candidate[task][c] = step
                assert objective(candidate) <= objective(offsets) + 1e-9
    assert objective(offsets) > objective([np.zeros(3), np.zeros(2)])


def test_more_shrinkage_means_smaller_offsets_and_a_great_deal_means_none():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 800)
    probabilities, examples = [draw_probabilities(truth, 3, 2.0, rng)], make_examples([truth], (3,))
    sizes = [np.abs(fit_offsets(probabilities, examples, shrinkage)[0]).sum() for shrinkage in (0.0, 0.01, 10.0)]
    assert sizes[0] >= sizes[1] >= sizes[2] == 0 and sizes[0] > 0


def draw_two_classes(truth_by_person, prior, seed=0, photos=5):
    """Predictions that lean to `prior`, of five photos a person in four folds, and the examples."""
    rng = np.random.default_rng(seed)
    count = len(truth_by_person)
    people, truth = np.repeat(np.arange(count), photos), np.repeat(truth_by_person, photos)
    scores = np.log(prior) + 2 * np.eye(2)[truth] + rng.normal(0, 1.4, (len(truth), 2))
    return [softmax(scores, axis=-1)], make_examples([truth], (2,), people, people % 4)


def test_auto_takes_the_offsets_where_rare_classes_are_missed():
    rare = (np.random.default_rng(0).random(400) < 0.1).astype(int)
    assert np.any(fit_rule(*draw_two_classes(rare, [0.99, 0.01]), AUTO).offsets[0])


def test_auto_leaves_the_offsets_where_nothing_is_gained():
    even = np.random.default_rng(0).integers(0, 2, 400)
    assert not np.any(fit_rule(*draw_two_classes(even, [0.5, 0.5]), AUTO).offsets[0])


def draw_gains(people, share, prior, seed):
    """A small population whose gain is close to noise: predictions, examples, and the resampled gains of offsets."""
    rare = (np.random.default_rng(seed).random(people) < share).astype(int)
    probabilities, examples = draw_two_classes(rare, prior, seed)
    argmax_answers = fit_rule(probabilities, examples, AUTO.replace(rule="argmax"))(probabilities)
    by_fold = dict.fromkeys(range(4), probabilities)
    with_offsets = cross_fit_decisions(by_fold, examples, AUTO.replace(rule="offsets"))
    return probabilities, examples, bootstrap_gains(with_offsets, argmax_answers, examples, AUTO)


def test_auto_leaves_offsets_whose_gain_is_positive_on_average_but_not_beyond_noise():
    probabilities, examples, gains = draw_gains(40, 0.3, [0.8, 0.2], seed=10)
    assert np.quantile(gains, 0.05) < 0 < np.quantile(gains, 0.1) < 0.04 < np.mean(gains)
    assert not np.any(fit_rule(probabilities, examples, AUTO).offsets[0])


def test_auto_takes_offsets_that_lose_in_less_than_a_twentieth_of_the_populations():
    probabilities, examples, gains = draw_gains(60, 0.2, [0.85, 0.15], seed=21)
    assert np.quantile(gains, 0.01) < 0 < np.quantile(gains, 0.05)
    assert np.any(fit_rule(probabilities, examples, AUTO).offsets[0])


def test_auto_leaves_offsets_that_gain_nothing_on_people_they_were_not_fitted_on():
    truth = np.tile([0, 1], 20)
    probabilities = 0.98 * np.eye(2)[truth] + 0.01
    probabilities[1] = [0.6, 0.4]  # the one photo that an offset would help
    examples = make_examples([truth], (2,))
    assert np.any(fit_rule([probabilities], examples, AUTO.replace(rule="offsets")).offsets[0])
    assert not np.any(fit_rule([probabilities], examples, AUTO).offsets[0])


def test_auto_takes_offsets_of_two_folds_but_not_of_one_which_leaves_nothing_to_cross_fit():
    probabilities, examples = draw_two_classes((np.arange(200) % 5 == 0).astype(int), [0.99, 0.01])
    two_folds = dataclasses.replace(examples, folds=examples.folds % 2)
    assert np.any(fit_rule(probabilities, two_folds, AUTO).offsets[0])
    one_fold = dataclasses.replace(examples, folds=np.zeros_like(examples.folds))
    assert not np.any(fit_rule(probabilities, one_fold, AUTO).offsets[0])


def test_each_fold_is_answered_by_a_rule_fitted_on_the_others():
    rng = np.random.default_rng(0)
    probabilities = {fold: [rng.dirichlet(np.ones(2), 60)] for fold in range(3)}
    examples = make_examples([rng.integers(0, 2, 60)], (2,))
    params = AUTO.replace(rule="offsets", shrinkage=0.0)
    answers = cross_fit_decisions(probabilities, examples, params)[0]
    for fold in range(3):
        out, rest = examples.folds == fold, examples.folds != fold
        rule = fit_rule([probabilities[fold][0][rest]], examples.subset(rest), params)
        assert answers[out].tolist() == rule([probabilities[fold][0][out]])[0].tolist()


def test_the_gain_compares_two_sets_of_answers_in_the_same_populations():
    truth = [np.repeat([0, 1, 2], 40)]
    examples = make_examples(truth, (3,))
    assert (bootstrap_gains(truth, truth, examples, AUTO) == 0).all()
    assert (bootstrap_gains([np.zeros(120, int)], truth, examples, AUTO) < -0.5).all()


def test_the_gain_is_about_the_joint_class():
    truth = [np.repeat([0, 1], 40), np.tile([0, 1], 40)]
    examples = make_examples(truth, (2, 2))
    wrong_in_one_task = [truth[0], 1 - truth[1]]
    gains = bootstrap_gains(wrong_in_one_task, truth, examples, AUTO)
    assert gains == pytest.approx(np.full(300, -1.0))  # no joint class is right any more


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"shrinkage": -0.1}, "shrinkage is -0.1, and should be 0 (off) or more."),
        ({"resamples": 99}, "resamples is 99, and should be 100 or more."),
        ({"weights": "fited"}, "weights is 'fited'. Did you mean 'fitted'?"),
    ],
)
def test_params_that_make_no_sense_are_refused(change, sentence):
    assert PARAMS.replace(shrinkage=0.0, resamples=100)
    with pytest.raises(ValueError) as error:
        PARAMS.replace(**change)
    assert str(error.value) == sentence
