"""Draw how classes, numbers (such as ages), photo sizes and folds are spread."""

from pathlib import Path

from visage.charts import save_chart
from visage.formats.tables import read_folds, read_photos
from visage.formats.tasks import read_tasks
from visage.index.overview import draw_overview
from visage.runtime.stage import run


def main(photos: Path, tasks: Path, folds: Path, charts: Path) -> None:
    charts.mkdir(parents=True, exist_ok=True)
    for name, figure in draw_overview(read_photos(photos), read_folds(folds), read_tasks(tasks)):
        save_chart(figure, charts / f"{name}.png")


if __name__ == "__main__":
    run(main)
