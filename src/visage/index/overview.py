"""Charts of how classes, numbers (such as ages), photo sizes and folds are spread."""

import itertools
from collections.abc import Iterator, Sequence

import matplotlib.pyplot as plt
import pandas as pd

from visage.charts import draw_bar_chart, draw_heatmap, draw_histogram
from visage.formats.tasks import Task

Chart = tuple[str, plt.Figure]  # file name without its ending, figure
SIZE_ROWS = 12  # photo sizes shown at most, the commonest first


def draw_overview(photos: pd.DataFrame, folds: pd.DataFrame, tasks: Sequence[Task]) -> Iterator[Chart]:
    """All charts of a data set, from photos.csv and folds.csv."""
    train = photos[photos["split"] == "train"].merge(folds, on="person")
    for task in tasks:
        yield draw_class_chart(train, task)
        yield draw_fold_chart(train, task)
        if task.bins:
            yield draw_number_chart(train.drop_duplicates("person"), task, find_grouping_task(train, tasks))
    for first, second in itertools.pairwise(tasks):
        yield draw_pair_chart(train, first, second)
    yield draw_size_chart(photos)


def draw_class_chart(train: pd.DataFrame, task: Task) -> Chart:
    counts = train[task.name].value_counts().reindex(list(task.classes), fill_value=0)
    title = f"Photos to train on, by {task.name}"
    return task.name, draw_bar_chart({"photos": counts}, title=title, unit="photos")


def draw_fold_chart(train: pd.DataFrame, task: Task) -> Chart:
    counts = train.groupby(["fold", task.name]).size().unstack(fill_value=0)
    counts = counts.reindex(columns=list(task.classes), fill_value=0)
    title = f"Photos in each fold, by {task.name}"
    return f"{task.name}_folds", draw_heatmap(counts, title=title, rows="fold", columns=task.name)


def find_grouping_task(train: pd.DataFrame, tasks: Sequence[Task]) -> Task | None:
    """The first task with listed classes whose class is the same on all photos of a person, such as gender."""
    listed = [task for task in tasks if not task.bins]
    return next((task for task in listed if (train.groupby("person")[task.name].nunique() == 1).all()), None)


def draw_number_chart(people: pd.DataFrame, task: Task, by: Task | None) -> Chart:
    values = pd.to_numeric(people[f"{task.name}_value"])
    groups = {name: values[people[by.name] == name] for name in by.classes} if by else {"people": values}
    title = f"{task.source.capitalize()} of the people to train on" + (f", by {by.name}" if by else "")
    return f"{task.name}_values", draw_histogram(groups, step=2, title=title, unit=task.source, count="people")


def draw_pair_chart(train: pd.DataFrame, first: Task, second: Task) -> Chart:
    counts = train.groupby([first.name, second.name]).size().unstack(fill_value=0)
    counts = counts.reindex(index=list(first.classes), columns=list(second.classes), fill_value=0)
    title = f"Photos to train on, {first.name} by {second.name}"
    return f"{first.name}_{second.name}", draw_heatmap(counts, title=title, rows=first.name, columns=second.name)


def draw_size_chart(photos: pd.DataFrame) -> Chart:
    sizes = photos["width"].astype(str) + "x" + photos["height"].astype(str)
    counts = pd.crosstab(sizes, photos["split"])
    commonest = counts.sum(axis=1).sort_values(ascending=False, kind="stable").index[:SIZE_ROWS]
    note = f" (the {SIZE_ROWS} commonest of {len(counts)})" if len(counts) > SIZE_ROWS else ""
    series = dict(counts.loc[commonest].items())
    return "sizes", draw_bar_chart(series, title=f"Photo sizes{note}", unit="photos", label="width x height in pixels")
