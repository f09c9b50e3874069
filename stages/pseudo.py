"""Pick the eval photos that the first round is sure of, for a second round to learn from."""

from pathlib import Path

import pandas as pd

from visage.answers import EnsembleParams
from visage.ballots import RoundParams, list_cases, read_ballots
from visage.labels import read_tasks
from visage.params import load
from visage.pseudo_labels import PseudoParams, choose
from visage.stage import run


def main(photos: Path, tasks: Path, folds: Path, predictions: Path, pseudo: Path) -> None:
    ensemble, params = load(EnsembleParams, "ensemble"), load(PseudoParams, "pseudo")
    table = pd.read_csv(photos, dtype=str, keep_default_na=False)
    cases = list_cases(table, pd.read_csv(folds, dtype={"person": str}), read_tasks(tasks))
    chosen = choose(read_ballots([predictions], cases, load(RoundParams, "rounds").first), cases, params, ensemble)
    pseudo.parent.mkdir(parents=True, exist_ok=True)
    chosen.to_csv(pseudo, index=False)
    for task in cases.tasks:
        counts = chosen[task.name][chosen[task.name] != ""].value_counts() / len(set(cases.folds))
        print(f"{task.name}: " + ", ".join(f"{name} {counts.get(name, 0):.0f}" for name in task.classes) + " a fold")


if __name__ == "__main__":
    run(main)
