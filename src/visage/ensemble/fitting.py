"""The members' predictions as one answer for every photo.

Whatever is fitted (weights, temperature, rule) is fitted on all folds but one to answer that one, and on all folds to
answer the test photos. Photos are answered one by one: that several show the same person changes an answer only where
that is known of the photos to answer as well, and then the predictions come averaged (`people.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from visage.ensemble.answers import Blend, DecisionRule, average_folds
from visage.ensemble.blend import fit_blend, leave_one_fold_out
from visage.ensemble.decision_rule import EnsembleParams, cross_fit_decisions, fit_rule
from visage.ensemble.member_predictions import Examples, MemberPredictions
from visage.formats.tasks import joint_codes


@dataclass(frozen=True)
class EnsembleResult:
    """One array a task in every list: `held_out` and `test` are probabilities, the answers are class codes.

    What is about the training photos is cross-fitted. `argmax_answers` and `offset_answers` are those of the two
    rules, `answers` those of the rule that the parameters ask for.
    """

    held_out: list[np.ndarray]
    answers: list[np.ndarray]
    argmax_answers: list[np.ndarray]
    offset_answers: list[np.ndarray]
    test: list[np.ndarray]
    test_answers: list[np.ndarray]
    blends: list[Blend]
    rule: DecisionRule


def fit_ensemble(
    predictions: Sequence[MemberPredictions], examples: Examples, params: EnsembleParams
) -> EnsembleResult:
    """Every photo's probabilities and answer, by blends and a rule that were fitted without its fold."""
    blended_by_fold = blend_without_each_fold(predictions, examples, params)
    answers = {
        rule: cross_fit_decisions(blended_by_fold, examples, params.replace(rule=rule))
        for rule in {"argmax", "offsets", params.rule}
    }
    blends = fit_blends(predictions, examples, np.ones(len(examples.folds), dtype=bool), params)
    rule = fit_rule(blend_held_out(blends, predictions), examples, params)
    test = [blend(average_folds(own.test)) for blend, own in zip(blends, predictions, strict=True)]
    return EnsembleResult(
        held_out=select_held_out(blended_by_fold, examples.folds),
        answers=answers[params.rule],
        argmax_answers=answers["argmax"],
        offset_answers=answers["offsets"],
        test=test,
        test_answers=rule(test),
        blends=blends,
        rule=rule,
    )


def fit_blends(
    predictions: Sequence[MemberPredictions], examples: Examples, rows: np.ndarray, params: EnsembleParams
) -> list[Blend]:
    """A blend for each task, fitted on these training photos."""
    return [
        fit_blend(own.held_out[:, rows], truth[rows], params.weights)
        for own, truth in zip(predictions, examples.truth, strict=True)
    ]


def blend_held_out(blends: Sequence[Blend], predictions: Sequence[MemberPredictions]) -> list[np.ndarray]:
    return [blend(own.held_out) for blend, own in zip(blends, predictions, strict=True)]


def blend_without_each_fold(
    predictions: Sequence[MemberPredictions], examples: Examples, params: EnsembleParams
) -> dict[int, list[np.ndarray]]:
    """For each fold the probabilities of all training photos, by blends fitted on the other folds."""
    return {
        fold: blend_held_out(fit_blends(predictions, examples, rest, params), predictions)
        for fold, _, rest in leave_one_fold_out(examples.folds)
    }


def select_held_out(blended_by_fold: dict[int, list[np.ndarray]], folds: np.ndarray) -> list[np.ndarray]:
    """Each photo's probabilities by the blend that was fitted without its fold."""
    held_out = [np.empty_like(p) for p in next(iter(blended_by_fold.values()))]
    for fold, rows, _ in leave_one_fold_out(folds):
        for target, source in zip(held_out, blended_by_fold[fold], strict=True):
            target[rows] = source[rows]
    return held_out


def answer_table(result: EnsembleResult, examples: Examples) -> pd.DataFrame:
    """A row a photo: photo, split, fold, the class of each task, ans (the joint code), confidence, `<task>/<class>`."""
    train = pd.DataFrame({"photo": examples.train_photos, "split": "train", "fold": examples.folds})
    test = pd.DataFrame({"photo": examples.test_photos, "split": "eval", "fold": pd.NA})
    tables = [
        pd.concat([train, answer_columns(result.held_out, result.answers, examples)], axis=1),
        pd.concat([test, answer_columns(result.test, result.test_answers, examples)], axis=1),
    ]
    return pd.concat(tables, ignore_index=True).astype({"fold": "Int64"})


def answer_columns(
    probabilities: Sequence[np.ndarray], answers: Sequence[np.ndarray], examples: Examples
) -> pd.DataFrame:
    """`confidence` is the joint probability of the answer."""
    names = {t.name: np.array(t.classes, object)[codes] for t, codes in zip(examples.tasks, answers, strict=True)}
    of_answer = [p[np.arange(len(codes)), codes] for p, codes in zip(probabilities, answers, strict=True)]
    joint = {"ans": joint_codes(answers, examples.tasks), "confidence": np.prod(of_answer, axis=0)}
    by_class = {
        f"{task.name}/{name}": p[:, i]
        for task, p in zip(examples.tasks, probabilities, strict=True)
        for i, name in enumerate(task.classes)
    }
    return pd.DataFrame(names | joint | by_class)
