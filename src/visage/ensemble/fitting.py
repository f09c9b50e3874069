"""The members' ballots as one answer for every photo.

Whatever is fitted (weights, temperature, rule) is fitted on all folds but one to answer that one, and on all folds to
answer the eval photos. Photos are judged one by one: that several show the same person, which is known of training
photos only, never sways a probability or an answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import Field

from visage.ensemble.blend import Blend, Weighting, average_folds, fit_blend, leave_one_fold_out
from visage.ensemble.decision_rule import DecisionRule, RuleName, cross_fit_decisions, fit_rule
from visage.ensemble.member_predictions import Examples, MemberPredictions
from visage.formats.tasks import joint_codes
from visage.runtime.params import Params


class EnsembleParams(Params):
    """Section `ensemble`."""

    weights: Weighting
    rule: RuleName
    shrinkage: float = Field(ge=0)
    resamples: int = Field(ge=100)
    seed: int

    @property
    def draws(self) -> dict:
        return {"resamples": self.resamples, "seed": self.seed}

    def deciding(self, rule: RuleName) -> dict:
        return {"rule": rule, "shrinkage": self.shrinkage, **self.draws}


@dataclass(frozen=True)
class EnsembleResult:
    """Probabilities (one array a task) and answers of the training photos, cross-fitted, and of the eval photos.

    `argmax` and `offsets` are the cross-fitted answers of the two rules, whichever was taken.
    """

    held_out: list[np.ndarray]
    answers: list[np.ndarray]
    argmax: list[np.ndarray]
    offsets: list[np.ndarray]
    evals: list[np.ndarray]
    eval_answers: list[np.ndarray]
    blends: list[Blend]
    rule: DecisionRule


def fit_ensemble(ballots: Sequence[MemberPredictions], cases: Examples, params: EnsembleParams) -> EnsembleResult:
    """Every photo's probabilities and answer, by blends and a rule that were fitted without its fold."""
    blends = {fold: fit_blends(ballots, cases, rest, params) for fold, _, rest in leave_one_fold_out(cases.folds)}
    views = {fold: [b(said.held_out) for b, said in zip(own, ballots, strict=True)] for fold, own in blends.items()}
    held_out = [np.empty_like(view) for view in next(iter(views.values()))]
    for fold, held, _ in leave_one_fold_out(cases.folds):
        for out, view in zip(held_out, views[fold], strict=True):
            out[held] = view[held]
    rules = {
        name: cross_fit_decisions(views, cases.truth, cases.people, cases.folds, **params.deciding(name))
        for name in dict.fromkeys(("argmax", "offsets", params.rule))
    }
    everyone = np.ones(len(cases.folds), dtype=bool)
    final = fit_blends(ballots, cases, everyone, params)
    seen = [blend(said.held_out) for blend, said in zip(final, ballots, strict=True)]
    rule = fit_rule(seen, cases.truth, cases.people, cases.folds, **params.deciding(params.rule))
    evals = [blend(average_folds(said.evals)) for blend, said in zip(final, ballots, strict=True)]
    return EnsembleResult(
        held_out, rules[params.rule], rules["argmax"], rules["offsets"], evals, rule(evals), final, rule
    )


def fit_blends(
    ballots: Sequence[MemberPredictions], cases: Examples, who: np.ndarray, params: EnsembleParams
) -> list[Blend]:
    return [
        fit_blend(said.held_out[:, who], truth[who], params.weights)
        for said, truth in zip(ballots, cases.truth, strict=True)
    ]


def answer_table(verdict: EnsembleResult, cases: Examples) -> pd.DataFrame:
    """A row a photo: photo, split, fold, the class of each task, ans (the joint code), confidence, `<task>/<class>`."""
    parts = [
        answer_rows("train", cases.photos, cases.folds, verdict.held_out, verdict.answers, cases),
        answer_rows("eval", cases.evals, None, verdict.evals, verdict.eval_answers, cases),
    ]
    return pd.concat(parts, ignore_index=True).astype({"fold": "Int64"})


def answer_rows(
    split: str,
    photos: np.ndarray,
    folds: np.ndarray | None,
    probabilities: Sequence[np.ndarray],
    answers: Sequence[np.ndarray],
    cases: Examples,
) -> pd.DataFrame:
    columns: dict[str, object] = {"photo": photos, "split": split, "fold": pd.NA if folds is None else folds}
    columns |= {t.name: np.array(t.classes, object)[a] for t, a in zip(cases.tasks, answers, strict=True)}
    own = [p[np.arange(len(a)), a] for p, a in zip(probabilities, answers, strict=True)]
    columns |= {"ans": joint_codes(answers, cases.tasks), "confidence": np.prod(own, axis=0)}
    for task, values in zip(cases.tasks, probabilities, strict=True):
        columns |= {f"{task.name}/{name}": values[:, i] for i, name in enumerate(task.classes)}
    return pd.DataFrame(columns)
