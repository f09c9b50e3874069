"""How good answers are, and how far a score would swing if other people had been photographed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

MIN_PROBABILITY = 1e-7  # a probability of nought counts as this much, so that one sure mistake does not cost infinity
CALIBRATION_BINS = 15  # of the calibration error and the reliability plot
CHUNK = 256  # classes whose counts are resampled at a time: memory stays flat for a thousand joint classes


def present_classes(truth: np.ndarray, answer: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The classes that truth or answer hold, and both as places among them."""
    there = np.bincount(np.concatenate([truth, answer])) > 0
    places = np.cumsum(there) - 1
    return np.flatnonzero(there), places[truth], places[answer]


def class_counts(truth: np.ndarray, answer: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each class how often it was answered rightly, answered, and true."""
    hits = np.bincount(truth[truth == answer], minlength=classes)
    return hits, np.bincount(answer, minlength=classes), np.bincount(truth, minlength=classes)


def macro_f1_of_counts(hits: np.ndarray, answered: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Macro F1 over the last axis. A class neither true nor answered has no F1 and is left out of the mean."""
    total = answered + support
    alive = total > 0
    f1 = np.divide(2.0 * hits, total, out=np.zeros(total.shape), where=alive)
    return f1.sum(-1) / np.maximum(alive.sum(-1), 1)


def macro_f1(truth: np.ndarray, answer: np.ndarray) -> float:
    """The mean F1 of the classes that are true or answered at least once, as scikit-learn counts it."""
    classes, true, said = present_classes(truth, answer)
    return float(macro_f1_of_counts(*class_counts(true, said, len(classes))))


def nll(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Each photo's log loss, in nats."""
    return -np.log(np.clip(probabilities[np.arange(len(truth)), truth], MIN_PROBABILITY, 1.0))


def reliability(confidence: np.ndarray, right: np.ndarray) -> pd.DataFrame:
    """How often one is right when this sure: one row for each used bin of equal width, upper border included."""
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
    order = np.argsort(-probability, kind="stable")
    threshold = probability[order]
    last = np.flatnonzero(np.append(threshold[1:] != threshold[:-1], True))  # photos of one probability stay together
    hits = np.cumsum(positive[order])[last]
    recall = hits / max(positive.sum(), 1)
    levels = np.arange(1, points + 1) / points * recall[-1]
    kept = np.unique(np.searchsorted(recall, levels - 1e-12))
    return pd.DataFrame({"recall": recall, "precision": hits / (last + 1), "threshold": threshold[last]}).iloc[kept]


def resampled_f1(truth: np.ndarray, answer: np.ndarray, people: np.ndarray, *, resamples: int, seed: int) -> np.ndarray:
    """Macro F1 of populations drawn from these people with replacement, a person's photos staying together.

    The same people and seed give the same populations, so two answers can be compared draw by draw.
    """
    classes, true, said = present_classes(truth, answer)
    names, owner = np.unique(people, return_inverse=True)
    rng = np.random.default_rng(seed)
    crowds = (rng.integers(len(names), size=len(names)) for _ in range(resamples))
    drawn = np.stack([np.bincount(crowd, minlength=len(names)).astype(np.float32) for crowd in crowds])  # exact to 2^24
    total, alive = np.zeros(resamples), np.zeros(resamples)
    for start in range(0, len(classes), CHUNK):
        width = min(CHUNK, len(classes) - start)
        hits, answered, support = (
            drawn @ counts_by_person(column - start, owner, len(names), width, among)
            for column, among in ((true, true == said), (said, True), (true, True))
        )
        total += np.divide(2 * hits, answered + support, out=np.zeros_like(hits), where=answered + support > 0).sum(1)
        alive += (answered + support > 0).sum(1)
    return total / alive


def counts_by_person(
    column: np.ndarray, owner: np.ndarray, people: int, classes: int, among: np.ndarray | bool
) -> np.ndarray:
    """How many photos (of those `among`) of each class from 0 on each person has; classes beyond are left out."""
    kept = (column >= 0) & (column < classes) & among
    counts = np.bincount(owner[kept] * classes + column[kept], minlength=people * classes)
    return counts.reshape(people, classes).astype(np.float32)


def interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The middle share of the resampled values."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class AnswerSet:
    """One set of answers beside the truth: a task's, or the joint ones.

    `loss`, `confidence` and `right` (was the likeliest class true?) are about the probabilities, photo by photo.
    """

    name: str
    classes: Sequence[str]
    truth: np.ndarray
    answer: np.ndarray
    loss: np.ndarray
    confidence: np.ndarray
    right: np.ndarray


def score_card(one: AnswerSet, *, folds: np.ndarray, swings: np.ndarray) -> dict:
    """Every number about one set of answers; `low` and `high` hold 95% of the resampled macro F1 (`swings`)."""
    by_fold = [macro_f1(one.truth[folds == fold], one.answer[folds == fold]) for fold in np.unique(folds)]
    low, high = interval(swings)
    return class_scores(one.truth, one.answer, one.classes) | {
        "log_loss": float(one.loss.mean()),
        "ece": calibration_error(one.confidence, one.right),
        "fold_mean": float(np.mean(by_fold)),
        "fold_spread": float(np.std(by_fold, ddof=1)),
        "low": low,
        "high": high,
    }


def class_scores(truth: np.ndarray, answer: np.ndarray, names: Sequence[str]) -> dict:
    """What can be said of answers without probabilities; the macro F1 is the mean of the F1 listed."""
    classes, true, said = present_classes(truth, answer)
    hits, answered, support = class_counts(true, said, len(classes))
    return {
        "macro_f1": float(macro_f1_of_counts(hits, answered, support)),
        "accuracy": float(np.mean(truth == answer)),
        "f1": {names[c]: float(f) for c, f in zip(classes, 2 * hits / (answered + support), strict=True)},
        "support": {names[c]: int(s) for c, s in zip(classes, support, strict=True)},
    }
