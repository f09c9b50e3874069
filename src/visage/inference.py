"""What the networks say: held-out people by the one fold that never saw them, photos to answer by every fold."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

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
    files = sorted(Path(folder).glob("fold*.safetensors"), key=lambda path: read_card(path).fold)
    if not files:
        raise ValueError(f"{folder} holds no checkpoints; run `dvc repro`.")
    return files


def tta_views(pictures: Tensor, tta: str) -> Iterator[Tensor]:
    """A batch as it is, mirrored, and five crops (the corners and the middle) of both, as far as the level goes."""
    yield pictures
    if tta == "none":
        return
    yield pictures.flip(3)
    if tta == "flip+crops":
        height, width = pictures.shape[2:]
        h, w = round(height * TTA_CROP), round(width * TTA_CROP)
        for y, x in (
            (0, 0),
            (0, width - w),
            (height - h, 0),
            (height - h, width - w),
            ((height - h) // 2, (width - w) // 2),
        ):
            crop = F.interpolate(pictures[:, :, y : y + h, x : x + w], (height, width), mode="bilinear", antialias=True)
            yield crop
            yield crop.flip(3)


@torch.no_grad()
def predict_probabilities(network: Network, card: CheckpointCard, pixels: Tensor, *, tta: str) -> list[np.ndarray]:
    """One array of N x classes per head, for pictures (uint8, N x 3 x H x W): the mean over views, in eval mode."""
    device, parts = network.mean.device, []
    for rows in torch.arange(len(pixels), device=device).split(BATCH):
        with autocast(device, card.recipe):
            views = [network(view) for view in tta_views(to_float(gather(pixels, rows)), tta)]
        parts.append([mean_probabilities(head, outputs) for head, outputs in zip(card.heads, zip(*views), strict=True)])
    if not parts:
        return [np.empty((0, len(head.classes)), np.float32) for head in card.heads]
    return [torch.cat(batches).numpy(force=True) for batches in zip(*parts, strict=True)]


def mean_probabilities(head: Head, views: Sequence[Tensor]) -> Tensor:
    return torch.stack([head.class_logits(outputs).softmax(1) for outputs in views]).mean(0)


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
    """One table per fold: photo, fold, kind (held_out | eval), one probability per class.

    A network with several heads answers for all of them at once, and the memo keeps it for the other tasks.
    """
    known = images.rows[["photo"]].merge(
        photos[["photo", "split", "person"]], on="photo", how="left", validate="one_to_one"
    )
    known = known.merge(folds, on="person", how="left", validate="many_to_one")
    pixels, cards = to_nchw(images.pixels), {file: read_card(file) for file in files}

    def rows_of(file: Path) -> np.ndarray:
        held_out = (known["split"] == "train") & (known["fold"] == cards[file].fold)
        return np.flatnonzero(held_out | (known["split"] == "eval"))

    def compute(some: Sequence[Path]) -> Iterator[dict[str, bytes]]:
        for file in some:
            network, card = read_checkpoint(file, device)
            network.to(memory_format=torch.channels_last)
            heads = predict_probabilities(network, card, pixels[torch.from_numpy(rows_of(file))], tta=tta)
            yield {head.task: values.tobytes() for head, values in zip(card.heads, heads, strict=True)}

    computed = memo.map(
        compute, files, key=lambda file: [file_digest(file), images.digests[rows_of(file)].tolist(), tta], chunk=1
    )
    for file, answers in zip(files, computed, strict=True):
        head, rows = cards[file].heads[cards[file].head(task)], rows_of(file)
        values = np.frombuffer(answers[task], np.float32).reshape(-1, len(head.classes))
        table = pd.DataFrame({"photo": known["photo"].to_numpy()[rows], "fold": cards[file].fold})
        table["kind"] = np.where(known["split"].to_numpy()[rows] == "train", "held_out", "eval")
        yield table.assign(**dict(zip(head.classes, values.T, strict=True)))
