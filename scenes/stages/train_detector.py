"""Train the face detector on street scenes and drawn portraits, and keep the averaged weights."""

from pathlib import Path

import numpy as np

from common.portraits import read_portraits
from common.street_scenes import ScenesParams, read_training_scenes
from common.training import fit, make_deterministic
from common.weights import save_weights
from detector.network import Detector
from detector.samples import AnnotatedImage, make_sample
from detector.training import TrainDetectorParams, annotate, batch_loss
from visage.runtime.params import load
from visage.runtime.progress import Progress
from visage.runtime.stage import run


def main(scenes: Path, portraits: Path, weights: Path) -> None:
    params = load(TrainDetectorParams, "train_detector")
    held_out = load(ScenesParams, "scenes").held_out
    groups = annotate(read_training_scenes(scenes, held_out), read_portraits(portraits))
    shares = [1 - params.portrait_share, params.portrait_share]

    def draw_sample(size: int, rng: np.random.Generator) -> AnnotatedImage:
        return make_sample(groups, shares, size, rng)

    make_deterministic(params.seed)
    with Progress("train_detector", params.steps, "steps") as progress:
        for steps, loss, average in fit(Detector(), draw_sample, batch_loss, params):
            progress.update(steps, f"loss {loss:.3f}")
            save_weights(average, weights)


if __name__ == "__main__":
    run(main)
