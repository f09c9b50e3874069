"""Who may learn from which pictures: the rows, labels and digests of every fold."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from visage.formats.tasks import Task, class_codes
from visage.networks.images import ImageArray
from visage.networks.pretrained import weights_digest
from visage.networks.recipe import TrainParams

ANY_FOLD = -1  # in place of a fold: what lies in none (`fold`), what any may learn from (`only`)


@dataclass(frozen=True)
class FoldDataset:
    """All that may be learnt from. A row is a label for a picture: photo, picture (its place in the images), person,
    donor (of a transplant, else ''), fold, only (the one fold that may learn from it, or EVERY), and per task its
    class code (-1: unknown) and `<task>_value` (NaN: unknown)."""

    images: ImageArray
    rows: pd.DataFrame
    tasks: tuple[Task, ...]
    features: dict[str, Tensor] = field(default_factory=dict)  # what a frozen backbone, the same in all folds, has seen

    @property
    def folds(self) -> list[int]:
        return sorted(set(self.rows["fold"]) - {ANY_FOLD})

    def train_rows(self, fold: int) -> np.ndarray:
        """Rows that the fold's network may learn from: of people, and of transplants from people, of other folds."""
        return np.flatnonzero((self.rows["fold"] != fold) & self.rows["only_fold"].isin([ANY_FOLD, fold]))

    def held_out_rows(self, fold: int) -> np.ndarray:
        """Rows of true photos of the people that it must not know."""
        return np.flatnonzero((self.rows["fold"] == fold) & (self.rows["donor"] == ""))


def build_dataset(
    photos: pd.DataFrame,
    folds: pd.DataFrame,
    tasks: Sequence[Task],
    crops: ImageArray,
    made: ImageArray | None = None,
    pseudo: pd.DataFrame | None = None,
) -> FoldDataset:
    """Training people, transplants and pseudo-labelled eval photos, in folds; the photo's key is what joins them."""
    true = photos[photos["split"] == "train"].merge(folds, on="person", how="left", validate="many_to_one")
    if len(lost := true.loc[true["fold"].isna(), "person"].unique()):
        raise ValueError(f"{len(lost)} people are in no fold ({', '.join(lost[:3])} ...); run `dvc repro split`.")
    parts = [true.assign(donor="", only_fold=ANY_FOLD)]
    if made is not None and len(made.rows):
        grown = made.rows.rename(columns={"receiver_person": "person", "donor_person": "donor"})
        parts.append(grown.assign(only_fold=ANY_FOLD))
        crops = ImageArray(
            np.concatenate([crops.pixels, made.pixels]),
            np.concatenate([crops.digests, made.digests]),
            pd.concat([crops.rows[["photo"]], made.rows[["photo"]]], ignore_index=True),
        )
    if pseudo is not None and len(pseudo):
        parts.append(pseudo.assign(person=pseudo["photo"], donor="", only_fold=pseudo["fold"], fold=ANY_FOLD))
    places = pd.Series(range(len(crops.rows)), crops.rows["photo"], name="picture")
    assert places.index.is_unique, "a photo is in the images twice"
    rows = pd.concat([label_rows(part, tasks) for part in parts]).merge(places, on="photo", how="inner")
    return FoldDataset(crops, rows.sort_values(["picture", "only_fold"], ignore_index=True), tuple(tasks))


def label_rows(rows: pd.DataFrame, tasks: Sequence[Task]) -> pd.DataFrame:
    kept = rows[["photo", "person", "donor"]].assign(
        fold=rows["fold"].astype(int), only_fold=rows["only_fold"].astype(int)
    )
    for task in tasks:
        value = f"{task.name}_value"
        kept[task.name] = class_codes(rows[task.name], task)
        kept[value] = pd.to_numeric(rows[value], errors="coerce").astype(float) if value in rows else np.nan
    return kept


def fold_inputs(dataset: FoldDataset, fold: int, recipe: TrainParams) -> list[Any]:
    """Everything that a fold's checkpoint is made of, for its digest. Held-out photos count only if they are scored."""
    used = dataset.train_rows(fold)
    if recipe.eval_every:
        used = np.concatenate([used, dataset.held_out_rows(fold)])
    rows = dataset.rows.iloc[used]
    pictures = dataset.images.digests[rows["picture"]].tolist()
    labels = rows.drop(columns=["photo", "picture"]).to_csv(index=False).encode()
    tasks = [[task.name, task.classes, task.bins] for task in dataset.tasks]
    return [pictures, labels, tasks, recipe, fold, weights_digest(recipe)]
