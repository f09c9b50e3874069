"""Recipes: shared, overridden by member and task, and checked after merging."""

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.bench.learner_ablation import read_members, to_recipe
from tests.conftest import PROJECT
from tests.drawn_people import PLAIN, recipe
from visage.networks.recipe import (
    describe_recipe,
    load_recipe,
    read_recipe,
    recipe_from_json,
    resolve_recipe,
    write_recipe,
)


def write_params(folder: Path, members: dict | None = None, tasks: dict | None = None) -> Path:
    path, plain = folder / "params.yaml", PLAIN | {"fill": list(PLAIN["fill"]), "hidden": []}
    sections = {"members": {"first": {}} | (members or {}), "tasks": {"age": {}, "mask": {}} | (tasks or {})}
    path.write_text(yaml.safe_dump({"train": plain} | sections))
    return path


def test_a_task_overrides_a_member_and_a_member_the_shared_recipe(tmp_path: Path) -> None:
    members = {"first": {"lr": 0.5, "epochs": 7}, "second": None}
    path = write_params(tmp_path, members=members, tasks={"age": {"epochs": 9}})
    keys = [(task, member) for task in ("age", "mask") for member in ("first", "second")]
    recipes = [load_recipe(*key, path) for key in keys]
    assert [(recipe.lr, recipe.epochs) for recipe in recipes] == [(0.5, 9), (0.002, 9), (0.5, 7), (0.002, 1)]


def test_a_joint_member_is_the_same_for_every_task(tmp_path: Path) -> None:
    path = write_params(tmp_path, members={"first": {"joint": True}}, tasks={"age": {"epochs": 9}})
    assert load_recipe("age", "first", path) == load_recipe("mask", "first", path)


def test_every_member_of_the_project_is_legal_and_may_begin_as_another_does() -> None:
    path = Path(__file__).parents[2] / "params.yaml"
    members = yaml.safe_load(path.read_text())["members"]
    recipes = {member: load_recipe(task, member, path) for member in members for task in ("mask", "age")}
    assert recipes["gentle"].replace(backbone_lr_scale=recipes["photos"].backbone_lr_scale) == recipes["photos"]


def test_every_recipe_of_the_learners_bench_is_legal() -> None:
    for members in read_members(PROJECT / "tests/bench/faces300.yaml", None).values():
        assert all(to_recipe(member).epochs for member in members)


def test_a_misspelt_key_of_a_task_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown key 'epocs'. Did you mean 'epochs'"):
        load_recipe("age", "first", write_params(tmp_path, tasks={"age": {"epocs": 9}}))


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"dropout": 1.5}, "dropout is 1.5, and should be from 0 to 1."),
    ({"noise": -1.0}, r"noise is -1.0, and should be 0 \(off\) or more."),
    ({"epochs": 0}, "epochs is 0, and should be above 0."),
    ({"ema": 1.0}, "ema is 1.0"),
    ({"unfreeze": 0}, "unfreeze is 0, and should be all, head, or how many"),
    ({"fill": (0, 0, 256)}, r"fill is \[0, 0, 256\]"),
    ({"early_stop": "loss", "validation_share": 0.0}, "early_stop needs validation_share"),
    ({"lr": -1.0, "batch": -5}, "(?s)batch is -5.*lr is -1.0"),
])  # fmt: skip
def test_all_illegal_values_are_named_at_once(changes: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        recipe(**changes)


def test_a_recipe_survives_json() -> None:
    original = recipe(hidden=(8, 4), unfreeze=3, old_from=58.0)
    assert recipe_from_json(json.loads(json.dumps(original.model_dump()))) == original


def test_a_member_may_be_like_another_and_say_only_what_differs(tmp_path: Path) -> None:
    members = {"first": {"lr": 0.5, "epochs": 7}, "second": {"like": "first", "epochs": 2}}
    path = write_params(tmp_path, members=members)
    found, sources = resolve_recipe("mask", "second", path)
    assert (found.lr, found.epochs) == (0.5, 2)
    assert (sources["lr"], sources["epochs"], sources["batch"]) == ("members.first", "members.second", "train")
    assert "epochs: 2                         # members.second" in describe_recipe("mask", "second", path)


def test_what_a_member_says_of_a_task_beats_the_task_and_is_taken_over_by_one_that_is_like_it(tmp_path: Path) -> None:
    own = {"tasks": {"age": {"epochs": 3}}}
    members = {"first": own, "second": {"like": "first"}, "third": {"like": "first"} | {"tasks": {"age": {"lr": 0.5}}}}
    path = write_params(tmp_path, members=members, tasks={"age": {"epochs": 9, "lr": 0.1}})
    found = {(task, member): load_recipe(task, member, path) for task in ("age", "mask") for member in members}
    assert [found["age", member].epochs for member in members] == [3, 3, 3]
    assert [found["age", member].lr for member in members] == [0.1, 0.1, 0.5]
    assert found["mask", "third"] == load_recipe("mask", "first", write_params(tmp_path))


def test_a_joint_member_ignores_what_it_says_of_a_task(tmp_path: Path) -> None:
    path = write_params(tmp_path, members={"first": {"joint": True, "tasks": {"age": {"epochs": 3}}}})
    assert load_recipe("age", "first", path) == load_recipe("mask", "first", path)


def test_a_member_speaks_of_tasks_that_exist(tmp_path: Path) -> None:
    path = write_params(tmp_path, members={"first": {"tasks": {"aeg": {"epochs": 3}}}})
    with pytest.raises(ValueError, match="there is no section 'tasks.aeg'. Did you mean 'age'"):
        load_recipe("mask", "first", path)


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"second": {"like": "frist"}}, "there is no section 'members.frist'. Did you mean 'first'?"),
        ({"second": {"like": "first"}, "third": {"like": "second"}}, "members.third is like second, which is itself"),
    ],
)
def test_a_member_is_like_one_that_exists_and_stands_by_itself(tmp_path: Path, members: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        load_recipe("mask", list(members)[-1], write_params(tmp_path, members={"first": {}} | members))


def test_a_recipe_in_a_file_says_whose_it_is(tmp_path: Path) -> None:
    write_recipe(tmp_path / "a.json", "age", "wide", recipe(hidden=(8,), fill=(1, 2, 3)))
    assert read_recipe(tmp_path / "a.json") == ("age", "wide", recipe(hidden=(8,), fill=(1, 2, 3)))
