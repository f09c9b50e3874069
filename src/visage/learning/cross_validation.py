"""Cross-validation: a network for every fold, from the fold's data as tensors to its checkpoint and learning curve."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from visage.formats.photos import IMAGENET_MEAN, IMAGENET_STD
from visage.formats.tasks import Task
from visage.learning.dataset import FoldDataset, fold_inputs
from visage.learning.losses import build_targets
from visage.learning.training import TrainingData, evaluate, fit, frozen_features
from visage.networks.checkpoints import CheckpointCard, encode_checkpoint
from visage.networks.network import Head, Network, build_network
from visage.networks.pretrained import weights_digest
from visage.networks.recipe import TrainParams
from visage.networks.tensors import to_nchw
from visage.runtime.memo import Memo, digest
from visage.runtime.parallel import count_workers

OnEpoch = Callable[[dict[str, Any]], None]
SAMPLE = 2000  # about as many pictures as channel statistics are measured on


def cross_validate(
    dataset: FoldDataset, recipe: TrainParams, memo: Memo, *, device: str, on_epoch: OnEpoch
) -> Iterator[dict[str, Any]]:
    """Per fold its number, checkpoint (bytes) and learning curve; a fold that was trained before is recalled.

    Folds take turns on the device, and `train_fold` shares nothing with another fold: several devices may run it.
    """

    def train(folds: Sequence[int]) -> Iterator[dict[str, Any]]:
        return (train_fold(dataset, fold, recipe, device=device, on_epoch=on_epoch) for fold in folds)

    def list_inputs(fold: int) -> list[Any]:
        return fold_inputs(dataset, fold, recipe)

    for row in memo.map(train, dataset.folds, key=list_inputs, chunk=1):
        score_held_out(dataset, row)
        yield row


def score_held_out(dataset: FoldDataset, row: dict[str, Any]) -> None:
    """Set the held-out scores of a fold's curve by today's labels, which may have changed since it was trained."""
    curve = [entry for entry in row["curve"] if entry["split"] == "held_out"]
    people = dataset.rows.iloc[dataset.held_out_rows(row["fold"])]
    codes = [torch.from_numpy(people[task.name].to_numpy(copy=True)) for task in dataset.tasks]
    classes = [len(task.classes) for task in dataset.tasks]
    logits = np.frombuffer(row["held_out"], np.float32).reshape(len(curve), len(people), sum(classes))
    for entry, values in zip(curve, torch.from_numpy(logits.copy()), strict=True):
        entry["loss"], entry["macro_f1"] = evaluate(values.split(classes, dim=1), codes)


def train_fold(
    dataset: FoldDataset, fold: int, recipe: TrainParams, *, device: str, on_epoch: OnEpoch
) -> dict[str, Any]:
    """The fold's checkpoint, the same in every run, and its curve; `on_epoch` is called with each of its rows.

    `held_out` are the class logits that the curve's held-out rows score: float32, scored epochs x photos x classes.
    """
    make_deterministic()
    seed = int(digest([recipe.seed, fold])[:8], 16)
    rows, eval_rows = split_rows(dataset, fold, recipe, seed, device)
    heads = make_heads(dataset, dataset.train_rows(fold), recipe)
    mean, std = channel_statistics(dataset, dataset.train_rows(fold), recipe)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(recipe, heads)
    network.set_channel_stats(mean, std)
    network.to(device, memory_format=torch.channels_last)
    data = build_training_data(dataset, network, heads, recipe, device)
    curve, held_out = [], []
    try:
        for row in fit(network, data, rows, recipe, seed=seed, eval_rows=eval_rows):
            logits = row.pop("logits", None)
            if row["split"] == "held_out":
                held_out.append(torch.cat(logits, dim=1).float().numpy(force=True))
            curve.append({"fold": fold} | row)
            on_epoch(curve[-1])
    except ValueError as error:
        raise ValueError(f"{'+'.join(head.task for head in heads)}, fold {fold}: {error}") from None
    card = CheckpointCard(tuple(heads), recipe, weights_digest(recipe), fold)
    logits = np.stack(held_out).tobytes() if held_out else b""
    return {"fold": fold, "checkpoint": encode_checkpoint(network, card), "curve": curve, "held_out": logits}


def make_deterministic() -> None:
    """The same numbers in every run on one machine, even where a faster order of sums exists."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_num_threads(count_workers())
    torch.backends.cudnn.benchmark = False


def make_heads(dataset: FoldDataset, rows: np.ndarray, recipe: TrainParams) -> list[Head]:
    """One head per task; a distribution covers the values of these rows."""
    return [make_head(task, dataset.rows[f"{task.name}_value"].to_numpy()[rows], recipe) for task in dataset.tasks]


