"""Check the names and recipes of params.yaml, and write every member's recipe for every task."""

from pathlib import Path

from visage.ensemble.member_predictions import RoundParams
from visage.formats.labels import load_tasks
from visage.networks.recipe import resolve_recipe, write_recipe
from visage.runtime.files import replace_folder
from visage.runtime.params import check_name, load
from visage.runtime.stage import run


def main(recipes: Path) -> None:
    rounds, tasks = load(RoundParams, "rounds"), load_tasks()
    with replace_folder(recipes) as folder:
        for member in [*rounds.first, *rounds.second]:
            check_name(member, "params.yaml: a member of rounds")
            for task in tasks:
                recipe, _ = resolve_recipe(task.name, member)
                write_recipe(folder / f"{task.name}-{member}.json", task.name, member, recipe)


if __name__ == "__main__":
    run(main)
