"""Eval photos that the first round is sure of, to be learnt from in a second round and never to be scored.

The pseudo-labels of fold k are what fold k's own models say. The mean over all folds would be surer, but most of its
models have seen the people whom fold k holds out, and what they know would come back through the pseudo-labels
into the model that is to judge these people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from visage.answers import EnsembleParams, fit_blends
from visage.ballots import Ballots, Cases
from visage.blend import others
from visage.labels import Task
from visage.params import nearest


@dataclass(frozen=True)
class PseudoParams:
    """Section `pseudo`: how sure is sure enough, and for which classes of which tasks it is otherwise."""

    at_least: float
    classes: dict[str, dict[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = [self.at_least, *(v for own in self.classes.values() for v in own.values())]
        if not all(0 < value <= 1 for value in values):
            raise ValueError(f"a threshold is a probability above 0 and up to 1, and these are {values}.")


def thresholds(params: PseudoParams, tasks: Sequence[Task]) -> list[np.ndarray]:
    """One number for each class of each task; a task or class that does not exist is an error."""
    known = {task.name: task.classes for task in tasks}
    for task, own in params.classes.items():
        if task not in known:
            raise ValueError(f"pseudo.classes: there is no task {task!r}.{nearest(task, known)}")
        for name in own:
            if name not in known[task]:
                raise ValueError(f"pseudo.classes.{task}: there is no class {name!r}.{nearest(name, known[task])}")
    exceptions: Mapping[str, dict[str, float]] = params.classes
    return [np.array([exceptions.get(t.name, {}).get(c, params.at_least) for c in t.classes]) for t in tasks]


def choose(ballots: Sequence[Ballots], cases: Cases, params: PseudoParams, ensemble: EnsembleParams) -> pd.DataFrame:
    """Rows of photo, fold and one class a task (empty where the fold is not sure), for photos with one or more."""
    limits, parts = thresholds(params, cases.tasks), []
    for place, (fold, _, rest) in enumerate(others(cases.folds)):
        blends = fit_blends(ballots, cases, rest, ensemble)
        seen = [blend(said.evals[:, place]) for blend, said in zip(blends, ballots, strict=True)]
        columns = {task.name: sure(p, limit, task) for task, p, limit in zip(cases.tasks, seen, limits, strict=True)}
        rows = pd.DataFrame({"photo": cases.evals, "fold": fold} | columns)
        parts.append(rows[(rows[list(columns)] != "").any(axis=1)])
    return pd.concat(parts, ignore_index=True)


def sure(probabilities: np.ndarray, limit: np.ndarray, task: Task) -> np.ndarray:
    """The likeliest class where it reaches its threshold, else ''."""
    top = probabilities.argmax(1)
    reached = probabilities[np.arange(len(top)), top] >= limit[top]
    return np.where(reached, np.array(task.classes, object)[top], "")
