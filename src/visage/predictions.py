"""What the networks say: held-out people by the one fold that never saw them, photos to answer by every fold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from visage.albums import Album, Look
from visage.augment import floats
from visage.checkpoints import Card, read_card, read_checkpoint
from visage.networks import Network
from visage.recipes import TrainParams
from visage.training import fast, planes, taken

CROP = 0.9  # the side of a crop, of the picture's
BATCH = 128


@dataclass(frozen=True)
class PredictParams:
    """Section `predict`."""

    tta: Literal["none", "flip", "flip+crops"]


def look_of(recipe: TrainParams) -> Look:
    """How pictures are prepared for networks of this recipe: in training and prediction alike."""
    return Look(recipe.height, recipe.width, recipe.keep, recipe.fill, recipe.trim)


def fold_files(folder: Path) -> list[Path]:
    files = sorted(Path(folder).glob("fold*.safetensors"), key=lambda path: read_card(path).fold)
    if not files:
        raise ValueError(f"{folder} holds no checkpoints; run `dvc repro`.")
    return files


def seen_views(pictures: Tensor, tta: str) -> Iterator[Tensor]:
    """A batch as it is, mirrored, and five crops (the corners and the middle) of both, as far as the level goes."""
    yield pictures
    if tta == "none":
        return
    yield pictures.flip(3)
    if tta == "flip+crops":
        height, width = pictures.shape[2:]
        h, w = round(height * CROP), round(width * CROP)
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
def probabilities(network: Network, card: Card, pixels: Tensor, *, task: str, tta: str) -> np.ndarray:
    """N x classes for pictures (uint8, N x 3 x H x W): the mean over the views of a network in eval mode."""
    place, device = card.head(task), network.mean.device
    head, parts = card.heads[place], []
    for rows in torch.arange(len(pixels), device=device).split(BATCH):
        with fast(device, card.recipe):
            pictures = floats(taken(pixels, rows))
            views = [head.class_logits(network(view)[place]).softmax(1) for view in seen_views(pictures, tta)]
        parts.append(torch.stack(views).mean(0))
    return torch.cat(parts).numpy(force=True) if parts else np.empty((0, len(head.classes)), np.float32)


def predict(
    files: Sequence[Path], task: str, album: Album, photos: pd.DataFrame, folds: pd.DataFrame, *, tta: str, device: str
) -> Iterator[pd.DataFrame]:
    """One table per fold: photo, fold, kind (held_out | eval), one probability per class."""
    known = album.rows[["photo"]].merge(
        photos[["photo", "split", "person"]], on="photo", how="left", validate="one_to_one"
    )
    known = known.merge(folds, on="person", how="left", validate="many_to_one")
    pixels = planes(album.pixels)
    for file in files:
        network, card = read_checkpoint(file, device)
        network.to(memory_format=torch.channels_last)
        held_out = (known["split"] == "train") & (known["fold"] == card.fold)
        rows = np.flatnonzero(held_out | (known["split"] == "eval"))
        shares = probabilities(network, card, pixels[torch.from_numpy(rows)], task=task, tta=tta)
        table = pd.DataFrame({"photo": known["photo"].to_numpy()[rows], "fold": card.fold})
        table["kind"] = np.where(held_out.to_numpy()[rows], "held_out", "eval")
        yield table.assign(**dict(zip(card.heads[card.head(task)].classes, shares.T, strict=True)))
