"""Scores of answers, and how far a score would vary if other people had been photographed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # a bundle scores its answers where there is no pandas
    import pandas as pd

MIN_PROBABILITY = 1e-7  # a probability of nought counts as this much, so that one sure mistake does not cost infinity
CALIBRATION_BINS = 15  # of the calibration error and the reliability plot
CHUNK = 256  # classes whose counts are resampled at a time: memory stays flat for a thousand joint classes


def present_classes(truth: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The classes that occur in truth or answers, and both arrays recoded as places among those classes."""
    present = np.bincount(np.concatenate([truth, answers])) > 0
    places = np.cumsum(present) - 1
    return np.flatnonzero(present), places[truth], places[answers]


def class_counts(truth: np.ndarray, answers: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each class the number of right answers (hits), of answers, and of photos that are of it (support)."""
    hits = np.bincount(truth[truth == answers], minlength=classes)
    return hits, np.bincount(answers, minlength=classes), np.bincount(truth, minlength=classes)


def macro_f1_of_counts(hits: np.ndarray, answer_counts: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Macro F1 over the last axis. A class neither true nor answered has no F1 and is left out of the mean."""
    total = answer_counts + support
    present = total > 0
    f1 = np.divide(2.0 * hits, total, out=np.zeros(total.shape), where=present)
    return f1.sum(-1) / np.maximum(present.sum(-1), 1)


def macro_f1(truth: np.ndarray, answers: np.ndarray) -> float:
    """The mean F1 of the classes that are true or answered at least once, as scikit-learn counts it."""
    classes, truth, answers = present_classes(truth, answers)
    return float(macro_f1_of_counts(*class_counts(truth, answers, len(classes))))


def nll(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Each photo's log loss, in nats."""
    return -np.log(np.clip(probabilities[np.arange(len(truth)), truth], MIN_PROBABILITY, 1.0))


def reliability(confidence: np.ndarray, right: np.ndarray) -> pd.DataFrame:
    """Mean confidence, accuracy and number of photos of each used bin; equal widths, upper border included."""
    import pandas as pd

    place = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(int) - 1, 0, CALIBRATION_BINS - 1)
    rows = pd.DataFrame({"place": place, "confidence": confidence, "accuracy": right.astype(float)})
    bins = rows.groupby("place").agg(
        confidence=("confidence", "mean"), accuracy=("accuracy", "mean"), photos=("accuracy", "size")
    )
    return bins.reset_index(drop=True)


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error: the distance of accuracy from confidence, weighted by the photos in a bin."""
    bins = reliability(confidence, right)
    return float(np.average((bins["accuracy"] - bins["confidence"]).abs(), weights=bins["photos"]))


def precision_recall(probability: np.ndarray, positive: np.ndarray, points: int = 100) -> pd.DataFrame:
    """Precision at rising recall: the thresholds at which recall first reaches each of `points` even levels."""
    import pandas as pd

    order = np.argsort(-probability, kind="stable")
    thresholds = probability[order]
    last = np.flatnonzero(np.append(thresholds[1:] != thresholds[:-1], True))  # photos of one probability stay together
    hits = np.cumsum(positive[order])[last]
    recall = hits / max(positive.sum(), 1)
    levels = np.arange(1, points + 1) / points * recall[-1]
    rows = np.unique(np.searchsorted(recall, levels - 1e-12))
    curve = pd.DataFrame({"recall": recall, "precision": hits / (last + 1), "threshold": thresholds[last]})
    return curve.iloc[rows]


def resampled_f1(
    truth: np.ndarray, answers: np.ndarray, people: np.ndarray, *, resamples: int, seed: int
) -> np.ndarray:
    """Macro F1 of populations drawn from these people with replacement, a person's photos staying together.

    The same people and seed give the same populations, so two sets of answers can be compared draw by draw.
    """
    classes, truth, answers = present_classes(truth, answers)
    names, person = np.unique(people, return_inverse=True)
    draws = draw_populations(len(names), resamples, seed)
    f1_sum, class_count = np.zeros(resamples), np.zeros(resamples)
    for start in range(0, len(classes), CHUNK):
        shape = (len(names), min(CHUNK, len(classes) - start))
        right = truth == answers
        hits = draws @ counts_by_person(person[right], truth[right] - start, shape)
        total = draws @ counts_by_person(person, answers - start, shape)
        total += draws @ counts_by_person(person, truth - start, shape)
        f1_sum += np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0).sum(1)
        class_count += (total > 0).sum(1)
    return f1_sum / class_count


@dataclass(frozen=True)
class Gain:
    """How much higher the macro F1 of new answers is than that of old ones; `low` and `high` hold 95% over people."""

    old: float
    new: float
    difference: float
    low: float
    high: float


def paired_gain(
    truth: np.ndarray, old: np.ndarray, new: np.ndarray, people: np.ndarray, *, resamples: int, seed: int
) -> Gain:
    """Two sets of answers to the same photos, compared in each population drawn from these people with replacement.

    Who is hard to judge is so for both, so the interval of the difference is narrower than the two scores' own.
    """
    samples = [resampled_f1(truth, answers, people, resamples=resamples, seed=seed) for answers in (old, new)]
    f1 = [macro_f1(truth, answers) for answers in (old, new)]
    return Gain(*f1, f1[1] - f1[0], *percentile_interval(samples[1] - samples[0]))


def draw_populations(people: int, resamples: int, seed: int) -> np.ndarray:
    """(resamples, people): how often each person is drawn. float32 counts exactly up to 2^24."""
    rng = np.random.default_rng(seed)
    draws = (rng.integers(people, size=people) for _ in range(resamples))
    return np.stack([np.bincount(draw, minlength=people).astype(np.float32) for draw in draws])


def counts_by_person(person: np.ndarray, codes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Photos of each person and class; codes outside the `shape` (people, classes) are not counted."""
    people, classes = shape
    inside = (codes >= 0) & (codes < classes)
    counts = np.bincount(person[inside] * classes + codes[inside], minlength=people * classes)
    return counts.reshape(shape).astype(np.float32)


def percentile_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The middle `level` of the values."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class AnswerSet:
    """The answers to one task, or the joint ones, beside the truth; one element a photo.

    `loss` (nats), `confidence` and `right` (was the likeliest class true?) are about the probabilities.
    """

    name: str
    classes: Sequence[str]
    truth: np.ndarray
    answers: np.ndarray
    loss: np.ndarray
    confidence: np.ndarray
    right: np.ndarray


def score_answers(answer_set: AnswerSet, *, folds: np.ndarray, f1_samples: np.ndarray) -> dict:
    """Every number about one set of answers; `low` and `high` hold 95% of the resampled macro F1 (`f1_samples`)."""
    truth, answers = answer_set.truth, answer_set.answers
    f1_by_fold = [macro_f1(truth[folds == fold], answers[folds == fold]) for fold in np.unique(folds)]
    low, high = percentile_interval(f1_samples)
    return class_scores(truth, answers, answer_set.classes) | {
        "log_loss": float(answer_set.loss.mean()),
        "ece": calibration_error(answer_set.confidence, answer_set.right),
        "fold_mean": float(np.mean(f1_by_fold)),
        "fold_spread": float(np.std(f1_by_fold, ddof=1)),
        "low": low,
        "high": high,
    }


def class_scores(truth: np.ndarray, answers: np.ndarray, names: Sequence[str]) -> dict:
    """The scores that need no probabilities; the macro F1 is the mean of the F1 listed."""
    classes, true_places, answer_places = present_classes(truth, answers)
    hits, answer_counts, support = class_counts(true_places, answer_places, len(classes))
    f1 = 2 * hits / (answer_counts + support)
    return {
        "macro_f1": float(macro_f1_of_counts(hits, answer_counts, support)),
        "accuracy": float(np.mean(truth == answers)),
        "f1": {names[c]: float(f) for c, f in zip(classes, f1, strict=True)},
        "support": {names[c]: int(s) for c, s in zip(classes, support, strict=True)},
    }
