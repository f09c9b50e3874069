"""People into folds: nobody in two, every class as even as the people allow, the same on every machine."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from pydantic import Field

from visage.runtime.params import Params


class SplitParams(Params):
    """Section `split`."""

    folds: int = Field(ge=2)
    seed: int


def split_people(people: Sequence[str], classes: Sequence, params: SplitParams) -> pd.Series:
    """The fold of each person, from one person and one joint class per photo.

    People with the same photos (as many of each class) are interchangeable. Each such group is dealt out evenly;
    what is left over goes, one by one, where its classes are rarest so far. The order within a group comes from
    the seed and the name alone, so neither the listing nor the machine matters.
    """
    counts = pd.crosstab(np.asarray(people, dtype=object), np.asarray(classes), dropna=False).sort_index()
    if len(counts) < params.folds:
        raise ValueError(f"{len(counts)} people cannot be split into {params.folds} folds; lower split.folds.")
    photos = counts.to_numpy()  # of each class (columns) that each person (rows) has
    fold_photos = np.zeros((params.folds, photos.shape[1]), dtype=np.int64)  # of each class in each fold so far
    fold = np.full(len(counts), -1)
    leftovers = []
    for group in group_alike(photos, [hash_order(str(person), params.seed) for person in counts.index]):
        even = len(group) - len(group) % params.folds
        fold[group[:even]] = np.arange(even) % params.folds
        fold_photos += photos[group[0]] * (even // params.folds)
        leftovers.append(group[even:])
    for group in leftovers:
        free = list(range(params.folds))  # nobody of the same group twice into one fold: the group stays even
        for person in group:
            fold[person] = choose_fold(fold_photos, photos[person], free)
            fold_photos[fold[person]] += photos[person]
            free.remove(fold[person])
    return pd.Series(fold, index=counts.index.rename("person"), name="fold")


def group_alike(photos: np.ndarray, order: Sequence[str]) -> list[list[int]]:
    """The rows with equal counts, each group sorted by `order`, the smallest groups first."""
    _, number = np.unique(photos, axis=0, return_inverse=True)
    groups = [np.flatnonzero(number == i).tolist() for i in range(number.max() + 1)]
    return [sorted(group, key=order.__getitem__) for group in sorted(groups, key=len)]  # ties as np.unique sorts them


def choose_fold(fold_photos: np.ndarray, photos: np.ndarray, free: list[int]) -> int:
    """Of the free folds the one where these classes are rarest; then the one with the fewest photos; then the first."""
    return min(free, key=lambda fold: (int(fold_photos[fold] @ photos), int(fold_photos[fold].sum()), fold))


def hash_order(person: str, seed: int) -> str:
    """A sort key that depends on the seed and the name only."""
    return hashlib.sha256(f"{seed}\n{person}".encode()).hexdigest()
