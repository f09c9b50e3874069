"""From probabilities to one answer a photo: an offset for each class, kept only if its gain exceeds noise.

The joint class is the product of the tasks, and so is its probability. Macro F1 rewards rare classes more than their
probability does, so each class of each task gets an offset, added to its log probability, and the offsets together are
chosen for the joint macro F1. Offsets for the tasks' classes (8 in the competition), not for joint ones (18): on
simulated populations of 160 and 2,700 people the larger set gained more on its own photos and less on new ones.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from visage.ensemble.answers import DecisionRule, log_probs
from visage.ensemble.blend import Weighting, leave_one_fold_out
from visage.ensemble.member_predictions import Examples
from visage.formats.tasks import joint_codes
from visage.runtime.params import Params
from visage.scores import class_counts, macro_f1_of_counts, present_classes, resampled_f1

RuleName = Literal["auto", "offsets", "argmax"]
OFFSET_GRID = np.linspace(-3, 3, 61)  # the offsets that are tried, in nats
MAX_ROUNDS = 10  # over all classes; offsets usually stop changing after three
GAIN_QUANTILE = 0.05  # the gain of the offsets must be positive in all but this share of resampled populations


class EnsembleParams(Params):
    """Section `ensemble`."""

    average_people: bool
    weights: Weighting
    rule: RuleName
    shrinkage: float = Field(ge=0)
    resamples: int = Field(ge=100)
    seed: int


def rarest_first(truth: np.ndarray, classes: int) -> np.ndarray:
    """Classes by rising number of photos; of equals the earlier class."""
    return np.argsort(np.bincount(truth, minlength=classes), kind="stable")


def fit_rule(probabilities: Sequence[np.ndarray], examples: Examples, params: EnsembleParams) -> DecisionRule:
    """The rule for these photos; `auto` takes the offsets if their cross-fitted gain exceeds noise."""
    sizes = [len(task.classes) for task in examples.tasks]
    order = tuple(rarest_first(truth, size) for truth, size in zip(examples.truth, sizes, strict=True))
    argmax_rule = DecisionRule(tuple(np.zeros(size) for size in sizes), order)
    if params.rule == "argmax":
        return argmax_rule
    if params.rule == "auto" and not offsets_gain(probabilities, argmax_rule, examples, params):
        return argmax_rule
    return DecisionRule(fit_offsets(probabilities, examples, params.shrinkage), order)


def offsets_gain(
    probabilities: Sequence[np.ndarray], argmax_rule: DecisionRule, examples: Examples, params: EnsembleParams
) -> bool:
    """Whether cross-fitted offsets raise the joint macro F1 in all but GAIN_QUANTILE of the resampled populations."""
    folds = np.unique(examples.folds)
    if len(folds) < 2:
        return False  # nothing to cross-fit on, so nothing to claim
    same_for_all = dict.fromkeys(folds.tolist(), probabilities)
    with_offsets = cross_fit_decisions(same_for_all, examples, params.replace(rule="offsets"))
    gains = bootstrap_gains(with_offsets, argmax_rule(probabilities), examples, params)
    return bool(np.quantile(gains, GAIN_QUANTILE) > 0)


def cross_fit_decisions(
    probabilities_by_fold: dict[int, Sequence[np.ndarray]], examples: Examples, params: EnsembleParams
) -> list[np.ndarray]:
    """Each photo's answers, by a rule fitted on the other folds.

    `probabilities_by_fold[fold]` has those of all photos, as blended by weights that were fitted without that fold.
    """
    answers = [np.empty_like(truth) for truth in examples.truth]
    for fold, held_out, rest in leave_one_fold_out(examples.folds):
        probabilities = probabilities_by_fold[fold]
        rule = fit_rule([p[rest] for p in probabilities], examples.subset(rest), params)
        for task_answers, fold_answers in zip(answers, rule([p[held_out] for p in probabilities]), strict=True):
            task_answers[held_out] = fold_answers
    return answers


def bootstrap_gains(
    new: Sequence[np.ndarray], old: Sequence[np.ndarray], examples: Examples, params: EnsembleParams
) -> np.ndarray:
    """How much higher the joint macro F1 of the new answers is, in each of the resampled populations."""
    truth = joint_codes(examples.truth, examples.tasks)
    f1_samples = [
        resampled_f1(
            truth, joint_codes(answers, examples.tasks), examples.people, resamples=params.resamples, seed=params.seed
        )
        for answers in (new, old)
    ]
    return f1_samples[0] - f1_samples[1]


def fit_offsets(probabilities: Sequence[np.ndarray], examples: Examples, shrinkage: float) -> tuple[np.ndarray, ...]:
    """Offsets by coordinate ascent on joint macro F1 - shrinkage * (sum of squared offsets).

    The penalty keeps an offset at nought unless the photos gain from it, and settles ties.
    """
    log_p = [log_probs(p) for p in probabilities]
    offsets = [np.zeros(p.shape[1]) for p in log_p]
    answers = [p.argmax(1) for p in log_p]
    classes = [(task, c) for task, own in enumerate(offsets) for c in range(len(own))]
    truth = joint_codes(examples.truth, examples.tasks)
    for _ in range(MAX_ROUNDS):
        before = [own.copy() for own in offsets]
        for task, c in classes:
            runner_up, threshold = find_threshold(log_p[task], offsets[task], c)
            below, above = (
                joint_codes([*answers[:task], part, *answers[task + 1 :]], examples.tasks)
                for part in (runner_up, np.full_like(runner_up, c))
            )
            offsets[task][c] = best_offset(f1_along_grid(truth, below, above, threshold) - shrinkage * OFFSET_GRID**2)
            answers[task] = np.where(threshold < offsets[task][c], c, runner_up)
        if all(np.array_equal(old, new) for old, new in zip(before, offsets, strict=True)):
            break
    return tuple(offsets)


def find_threshold(log_p: np.ndarray, offsets: np.ndarray, c: int) -> tuple[np.ndarray, np.ndarray]:
    """For each photo the best class other than `c`, and the offset of `c` above which the answer is `c`."""
    others = log_p + offsets
    others[:, c] = -np.inf
    return others.argmax(1), others.max(1) - log_p[:, c]


def best_offset(values: np.ndarray) -> float:
    """The grid's offset of the highest value; of equals the one closest to nought."""
    highest = OFFSET_GRID[values >= values.max() - 1e-12]
    return highest[np.abs(highest).argmin()]


def f1_along_grid(truth: np.ndarray, below: np.ndarray, above: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """Joint macro F1 at every offset of the grid, if each photo is answered `below` up to its threshold, then `above`.

    Counted from the photos that change their answer between two offsets, not anew at each of them.
    """
    photos = len(truth)
    classes, truth, both = present_classes(truth, np.concatenate([below, above]))
    below, above = both[:photos], both[photos:]
    first_above = np.searchsorted(OFFSET_GRID, threshold, side="right")  # the first place of the grid beyond it
    width = len(classes)

    def count_changed(codes: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """(grid, classes): how many photos of `rows`, counted under `codes`, have changed their answer by then."""
        counts = np.bincount(first_above[rows] * width + codes[rows], minlength=(len(OFFSET_GRID) + 1) * width)
        return counts.reshape(-1, width)[:-1].cumsum(0)

    hits, answer_counts, support = class_counts(truth, below, width)
    answer_counts = answer_counts - count_changed(below) + count_changed(above)
    hits = hits - count_changed(below, below == truth) + count_changed(above, above == truth)
    return macro_f1_of_counts(hits, answer_counts, support)
