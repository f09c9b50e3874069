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

ANY_FOLD = -1  # in place of a fold: what lies in none (`fold`), what any may learn from (`only_fold`)


@dataclass(frozen=True)
class FoldDataset:
    """All that may be learnt from. A row is a label for a picture.

    Columns: photo, picture (its index in the images), person, donor (of a transplant, else ''), fold, only_fold (the
    one fold that may learn from it, or ANY_FOLD), and per task its class code (-1: unknown) and `<task>_value`
    (NaN: unknown).
    """

    images: ImageArray
    rows: pd.DataFrame
    tasks: tuple[Task, ...]
    features: dict[str, Tensor] = field(default_factory=dict)  # of frozen backbones, which several folds may share

    @property
    def folds(self) -> list[int]:
        return sorted(set(self.rows["fold"]) - {ANY_FOLD})

    def train_rows(self, fold: int) -> np.ndarray:
        """Rows that the fold's network may learn from: of people, and of transplants from people, of other folds."""
        return np.flatnonzero((self.rows["fold"] != fold) & self.rows["only_fold"].isin([ANY_FOLD, fold]))

    def held_out_rows(self, fold: int) -> np.ndarray:
        """Rows of true photos of the people that the fold's network does not learn from."""
        return np.flatnonzero((self.rows["fold"] == fold) & (self.rows["donor"] == ""))


def build_dataset(
    photos: pd.DataFrame,
    folds: pd.DataFrame,
    tasks: Sequence[Task],
    crops: ImageArray,
    transplants: ImageArray | None = None,
    pseudo: pd.DataFrame | None = None,
) -> FoldDataset:
    """Training people, transplants and pseudo-labelled eval photos, in folds; the photo's key is what joins them."""
    train = photos[photos["split"] == "train"].merge(folds, on="person", how="left", validate="many_to_one")
    if len(without_fold := train.loc[train["fold"].isna(), "person"].unique()):
        examples = ", ".join(without_fold[:3])
        raise ValueError(f"{len(without_fold)} people are in no fold ({examples} ...); run `dvc repro split`.")
    parts, images = [train.assign(donor="", only_fold=ANY_FOLD)], crops
    if transplants is not None and len(transplants.rows):
        people = transplants.rows.rename(columns={"receiver_person": "person", "donor_person": "donor"})
        parts.append(people.assign(only_fold=ANY_FOLD))
        images = concat_images(crops, transplants)
    if pseudo is not None and len(pseudo):
        parts.append(pseudo.assign(person=pseudo["photo"], donor="", only_fold=pseudo["fold"], fold=ANY_FOLD))
    indices = pd.Series(range(len(images.rows)), images.rows["photo"], name="picture")
    assert indices.index.is_unique, "a photo is in the images twice"
    rows = pd.concat([label_rows(part, tasks) for part in parts]).merge(indices, on="photo", how="inner")
    return FoldDataset(images, rows.sort_values(["picture", "only_fold"], ignore_index=True), tuple(tasks))


def concat_images(crops: ImageArray, transplants: ImageArray) -> ImageArray:
    return ImageArray(
        np.concatenate([crops.pixels, transplants.pixels]),
        np.concatenate([crops.digests, transplants.digests]),
        pd.concat([crops.rows[["photo"]], transplants.rows[["photo"]]], ignore_index=True),
    )


def label_rows(rows: pd.DataFrame, tasks: Sequence[Task]) -> pd.DataFrame:
    """photo, person, donor, fold, only_fold, and per task its class code and value."""
    labels = rows[["photo", "person", "donor"]].assign(
        fold=rows["fold"].astype(int), only_fold=rows["only_fold"].astype(int)
    )
    for task in tasks:
        value = f"{task.name}_value"
        labels[task.name] = class_codes(rows[task.name], task)
        labels[value] = pd.to_numeric(rows[value], errors="coerce").astype(float) if value in rows else np.nan
    return labels


def fold_inputs(dataset: FoldDataset, fold: int, recipe: TrainParams) -> list[Any]:
    """Everything that a fold's checkpoint is made of, for its digest.

    Held-out pictures count if the network is scored on them, their labels never: whoever needs them scores again.
    """
    rows = dataset.rows.iloc[dataset.train_rows(fold)]
    held_out = dataset.rows.iloc[dataset.held_out_rows(fold) if recipe.eval_every else []]
    pictures = [dataset.images.digests[part["picture"]].tolist() for part in (rows, held_out)]
    labels = rows.drop(columns=["photo", "picture"]).to_csv(index=False).encode()
    tasks = [[task.name, task.classes, task.bins] for task in dataset.tasks]
    return [pictures, labels, tasks, recipe, fold, weights_digest(recipe)]
