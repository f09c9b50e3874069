"""Draw the portraits that both networks learn from: alone and in small crowds, with and without masks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from portraits import Drawn, write_portraits

from visage.formats.columns import SHOTS
from visage.practice.people import Person, draw_population
from visage.practice.portraits import draw_group
from visage.runtime.parallel import count_workers
from visage.runtime.params import load


@dataclass(frozen=True)
class DrawParams:
    seed: int
    people: int
    crowds: int


def together(people: Sequence[Person], key: tuple[int, ...]) -> Drawn:
    cv2.setNumThreads(1)  # the processes share the cores already
    rng = np.random.default_rng(key)
    made = draw_group(people, rng.choice(SHOTS, len(people)).tolist(), rng)
    return Drawn(
        made[0].image, made[0].alpha, np.array([one.box for one in made]), np.array([one.landmarks for one in made])
    )


def main(portraits: Path) -> None:
    params = load(DrawParams, "draw")
    alone = [[person] for person in draw_population(params.seed, params.people)]
    others = draw_population(params.seed, 4 * params.crowds, stream=1)
    groups = [others[4 * i : 4 * i + 2 + i % 3] for i in range(params.crowds)]
    keys = [(params.seed, 2, i) for i in range(len(alone) + len(groups))]
    with ProcessPoolExecutor(count_workers(), get_context("spawn")) as pool:
        write_portraits(portraits, pool.map(together, alone + groups, keys, chunksize=8))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
