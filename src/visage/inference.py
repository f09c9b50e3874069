"""Predictions: of held-out people by the one fold that never saw them, of the photos to answer by every fold."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from visage.formats.predictions import KINDS, prediction_columns
from visage.networks.checkpoints import CheckpointCard, read_card, read_checkpoint
from visage.networks.images import ImageArray
from visage.networks.network import Head, Network
from visage.networks.tensors import autocast, gather, to_float, to_nchw
from visage.runtime.memo import Memo, file_digest
from visage.runtime.params import Params

TTA_CROP = 0.9  # the side of a crop, of the picture's
BATCH = 128


class PredictParams(Params):
    """Section `predict`."""

    tta: Literal["none", "flip", "flip+crops"]


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a folder, in the order of their folds."""
    files = sorted(Path(folder).glob("fold*.safetensors"), key=lambda path: read_card(path).fold)
    if not files:
        raise ValueError(f"{folder} holds no checkpoints; run `dvc repro`.")
    return files


def predict(
    files: Sequence[Path],
    task: str,
    images: ImageArray,
    photos: pd.DataFrame,
    folds: pd.DataFrame,
    memo: Memo,
    *,
    tta: str,
    device: str,
) -> Iterator[pd.DataFrame]:
    """One table per checkpoint; its columns are those of `prediction_columns`.

    A network with several heads answers for all of them at once, and the memo keeps that for the other tasks.
    """
    table = join_folds(images.rows, photos, folds)
    pixels, cards = to_nchw(images.pixels), {file: read_card(file) for file in files}
    rows = {file: rows_to_predict(table, card.fold) for file, card in cards.items()}

    def compute(files: Sequence[Path]) -> Iterator[dict[str, bytes]]:
        for file in files:
            network, card = read_checkpoint(file, device)
            network.to(memory_format=torch.channels_last)
            probabilities = predict_probabilities(network, card, pixels[torch.from_numpy(rows[file])], tta=tta)
            yield {head.task: values.tobytes() for head, values in zip(card.heads, probabilities, strict=True)}

    def list_inputs(file: Path) -> list[object]:
        return [file_digest(file), images.digests[rows[file]].tolist(), tta]

    for file, answers in zip(files, memo.map(compute, files, key=list_inputs, chunk=1), strict=True):
        card = cards[file]
        classes = card.heads[card.head_index(task)].classes
        own = table.iloc[rows[file]]
        mean, first = np.frombuffer(answers[task], np.float32).reshape(2, len(own), len(classes))
        kind = np.where(own["split"] == "train", *KINDS)
        keys = own["photo"].to_numpy(), np.full(len(own), card.fold), kind
        yield pd.DataFrame(dict(zip(prediction_columns(classes), [*keys, *mean.T, *first.T], strict=True)))


def join_folds(rows: pd.DataFrame, photos: pd.DataFrame, folds: pd.DataFrame) -> pd.DataFrame:
    """photo, split, person, fold of the rows of images, in their order."""
    columns = photos[["photo", "split", "person"]]
    table = rows[["photo"]].merge(columns, on="photo", how="left", validate="one_to_one")
    return table.merge(folds, on="person", how="left", validate="many_to_one")


def rows_to_predict(table: pd.DataFrame, fold: int) -> np.ndarray:
    """Indices of the photos that the fold's network predicts: of its held-out people, and those to answer."""
    is_held_out = (table["split"] == "train") & (table["fold"] == fold)
    return np.flatnonzero(is_held_out | (table["split"] == "eval"))


@torch.no_grad()
def predict_probabilities(network: Network, card: CheckpointCard, pixels: Tensor, *, tta: str) -> list[np.ndarray]:
    """One array of 2 x N x classes per head, for pictures (uint8, N x 3 x H x W), in eval mode.

    The first N x classes are the mean over all views, the second the first view alone.
    """
    device, batches = network.mean.device, []
    for indices in torch.arange(len(pixels), device=device).split(BATCH):
        with autocast(device, card.recipe.precision):
            views = [network(view) for view in tta_views(to_float(gather(pixels, indices)), tta)]
        outputs_by_head = zip(*views, strict=True)
        batches.append(
            [average_views(head, outputs) for head, outputs in zip(card.heads, outputs_by_head, strict=True)]
        )
    if not batches:
        return [np.empty((2, 0, len(head.classes)), np.float32) for head in card.heads]
    return [torch.cat(parts, 1).numpy(force=True) for parts in zip(*batches, strict=True)]


def average_views(head: Head, views: Sequence[Tensor]) -> Tensor:
    """2 x N x classes, from one head's outputs for every view: the mean over views, and the first."""
    probabilities = torch.stack([head.class_logits(outputs).softmax(1) for outputs in views])
    return torch.stack([probabilities.mean(0), probabilities[0]])


def tta_views(pictures: Tensor, tta: str) -> Iterator[Tensor]:
    """A batch as it is, mirrored, and five crops (the corners and the middle) of both, as far as the level goes."""
    yield pictures
    if tta == "none":
        return
    yield pictures.flip(3)
    if tta == "flip+crops":
        height, width = pictures.shape[2:]
        h, w = round(height * TTA_CROP), round(width * TTA_CROP)
        bottom, right = height - h, width - w
        for y, x in ((0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)):
            crop = F.interpolate(pictures[:, :, y : y + h, x : x + w], (height, width), mode="bilinear", antialias=True)
            yield crop
            yield crop.flip(3)
