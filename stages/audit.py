"""Rank the labels that the held-out models doubt; the rows can be pasted into labels.csv."""

from pathlib import Path

import pandas as pd

from visage.doubts import AuditParams, find_doubts
from visage.labels import read_tasks
from visage.params import load
from visage.stage import run


def main(photos: Path, tasks: Path, answers: Path, doubts: Path) -> None:
    params = load(AuditParams, "audit")
    table, said = (pd.read_csv(path, dtype={"person": str}, keep_default_na=False) for path in (photos, answers))
    found = find_doubts(table[table["split"] == "train"], said, read_tasks(tasks), params.share)
    found.to_csv(doubts, index=False)
    print(f"{found['source'].nunique()} doubts, of which {found[sure(found)]['source'].nunique()} are likely mistakes")


def sure(found: pd.DataFrame) -> pd.Series:
    return found["confidence"].astype(float) > 0.5


if __name__ == "__main__":
    run(main)
