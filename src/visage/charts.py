"""The look of all charts: a title that says what is shown, units on the axes, counts on the bars."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

matplotlib.use("Agg")
import matplotlib.pyplot as plt

INK = "#22303c"
COLOURS = ["#3b6fb6", "#e08a3c", "#4f9d69", "#b65a8a", "#8a6fb6", "#7a7a7a"]
STYLE = {
    "figure.dpi": 130,
    "font.size": 9,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
}


def save_chart(figure: plt.Figure, path: Path) -> None:
    """Write a PNG; the same figure gives the same bytes."""
    figure.savefig(path, bbox_inches="tight", metadata={"Software": None})  # the default names matplotlib's version
    plt.close(figure)


def draw_bar_chart(groups: Mapping[str, pd.Series], *, title: str, unit: str, label: str = "") -> plt.Figure:
    """One group of bars per index value, one bar per series, the count on each."""
    with plt.rc_context(STYLE):
        table = pd.DataFrame(groups).fillna(0)
        figure, axes = plt.subplots(figsize=(max(4.5, 0.55 * table.size + 1.5), 3.4))
        width, centres = 0.8 / len(table.columns), np.arange(len(table))
        for i, name in enumerate(table):
            offset = (i - (len(table.columns) - 1) / 2) * width
            bars = axes.bar(centres + offset, table[name], width * 0.92, color=COLOURS[i % len(COLOURS)], label=name)
            axes.bar_label(bars, labels=[f"{value:,.0f}" for value in table[name]], fontsize=7, padding=2)
        axes.set_xticks(centres, [str(name) for name in table.index], rotation=30 if len(table) > 8 else 0, ha="center")
        axes.set(title=title, ylabel=unit, xlabel=label)
        axes.margins(y=0.12)
        if len(table.columns) > 1:
            axes.legend(frameon=False, ncols=len(table.columns), loc="upper left", bbox_to_anchor=(0, -0.16))
        return figure


def draw_histogram(
    groups: Mapping[str, Sequence[float]], *, step: float, title: str, unit: str, count: str
) -> plt.Figure:
    """Stacked histogram of numbers such as ages, in bins of width `step`."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7, 3.4))
        numbers = np.concatenate([np.asarray(group, float) for group in groups.values()])
        edges = np.arange(np.floor(numbers.min() / step) * step, numbers.max() + 2 * step, step)
        colours = COLOURS[: len(groups)]
        axes.hist(list(groups.values()), edges, stacked=True, color=colours, label=list(groups), rwidth=0.9)
        totals, _ = np.histogram(numbers, edges)
        for left, total in zip(edges, totals, strict=False):
            if total:
                axes.annotate(f"{total:,}", (left + step / 2, total), ha="center", va="bottom", fontsize=7)
        axes.set(title=title, xlabel=unit, ylabel=count)
        axes.margins(y=0.1)
        if len(groups) > 1:
            axes.legend(frameon=False)
        return figure


def draw_heatmap(table: pd.DataFrame, *, title: str, rows: str, columns: str) -> plt.Figure:
    """A table of counts as shaded cells with the number in each; `rows` and `columns` label the axes."""
    with plt.rc_context(STYLE):
        counts = table.to_numpy(float)
        height, width = counts.shape
        figure, axes = plt.subplots(figsize=(1.8 + 0.75 * width, 1.2 + 0.42 * height))
        axes.imshow(counts, cmap="Blues", aspect="auto", vmin=0)
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if count > 0.6 * counts.max() else INK  # readable on dark cells
            axes.annotate(f"{count:,.0f}", (column, row), ha="center", va="center", fontsize=8, color=colour)
        axes.set_xticks(range(width), table.columns, rotation=30 if width > 6 else 0)
        axes.set_yticks(range(height), table.index)
        axes.set(title=title, xlabel=columns, ylabel=rows)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        return figure
