"""The chart of compare_detectors: average precision on small, middling and large faces, and photos a second."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np

from visage.charts import COLOURS, STYLE
from visage.faces.matching import SIZES


def draw_detector_chart(table: Mapping[str, dict], *, iou: str = "iou 0.5") -> plt.Figure:
    """Average precision by size of face, one bar per detector."""
    sizes = [size for size in SIZES if size != "all"]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7.5, 3.6))
        width, places = 0.8 / len(table), np.arange(len(sizes))
        for number, (name, scores) in enumerate(table.items()):
            bars = axes.bar(
                places + (number - (len(table) - 1) / 2) * width,
                [scores[iou][size]["ap"] for size in sizes],
                width * 0.92,
                color=COLOURS[number % len(COLOURS)],
                label=f"{name}, {scores['photos_per_second']:.0f} photos/s",
            )
            axes.bar_label(bars, fmt="%.2f", fontsize=7, padding=2)
        counts = [next(iter(table.values()))[iou][size]["faces"] for size in sizes]
        axes.set_xticks(places, [f"{size} px\n{count:,} faces" for size, count in zip(sizes, counts, strict=True)])
        axes.set(
            title=f"Faces found, by their size ({iou.replace('iou', 'IoU')})",
            ylabel="average precision",
            ylim=(0, 1.05),
        )
        axes.legend(frameon=False, ncols=2, loc="upper left", bbox_to_anchor=(0, -0.16))
        return figure
