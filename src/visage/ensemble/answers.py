"""From the members' probabilities to one answer a photo, by weights and offsets that were fitted before.

numpy alone: a bundle answers photos by the same lines of code.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visage.scores import MIN_PROBABILITY


@dataclass(frozen=True)
class Blend:
    """One task's mixture: (members, photos, classes) in, (photos, classes) out."""

    exponents: np.ndarray

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        return softmax(combine_log_probs(self.exponents, log_probs(probabilities)))

    @property
    def weights(self) -> np.ndarray:
        """Non-negative, of sum one; equal where no member knows anything."""
        total = self.exponents.sum()
        return self.exponents / total if total > 0 else np.full(len(self.exponents), 1 / len(self.exponents))

    @property
    def temperature(self) -> float:
        """Above one: the members were too sure."""
        return float(1 / max(self.exponents.sum(), MIN_PROBABILITY))


def log_probs(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.clip(probabilities, MIN_PROBABILITY, 1.0))


def combine_log_probs(exponents: np.ndarray, log_p: np.ndarray) -> np.ndarray:
    """The weighted sum over members: (members, photos, classes) in, (photos, classes) out, not normalised."""
    return np.einsum("m,mpc->pc", exponents, log_p)


def average_folds(probabilities: np.ndarray) -> np.ndarray:
    """The folds' models as one: (members, folds, photos, classes) in, (members, photos, classes) out."""
    return softmax(log_probs(probabilities).mean(1))


def softmax(log_p: np.ndarray) -> np.ndarray:
    """Probabilities over the last axis, of logarithms that need not be normalised."""
    p = np.exp(log_p - log_p.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


@dataclass(frozen=True)
class DecisionRule:
    """For each task the offsets of its classes in nats, and the order in which classes win a tie: the rarest first."""

    offsets: tuple[np.ndarray, ...]
    order: tuple[np.ndarray, ...]

    def __call__(self, probabilities: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Class codes of each task; (photos, classes) in for each task, (photos,) out."""
        with_offsets = [log_probs(p) + offset for p, offset in zip(probabilities, self.offsets, strict=True)]
        return [argmax_by_order(scores, order) for scores, order in zip(with_offsets, self.order, strict=True)]


def argmax_by_order(scores: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The highest class of each row; of equals (to nine digits) the one that comes first in `order`."""
    return order[np.round(scores[:, order], 9).argmax(1)]


def fitted_numbers(
    tasks: Sequence[str], members: Sequence[str], blends: Sequence[Blend], rule: DecisionRule
) -> dict[str, Any]:
    """All that was fitted, by task, in full precision: what a JSON file needs to answer photos as the ensemble does."""
    return {
        task: {
            "exponents": dict(zip(members, blend.exponents.tolist(), strict=True)),
            "offsets": offsets.tolist(),
            "order": order.tolist(),
        }
        for task, blend, offsets, order in zip(tasks, blends, rule.offsets, rule.order, strict=True)
    }


def write_fitted(path: Path, fitted: Mapping[str, Any]) -> None:
    Path(path).write_text(json.dumps(fitted, indent=1) + "\n", encoding="utf-8")


def read_fitted(path: Path) -> dict[str, Any]:
    """`fitted_numbers` by task."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def build_rule(fitted: Mapping[str, Any], tasks: Sequence[str]) -> DecisionRule:
    """The decision rule of these tasks."""
    return DecisionRule(
        tuple(np.array(fitted[task]["offsets"], float) for task in tasks),
        tuple(np.array(fitted[task]["order"], int) for task in tasks),
    )
