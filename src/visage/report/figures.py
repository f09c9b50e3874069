"""What a figure of the page shows: the points of learning curves, the cells of heat tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class CurveChart:
    """Macro F1 by epoch, in the units of an SVG chart; its text is readable from 240 pixels of width on."""

    title: str
    lines: list[tuple[str, list[tuple[float, float]]]]  # CSS classes, points
    f1_ticks: list[tuple[float, float]]  # y, macro F1
    epoch_ticks: list[tuple[float, int]]  # x, epoch
    width: ClassVar[int] = 320
    height: ClassVar[int] = 190
    left: ClassVar[int] = 34  # margins
    right: ClassVar[int] = 10
    top: ClassVar[int] = 8
    bottom: ClassVar[int] = 24


def draw_curves(rows: pd.DataFrame, title: str) -> CurveChart:
    """A thin line per fold and a bold one for their mean, one colour per split."""
    last = max(int(rows["epoch"].max()), 2)
    floor = np.floor(min(rows["macro_f1"].min(), 0.9) * 10) / 10

    def x(epoch: float) -> float:
        return CurveChart.left + (epoch - 1) / (last - 1) * (CurveChart.width - CurveChart.left - CurveChart.right)

    def y(macro_f1: float) -> float:
        return CurveChart.top + (1 - macro_f1) / (1 - floor) * (CurveChart.height - CurveChart.top - CurveChart.bottom)

    lines = []
    for split, own in rows.groupby("split", sort=True):
        folds = [(f"thin {split}", fold) for _, fold in own.groupby("fold")]
        mean = own.groupby("epoch", as_index=False)["macro_f1"].mean()
        for style, line in [*folds, (f"bold {split}", mean)]:
            line = line.sort_values("epoch")
            lines.append((style, list(zip(x(line["epoch"]), y(line["macro_f1"]), strict=True))))
    f1_ticks = [(y(value), value) for value in np.linspace(floor, 1, 3)]
    epoch_ticks = [(x(epoch), epoch) for epoch in sorted({1, (1 + last) // 2, last})]
    return CurveChart(title, lines, f1_ticks, epoch_ticks)


@dataclass(frozen=True)
class HeatTable:
    """Values from 0 to 1; a row holds one for each column, or None."""

    columns: list[str]
    rows: dict[str, list[float | None]]


def build_heat_table(rows: Mapping[str, Mapping[str, float]]) -> HeatTable:
    columns = list(dict.fromkeys(column for values in rows.values() for column in values))
    return HeatTable(columns, {name: [values.get(column) for column in columns] for name, values in rows.items()})


@dataclass(frozen=True)
class Confusion:
    """Rows are true classes: a class, and for each answer in the order of `classes` its count and share of the row."""

    classes: list[str]
    rows: list[tuple[str, list[tuple[str, int, float]]]]


def build_confusion(table: pd.DataFrame, classes: list[str]) -> Confusion:
    """From rows of actual, predicted and the number of photos."""
    counts = table.astype({"photos": int}).pivot(index="actual", columns="predicted", values="photos")
    counts = counts.reindex(index=classes, columns=classes, fill_value=0)
    rows = []
    for label, row in zip(classes, counts.to_numpy().tolist(), strict=True):
        total = max(sum(row), 1)
        rows.append((label, [(answer, count, count / total) for answer, count in zip(classes, row, strict=True)]))
    return Confusion(classes, rows)
