"""Every number and curve about the answers; all of them cross-fitted, on the photos' own labels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from visage.ensemble.answers import Blend
from visage.ensemble.blend import cross_fit_blend
from visage.ensemble.decision_rule import GAIN_QUANTILE, EnsembleParams, bootstrap_gains
from visage.ensemble.fitting import EnsembleResult
from visage.ensemble.member_predictions import Examples, MemberPredictions
from visage.formats.tasks import joint_class_names, joint_codes
from visage.scores import (
    AnswerSet,
    calibration_error,
    macro_f1,
    nll,
    percentile_interval,
    precision_recall,
    reliability,
    resampled_f1,
    score_answers,
)


def build_answer_sets(result: EnsembleResult, examples: Examples) -> list[AnswerSet]:
    """One for each task, then the joint one. The joint probability is the product, so its loss is the sum."""
    task_sets = [
        AnswerSet(task.name, task.classes, truth, answers, nll(p, truth), p.max(1), p.argmax(1) == truth)
        for task, truth, answers, p in zip(examples.tasks, examples.truth, result.answers, result.held_out, strict=True)
    ]
    joint_set = AnswerSet(
        name="joint",
        classes=joint_class_names(examples.tasks),
        truth=joint_codes(examples.truth, examples.tasks),
        answers=joint_codes(result.answers, examples.tasks),
        loss=np.sum([task.loss for task in task_sets], axis=0),
        confidence=np.prod([task.confidence for task in task_sets], axis=0),
        right=np.all([task.right for task in task_sets], axis=0),
    )
    return [*task_sets, joint_set]


def evaluate(
    predictions: Sequence[MemberPredictions], result: EnsembleResult, examples: Examples, params: EnsembleParams
) -> dict:
    """`metrics/ensemble.json`."""
    cards = {}
    for answer_set in build_answer_sets(result, examples):
        f1_samples = resampled_f1(
            answer_set.truth, answer_set.answers, examples.people, resamples=params.resamples, seed=params.seed
        )
        cards[answer_set.name] = score_answers(answer_set, folds=examples.folds, f1_samples=f1_samples)
    blends = {
        own.task.name: blend_scores(own, truth, examples.folds, blend)
        for own, truth, blend in zip(predictions, examples.truth, result.blends, strict=True)
    }
    rule = rule_scores(result, examples, params)
    return round_numbers({"joint": cards.pop("joint"), "tasks": cards, "blend": blends, "rule": rule})


def blend_scores(predictions: MemberPredictions, truth: np.ndarray, folds: np.ndarray, blend: Blend) -> dict:
    """The three ways of blending side by side, cross-fitted; each member alone, not calibrated, and which is the best.

    `raw` has the final weights without the temperature: the difference is what calibration gains.
    """
    blended = {way: cross_fit_blend(predictions.held_out, truth, folds, way) for way in ("fitted", "mean", "best")}
    blended["raw"] = Blend(blend.weights)(predictions.held_out)
    members = {
        member: {"log_loss": nll(p, truth).mean(), "macro_f1": macro_f1(truth, p.argmax(1))}
        for member, p in zip(predictions.members, predictions.held_out, strict=True)
    }
    return {
        "weights": dict(zip(predictions.members, blend.weights, strict=True)),
        "temperature": blend.temperature,
        "log_loss": {way: nll(p, truth).mean() for way, p in blended.items()},
        "ece": {way: calibration_error(p.max(1), p.argmax(1) == truth) for way, p in blended.items()},
        "members": members,
        "best": max(members, key=lambda member: members[member]["macro_f1"]),
    }


def rule_scores(result: EnsembleResult, examples: Examples, params: EnsembleParams) -> dict:
    """What the offsets gain over the likeliest class in joint macro F1, cross-fitted, and which rule was taken."""
    truth = joint_codes(examples.truth, examples.tasks)
    argmax_f1 = macro_f1(truth, joint_codes(result.argmax_answers, examples.tasks))
    offsets_f1 = macro_f1(truth, joint_codes(result.offset_answers, examples.tasks))
    gains = bootstrap_gains(result.offset_answers, result.argmax_answers, examples, params)
    low, high = percentile_interval(gains, 1 - 2 * GAIN_QUANTILE)
    offsets = {
        task.name: dict(zip(task.classes, values, strict=True))
        for task, values in zip(examples.tasks, result.rule.offsets, strict=True)
    }
    return {
        "taken": "offsets" if any(np.any(values) for values in result.rule.offsets) else "argmax",
        "argmax": argmax_f1,
        "offsets": offsets_f1,
        "gain": offsets_f1 - argmax_f1,
        "gain_low": low,
        "gain_high": high,
        "nudges": offsets,
    }


def round_numbers(tree: object) -> object:
    """Numbers to six digits, so that a diff shows what a person would call different."""
    if isinstance(tree, dict):
        return {name: round_numbers(branch) for name, branch in tree.items()}
    return round(float(tree), 6) if isinstance(tree, (float, np.floating)) else tree


def count_confusion(answer_set: AnswerSet) -> pd.DataFrame:
    """actual, predicted, photos, share (of the true class's photos): a row for every pair, in the order of classes."""
    size = len(answer_set.classes)
    counts = np.bincount(answer_set.truth * size + answer_set.answers, minlength=size * size)
    names = np.array(answer_set.classes, object)
    table = pd.DataFrame({"actual": np.repeat(names, size), "predicted": np.tile(names, size), "photos": counts})
    totals = counts.reshape(size, size).sum(1).clip(min=1)
    return table.assign(share=counts / np.repeat(totals, size))


def plot_tables(result: EnsembleResult, examples: Examples) -> dict[str, pd.DataFrame]:
    """`<kind>/<task or joint>` -> the rows that DVC draws."""
    tables = {}
    for answer_set in build_answer_sets(result, examples):
        tables[f"confusion/{answer_set.name}"] = count_confusion(answer_set)
        tables[f"reliability/{answer_set.name}"] = reliability(answer_set.confidence, answer_set.right)
    for task, truth, p in zip(examples.tasks, examples.truth, result.held_out, strict=True):
        curves = [
            precision_recall(p[:, i], truth == i).assign(**{"class": name}) for i, name in enumerate(task.classes)
        ]
        tables[f"precision_recall/{task.name}"] = pd.concat(curves, ignore_index=True)
    return tables
