"""Mattes a second of the stage and of the network alone (tensors in memory, every core busy), in turn; medians."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from tests.bench.measure import SHARED, figure
from visage.faces.mattes import MattingModel, make_matte_row
from visage.faces.u2net import INPUT_SIDE
from visage.formats.shards import encode_image, shard_order, write_shards
from visage.practice.people import sample_population
from visage.practice.portraits import draw_portrait
from visage.runtime.memo import Memo
from visage.runtime.parallel import map_threads

PICTURES, ROUNDS = 96, 3


def draw_crops() -> list[dict]:
    """Drawn heads of the size that `crop` stores."""
    rng = np.random.default_rng(5)
    people = sample_population(5, 8)
    pictures = [draw_portrait(person, "mask1", rng).image[120:440:2, 72:312:2] for person in people]
    data = [encode_image(picture) for picture in pictures]
    photos = shard_order(f"{number}.jpg" for number in range(PICTURES))
    return [{"photo": photo, "image": data[number % len(data)]} for number, photo in enumerate(photos)]


def network_alone(model: MattingModel) -> float:
    """Pictures a second through the network, with nothing before or after it."""
    network = model.network
    pixels = np.random.default_rng(0).standard_normal((1, 3, INPUT_SIDE, INPUT_SIDE)).astype(np.float32)
    inputs = {network.get_inputs()[0].name: pixels}
    return measure_rate(lambda: list(map_threads(lambda _: network.run(None, inputs), range(PICTURES))))


def whole_stage(model: MattingModel, crops: list[dict]) -> float:
    """Pictures a second as the stage does it, memo and shards included; nothing is remembered from before."""
    with tempfile.TemporaryDirectory() as folder, Memo("bench", folder=Path(folder)) as memo:
        rows = memo.map(
            partial(map_threads, partial(make_matte_row, model)),
            crops,
            key=lambda crop: [crop["photo"], crop["image"]],
        )
        return measure_rate(lambda: write_shards(Path(folder) / "mattes", rows, {}))


def measure_rate(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return PICTURES / (time.perf_counter() - start)


def figures() -> dict[str, dict]:
    crops, table = draw_crops(), {}
    models = {"bundled": "bundled", "u2netp": str(SHARED / "weights/u2net/u2netp.onnx")}
    for name, weights in models.items():
        if weights.endswith(".onnx") and not Path(weights).is_file():
            print(f"cut_out: no weights of {name}; its figures are left out")
            continue
        model = MattingModel(weights)
        rates = [(whole_stage(model, crops), network_alone(model)) for _ in range(ROUNDS)]
        share = median(stage / network for stage, network in rates)
        table[f"cut_out, {name}: share of the network alone"] = figure(share, 0.9, "higher", "ratio")
        table[f"cut_out, {name}: photos a second"] = figure(
            median(stage for stage, _ in rates), 2, "higher", "photos/s"
        )
    return table
