"""Learning curves as files that plots are drawn from while training runs, in the layout of DVCLive."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from visage.runtime.files import replace_file

METRICS = ("loss", "macro_f1")


def write_curves(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """`plots/metrics/<split>/<metric>.tsv`: the mean over the folds that have reached an epoch (the step)."""
    table = pd.DataFrame(rows)
    for split, part in table.groupby("split"):
        means = part.groupby("epoch")[list(METRICS)].mean()
        for metric in METRICS:
            column = means[[metric]].rename_axis("step")
            with replace_file(folder / f"plots/metrics/{split}/{metric}.tsv") as file:
                column.to_csv(file, sep="\t", float_format="%.5g")
