"""From a course to checkpoints: each fold's lesson as tensors on the device, its network, and what that has learnt."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from visage.formats.tasks import Task
from visage.learning.dataset import FoldDataset, fold_inputs
from visage.learning.losses import build_targets
from visage.learning.training import TrainingData, fit, frozen_features, make_deterministic
from visage.networks.checkpoints import CheckpointCard, checkpoint_bytes
from visage.networks.network import Head, Network, build_network
from visage.networks.pretrained import weights_digest
from visage.networks.recipe import TrainParams
from visage.networks.tensors import to_nchw
from visage.runtime.memo import Memo, digest

OnEpoch = Callable[[dict[str, Any]], None]


def make_heads(dataset: FoldDataset, rows: np.ndarray, recipe: TrainParams) -> list[Head]:
    """One head per task. A distribution covers the values of the training rows, in steps of half its spread."""
    return [make_head(task, dataset.rows[f"{task.name}_value"].to_numpy()[rows], recipe) for task in dataset.tasks]


def make_head(task: Task, values: np.ndarray, recipe: TrainParams) -> Head:
    if not task.bins or recipe.head == "classes":
        return Head(task.name, task.classes)
    values = values[~np.isnan(values)]
    if not len(values):
        raise ValueError(f"head: distribution needs the numbers behind {task.name}, and photos.csv has none.")
    bins = training_bins(task, recipe)
    low, high = (
        min(values.min(), bins[0]) - 2 * recipe.label_sigma,
        max(values.max(), bins[-1]) + 2 * recipe.label_sigma,
    )
    cells = np.linspace(low, high, 1 + round((high - low) / recipe.label_sigma * 2))
    if len(cells) > 1000 or min(np.histogram(cells, [low, *bins, high])[0]) == 0:
        raise ValueError(
            f"label_sigma: {recipe.label_sigma:g} does not suit {task.name} from {low:g} to {high:g} in bins {list(bins)}."
        )
    return Head(task.name, task.classes, tuple(cells.tolist()), bins)


def training_bins(task: Task, recipe: TrainParams) -> tuple[float, ...]:
    """The bins as training sees them: the last class may begin early."""
    return task.bins if recipe.old_from is None else (*task.bins[:-1], recipe.old_from)


def build_training_data(
    dataset: FoldDataset, network: Network, heads: Sequence[Head], recipe: TrainParams, device: str
) -> TrainingData:
    """The course as tensors. Codes are the true ones; what training wants may have its last class begin early."""
    true, wanted = [], []
    for task, head in zip(dataset.tasks, heads, strict=True):
        codes = dataset.rows[task.name].to_numpy(copy=True)
        values = dataset.rows[f"{task.name}_value"].to_numpy(copy=True)
        true.append(torch.from_numpy(codes).to(device))
        if task.bins and recipe.old_from is not None:
            codes = np.where(values >= recipe.old_from, len(task.classes) - 1, codes)
        wanted.append(
            build_targets(
                torch.from_numpy(codes).to(device), torch.from_numpy(values).to(device), head, recipe.label_sigma
            )
        )
    pixels = to_device(dataset.images.pixels, device)
    pictures = torch.from_numpy(dataset.rows["picture"].to_numpy(copy=True)).to(device)
    return TrainingData(
        pixels,
        pictures,
        true,
        wanted,
        cached_features(dataset, network, pixels, recipe) if recipe.unfreeze == "head" else None,
    )


def cached_features(dataset: FoldDataset, network: Network, pixels: Tensor, recipe: TrainParams) -> Tensor:
    """A frozen backbone runs once over all pictures, for all folds if they begin with the same weights and scale."""
    weights = weights_digest(recipe)
    key = (weights, network.mean.flatten().tolist(), network.std.flatten().tolist())
    if not weights or str(key) not in dataset.features:
        dataset.features[str(key)] = frozen_features(network, pixels, recipe)
    return dataset.features[str(key)]


def to_device(pixels: np.ndarray, device: str) -> Tensor:
    """The pictures on the device if they take up less than half of what is free there, else beside it."""
    tensor = to_nchw(pixels)
    if device.startswith("cuda") and tensor.nbytes > torch.cuda.mem_get_info(device)[0] / 2:
        return tensor.pin_memory()
    return tensor.to(device)


def channel_statistics(dataset: FoldDataset, rows: np.ndarray, recipe: TrainParams) -> tuple[list[float], list[float]]:
    """Mean and spread of the channels (0 to 1): those of the fold's training pictures, or ImageNet's."""
    if recipe.standardise == "imagenet":
        return [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    pictures = dataset.rows["picture"].to_numpy()[rows]
    some = dataset.images.pixels[pictures[:: max(1, len(pictures) // 2000)], ::2, ::2].reshape(-1, 3) / np.float32(255)
    return some.mean(0, dtype=np.float64).tolist(), (some.std(0, dtype=np.float64) + 1e-3).tolist()


def cross_validate(
    dataset: FoldDataset, recipe: TrainParams, memo: Memo, *, device: str, on_epoch: OnEpoch
) -> Iterator[dict[str, Any]]:
    """Per fold its number, checkpoint (bytes) and learning curve; a fold that was learnt before is recalled.

    Folds take turns on the device, and `learn` shares nothing with another fold: several devices may run it at once.
    """
    yield from memo.map(
        lambda folds: (train_fold(dataset, fold, recipe, device=device, on_epoch=on_epoch) for fold in folds),
        dataset.folds,
        key=lambda fold: fold_inputs(dataset, fold, recipe),
        chunk=1,
    )


def train_fold(
    dataset: FoldDataset, fold: int, recipe: TrainParams, *, device: str, on_epoch: OnEpoch
) -> dict[str, Any]:
    """The fold's checkpoint, the same in every run, and its curve; `on_epoch` is called with each of its rows."""
    make_deterministic()
    seed, seen = int(digest([recipe.seed, fold])[:8], 16), dataset.train_rows(fold)
    heads = make_heads(dataset, seen, recipe)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(recipe, heads)
    network.standardise(*channel_statistics(dataset, seen, recipe))
    network.to(device, memory_format=torch.channels_last)
    rows, looks = split_rows(dataset, fold, recipe, seed, device)
    curve = []
    try:
        for row in fit(
            network,
            build_training_data(dataset, network, heads, recipe, device),
            rows,
            heads,
            recipe,
            seed=seed,
            looks=looks,
        ):
            curve.append({"fold": fold} | row)
            on_epoch(curve[-1])
    except ValueError as error:
        raise ValueError(f"{'+'.join(head.task for head in heads)}, fold {fold}: {error}") from None
    card = CheckpointCard(tuple(heads), recipe, weights_digest(recipe), fold)
    return {"fold": fold, "checkpoint": checkpoint_bytes(network, card), "curve": curve}


def split_rows(
    dataset: FoldDataset, fold: int, recipe: TrainParams, seed: int, device: str
) -> tuple[Tensor, dict[str, Tensor]]:
    """Rows to learn from, and rows to look at: the held-out people, and with early stopping some training people."""
    seen, looks = dataset.train_rows(fold), {"held_out": dataset.held_out_rows(fold)}
    if recipe.early_stop != "none":
        rows = dataset.rows.iloc[seen]
        people = np.array(sorted(set(rows["person"])))
        aside = np.random.default_rng(seed).permutation(people)[: max(1, round(recipe.validation_share * len(people)))]
        known = rows["person"].isin(aside) | rows["donor"].isin(aside)
        looks["inner"], seen = seen[known & (rows["donor"] == "")], seen[~known]
    return torch.from_numpy(seen).to(device), {name: torch.from_numpy(some).to(device) for name, some in looks.items()}
