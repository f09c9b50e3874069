"""Blend the members' predictions, decide, and score the answers on people that no model was trained on."""

import json
from pathlib import Path

from visage.ensemble.answers import fitted_numbers, write_fitted
from visage.ensemble.decision_rule import EnsembleParams
from visage.ensemble.evaluation import evaluate, plot_tables
from visage.ensemble.fitting import answer_table, fit_ensemble
from visage.ensemble.member_predictions import RoundParams, build_examples, read_member_predictions
from visage.ensemble.people import average_people
from visage.formats.tables import read_folds, read_photos
from visage.formats.tasks import read_tasks
from visage.runtime.params import load
from visage.runtime.stage import run


def main(
    photos: Path,
    tasks: Path,
    folds: Path,
    first: Path,
    second: Path,
    answers: Path,
    fitted: Path,
    plots: Path,
    metrics: Path,
) -> None:
    params, rounds = load(EnsembleParams, "ensemble"), load(RoundParams, "rounds")
    examples = build_examples(read_photos(photos), read_folds(folds), read_tasks(tasks))
    predictions = read_member_predictions([first, second], examples, [*rounds.first, *rounds.second])
    if params.average_people:
        predictions = average_people(predictions, examples)
    result = fit_ensemble(predictions, examples, params)
    scores = evaluate(predictions, result, examples, params)
    answer_table(result, examples).to_csv(answers, index=False, float_format="%.6f")
    names = [task.name for task in examples.tasks]
    write_fitted(fitted, fitted_numbers(names, predictions[0].members, result.blends, result.rule))
    metrics.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    for name, rows in plot_tables(result, examples).items():
        (plots / name).parent.mkdir(parents=True, exist_ok=True)
        rows.to_csv(plots / f"{name}.csv", index=False, float_format="%.6f")
    for name, card in [*scores["tasks"].items(), ("joint", scores["joint"])]:
        print(f"{name:>8}  macro F1 {card['macro_f1']:.4f}  [{card['low']:.4f}, {card['high']:.4f}] 95% over people")
    for name, blend in scores["blend"].items() if len(rounds.first + rounds.second) > 1 else ():
        best = blend["best"]
        print(f"{name:>8}  best member: {best}, macro F1 {blend['members'][best]['macro_f1']:.4f} alone")


if __name__ == "__main__":
    run(main)
