"""Every number and curve about the answers; all of them cross-fitted, on the photos' own labels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from visage.ensemble.blend import Blend, cross_fit_blend
from visage.ensemble.decision_rule import GAIN_QUANTILE, bootstrap_gains
from visage.ensemble.fitting import EnsembleParams, EnsembleResult
from visage.ensemble.member_predictions import Examples, MemberPredictions
from visage.formats.tasks import joint_class_names, joint_codes
from visage.scores import (
    AnswerSet,
    calibration_error,
    interval,
    macro_f1,
    nll,
    precision_recall,
    reliability,
    resampled_f1,
    score_card,
)


def build_answer_sets(verdict: EnsembleResult, cases: Examples) -> list[AnswerSet]:
    """One for each task, then the joint one. The joint probability is the product, so its loss is the sum."""
    found = []
    for task, truth, answer, p in zip(cases.tasks, cases.truth, verdict.answers, verdict.held_out, strict=True):
        top = p.argmax(1)
        found.append(AnswerSet(task.name, task.classes, truth, answer, nll(p, truth), p.max(1), top == truth))
    return [
        *found,
        AnswerSet(
            "joint",
            joint_class_names(cases.tasks),
            joint_codes(cases.truth, cases.tasks),
            joint_codes(verdict.answers, cases.tasks),
            np.sum([one.loss for one in found], axis=0),
            np.prod([one.confidence for one in found], axis=0),
            np.all([one.right for one in found], axis=0),
        ),
    ]


def evaluate(
    ballots: Sequence[MemberPredictions], verdict: EnsembleResult, cases: Examples, params: EnsembleParams
) -> dict:
    """`metrics/ensemble.json`."""
    *tasks, joint = (
        score_card(one, folds=cases.folds, swings=resampled_f1(one.truth, one.answer, cases.people, **params.draws))
        for one in build_answer_sets(verdict, cases)
    )
    cards = {task.name: card for task, card in zip(cases.tasks, tasks, strict=True)}
    blends = {
        said.task.name: blend_scores(said, truth, cases.folds, blend)
        for said, truth, blend in zip(ballots, cases.truth, verdict.blends, strict=True)
    }
    return round_numbers({"joint": joint, "tasks": cards, "blend": blends, "rule": rule_scores(verdict, cases, params)})


def blend_scores(said: MemberPredictions, truth: np.ndarray, folds: np.ndarray, blend: Blend) -> dict:
    """The three ways of blending side by side, cross-fitted; each member alone as it came, and which is the best.

    `raw` has the final weights without the temperature: what calibration was worth.
    """
    ways = {way: cross_fit_blend(said.held_out, truth, folds, way) for way in ("fitted", "mean", "best")}
    ways["raw"] = Blend(blend.weights)(said.held_out)
    members = {
        member: {"log_loss": nll(p, truth).mean(), "macro_f1": macro_f1(truth, p.argmax(1))}
        for member, p in zip(said.members, said.held_out, strict=True)
    }
    return {
        "weights": dict(zip(said.members, blend.weights, strict=True)),
        "temperature": blend.temperature,
        "log_loss": {way: nll(p, truth).mean() for way, p in ways.items()},
        "ece": {way: calibration_error(p.max(1), p.argmax(1) == truth) for way, p in ways.items()},
        "members": members,
        "best": max(members, key=lambda member: members[member]["macro_f1"]),
    }


def rule_scores(verdict: EnsembleResult, cases: Examples, params: EnsembleParams) -> dict:
    """What the offsets gain over the likeliest class in joint macro F1, cross-fitted, and whether they were taken."""
    sizes = [len(task.classes) for task in cases.tasks]
    gains = bootstrap_gains(cases.truth, verdict.offsets, verdict.argmax, cases.people, sizes=sizes, **params.draws)
    true, nudged, plain = (joint_codes(p, cases.tasks) for p in (cases.truth, verdict.offsets, verdict.argmax))
    low, high = interval(gains, 1 - 2 * GAIN_QUANTILE)
    offsets = {
        task.name: dict(zip(task.classes, values, strict=True))
        for task, values in zip(cases.tasks, verdict.rule.offsets, strict=True)
    }
    return {
        "taken": "offsets" if any(np.any(values) for values in verdict.rule.offsets) else "argmax",
        "argmax": macro_f1(true, plain),
        "offsets": macro_f1(true, nudged),
        "gain": macro_f1(true, nudged) - macro_f1(true, plain),
        "gain_low": low,
        "gain_high": high,
        "nudges": offsets,
    }


def round_numbers(tree: object) -> object:
    """Numbers to six digits, so that a diff shows what a person would call different."""
    if isinstance(tree, dict):
        return {name: round_numbers(branch) for name, branch in tree.items()}
    return round(float(tree), 6) if isinstance(tree, (float, np.floating)) else tree


def plot_tables(verdict: EnsembleResult, cases: Examples) -> dict[str, pd.DataFrame]:
    """`<kind>/<task or joint>` -> the rows that DVC draws; sorted, so that equal scores are equal files."""
    tables = {}
    for one in build_answer_sets(verdict, cases):
        order, names = np.lexsort((one.answer, one.truth)), np.array(one.classes, object)
        pairs = {"actual": names[one.truth[order]], "predicted": names[one.answer[order]]}
        tables[f"confusion/{one.name}"] = pd.DataFrame(pairs)
        tables[f"reliability/{one.name}"] = reliability(one.confidence, one.right)
    for task, truth, p in zip(cases.tasks, cases.truth, verdict.held_out, strict=True):
        curves = [precision_recall(p[:, i], truth == i).assign(**{"class": c}) for i, c in enumerate(task.classes)]
        tables[f"precision_recall/{task.name}"] = pd.concat(curves, ignore_index=True)
    return tables
