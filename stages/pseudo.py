"""Label the test photos that the first round is sure of, for a second round to train on."""

from pathlib import Path

from visage.ensemble.decision_rule import EnsembleParams
from visage.ensemble.member_predictions import RoundParams, build_examples, read_member_predictions
from visage.ensemble.people import average_people
from visage.ensemble.pseudo_labels import PseudoParams, choose_pseudo_labels
from visage.formats.tables import read_folds, read_photos
from visage.formats.tasks import read_tasks
from visage.runtime.params import load
from visage.runtime.stage import run


def main(photos: Path, tasks: Path, folds: Path, predictions: Path, pseudo: Path) -> None:
    ensemble, params = load(EnsembleParams, "ensemble"), load(PseudoParams, "pseudo")
    examples = build_examples(read_photos(photos), read_folds(folds), read_tasks(tasks))
    predictions = read_member_predictions([predictions], examples, load(RoundParams, "rounds").first)
    if ensemble.average_people:
        predictions = average_people(predictions, examples)
    chosen = choose_pseudo_labels(predictions, examples, params, ensemble)
    pseudo.parent.mkdir(parents=True, exist_ok=True)
    chosen.to_csv(pseudo, index=False)
    for task in examples.tasks:
        counts = chosen[task.name][chosen[task.name] != ""].value_counts() / len(set(examples.folds))
        print(f"{task.name}: " + ", ".join(f"{name} {counts.get(name, 0):.0f}" for name in task.classes) + " a fold")


if __name__ == "__main__":
    run(main)
