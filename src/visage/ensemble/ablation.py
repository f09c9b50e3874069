"""What each part is worth: the answers without it against those with it, on people that no network was trained on.

Parts that belong to the training (background, transplants, any key of a recipe) are told by two members that differ in
nothing else, each alone; parts that come after it by the members' blend. All answers but those of the decision rule are
the likeliest classes. The intervals are about other people, not about another training of the same networks.
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from visage.ensemble.decision_rule import EnsembleParams, cross_fit_decisions
from visage.ensemble.fitting import blend_without_each_fold
from visage.ensemble.member_predictions import Examples, MemberPredictions
from visage.ensemble.people import average_people, names_people
from visage.formats.tasks import joint_codes
from visage.scores import paired_gain

JOINT = "joint"
PART_OF_KEY = {"keep": "background", "pseudo_labels": "pseudo-labels"}  # other keys of a recipe keep their names
OFF = ("all", "none", False)  # values of a key that stand for going without
MEMBERS, RULE, VIEWS, PEOPLE = "more than one member", "decision rule", "test-time views", "one answer a person"
COLUMNS = ["part", "task", "without", "with", "f1_without", "f1_with", "difference", "low", "high", "people", "command"]

Recipes = Mapping[tuple[str, str], Mapping[str, Any]]  # by task and member


@dataclass(frozen=True)
class Comparison:
    """The answers (class codes of each task) without a part and with it, and the tasks (or joint) that it concerns."""

    part: str
    without: str
    with_part: str
    old: Sequence[np.ndarray]
    new: Sequence[np.ndarray]
    tasks: Sequence[str]


def compare_parts(
    predictions: Sequence[MemberPredictions],
    first_views: Sequence[MemberPredictions],
    recipes: Recipes,
    examples: Examples,
    params: EnsembleParams,
) -> Iterator[Comparison]:
    """A comparison for every part that these predictions (not averaged over people) can tell."""
    per_photo, all_tasks = predictions, [*(task.name for task in examples.tasks), JOINT]
    if params.average_people:
        predictions, first_views = (average_people(own, examples) for own in (predictions, first_views))
    yield from compare_members(predictions, recipes)
    blend = params if params.weights != "best" else params.replace(weights="fitted")
    answers = cross_fit_answers(predictions, examples, blend)
    if len(predictions[0].members) > 1:
        best = cross_fit_answers(predictions, examples, params.replace(weights="best"))
        names = " and ".join(dict.fromkeys(member for _, member in recipes))
        yield Comparison(MEMBERS, "the best one alone", f"{names}, blended", best, answers, all_tasks)
    offsets = cross_fit_answers(predictions, examples, blend, rule="offsets")
    yield Comparison(RULE, "the likeliest class", "offsets that favour rare classes", answers, offsets, all_tasks)
    if any(not np.array_equal(a.held_out, b.held_out) for a, b in zip(predictions, first_views, strict=True)):
        first = cross_fit_answers(first_views, examples, blend)
        yield Comparison(VIEWS, "the picture as it is", "the mean over all views", first, answers, all_tasks)
    if params.average_people and names_people(examples):
        single = cross_fit_answers(per_photo, examples, blend)
        yield Comparison(PEOPLE, "photo by photo", "the mean over a person's photos", single, answers, all_tasks)


def complete_recipe(recipe: Mapping[str, Any], *, pseudo_labels: bool, transplants: bool) -> dict[str, Any]:
    """The recipe with all that networks differ in: whether they saw pseudo-labels, and transplants if there are any."""
    own = {"transplants": recipe["transplants"] and transplants} if "transplants" in recipe else {}
    return {**recipe, **own, "pseudo_labels": pseudo_labels}


def cross_fit_answers(
    predictions: Sequence[MemberPredictions], examples: Examples, params: EnsembleParams, rule: str = "argmax"
) -> list[np.ndarray]:
    """Each photo's answers, by a blend and a rule that were fitted on the other folds."""
    params = params.replace(rule=rule)
    return cross_fit_decisions(blend_without_each_fold(predictions, examples, params), examples, params)


def compare_members(predictions: Sequence[MemberPredictions], recipes: Recipes) -> Iterator[Comparison]:
    """Every two members whose recipes differ in one key, for the tasks where they do; no two recipes twice."""
    known = set()
    answers = {
        member: [own.held_out[place].argmax(1) for own in predictions]
        for place, member in enumerate(predictions[0].members)
    }
    order = list(dict.fromkeys(member for _, member in recipes))
    for a, b in itertools.combinations(order, 2):
        keys = {own.task.name: differing_keys(recipes, own.task.name, a, b) for own in predictions}
        for key in sorted({key for own in keys.values() for key in own}):
            tasks = [task for task, own in keys.items() if own == {key} and not is_known(known, recipes, task, a, b)]
            if not tasks:
                continue
            old, new = (b, a) if recipes[tasks[0], b][key] in OFF else (a, b)
            names = [describe_member(member, key, recipes[tasks[0], member][key]) for member in (old, new)]
            only_key = set().union(*keys.values()) == {key}
            concerned = [*tasks, JOINT] if only_key else tasks
            yield Comparison(PART_OF_KEY.get(key, key), *names, answers[old], answers[new], concerned)


def describe_member(member: str, key: str, value: Any) -> str:
    """As params.yaml has it: plain (keep: all)."""
    return f"{member} ({key}: {value if isinstance(value, str) else json.dumps(value)})"


def differing_keys(recipes: Recipes, task: str, a: str, b: str) -> set[str]:
    return {key for key, value in recipes[task, a].items() if value != recipes[task, b][key]}


def is_known(known: set[tuple], recipes: Recipes, task: str, a: str, b: str) -> bool:
    """Whether the same two recipes of this task were there before, under whatever names; remembers them."""
    pair = (task, *sorted(json.dumps(recipes[task, member], sort_keys=True) for member in (a, b)))
    if pair in known:
        return True
    known.add(pair)
    return False


def tabulate_parts(
    comparisons: Sequence[Comparison], commands: Mapping[str, str], examples: Examples, params: EnsembleParams
) -> pd.DataFrame:
    """A row for each part and task with scores, and one for each part that only a `command` can tell."""
    rows = [row for comparison in comparisons for row in score_comparison(comparison, examples, params)]
    rows += [{"part": part, "command": command} for part, command in commands.items()]
    texts = dict.fromkeys(("task", "without", "with", "command"), "")
    return pd.DataFrame([texts | row for row in rows], columns=COLUMNS).astype({"people": "Int64"})


def score_comparison(comparison: Comparison, examples: Examples, params: EnsembleParams) -> Iterator[dict[str, Any]]:
    """For each task the macro F1 without and with, their difference, and where 95% of its resamples lie."""
    for name in sorted(comparison.tasks, key=lambda name: name != JOINT):  # the joint class first
        if name == JOINT:
            codes = [joint_codes(own, examples.tasks) for own in (examples.truth, comparison.old, comparison.new)]
        else:
            place = [task.name for task in examples.tasks].index(name)
            codes = [own[place] for own in (examples.truth, comparison.old, comparison.new)]
        gain = asdict(paired_gain(*codes, examples.people, resamples=params.resamples, seed=params.seed))
        scores = {"f1_without": gain.pop("old"), "f1_with": gain.pop("new")} | gain
        head = {"part": comparison.part, "task": name, "without": comparison.without, "with": comparison.with_part}
        yield head | scores | {"people": len(np.unique(examples.people))}
