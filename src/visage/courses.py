"""Who may learn from which pictures: the rows, labels and digests of every fold."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from torch import Tensor

from visage.albums import Album
from visage.labels import Task, codes
from visage.memo import digest, source_digest
from visage.pretrained import weights_digest
from visage.recipes import TrainParams, as_json

EVERY = -1  # in place of a fold: what lies in none (`fold`), what any may learn from (`only`)


@dataclass(frozen=True)
class Course:
    """All that may be learnt from. A row is a label for a picture: photo, picture (its place in the album), person,
    donor (of a transplant, else ''), fold, only (the one fold that may learn from it, or EVERY), and per task its
    class code (-1: unknown) and `<task>_value` (NaN: unknown)."""

    album: Album
    rows: pd.DataFrame
    tasks: tuple[Task, ...]
    features: dict[str, Tensor] = field(default_factory=dict)  # what a frozen backbone, the same in all folds, has seen

    @property
    def folds(self) -> list[int]:
        return sorted(set(self.rows["fold"]) - {EVERY})

    def seen(self, fold: int) -> np.ndarray:
        """Rows that the fold's network may learn from: of people, and of transplants from people, of other folds."""
        return np.flatnonzero((self.rows["fold"] != fold) & self.rows["only"].isin([EVERY, fold]))

    def held_out(self, fold: int) -> np.ndarray:
        """Rows of true photos of the people that it must not know."""
        return np.flatnonzero((self.rows["fold"] == fold) & (self.rows["donor"] == ""))


def course(
    photos: pd.DataFrame,
    folds: pd.DataFrame,
    tasks: Sequence[Task],
    crops: Album,
    made: Album | None = None,
    pseudo: pd.DataFrame | None = None,
) -> Course:
    """Training people, transplants and pseudo-labelled eval photos, in folds; the photo's key is what joins them."""
    true = photos[photos["split"] == "train"].merge(folds, on="person", how="left", validate="many_to_one")
    if len(lost := true.loc[true["fold"].isna(), "person"].unique()):
        raise ValueError(f"{len(lost)} people are in no fold ({', '.join(lost[:3])} ...); run `dvc repro split`.")
    parts = [true.assign(donor="", only=EVERY)]
    if made is not None and len(made.rows):
        grown = made.rows.rename(columns={"receiver_person": "person", "donor_person": "donor"})
        parts.append(grown.assign(only=EVERY))
        crops = Album(
            np.concatenate([crops.pixels, made.pixels]),
            np.concatenate([crops.digests, made.digests]),
            pd.concat([crops.rows[["photo"]], made.rows[["photo"]]], ignore_index=True),
        )
    if pseudo is not None and len(pseudo):
        parts.append(pseudo.assign(person=pseudo["photo"], donor="", only=pseudo["fold"], fold=EVERY))
    places = pd.Series(range(len(crops.rows)), crops.rows["photo"], name="picture")
    assert places.index.is_unique, "a photo is in the album twice"
    rows = pd.concat([labelled(part, tasks) for part in parts]).merge(places, on="photo", how="inner")
    return Course(crops, rows.sort_values(["picture", "only"], ignore_index=True), tuple(tasks))


def labelled(rows: pd.DataFrame, tasks: Sequence[Task]) -> pd.DataFrame:
    kept = rows[["photo", "person", "donor"]].assign(fold=rows["fold"].astype(int), only=rows["only"].astype(int))
    for task in tasks:
        value = f"{task.name}_value"
        kept[task.name] = codes(rows[task.name], task)
        kept[value] = pd.to_numeric(rows[value], errors="coerce").astype(float) if value in rows else np.nan
    return kept


def fold_digest(course: Course, fold: int, recipe: TrainParams, source: str, weights: str) -> str:
    """The sum of everything that a fold's checkpoint is made of. Held-out photos count only if they are watched."""
    used = course.seen(fold)
    if recipe.watch:
        used = np.concatenate([used, course.held_out(fold)])
    rows = course.rows.iloc[used]
    pictures = course.album.digests[rows["picture"]].tolist()
    labels = rows.drop(columns=["photo", "picture"]).to_csv(index=False).encode()
    tasks = [[task.name, task.classes, task.bins] for task in course.tasks]
    return digest(pictures, labels, tasks, as_json(recipe), fold, source, weights)


def fold_digests(course: Course, recipe: TrainParams) -> dict[int, str]:
    source, weights = source_digest("lessons"), weights_digest(recipe)
    return {fold: fold_digest(course, fold, recipe, source, weights) for fold in course.folds}
