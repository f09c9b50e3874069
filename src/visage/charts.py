"""Charts a person can read: a title that says what is seen, units on the axes, counts on the bars."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

matplotlib.use("Agg")
import matplotlib.pyplot as plt

INK, PALE = "#22303c", "#c9d3dc"
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
    """Write a PNG whose bytes depend on what is drawn only."""
    figure.savefig(path, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)


def bar_chart(groups: Mapping[str, pd.Series], *, title: str, unit: str, label: str = "") -> plt.Figure:
    """One group of bars per index value, one bar per series, the count on each."""
    with plt.rc_context(STYLE):
        table = pd.DataFrame(groups).fillna(0)
        figure, axes = plt.subplots(figsize=(max(4.5, 0.55 * table.size + 1.5), 3.4))
        width, places = 0.8 / len(table.columns), np.arange(len(table))
        for i, name in enumerate(table):
            at = places + (i - (len(table.columns) - 1) / 2) * width
            drawn = axes.bar(at, table[name], width * 0.92, color=COLOURS[i % len(COLOURS)], label=name)
            axes.bar_label(drawn, labels=[f"{value:,.0f}" for value in table[name]], fontsize=7, padding=2)
        axes.set_xticks(places, [str(name) for name in table.index], rotation=30 if len(table) > 8 else 0, ha="center")
        axes.set(title=title, ylabel=unit, xlabel=label)
        axes.margins(y=0.12)
        if len(table.columns) > 1:
            axes.legend(frameon=False, ncols=len(table.columns), loc="upper left", bbox_to_anchor=(0, -0.16))
        return figure


def histogram_chart(
    values: Mapping[str, Sequence[float]], *, step: float, title: str, unit: str, count: str
) -> plt.Figure:
    """Stacked histogram over numbers such as ages, in steps of equal width."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7, 3.4))
        everything = np.concatenate([np.asarray(one, float) for one in values.values()])
        edges = np.arange(np.floor(everything.min() / step) * step, everything.max() + 2 * step, step)
        axes.hist(
            list(values.values()), edges, stacked=True, color=COLOURS[: len(values)], label=list(values), rwidth=0.9
        )
        totals, _ = np.histogram(everything, edges)
        for left, total in zip(edges, totals, strict=False):
            if total:
                axes.annotate(f"{total:,}", (left + step / 2, total), ha="center", va="bottom", fontsize=7)
        axes.set(title=title, xlabel=unit, ylabel=count)
        axes.margins(y=0.1)
        if len(values) > 1:
            axes.legend(frameon=False)
        return figure


def table_chart(table: pd.DataFrame, *, title: str, rows: str, columns: str, form: str = ",.0f") -> plt.Figure:
    """A table as shaded cells with the number in each."""
    with plt.rc_context(STYLE):
        height, width = table.shape
        figure, axes = plt.subplots(figsize=(1.8 + 0.75 * width, 1.2 + 0.42 * height))
        axes.imshow(table.to_numpy(float), cmap="Blues", aspect="auto", vmin=0)
        middle = table.to_numpy(float).max() * 0.6
        for (i, j), value in np.ndenumerate(table.to_numpy(float)):
            axes.annotate(
                format(value, form),
                (j, i),
                ha="center",
                va="center",
                fontsize=8,
                color="white" if value > middle else INK,
            )
        axes.set_xticks(range(width), table.columns, rotation=30 if width > 6 else 0)
        axes.set_yticks(range(height), table.index)
        axes.set(title=title, xlabel=columns, ylabel=rows)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        return figure
