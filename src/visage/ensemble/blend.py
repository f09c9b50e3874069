"""Several members' probabilities as one, by exponents fitted on photos which no member was trained on.

p is proportional to the product of p_member ^ (weight / temperature): the weights add up to one, and the temperature
says how sure all of them together may be. The log loss is convex in these exponents, so weights and calibration are
fitted together. Products and not weighted sums, for members as for folds: on simulated members with shared and with
separate errors the sum was never better, and much worse where members were too sure of themselves.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from scipy.optimize import Bounds, minimize
from scipy.special import logsumexp

from visage.ensemble.answers import Blend, combine_log_probs, log_probs, softmax

Weighting = Literal["fitted", "mean", "best"]


def fit_blend(probabilities: np.ndarray, truth: np.ndarray, weighting: Weighting = "fitted") -> Blend:
    """The lowest log loss by an exponent for each member, by one for all of them, or with the best single member."""
    log_p = log_probs(probabilities)
    members = len(log_p)
    if weighting == "fitted":
        exponents, _ = fit_exponents(log_p, truth)
        return Blend(exponents)
    if weighting == "mean":
        exponents, _ = fit_exponents(log_p.mean(0, keepdims=True), truth)
        return Blend(np.full(members, exponents[0] / members))
    single_fits = [fit_exponents(member[None], truth) for member in log_p]
    best = int(np.argmin([loss for _, loss in single_fits]))
    return Blend(np.eye(members)[best] * single_fits[best][0])


def fit_exponents(log_p: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, float]:
    """The non-negative exponents of the lowest penalised log loss, and that loss."""
    start = np.full(len(log_p), 1 / len(log_p))
    tight = {"ftol": 1e-15, "gtol": 1e-9}
    fit = minimize(
        penalised_loss, start, (log_p, truth), method="L-BFGS-B", jac=True, bounds=Bounds(0, np.inf), options=tight
    )
    return fit.x, float(fit.fun)


def penalised_loss(exponents: np.ndarray, log_p: np.ndarray, truth: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean log loss in nats plus a ridge towards the plain mean, and its gradient.

    The ridge, worth one photo, decides between members that predict the same, and keeps the exponents finite where
    no photo is ever mistaken.
    """
    photos = len(truth)
    combined = combine_log_probs(exponents, log_p)
    distance = exponents - 1 / len(exponents)
    loss = (logsumexp(combined, axis=1) - combined[np.arange(photos), truth]).mean()
    expected = (softmax(combined) * log_p).sum(-1).mean(1)
    observed = log_p[:, np.arange(photos), truth].mean(1)
    return float(loss + (distance**2).sum() / (2 * photos)), expected - observed + distance / photos


def leave_one_fold_out(folds: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """For each fold its number, the rows that it holds out, and the rows to fit on (two masks)."""
    for fold in np.unique(folds):
        yield int(fold), folds == fold, folds != fold


def cross_fit_blend(
    probabilities: np.ndarray, truth: np.ndarray, folds: np.ndarray, weighting: Weighting
) -> np.ndarray:
    """Each photo's blend, fitted on the other folds alone."""
    blended = np.empty(probabilities.shape[1:])
    for _, held_out, rest in leave_one_fold_out(folds):
        blend = fit_blend(probabilities[:, rest], truth[rest], weighting)
        blended[held_out] = blend(probabilities[:, held_out])
    return blended
