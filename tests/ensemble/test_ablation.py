"""What each part is worth: which comparisons a run can tell, and that their numbers are those of the answers."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from tests.drawn_members import COMPETITION, PARAMS, align_tables, draw_tables
from visage.ensemble.ablation import (
    MEMBERS,
    PEOPLE,
    RULE,
    VIEWS,
    compare_members,
    compare_parts,
    complete_recipe,
    tabulate_parts,
)
from visage.ensemble.fitting import fit_ensemble
from visage.ensemble.member_predictions import MemberPredictions
from visage.formats.tasks import joint_codes

TASKS = [task.name for task in COMPETITION]
BASE = {"keep": "all", "transplants": False, "lr": 0.1, "pseudo_labels": False}


def draw_population(skills=(2.0, 1.0), **options):
    return align_tables(*draw_tables(skills=skills, **options)[:3])


def recipes(**changes):
    """For members named as keys: BASE with these changes; `age` holds changes of one task."""
    return {
        (task, member): BASE | {k: v for k, v in own.items() if k not in TASKS} | own.get(task, {})
        for member, own in changes.items()
        for task in TASKS
    }


def named(predictions, *members):
    """The predictions under these names of members."""
    return [MemberPredictions(own.task, members, own.held_out, own.test) for own in predictions]


def pairs(members, **changes):
    predictions, _ = draw_population(skills=[1.0] * len(members))
    found = compare_members(named(predictions, *members), recipes(**changes))
    return [(own.part, own.without, own.with_part, list(own.tasks)) for own in found]


@pytest.fixture(scope="module")
def population():
    return draw_population()


def test_two_members_that_differ_in_one_key_tell_what_it_is_worth():
    assert pairs("ab", a={}, b={"keep": "person"}) == [
        ("background", "a (keep: all)", "b (keep: person)", [*TASKS, "joint"])
    ]
    assert pairs("ab", a={}, b={"lr": 0.2}) == [("lr", "a (lr: 0.1)", "b (lr: 0.2)", [*TASKS, "joint"])]


def test_going_without_comes_first_whatever_the_order_of_members():
    [(part, without, with_part, tasks)] = pairs("ab", a={"age": {"transplants": True}}, b={})
    assert (part, without, with_part) == ("transplants", "b (transplants: false)", "a (transplants: true)")
    assert tasks == ["age", "joint"]


def test_two_members_that_differ_in_two_keys_tell_of_neither():
    assert pairs("ab", a={}, b={"keep": "person", "lr": 0.2}) == []
    assert pairs("ab", a={}, b={"keep": "person", "age": {"lr": 0.2}}) == [
        ("background", "a (keep: all)", "b (keep: person)", ["mask", "gender"])
    ]


def test_the_same_two_recipes_are_compared_once_under_whatever_names():
    found = pairs("abc", a={"age": {"transplants": True}}, b={"keep": "person", "age": {"transplants": True}}, c={})
    assert [(part, tasks) for part, _, _, tasks in found] == [
        ("background", [*TASKS, "joint"]), ("transplants", ["age", "joint"]),
    ]  # fmt: skip


def test_a_member_of_the_second_round_differs_in_pseudo_labels_too():
    assert complete_recipe(BASE, pseudo_labels=True, transplants=True) == BASE | {"pseudo_labels": True}
    assert pairs("ab", a={}, b={"keep": "person", "pseudo_labels": True}) == []


def test_where_no_transplants_are_made_members_with_and_without_are_the_same():
    on, off = (complete_recipe(BASE | {"transplants": own}, pseudo_labels=False, transplants=False) for own in (1, 0))
    assert not on["transplants"] and not off["transplants"]


def run_ablation(predictions, examples, params=PARAMS, first_views=None, recipes_of=None, commands=None):
    recipes_of = recipes_of or recipes(**{"0": {}, "1": {"keep": "person"}})
    found = list(compare_parts(predictions, first_views or predictions, recipes_of, examples, params))
    return tabulate_parts(found, commands or {}, examples, params).set_index(["part", "task"])


def test_every_number_is_that_of_the_cross_fitted_answers(population):
    predictions, examples = population
    table = run_ablation(predictions, examples)
    result, best = (fit_ensemble(predictions, examples, PARAMS.replace(weights=w)) for w in ("fitted", "best"))
    truth = joint_codes(examples.truth, COMPETITION)
    joint = {
        (MEMBERS, "f1_without"): best.argmax_answers,
        (MEMBERS, "f1_with"): result.argmax_answers,
        (RULE, "f1_without"): result.argmax_answers,
        (RULE, "f1_with"): result.offset_answers,
        ("background", "f1_without"): [own.held_out[0].argmax(1) for own in predictions],
        ("background", "f1_with"): [own.held_out[1].argmax(1) for own in predictions],
    }
    for (part, column), answers in joint.items():
        assert table.loc[(part, "joint"), column] == pytest.approx(
            f1_score(truth, joint_codes(answers, COMPETITION), average="macro")
        )
    for task, own_truth, answers in zip(TASKS, examples.truth, result.offset_answers, strict=True):
        assert table.loc[(RULE, task), "f1_with"] == pytest.approx(f1_score(own_truth, answers, average="macro"))
    assert (table["difference"] == table["f1_with"] - table["f1_without"]).all()
    assert (table["low"] <= table["high"]).all() and (table["people"] == 60).all()


def test_two_members_of_the_same_skill_are_seldom_told_apart():
    held = []
    for seed in range(5):
        predictions, examples = draw_population(skills=(1.5, 1.5), seed=seed)
        found = list(compare_members(predictions, recipes(**{"0": {}, "1": {"keep": "person"}})))
        table = tabulate_parts(found, {}, examples, PARAMS)
        held += ((table["low"] <= 0) & (table["high"] >= 0)).tolist()
    assert len(held) == 20 and sum(held) >= 15


def test_a_better_second_member_is_a_gain():
    table = run_ablation(*draw_population(skills=(0.2, 3.0), people=100))
    assert table.loc[("background", "joint"), "low"] > 0.2


def test_one_member_tells_of_no_other(population):
    predictions, examples = population
    alone = [MemberPredictions(own.task, ("0",), own.held_out[:1], own.test[:1]) for own in predictions]
    assert set(run_ablation(alone, examples, recipes_of=recipes(**{"0": {}})).reset_index()["part"]) == {RULE}


def test_views_are_compared_where_there_are_several(population):
    predictions, examples = population
    worse, _ = draw_population(skills=(0.5, 0.5))
    table = run_ablation(predictions, examples, first_views=worse)
    result = fit_ensemble(worse, examples, PARAMS)
    expected = f1_score(examples.truth[2], result.argmax_answers[2], average="macro")
    assert table.loc[(VIEWS, "age"), "f1_without"] == pytest.approx(expected)
    assert table.loc[(VIEWS, "age"), "difference"] > 0
    assert VIEWS not in run_ablation(predictions, examples).reset_index()["part"].tolist()


def test_averaging_over_people_is_compared_where_photos_to_answer_name_them():
    photos, folds, tables, _ = draw_tables(skills=(1.0, 0.5))
    photos.loc[photos["split"] == "eval", "person"] = "x"
    predictions, examples = align_tables(photos, folds, tables)
    table = run_ablation(predictions, examples)
    assert table.loc[(PEOPLE, "age"), "low"] > 0 and table.loc[(PEOPLE, "mask"), "difference"] == 0
    assert table.loc[(PEOPLE, "age"), "f1_with"] == table.loc[(RULE, "age"), "f1_without"]
    off = run_ablation(predictions, examples, PARAMS.replace(average_people=False))
    assert PEOPLE not in off.reset_index()["part"].tolist()


def test_a_part_that_only_a_command_can_tell_has_a_row_with_it(population):
    table = run_ablation(*population, commands={"transplants": "dvc exp run"}).reset_index()
    row = table.iloc[-1]
    assert (row["part"], row["task"], row["command"]) == ("transplants", "", "dvc exp run") and np.isnan(row["low"])
    assert (table["command"].iloc[:-1] == "").all()
