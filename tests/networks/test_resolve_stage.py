"""The stage that checks params.yaml before anything is trained."""

import json
import runpy
from pathlib import Path

import pytest
import yaml

from tests.conftest import PROJECT

PARAMS = yaml.safe_load((PROJECT / "params.yaml").read_text())


def resolve(**changes: object) -> Path:
    """The folder of recipes that the project's params, with some sections changed, give."""
    Path("params.yaml").write_text(yaml.safe_dump(PARAMS | changes, sort_keys=False))
    runpy.run_path(str(PROJECT / "stages/resolve.py"))["main"](Path("recipes"))
    return Path("recipes")


def test_every_member_of_both_rounds_has_a_recipe_for_every_task(project):
    folder = resolve(rounds={"first": ["plain"], "second": ["wide"]})
    expected = {f"{task}-{member}.json" for task in ("mask", "gender", "age") for member in ("plain", "wide")}
    assert {path.name for path in folder.iterdir()} == expected
    assert json.loads((folder / "age-plain.json").read_text())["recipe"]["head"] == "distribution"


@pytest.mark.parametrize("name", ["a;touch HACKED;true", "../../x", "a b", ""])
def test_a_member_whose_name_could_run_a_command_or_leave_the_folder_is_refused(project, name):
    with pytest.raises(ValueError, match="a name is small letters"):
        resolve(rounds={"first": [name], "second": []}, members={name: {}})
    assert not Path("recipes").exists() and not Path("HACKED").exists()


def test_a_wrong_recipe_leaves_no_recipes(project):
    with pytest.raises(ValueError, match=r"epochs is 0, and should be above 0"):
        resolve(members={"plain": {"epochs": 0}})
    assert not Path("recipes").exists()
