"""The commands that fill the table of what each part is worth do so: DVC takes them, and one key differs."""

import shlex
from pathlib import Path

import pytest
import yaml

from tests.conftest import PROJECT
from visage.ensemble.ablation import MEMBERS, PEOPLE, VIEWS
from visage.ensemble.ablation_commands import RunSettings, list_commands, to_hydra
from visage.formats.labels import load_tasks
from visage.networks.recipe import TrainParams, resolve_recipe


def read_settings(path: Path) -> RunSettings:
    tree = yaml.safe_load(path.read_text())
    return RunSettings(tree["rounds"]["first"], tree["members"], tree["tasks"], tree["transplant"]["method"])


def read_recipes(path: Path) -> dict:
    """The merged recipes of all members of the first round, as stage `ablate` has them."""
    tasks, members = [task.name for task in load_tasks(path)], read_settings(path).first
    keys = [(task, member) for member in members for task in tasks]
    return {key: resolve_recipe(*key, path)[0].model_dump(mode="json") for key in keys}


def change_params(path: Path, *overrides: str) -> None:
    """What `dvc exp run -S` does to params.yaml."""
    from dvc.utils.hydra import apply_overrides

    apply_overrides(path, list(overrides))


def find_overrides(command: str) -> list[str]:
    words = shlex.split(command)
    assert words[:3] == ["dvc", "exp", "run"] and set(words[3::2]) == {"-S"}
    return words[4::2]


@pytest.fixture
def params(tmp_path: Path) -> Path:
    """The project's own, learnt by `plain` alone."""
    path = tmp_path / "params.yaml"
    path.write_text((PROJECT / "params.yaml").read_text())
    change_params(path, "rounds.first=[plain]")
    return path


def fill(path: Path, part: str) -> tuple[dict, str, str]:
    """Run the command of a part on params.yaml: the recipes after it, the first member and the new one."""
    before = read_settings(path)
    command = list_commands((), read_recipes(path), before, people_named=False)[part]
    change_params(path, *find_overrides(command))
    after = read_settings(path)
    assert after.first[:-1] == before.first and list(after.members)[:-1] == list(before.members)
    return read_recipes(path), after.first[0], after.first[-1]


def differences(recipes: dict, a: str, b: str) -> dict[str, set[str]]:
    tasks = {task for task, _ in recipes}
    return {task: {k for k in recipes[task, a] if recipes[task, a][k] != recipes[task, b][k]} for task in tasks}


CHANGES = {
    "as it comes": (),
    "without background already": ("train.keep=person",),
    "one task without background": ("+tasks.age.keep=person",),
    "a task that keeps it whatever the member": ("+tasks.mask.keep=all",),
    "a member of its own": ("+members.plain.lr=0.002",),
    "a member that is like another": ("rounds.first=[gentle]",),
    "a joint member": ("rounds.first=[photos]",),
    "a member like another that speaks of a task": (
        "+members.own={like:plain,fill:[1,2,3],tasks:{age:{keep:person,epochs:3}}}",
        "rounds.first=[own]",
    ),
    "the name is taken": ("+members.no_background={lr:0.1}", "+members.with_background={lr:0.1}"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_command_for_the_background_adds_a_member_that_differs_in_it_alone(params, name):
    change_params(params, *CHANGES[name])
    recipes, first, new = fill(params, "background")
    found = differences(recipes, first, new)
    assert set().union(*found.values()) == {"keep"}
    if name != "one task without background" and "speaks of a task" not in name:
        assert all(found.values())
    values = {recipes[task, new]["keep"] for task in found if found[task]}
    assert values in ({"all"}, {"person"})


@pytest.mark.skipif("transplants" not in TrainParams.model_fields, reason="the recipe has no key `transplants` yet")
@pytest.mark.parametrize("changes", [(), ("transplant.method=none",), ("transplant.method=forehead",)])
def test_the_command_for_transplants_adds_a_member_that_differs_in_them_alone(params, changes):
    change_params(params, *changes)
    recipes, first, new = fill(params, "transplants")
    assert set().union(*differences(recipes, first, new).values()) == {"transplants"}
    assert read_settings(params).transplant_method != "none"


def test_transplants_that_a_task_decides_on_are_turned_off_for_that_task():
    """With recipes as they would be merged: `tasks.age.transplants` beats what a member says."""
    plain = {"keep": "all", "joint": False}
    recipes = {("mask", "plain"): plain | {"transplants": False}, ("age", "plain"): plain | {"transplants": True}}
    settings = RunSettings(["plain"], {"plain": {}}, {"mask": {}, "age": {"transplants": True}}, "forehead")
    command = list_commands((), recipes, settings, people_named=False)["transplants"]
    assert find_overrides(command) == [
        "rounds.first=[plain,no_transplants]",
        "+members.no_transplants={like:plain,tasks:{age:{transplants:false}}}",
    ]


def test_transplants_that_are_not_made_are_made():
    recipes = {("age", "plain"): {"keep": "all", "transplants": False, "joint": False}}
    settings = RunSettings(["plain"], {"plain": {}}, {"age": {}}, "none")
    assert find_overrides(list_commands((), recipes, settings, people_named=False)["transplants"]) == [
        "rounds.first=[plain,with_transplants]",
        "+members.with_transplants={like:plain,transplants:true}",
        "transplant.method=forehead",
    ]


def test_a_part_that_the_run_tells_has_no_command(params):
    recipes, settings = read_recipes(params), read_settings(params)
    commands = list_commands({"background", "transplants", MEMBERS}, recipes, settings, people_named=True)
    assert list(commands) == [VIEWS, PEOPLE]
    change_params(params, *(override for part in (VIEWS, PEOPLE) for override in find_overrides(commands[part])))
    tree = yaml.safe_load(params.read_text())
    assert tree["predict"]["tta"] == "flip" and tree["ensemble"]["average_people"] is True


@pytest.mark.parametrize("value", [
    "text", "models/a b.pth", "1", 0.0001, 3, True, None, [1, 2.5], {"a": {"b": "c"}}, 'a "quoted" one', "imagenet",
])  # fmt: skip
def test_a_value_survives_the_command_line(tmp_path, value):
    path = tmp_path / "params.yaml"
    path.write_text("a: 1\n")
    [override] = find_overrides(f"dvc exp run -S {shlex.quote(f'+own={to_hydra(value)}')}")
    change_params(path, override)
    assert yaml.safe_load(path.read_text())["own"] == value
