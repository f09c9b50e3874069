"""Compare the answers with and without each part, on held-out people; for what this run cannot tell, name a command."""

from pathlib import Path

from visage.ensemble.ablation import compare_parts, complete_recipe, tabulate_parts
from visage.ensemble.ablation_commands import RunSettings, list_commands
from visage.ensemble.decision_rule import EnsembleParams
from visage.ensemble.member_predictions import RoundParams, build_examples, read_member_predictions
from visage.ensemble.people import names_people
from visage.formats.predictions import FIRST_VIEW, MEAN_VIEW
from visage.formats.tables import read_folds, read_photos
from visage.formats.tasks import read_tasks
from visage.networks.recipe import read_recipe
from visage.runtime.params import find_section, load, read_params
from visage.runtime.stage import run


def main(photos: Path, tasks: Path, folds: Path, recipes: Path, first: Path, second: Path, ablation: Path) -> None:
    params, rounds, tree = load(EnsembleParams, "ensemble"), load(RoundParams, "rounds"), read_params()
    method, members = find_section(tree, "transplant")["method"], [*rounds.first, *rounds.second]
    examples = build_examples(read_photos(photos), read_folds(folds), read_tasks(tasks))
    views = [read_member_predictions([first, second], examples, members, view) for view in (MEAN_VIEW, FIRST_VIEW)]
    keys = [(task.name, member) for member in members for task in examples.tasks]
    plain = {key: read_recipe(recipes / f"{'-'.join(key)}.json")[2].model_dump(mode="json") for key in keys}
    complete = {
        key: complete_recipe(recipe, pseudo_labels=key[1] in rounds.second, transplants=method != "none")
        for key, recipe in plain.items()
    }
    comparisons = list(compare_parts(*views, complete, examples, params))
    settings = RunSettings(rounds.first, find_section(tree, "members"), find_section(tree, "tasks"), method)
    known = {comparison.part for comparison in comparisons}
    commands = list_commands(known, plain, settings, people_named=names_people(examples))
    table = tabulate_parts(comparisons, commands, examples, params)
    table.to_csv(ablation, index=False, float_format="%.6f")
    for row in table[table["task"] == "joint"].itertuples():
        print(f"{row.part:>20}  {row.difference:+.4f}  [{row.low:+.4f}, {row.high:+.4f}] joint, 95% over people")


if __name__ == "__main__":
    run(main)
