"""For each part that a run cannot tell, the one command whose run can: mostly by a member that differs in it alone.

What a task overrides (`tasks.age`) beats what a member says, so where a task decides on the part, the new member says
what it does otherwise for that task (`members.<name>.tasks.age`).
"""

import json
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from visage.ensemble.ablation import MEMBERS, PEOPLE, VIEWS, Recipes

PLAIN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")  # needs no quotes on the command line of DVC


@dataclass(frozen=True)
class Switch:
    """A part that a key of the recipe turns on, and the names of members that do otherwise than the first member."""

    part: str
    key: str
    off: Any
    on: Any
    off_name: str
    on_name: str


SWITCHES = (
    Switch("background", "keep", "all", "person", "with_background", "no_background"),
    Switch("transplants", "transplants", False, True, "no_transplants", "with_transplants"),
)


@dataclass(frozen=True)
class RunSettings:
    """What params.yaml says: `rounds.first`, the sections `members` and `tasks`, and `transplant.method`."""

    first: Sequence[str]
    members: Mapping[str, Mapping[str, Any] | None]
    tasks: Mapping[str, Mapping[str, Any] | None]
    transplant_method: str


def list_commands(
    known_parts: Collection[str], recipes: Recipes, settings: RunSettings, *, people_named: bool
) -> dict[str, str]:
    """Part -> command, for the parts that are not among the known ones; a second member is told by another switch."""
    legal = [switch for switch in SWITCHES if all(switch.key in recipe for recipe in recipes.values())]
    commands = {switch.part: add_member(switch, recipes, settings) for switch in legal}
    commands |= {MEMBERS: commands[legal[0].part], VIEWS: exp_run("predict.tta=flip")}
    if people_named:
        commands[PEOPLE] = exp_run("ensemble.average_people=true")
    return {part: command for part, command in commands.items() if part not in known_parts}


def add_member(switch: Switch, recipes: Recipes, settings: RunSettings) -> str:
    """Learns one more member: the first one, but without the part, or with it where the first goes without."""
    reference = settings.first[0]
    own = {task: recipe for (task, member), recipe in recipes.items() if member == reference}
    turned_on = [task for task, recipe in own.items() if recipe[switch.key] != switch.off]
    value, name = (switch.off, switch.off_name) if turned_on else (switch.on, switch.on_name)
    while name in settings.members:
        name += "_2"
    member = override(switch.key, value, turned_on or list(own), own, settings)
    overrides = [
        f"rounds.first={to_hydra([*settings.first, name])}",
        f"+members.{name}={to_hydra(member)}",
    ]
    if switch.key == "transplants" and settings.transplant_method == "none":
        overrides.append("transplant.method=forehead")
    return exp_run(*overrides)


def override(
    key: str, value: Any, changed: Sequence[str], recipes: Mapping[str, Mapping[str, Any]], settings: RunSettings
) -> dict[str, Any]:
    """The section of a member that is as the first one (whose `recipes` by task are given), but for this key."""
    reference = settings.first[0]
    section = settings.members[reference] or {}
    base = section if "like" in section else {"like": reference}  # a member is like one that stands by itself
    parent = settings.members[section.get("like", reference)] or {}
    sections = [*settings.tasks.values(), *section.get("tasks", {}).values(), *parent.get("tasks", {}).values()]
    tasks_decide = len(changed) < len(recipes) or any(key in (own or {}) for own in sections)
    if recipes[changed[0]]["joint"] or not tasks_decide:
        return {**base, key: value}
    own_tasks = base.get("tasks", {})
    return {**base, "tasks": own_tasks | {task: (own_tasks.get(task) or {}) | {key: value} for task in changed}}


def exp_run(*overrides: str) -> str:
    return " ".join(["dvc exp run", *(f"-S {shlex.quote(text)}" for text in overrides)])


def to_hydra(value: Any) -> str:
    """A value as DVC's `-S` takes it."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}:{to_hydra(own)}" for name, own in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(to_hydra, value)) + "]"
    return value if isinstance(value, str) and PLAIN_TEXT.fullmatch(value) else json.dumps(value)
