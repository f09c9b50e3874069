"""From a course to checkpoints: each fold's lesson as tensors on the device, its network, and what that has learnt."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from visage.checkpoints import Card, to_bytes
from visage.courses import Course, fold_digests
from visage.labels import Task
from visage.losses import targets
from visage.memo import Memo, digest, remembering
from visage.networks import Head, Network, build
from visage.pretrained import weights_digest
from visage.recipes import TrainParams
from visage.training import Lesson, fit, planes, steady, views

Told = Callable[[dict[str, Any]], None]


def heads_of(course: Course, rows: np.ndarray, recipe: TrainParams) -> list[Head]:
    """One head per task. A distribution covers the values of the training rows, in steps of half its spread."""
    return [head_of(task, course.rows[f"{task.name}_value"].to_numpy()[rows], recipe) for task in course.tasks]


def head_of(task: Task, values: np.ndarray, recipe: TrainParams) -> Head:
    if not task.bins or recipe.head == "classes":
        return Head(task.name, task.classes)
    values = values[~np.isnan(values)]
    if not len(values):
        raise ValueError(f"head: distribution needs the numbers behind {task.name}, and photos.csv has none.")
    bins = moved(task, recipe)
    low, high = min(values.min(), bins[0]) - 2 * recipe.spread, max(values.max(), bins[-1]) + 2 * recipe.spread
    cells = np.linspace(low, high, 1 + round((high - low) / recipe.spread * 2))
    if len(cells) > 1000 or min(np.histogram(cells, [low, *bins, high])[0]) == 0:
        raise ValueError(
            f"spread: {recipe.spread:g} does not suit {task.name} from {low:g} to {high:g} in bins {list(bins)}."
        )
    return Head(task.name, task.classes, tuple(cells.tolist()), bins)


def moved(task: Task, recipe: TrainParams) -> tuple[float, ...]:
    """The bins as training sees them: the last class may begin early."""
    return task.bins if recipe.old_from is None else (*task.bins[:-1], recipe.old_from)


def lesson(course: Course, network: Network, heads: Sequence[Head], recipe: TrainParams, device: str) -> Lesson:
    """The course as tensors. Codes are the true ones; what training wants may have its last class begin early."""
    true, wanted = [], []
    for task, head in zip(course.tasks, heads, strict=True):
        codes = course.rows[task.name].to_numpy(copy=True)
        values = course.rows[f"{task.name}_value"].to_numpy(copy=True)
        true.append(torch.from_numpy(codes).to(device))
        if task.bins and recipe.old_from is not None:
            codes = np.where(values >= recipe.old_from, len(task.classes) - 1, codes)
        wanted.append(
            targets(torch.from_numpy(codes).to(device), torch.from_numpy(values).to(device), head, recipe.spread)
        )
    pixels = placed(course.album.pixels, device)
    pictures = torch.from_numpy(course.rows["picture"].to_numpy(copy=True)).to(device)
    return Lesson(
        pixels,
        pictures,
        true,
        wanted,
        frozen_features(course, network, pixels, recipe) if recipe.unfreeze == "head" else None,
    )


def frozen_features(course: Course, network: Network, pixels: Tensor, recipe: TrainParams) -> Tensor:
    """A frozen backbone runs once over all pictures, for all folds if they begin with the same weights and scale."""
    weights = weights_digest(recipe)
    key = (weights, network.mean.flatten().tolist(), network.std.flatten().tolist())
    if not weights or str(key) not in course.features:
        course.features[str(key)] = views(network, pixels, recipe)
    return course.features[str(key)]


def placed(pixels: np.ndarray, device: str) -> Tensor:
    """The pictures on the device if they take up less than half of what is free there, else beside it."""
    tensor = planes(pixels)
    if device.startswith("cuda") and tensor.nbytes > torch.cuda.mem_get_info(device)[0] / 2:
        return tensor.pin_memory()
    return tensor.to(device)


def standard(course: Course, rows: np.ndarray, recipe: TrainParams) -> tuple[list[float], list[float]]:
    """Mean and spread of the channels (0 to 1): those of the fold's training pictures, or ImageNet's."""
    if recipe.standardise == "imagenet":
        return [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    pictures = course.rows["picture"].to_numpy()[rows]
    some = course.album.pixels[pictures[:: max(1, len(pictures) // 2000)], ::2, ::2].reshape(-1, 3) / np.float32(255)
    return some.mean(0, dtype=np.float64).tolist(), (some.std(0, dtype=np.float64) + 1e-3).tolist()


def learn_folds(
    course: Course, recipe: TrainParams, memo: Memo, *, device: str, told: Told
) -> Iterator[dict[str, Any]]:
    """Per fold its number, checkpoint (bytes) and learning curve; a fold that was learnt before is recalled.

    Folds take turns on the device, and `learn` shares nothing with another fold: several devices may run it at once.
    """
    keys = fold_digests(course, recipe)
    yield from remembering(
        memo,
        course.folds,
        lambda folds: [keys[fold] for fold in folds],
        lambda folds: (learn(course, fold, recipe, device=device, told=told) for fold in folds),
        chunk=1,
    )


def learn(course: Course, fold: int, recipe: TrainParams, *, device: str, told: Told) -> dict[str, Any]:
    """The fold's checkpoint, the same in every run, and its curve; `told` hears of each row of it as it is made."""
    steady()
    seed, seen = int(digest([recipe.seed, fold])[:8], 16), course.seen(fold)
    heads = heads_of(course, seen, recipe)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(recipe, heads)
    network.standardise(*standard(course, seen, recipe))
    network.to(device, memory_format=torch.channels_last)
    rows, looks = split(course, fold, recipe, seed, device)
    curve = []
    try:
        for row in fit(
            network, lesson(course, network, heads, recipe, device), rows, heads, recipe, seed=seed, looks=looks
        ):
            curve.append({"fold": fold} | row)
            told(curve[-1])
    except ValueError as error:
        raise ValueError(f"{'+'.join(head.task for head in heads)}, fold {fold}: {error}") from None
    card = Card(tuple(heads), recipe, weights_digest(recipe), fold)
    return {"fold": fold, "checkpoint": to_bytes(network, card), "curve": curve}


def split(course: Course, fold: int, recipe: TrainParams, seed: int, device: str) -> tuple[Tensor, dict[str, Tensor]]:
    """Rows to learn from, and rows to look at: the held-out people, and with early stopping some training people."""
    seen, looks = course.seen(fold), {"held_out": course.held_out(fold)}
    if recipe.early_stop != "none":
        rows = course.rows.iloc[seen]
        people = np.array(sorted(set(rows["person"])))
        aside = np.random.default_rng(seed).permutation(people)[: max(1, round(recipe.inner_share * len(people)))]
        known = rows["person"].isin(aside) | rows["donor"].isin(aside)
        looks["inner"], seen = seen[known & (rows["donor"] == "")], seen[~known]
    return torch.from_numpy(seen).to(device), {name: torch.from_numpy(some).to(device) for name, some in looks.items()}
