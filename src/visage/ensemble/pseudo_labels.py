"""Eval photos that the first round is sure of, to be learnt from in a second round and never to be scored.

The pseudo-labels of fold k are what fold k's own models say. The mean over all folds would be surer, but most of its
models have seen the people whom fold k holds out, and what they know would come back through the pseudo-labels
into the model that is to judge these people.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from visage.ensemble.blend import leave_one_fold_out
from visage.ensemble.fitting import EnsembleParams, fit_blends
from visage.ensemble.member_predictions import Examples, MemberPredictions
from visage.formats.tasks import Task
from visage.runtime.params import Params, suggest

Probability = Annotated[float, Field(gt=0, le=1)]


class PseudoParams(Params):
    """Section `pseudo`: how sure is sure enough, and for which classes of which tasks it is otherwise."""

    min_probability: Probability
    classes: dict[str, dict[str, Probability]] = {}
    renamed: ClassVar = {"at_least": "min_probability"}


def class_thresholds(params: PseudoParams, tasks: Sequence[Task]) -> list[np.ndarray]:
    """One number for each class of each task; a task or class that does not exist is an error."""
    known = {task.name: task.classes for task in tasks}
    for task, own in params.classes.items():
        if task not in known:
            raise ValueError(f"pseudo.classes: there is no task {task!r}.{suggest(task, known)}")
        for name in own:
            if name not in known[task]:
                raise ValueError(f"pseudo.classes.{task}: there is no class {name!r}.{suggest(name, known[task])}")
    exceptions: Mapping[str, dict[str, float]] = params.classes
    return [np.array([exceptions.get(t.name, {}).get(c, params.min_probability) for c in t.classes]) for t in tasks]


def choose_pseudo_labels(
    ballots: Sequence[MemberPredictions], cases: Examples, params: PseudoParams, ensemble: EnsembleParams
) -> pd.DataFrame:
    """Rows of photo, fold and one class a task (empty where the fold is not sure), for photos with one or more."""
    limits, parts = class_thresholds(params, cases.tasks), []
    for place, (fold, _, rest) in enumerate(leave_one_fold_out(cases.folds)):
        blends = fit_blends(ballots, cases, rest, ensemble)
        seen = [blend(said.evals[:, place]) for blend, said in zip(blends, ballots, strict=True)]
        columns = {
            task.name: confident_classes(p, limit, task)
            for task, p, limit in zip(cases.tasks, seen, limits, strict=True)
        }
        rows = pd.DataFrame({"photo": cases.evals, "fold": fold} | columns)
        parts.append(rows[(rows[list(columns)] != "").any(axis=1)])
    return pd.concat(parts, ignore_index=True)


def confident_classes(probabilities: np.ndarray, limit: np.ndarray, task: Task) -> np.ndarray:
    """The likeliest class where it reaches its threshold, else ''."""
    top = probabilities.argmax(1)
    reached = probabilities[np.arange(len(top)), top] >= limit[top]
    return np.where(reached, np.array(task.classes, object)[top], "")