def make_head(task: Task, values: np.ndarray, recipe: TrainParams) -> Head:
    """A head of classes or, for a distribution, of cells half a `label_sigma` apart, two of them beyond the values."""
    if not task.bins or recipe.head == "classes":
        return Head(task.name, task.classes)
    values = values[~np.isnan(values)]
    if not len(values):
        raise ValueError(f"head: distribution needs the numbers behind {task.name}, and photos.csv has none.")
    bins, sigma = training_bins(task, recipe.old_from), recipe.label_sigma
    low = min(values.min(), bins[0]) - 2 * sigma
    high = max(values.max(), bins[-1]) + 2 * sigma
    cells = np.linspace(low, high, 1 + round((high - low) / sigma * 2))
    if len(cells) > 1000 or min(np.histogram(cells, [low, *bins, high])[0]) == 0:
        raise ValueError(
            f"label_sigma: {sigma:g} does not suit {task.name} from {low:g} to {high:g} in bins {list(bins)}."
        )
    return Head(task.name, task.classes, tuple(cells.tolist()), bins)


def training_bins(task: Task, old_from: float | None) -> tuple[float, ...]:
    """The bins of training, where the last class may begin early."""
    return task.bins if old_from is None else (*task.bins[:-1], old_from)


def channel_statistics(
    dataset: FoldDataset, rows: np.ndarray, recipe: TrainParams
) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and standard deviation of red, green, blue (0 to 1): of these rows' pictures, or ImageNet's."""
    if recipe.standardise == "imagenet":
        return IMAGENET_MEAN, IMAGENET_STD
    indices = dataset.rows["picture"].to_numpy()[rows]
    every = max(1, len(indices) // SAMPLE)
    pixels = dataset.images.pixels[indices[::every], ::2, ::2].reshape(-1, 3) / np.float32(255)
    return pixels.mean(0, dtype=np.float64).tolist(), (pixels.std(0, dtype=np.float64) + 1e-3).tolist()


def split_rows(
    dataset: FoldDataset, fold: int, recipe: TrainParams, seed: int, device: str
) -> tuple[Tensor, dict[str, Tensor]]:
    """Rows to learn from, and rows to score: the held-out people, and with early stopping some training people."""
    train_rows, eval_rows = dataset.train_rows(fold), {"held_out": dataset.held_out_rows(fold)}
    if recipe.early_stop != "none":
        rows = dataset.rows.iloc[train_rows]
        people = np.array(sorted(set(rows["person"])))
        count = max(1, round(recipe.validation_share * len(people)))
        inner_people = np.random.default_rng(seed).permutation(people)[:count]
        is_inner = rows["person"].isin(inner_people) | rows["donor"].isin(inner_people)
        eval_rows["inner"] = train_rows[is_inner & (rows["donor"] == "")]
        train_rows = train_rows[~is_inner]
    return torch.from_numpy(train_rows).to(device), {
        split: torch.from_numpy(rows).to(device) for split, rows in eval_rows.items()
    }


def build_training_data(
    dataset: FoldDataset, network: Network, heads: Sequence[Head], recipe: TrainParams, device: str
) -> TrainingData:
    """The dataset as tensors. Codes are the true ones; in the targets the last class may begin early."""
    true_codes, targets = [], []
    for task, head in zip(dataset.tasks, heads, strict=True):
        codes = dataset.rows[task.name].to_numpy(copy=True)
        values = dataset.rows[f"{task.name}_value"].to_numpy(copy=True)
        true_codes.append(torch.from_numpy(codes).to(device))
        if task.bins and recipe.old_from is not None:
            codes = np.where(values >= recipe.old_from, len(task.classes) - 1, codes)
        codes, values = torch.from_numpy(codes).to(device), torch.from_numpy(values).to(device)
        targets.append(build_targets(codes, values, head, recipe.label_sigma))
    pixels = to_device(dataset.images.pixels, device)
    indices = torch.from_numpy(dataset.rows["picture"].to_numpy(copy=True)).to(device)
    features = cached_features(dataset, network, pixels, recipe) if recipe.unfreeze == "head" else None
    return TrainingData(pixels, indices, number_people(dataset).to(device), list(heads), true_codes, targets, features)


def number_people(dataset: FoldDataset) -> Tensor:
    """A number for the person of each row. A transplant is a person of its own: its labels are of two people."""
    rows = dataset.rows
    return torch.from_numpy(pd.factorize(rows["person"].where(rows["donor"] == "", rows["photo"]))[0])


def cached_features(dataset: FoldDataset, network: Network, pixels: Tensor, recipe: TrainParams) -> Tensor:
    """A frozen backbone runs once over all pictures, for all folds if they begin with the same weights and scale."""
    weights = weights_digest(recipe)
    key = str((weights, network.mean.flatten().tolist(), network.std.flatten().tolist()))
    if not weights or key not in dataset.features:
        dataset.features[key] = frozen_features(network, pixels, recipe)
    return dataset.features[key]


def to_device(pixels: np.ndarray, device: str) -> Tensor:
    """The pictures on the device if they take up less than half of what is free there, else in pinned memory."""
    tensor = to_nchw(pixels)
    if device.startswith("cuda") and tensor.nbytes > torch.cuda.mem_get_info(device)[0] / 2:
        return tensor.pin_memory()
    return tensor.to(device)
