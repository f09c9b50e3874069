"""Several members' probabilities as one, by powers that are fitted on photos which no member had seen.

p is proportional to the product of p_member ^ (weight / temperature): the weights add up to one, and the temperature
says how sure all of them together may be. The log loss is convex in these powers, so weights and calibration are found
in one go. Powers and not weighted sums, for members as for folds: in drawn worlds with shared and with separate
errors the sum was never better, and much worse where members were too sure of themselves.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from visage.scores import MIN_PROBABILITY, nll

Weighting = Literal["fitted", "mean", "best"]
STEPS = 50  # of Newton at most; five or so will do


@dataclass(frozen=True)
class Blend:
    """One task's mixture: (members, photos, classes) in, (photos, classes) out."""

    powers: np.ndarray

    def __call__(self, said: np.ndarray) -> np.ndarray:
        return softmax(combine_log_probs(self.powers, log_probs(said)))

    @property
    def weights(self) -> np.ndarray:
        """Non-negative, of sum one; all alike where no member knows anything."""
        total = self.powers.sum()
        return self.powers / total if total > 0 else np.full(len(self.powers), 1 / len(self.powers))

    @property
    def temperature(self) -> float:
        """Above one: the members were too sure."""
        return float(1 / max(self.powers.sum(), MIN_PROBABILITY))


def log_probs(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.clip(probabilities, MIN_PROBABILITY, 1.0))


def combine_log_probs(powers: np.ndarray, heights: np.ndarray) -> np.ndarray:
    return np.einsum("m,mpc->pc", powers, heights)


def softmax(heights: np.ndarray) -> np.ndarray:
    """Softmax over the last axis."""
    powers = np.exp(heights - heights.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def average_folds(evals: np.ndarray) -> np.ndarray:
    """The folds' models as one: (members, folds, photos, classes) in, (members, photos, classes) out."""
    return softmax(log_probs(evals).mean(1))


def fit_blend(said: np.ndarray, truth: np.ndarray, weighing: Weighting = "fitted") -> Blend:
    """The lowest log loss by powers of their own, by one power for all, or with the best single member."""
    heights = log_probs(said)
    if weighing == "fitted":
        return Blend(fit_exponents(heights, truth))
    if weighing == "mean":
        return Blend(np.full(len(said), fit_exponents(heights.mean(0, keepdims=True), truth)[0] / len(said)))
    alone = [fit_exponents(one[None], truth)[0] for one in heights]
    losses = [blend_loss(np.array([power]), one[None], truth) for power, one in zip(alone, heights, strict=True)]
    best = int(np.argmin(losses))
    return Blend(np.eye(len(said))[best] * alone[best])


def fit_exponents(heights: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Newton's method with a floor of nought, from the plain mean.

    A pull towards the plain mean, worth one photo, decides between members that say the same, and keeps the powers
    finite where no photo is ever mistaken.
    """
    members, photos = len(heights), len(truth)
    plain = np.full(members, 1 / members)
    powers, reached = plain, heights[:, np.arange(photos), truth].mean(1)
    for _ in range(STEPS):
        p = softmax(combine_log_probs(powers, heights))
        weighed = p * heights
        expected = weighed.sum(-1)
        slope = expected.mean(1) - reached + (powers - plain) / photos
        curve = np.einsum("mpc,kpc->mk", weighed, heights) - expected @ expected.T
        curve = curve / photos + np.eye(members) / photos
        free = (powers > 0) | (slope < 0)
        step = np.zeros(members)
        step[free] = np.linalg.solve(curve[np.ix_(free, free)], slope[free])
        if slope @ step < 1e-8:  # twice what is left to gain, in nats
            break
        powers = downhill(powers, step, heights, truth)
    return powers


def downhill(powers: np.ndarray, step: np.ndarray, heights: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The step, halved until it does not climb."""
    start = blend_loss(powers, heights, truth)
    for _ in range(30):
        new = np.maximum(powers - step, 0)
        if blend_loss(new, heights, truth) <= start:
            return new
        step = step / 2
    return powers


def blend_loss(powers: np.ndarray, heights: np.ndarray, truth: np.ndarray) -> float:
    """What `fit_powers` brings down: the mean log loss and the pull."""
    p = softmax(combine_log_probs(powers, heights))
    return float(nll(p, truth).mean() + ((powers - 1 / len(powers)) ** 2).sum() / (2 * len(truth)))


def leave_one_fold_out(folds: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """For each fold its number, which rows it holds out, and which rows it may learn from."""
    for fold in np.unique(folds):
        yield int(fold), folds == fold, folds != fold


def cross_fit_blend(said: np.ndarray, truth: np.ndarray, folds: np.ndarray, weighing: Weighting) -> np.ndarray:
    """Each photo's blend, fitted on the other folds alone."""
    blended = np.empty(said.shape[1:])
    for _, held, rest in leave_one_fold_out(folds):
        blended[held] = fit_blend(said[:, rest], truth[rest], weighing)(said[:, held])
    return blended
