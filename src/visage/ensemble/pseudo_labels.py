"""Test photos that the first round is sure of, as training labels for a second round; they are never scored.

The pseudo-labels of fold k are what fold k's own models predict. The mean over all folds would be surer, but most of
its models have been trained on the people whom fold k holds out, and what they learnt would come back through the
pseudo-labels into the model that is scored on these people.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from visage.ensemble.blend import leave_one_fold_out
from visage.ensemble.decision_rule import EnsembleParams
from visage.ensemble.fitting import fit_blends
from visage.ensemble.member_predictions import Examples, MemberPredictions
from visage.formats.tasks import Task
from visage.runtime.params import Params, suggest

Probability = Annotated[float, Field(gt=0, le=1)]


class PseudoParams(Params):
    """Section `pseudo`: the least probability that makes a label, and exceptions by task and class."""

    min_probability: Probability
    classes: dict[str, dict[str, Probability]] = Field(default_factory=dict)
    renamed: ClassVar = {"at_least": "min_probability"}


def class_thresholds(params: PseudoParams, tasks: Sequence[Task]) -> list[np.ndarray]:
    """One number for each class of each task; a task or class that does not exist is an error."""
    classes_by_task = {task.name: task.classes for task in tasks}
    for task, exceptions in params.classes.items():
        if task not in classes_by_task:
            raise ValueError(f"pseudo.classes: there is no task {task!r}.{suggest(task, classes_by_task)}")
        for name in exceptions:
            if name not in classes_by_task[task]:
                hint = suggest(name, classes_by_task[task])
                raise ValueError(f"pseudo.classes.{task}: there is no class {name!r}.{hint}")
    return [
        np.array([params.classes.get(task.name, {}).get(name, params.min_probability) for name in task.classes])
        for task in tasks
    ]


def choose_pseudo_labels(
    predictions: Sequence[MemberPredictions], examples: Examples, params: PseudoParams, ensemble: EnsembleParams
) -> pd.DataFrame:
    """Rows of photo, fold and one class a task ('' where the fold is not sure), for photos with one class or more."""
    thresholds = class_thresholds(params, examples.tasks)
    tables = []
    for place, (fold, _, rest) in enumerate(leave_one_fold_out(examples.folds)):
        columns = {}
        blends = fit_blends(predictions, examples, rest, ensemble)
        for blend, own, threshold in zip(blends, predictions, thresholds, strict=True):
            columns[own.task.name] = confident_classes(blend(own.test[:, place]), threshold, own.task)
        rows = pd.DataFrame({"photo": examples.test_photos, "fold": fold} | columns)
        tables.append(rows[(rows[list(columns)] != "").any(axis=1)])
    return pd.concat(tables, ignore_index=True)


def confident_classes(probabilities: np.ndarray, threshold: np.ndarray, task: Task) -> np.ndarray:
    """The likeliest class of each photo where it reaches the threshold of its class, else ''."""
    likeliest = probabilities.argmax(1)
    confident = probabilities[np.arange(len(likeliest)), likeliest] >= threshold[likeliest]
    return np.where(confident, np.array(task.classes, object)[likeliest], "")
