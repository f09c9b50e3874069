"""Train the bundled matting network on drawn portraits; prints its losses, writes the averaged weights."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from matting_network import Matting, loss, normalised
from matting_samples import sample
from portraits import read_portraits
from scenes import learnt_scenes, walls
from torch import Tensor, nn
from training import Recipe, fit, told

from visage.runtime.params import load, read_params


@dataclass(frozen=True)
class MattingRecipe(Recipe):
    scenery: float  # share of new backgrounds that are pieces of scenes


def batch_loss(network: nn.Module, batch: list[tuple[np.ndarray, np.ndarray]]) -> Tensor:
    images, alphas = (torch.from_numpy(np.stack(parts)).float() for parts in zip(*batch, strict=True))
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(normalised(images))
    return loss(logits.float(), alphas[:, None] / 255)


def main(scenes: Path, portraits: Path, weights: Path) -> None:
    recipe = load(MattingRecipe, "matting")
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    cv2.setNumThreads(1)
    drawn, scenery = read_portraits(portraits), walls(learnt_scenes(scenes, read_params()["held_out"]))

    def make(size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return sample(drawn, scenery, recipe.scenery, size, rng)

    for average in told(fit(Matting(), make, batch_loss, recipe), recipe.steps):
        torch.save(average.state_dict(), weights)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
