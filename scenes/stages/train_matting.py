"""Train the matting network on drawn portraits, and keep the averaged weights."""

from pathlib import Path

import numpy as np

from common.portraits import read_portraits
from common.street_scenes import ScenesParams, crop_above_faces, read_training_scenes
from common.training import fit, make_deterministic
from common.weights import save_weights
from matting.network import Matting
from matting.samples import make_sample
from matting.training import TrainMattingParams, batch_loss
from visage.runtime.params import load
from visage.runtime.progress import Progress
from visage.runtime.stage import run


def main(scenes: Path, portraits: Path, weights: Path) -> None:
    params = load(TrainMattingParams, "train_matting")
    held_out = load(ScenesParams, "scenes").held_out
    backgrounds, people = crop_above_faces(read_training_scenes(scenes, held_out)), read_portraits(portraits)

    def draw_sample(size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return make_sample(people, backgrounds, params.scene_share, size, rng)

    make_deterministic(params.seed)
    with Progress("train_matting", params.steps, "steps") as progress:
        for steps, loss, average in fit(Matting(), draw_sample, batch_loss, params):
            progress.update(steps, f"loss {loss:.3f}")
            save_weights(average, weights)


if __name__ == "__main__":
    run(main)
