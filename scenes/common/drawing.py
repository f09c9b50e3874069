"""The drawing of portraits: one person alone, or a crowd of two to four, with and without masks."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import cv2
import numpy as np
from pydantic import Field

from common.portraits import GroupPortrait
from visage.formats.columns import SHOTS
from visage.practice.people import Person, sample_population
from visage.practice.portraits import Portrait, draw_group, draw_portrait
from visage.runtime.params import Params


class DrawParams(Params):
    """Section `draw`."""

    seed: int = Field(ge=0)
    people: int = Field(ge=0)
    crowds: int = Field(ge=0)


def draw_portraits(params: DrawParams, workers: int) -> Iterator[GroupPortrait]:
    """The people alone, then the crowds, in an order that does not depend on the workers."""
    alone = [[person] for person in sample_population(params.seed, params.people)]
    strangers = sample_population(params.seed, 4 * params.crowds, stream=1)
    crowds = [strangers[4 * i : 4 * i + 2 + i % 3] for i in range(params.crowds)]
    keys = [(params.seed, 2, i) for i in range(len(alone) + len(crowds))]
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        yield from pool.map(draw_together, alone + crowds, keys, chunksize=8)


def draw_together(people: Sequence[Person], key: tuple[int, ...]) -> GroupPortrait:
    """One image of these people, each with or without a mask as the random key decides."""
    cv2.setNumThreads(1)  # the processes share the cores already
    rng = np.random.default_rng(key)
    portraits = draw_group(people, rng.choice(SHOTS, len(people)).tolist(), rng)
    boxes = np.array([portrait.box for portrait in portraits])
    landmarks = np.array([portrait.landmarks for portrait in portraits])
    return GroupPortrait(portraits[0].image, portraits[0].alpha, boxes, landmarks)


def draw_test_portraits(seed: int, count: int) -> list[Portrait]:
    """One portrait each of `count` people, the shots in turn."""
    return [
        draw_portrait(person, SHOTS[i % len(SHOTS)], np.random.default_rng([seed, 3, i]))
        for i, person in enumerate(sample_population(seed, count))
    ]
