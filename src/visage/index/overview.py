"""The photos at a glance: which charts show how classes, numbers, sizes and folds are spread."""

import itertools
from collections.abc import Iterator, Sequence

import matplotlib.pyplot as plt
import pandas as pd

from visage.charts import bar_chart, histogram_chart, table_chart
from visage.formats.tasks import Task

Chart = tuple[str, plt.Figure]


def draw_overview(photos: pd.DataFrame, folds: pd.DataFrame, tasks: Sequence[Task]) -> Iterator[Chart]:
    """File name and figure of every chart."""
    train = photos[photos["split"] == "train"].merge(folds, on="person")
    for task in tasks:
        yield from class_charts(train, task)
        if task.bins:
            yield number_chart(train.drop_duplicates("person"), task, find_grouping_task(train, tasks))
    for first, second in itertools.pairwise(tasks):
        yield pair_chart(train, first, second)
    yield size_chart(photos)


def class_charts(train: pd.DataFrame, task: Task) -> Iterator[Chart]:
    classes = list(task.classes)
    counts = train[task.name].value_counts().reindex(classes, fill_value=0)
    yield task.name, bar_chart({"photos": counts}, title=f"Photos to train on, by {task.name}", unit="photos")
    table = train.groupby(["fold", task.name]).size().unstack(fill_value=0).reindex(columns=classes, fill_value=0)
    yield (
        f"{task.name}_folds",
        table_chart(table, title=f"Photos in each fold, by {task.name}", rows="fold", columns=task.name),
    )


def find_grouping_task(train: pd.DataFrame, tasks: Sequence[Task]) -> Task | None:
    """A task with listed classes that says the same of all photos of a person, such as gender."""
    listed = [task for task in tasks if not task.bins]
    return next((task for task in listed if (train.groupby("person")[task.name].nunique() == 1).all()), None)


def number_chart(people: pd.DataFrame, task: Task, by: Task | None) -> Chart:
    values = pd.to_numeric(people[f"{task.name}_value"])
    groups = {name: values[people[by.name] == name] for name in by.classes} if by else {"people": values}
    title = f"{task.source.capitalize()} of the people to train on" + (f", by {by.name}" if by else "")
    return f"{task.name}_values", histogram_chart(groups, step=2, title=title, unit=task.source, count="people")


def pair_chart(train: pd.DataFrame, first: Task, second: Task) -> Chart:
    table = train.groupby([first.name, second.name]).size().unstack(fill_value=0)
    table = table.reindex(index=list(first.classes), columns=list(second.classes), fill_value=0)
    title = f"Photos to train on, {first.name} by {second.name}"
    return f"{first.name}_{second.name}", table_chart(table, title=title, rows=first.name, columns=second.name)


def size_chart(photos: pd.DataFrame, top: int = 12) -> Chart:
    sizes = photos["width"].astype(str) + "x" + photos["height"].astype(str)
    table = pd.crosstab(sizes, photos["split"])
    table = table.loc[table.sum(axis=1).sort_values(ascending=False, kind="stable").index[:top]]
    title = "Photo sizes" if sizes.nunique() <= top else f"Photo sizes (the {top} commonest of {sizes.nunique()})"
    return "sizes", bar_chart(dict(table.items()), title=title, unit="photos", label="width x height in pixels")
