"""From probabilities to one answer a photo: a nudge for each class, kept only where it earns its place.

The joint class is the product of the tasks, and so is its probability. Macro F1 rewards rare classes more than their
probability does, so each class of each task gets an offset, added to its log probability, and the offsets together are
chosen for the joint macro F1. Offsets for the tasks' classes (8 in the competition), not for joint ones (18): on drawn
populations of 160 and 2,700 people the larger set gained more on its own photos and less on new ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from visage.ensemble.blend import leave_one_fold_out, log_probs
from visage.scores import class_counts, macro_f1_of_counts, present_classes, resampled_f1

RuleName = Literal["auto", "offsets", "argmax"]
OFFSET_GRID = np.linspace(-3, 3, 61)  # the offsets that are tried, in nats
MAX_ROUNDS = 10  # over all classes at most; it usually stands still after three
GAIN_QUANTILE = 0.05  # the gain of the offsets must be positive in all but this share of resampled populations


@dataclass(frozen=True)
class DecisionRule:
    """For each task the offsets of its classes, and in which order its classes win a tie: the rarest first."""

    offsets: tuple[np.ndarray, ...]
    order: tuple[np.ndarray, ...]

    def __call__(self, probabilities: Sequence[np.ndarray]) -> list[np.ndarray]:
        heights = [log_probs(p) + offset for p, offset in zip(probabilities, self.offsets, strict=True)]
        return [argmax_by_order(h, order) for h, order in zip(heights, self.order, strict=True)]


def argmax_by_order(heights: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The highest class of each row; of equals (to nine digits) the one that comes first in `order`."""
    return order[np.round(heights[:, order], 9).argmax(1)]


def rarest_first(truth: np.ndarray, classes: int) -> np.ndarray:
    """Classes by rising number of photos; of equals the earlier class."""
    return np.argsort(np.bincount(truth, minlength=classes), kind="stable")


def joint_index(parts: Sequence[np.ndarray], sizes: Sequence[int]) -> np.ndarray:
    return np.ravel_multi_index(tuple(parts), tuple(sizes))


def fit_rule(
    probabilities: Sequence[np.ndarray],
    truth: Sequence[np.ndarray],
    people: np.ndarray,
    folds: np.ndarray,
    *,
    rule: RuleName,
    shrinkage: float,
    resamples: int,
    seed: int,
) -> DecisionRule:
    """The rule for these photos. `auto` takes the offsets if, cross-fitted in here, they gain more than noise."""
    sizes = [p.shape[1] for p in probabilities]
    order = tuple(rarest_first(t, size) for t, size in zip(truth, sizes, strict=True))
    plain = DecisionRule(tuple(np.zeros(size) for size in sizes), order)
    if rule == "auto":
        if len(np.unique(folds)) < 2:
            return plain  # nothing to cross-fit on, so nothing to claim
        choice = {"shrinkage": shrinkage, "resamples": resamples, "seed": seed}
        views = dict.fromkeys(np.unique(folds).tolist(), probabilities)
        nudged = cross_fit_decisions(views, truth, people, folds, rule="offsets", **choice)
        gains = bootstrap_gains(
            truth, nudged, plain(probabilities), people, sizes=sizes, resamples=resamples, seed=seed
        )
        rule = "offsets" if np.quantile(gains, GAIN_QUANTILE) > 0 else "argmax"
    return plain if rule == "argmax" else DecisionRule(fit_offsets(probabilities, truth, shrinkage), order)


def cross_fit_decisions(
    views: dict[int, Sequence[np.ndarray]],
    truth: Sequence[np.ndarray],
    people: np.ndarray,
    folds: np.ndarray,
    **choice: object,
) -> list[np.ndarray]:
    """Each photo's answers, by a rule fitted on the other folds; `views[fold]` is how the fold sees all photos."""
    answers = [np.empty_like(t) for t in truth]
    for fold, held, rest in leave_one_fold_out(folds):
        rule = fit_rule([v[rest] for v in views[fold]], [t[rest] for t in truth], people[rest], folds[rest], **choice)
        for answer, part in zip(answers, rule([v[held] for v in views[fold]]), strict=True):
            answer[held] = part
    return answers


def bootstrap_gains(
    truth: Sequence[np.ndarray],
    new: Sequence[np.ndarray],
    old: Sequence[np.ndarray],
    people: np.ndarray,
    *,
    sizes: Sequence[int],
    resamples: int,
    seed: int,
) -> np.ndarray:
    """How much higher the joint macro F1 of the new answers is, in each of the resampled populations."""
    draws = {"people": people, "resamples": resamples, "seed": seed}
    true, after, before = (joint_index(parts, sizes) for parts in (truth, new, old))
    return resampled_f1(true, after, **draws) - resampled_f1(true, before, **draws)


def fit_offsets(
    probabilities: Sequence[np.ndarray], truth: Sequence[np.ndarray], shrinkage: float
) -> tuple[np.ndarray, ...]:
    """Offsets by coordinate ascent on joint macro F1 - shrinkage * (sum of squared offsets).

    The penalty keeps an offset near nought unless the photos speak up for it, and settles ties.
    """
    heights = [log_probs(p) for p in probabilities]
    sizes = [h.shape[1] for h in heights]
    offsets = [np.zeros(size) for size in sizes]
    answers = [h.argmax(1) for h in heights]
    true = joint_index(truth, sizes)
    for _ in range(MAX_ROUNDS):
        before = [offset.copy() for offset in offsets]
        for task, size in enumerate(sizes):
            for one in range(size):
                nudged = heights[task] + offsets[task]
                nudged[:, one] = -np.inf
                second = nudged.argmax(1)
                needed = nudged.max(1) - heights[task][:, one]  # the photo goes to `one` above this offset
                below, above = (
                    joint_index([*answers[:task], part, *answers[task + 1 :]], sizes)
                    for part in (second, np.full_like(second, one))
                )
                values = f1_at_steps(true, below, above, needed) - shrinkage * OFFSET_GRID**2
                top = np.flatnonzero(values >= values.max() - 1e-12)
                offsets[task][one] = OFFSET_GRID[top[np.abs(OFFSET_GRID[top]).argmin()]]
                answers[task] = np.where(needed < offsets[task][one], one, second)
        if all(np.array_equal(*pair) for pair in zip(before, offsets, strict=True)):
            break
    return tuple(offsets)


def f1_at_steps(true: np.ndarray, below: np.ndarray, above: np.ndarray, needed: np.ndarray) -> np.ndarray:
    """Joint macro F1 at every step, if each photo is answered `below` up to the offset it needs and `above` beyond."""
    classes, places, both = present_classes(true, np.concatenate([below, above]))
    below, above = both[: len(true)], both[len(true) :]
    width, first = len(classes), np.searchsorted(OFFSET_GRID, needed, side="right")  # the first step that is beyond

    def passed(joint_class: np.ndarray, who: np.ndarray) -> np.ndarray:
        counts = np.bincount(first[who] * width + joint_class[who], minlength=(len(OFFSET_GRID) + 1) * width)
        return counts.reshape(-1, width)[:-1].cumsum(0)

    everyone = np.ones(len(true), dtype=bool)
    hits, answered, support = class_counts(places, below, width)
    answered = answered - passed(below, everyone) + passed(above, everyone)
    hits = hits - passed(below, below == places) + passed(above, above == places)
    return macro_f1_of_counts(hits, answered, support)
