"""Mattes a second against the network alone, on ready tensors with every core busy; by turns, medians of the rounds."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from tests.bench.measure import SHARED, figure
from visage.faces.mattes import MattingModel, make_matte_row
from visage.formats.shards import encode_image
from visage.practice.people import sample_population
from visage.practice.portraits import draw_portrait
from visage.runtime.memo import Memo, digest, memoize
from visage.runtime.parallel import map_threads

PICTURES, ROUNDS = 96, 3


def crops() -> list[dict]:
    """Drawn heads of the size that `crop` stores."""
    rng = np.random.default_rng(5)
    people = sample_population(5, 8)
    pictures = [draw_portrait(person, "mask1", rng).image[120:440:2, 72:312:2] for person in people]
    data = [encode_image(picture) for picture in pictures]
    keys = sorted(f"{number}.jpg" for number in range(PICTURES))
    return [{"photo": key, "width": 120, "height": 160, "image": data[n % len(data)]} for n, key in enumerate(keys)]


def alone(matter: MattingModel) -> float:
    """Pictures a second through the network, with nothing before or after it."""
    ready = np.random.default_rng(0).standard_normal((1, 3, 320, 320)).astype(np.float32)
    name = matter.session.inner_session.get_inputs()[0].name
    return rate(
        lambda: list(map_threads(lambda _: matter.session.inner_session.run(None, {name: ready}), range(PICTURES)))
    )


def whole(matter: MattingModel, rows: list[dict]) -> float:
    """Pictures a second through the stage's own path, memo and shards included."""
    with tempfile.TemporaryDirectory() as folder:
        stored = sorted(rows, key=lambda row: row["photo"])

        def work() -> None:
            with Memo("bench", folder=Path(folder)) as memo:
                made = memoize(
                    memo,
                    stored,
                    lambda some: [digest(time.time(), row["photo"]) for row in some],
                    lambda new: map_threads(lambda crop: make_matte_row(matter, crop), new),
                )
                assert len(list(made)) == PICTURES

        return rate(work)


def rate(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return PICTURES / (time.perf_counter() - start)


def figures() -> dict[str, dict]:
    rows, found = crops(), {}
    models = {"bundled": "bundled", "u2netp": str(SHARED / "weights/u2net/u2netp.onnx")}
    for name, model in models.items():
        if model.endswith(".onnx") and not Path(model).is_file():
            print(f"cut_out: no weights of {name}; its figures are left out")
            continue
        matter = MattingModel(model)
        pairs = [(whole(matter, rows), alone(matter)) for _ in range(ROUNDS)]
        share = median(ours / network for ours, network in pairs)
        found[f"cut_out, {name}: share of the network alone"] = figure(share, 0.9, "higher", "ratio")
        found[f"cut_out, {name}: photos a second"] = figure(median(ours for ours, _ in pairs), 2, "higher", "photos/s")
    return found
