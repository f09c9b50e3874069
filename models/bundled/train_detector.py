"""Train the bundled face detector on scenes and drawn portraits; prints its losses, writes the averaged weights."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from detector_loss import losses
from detector_network import Detector, anchors
from detector_samples import Picture, sample
from portraits import read_portraits
from scenes import learnt_scenes
from torch import Tensor, nn
from training import Recipe, fit, told

from visage.runtime.params import load, read_params


@dataclass(frozen=True)
class DetectorRecipe(Recipe):
    portraits: float  # share of drawn faces among the training pictures


def pictures(scenes: Path, portraits: Path) -> list[list[Picture]]:
    """The scenes, whose landmarks nobody marked, and the drawn portraits."""
    street = [
        Picture(image, boxes, np.full((len(boxes), 5, 2), np.nan, np.float32))
        for image, boxes in learnt_scenes(scenes, read_params()["held_out"])
    ]
    return [street, [Picture(drawn.image, drawn.boxes, drawn.landmarks) for drawn in read_portraits(portraits)]]


def loss(network: nn.Module, batch: list[Picture]) -> Tensor:
    images = torch.from_numpy(np.stack([one.image for one in batch])).float()
    with torch.autocast("cpu", torch.bfloat16):
        outputs = network(images)
    boxes = [torch.from_numpy(one.boxes) for one in batch]
    landmarks = [torch.from_numpy(one.landmarks) for one in batch]
    score, box, points = losses(outputs, boxes, landmarks, anchors(*images.shape[1:3]))
    return score + 2 * box + 0.5 * points


def main(scenes: Path, portraits: Path, weights: Path) -> None:
    recipe = load(DetectorRecipe, "detector")
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    cv2.setNumThreads(1)
    groups, shares = pictures(scenes, portraits), [1 - recipe.portraits, recipe.portraits]

    def make(size: int, rng: np.random.Generator) -> Picture:
        return sample(groups, shares, size, rng)

    for average in told(fit(Detector(), make, loss, recipe), recipe.steps):
        torch.save(average.state_dict(), weights)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
