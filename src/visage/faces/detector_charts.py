"""The chart of compare_detectors: what each detector finds of small, middling and large faces, and how fast."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np

from visage.charts import COLOURS, STYLE

SIZES = ("<16", "16-32", ">=32")


def draw_detector_chart(table: Mapping[str, dict], *, iou: str = "iou 0.5") -> plt.Figure:
    """Average precision by size of face, one bar per detector."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7.5, 3.6))
        width, places = 0.8 / len(table), np.arange(len(SIZES))
        for i, (name, judged) in enumerate(table.items()):
            heights = [judged[iou][size]["ap"] for size in SIZES]
            label = f"{name}, {judged['photos_per_second']:.0f} photos/s"
            drawn = axes.bar(
                places + (i - (len(table) - 1) / 2) * width,
                heights,
                width * 0.92,
                color=COLOURS[i % len(COLOURS)],
                label=label,
            )
            axes.bar_label(drawn, fmt="%.2f", fontsize=7, padding=2)
        counts = [next(iter(table.values()))[iou][size]["faces"] for size in SIZES]
        axes.set_xticks(places, [f"{size} px\n{count:,} faces" for size, count in zip(SIZES, counts, strict=True)])
        axes.set(
            title=f"Faces found, by their size ({iou.replace('iou', 'IoU')})",
            ylabel="average precision",
            ylim=(0, 1.05),
        )
        axes.legend(frameon=False, ncols=2, loc="upper left", bbox_to_anchor=(0, -0.16))
        return figure
