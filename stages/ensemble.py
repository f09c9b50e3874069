"""Blend what the members say, decide, and score the decisions on people that nobody had seen."""

import json
from pathlib import Path

import pandas as pd

from visage.answers import EnsembleParams, answer_table, judge
from visage.ballots import RoundParams, list_cases, read_ballots
from visage.findings import plot_tables, score
from visage.labels import read_tasks
from visage.params import load
from visage.stage import run


def main(
    photos: Path, tasks: Path, folds: Path, first: Path, second: Path, answers: Path, plots: Path, metrics: Path
) -> None:
    params, rounds = load(EnsembleParams, "ensemble"), load(RoundParams, "rounds")
    table = pd.read_csv(photos, dtype=str, keep_default_na=False)
    cases = list_cases(table, pd.read_csv(folds, dtype={"person": str}), read_tasks(tasks))
    ballots = read_ballots([first, second], cases, [*rounds.first, *rounds.second])
    verdict = judge(ballots, cases, params)
    scores = score(ballots, verdict, cases, params)
    answer_table(verdict, cases).to_csv(answers, index=False, float_format="%.6f")
    metrics.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    for name, rows in plot_tables(verdict, cases).items():
        (plots / name).parent.mkdir(parents=True, exist_ok=True)
        rows.to_csv(plots / f"{name}.csv", index=False, float_format="%.6f")
    for name, card in [*scores["tasks"].items(), ("joint", scores["joint"])]:
        print(f"{name:>8}  macro F1 {card['macro_f1']:.4f}  [{card['low']:.4f}, {card['high']:.4f}] by other people")
    for name, blend in scores["blend"].items() if len(rounds.first + rounds.second) > 1 else ():
        best = blend["best"]
        print(f"{name:>8}  best member: {best}, macro F1 {blend['members'][best]['macro_f1']:.4f} alone")


if __name__ == "__main__":
    run(main)
