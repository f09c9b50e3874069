"""Draw how classes, numbers (such as ages), photo sizes and folds are spread."""

from pathlib import Path

import pandas as pd

from visage.charts import save
from visage.labels import read_tasks
from visage.overview import overview
from visage.stage import run


def main(photos: Path, tasks: Path, folds: Path, charts: Path) -> None:
    table = pd.read_csv(photos, dtype={"person": str}, keep_default_na=False)
    people = pd.read_csv(folds, dtype={"person": str})
    charts.mkdir(parents=True, exist_ok=True)
    for name, figure in overview(table, people, read_tasks(tasks)):
        save(figure, charts / f"{name}.png")


if __name__ == "__main__":
    run(main)
