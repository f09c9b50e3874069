"""A small, honest bundle for tests: untrained networks of 32 x 24 pixels, exported and checked as the stage does it,
and the bundled detector, which finds the faces of drawn people."""

import functools
from pathlib import Path

import cv2
import numpy as np

from tests.conftest import PROJECT
from tests.drawn_people import AGE, GENDER, MASK, TASKS, people, recipe
from visage.faces.crop_params import CropParams
from visage.faces.detectors import DetectParams
from visage.practice.people import sample_population
from visage.practice.portraits import draw_portrait

DETECT = DetectParams(
    detector="bundled", weights=str(PROJECT / "models/bundled/detector.onnx"), side=256, upscale=False, threshold=0.3,
    batch=4, choose="largest",
)  # fmt: skip
CROP = CropParams(
    enabled=True,
    size=64,
    shape="portrait",
    margin=0.25,
    align=True,
    fit="grow",
    pad="blur",
    missing="whole",
    quality=95,
)
FOLDS = 2


def write_tiny_bundle(folder: Path, **recipe_changes: object) -> Path:
    """A bundle of one joint network and one for age over years, two folds each; about two seconds with torch loaded."""
    import torch

    from visage.bundling.build import (
        Source,
        card_of_crop,
        card_of_tasks,
        export_sources,
        write_detector,
        write_networks,
    )  # fmt: skip
    from visage.networks.checkpoints import CheckpointCard, encode_checkpoint
    from visage.networks.network import Head, build_network
    from visage.serving.card import FORMAT, write_card

    folder.mkdir(parents=True, exist_ok=True)
    sources = []
    heads = {
        "joint": tuple(Head(task.name, task.classes) for task in (MASK, GENDER, AGE)),
        "years": (Head("age", AGE.classes, tuple(np.arange(10.0, 80.0)), AGE.bins),),
    }
    for member, own_heads in heads.items():
        for fold in range(FOLDS):
            torch.manual_seed(fold)
            card = CheckpointCard(own_heads, recipe(**recipe_changes), "", fold)
            path = folder / f"{member}{fold}.safetensors"
            path.write_bytes(encode_checkpoint(sharpen(build_network(card.recipe, own_heads)), card))
            sources.append(Source(path, member, card, f"{member}{fold}", tuple(head.task for head in own_heads)))
    pixels = np.random.default_rng(0).integers(0, 256, (20, 32, 24, 3), np.uint8)
    pictures = {source.card.recipe.preprocessing: pixels for source in sources}
    rows, error = write_networks(folder, export_sources(sources, pictures, "flip", "float32"))
    for source in sources:
        source.path.unlink()
    card = {
        "format": FORMAT,
        "tasks": card_of_tasks(TASKS, people(12)),
        "detect": write_detector(folder, DETECT),
        "crop": card_of_crop(CROP, []),
        "matting": None,
        "views": "flip",
        "networks": rows,
        "precision": "float32",
        "folds": "all",
        "blend": {
            "mask": {"joint": 0.8},
            "gender": {"joint": 1.2},
            "age": {"joint": 0.4, "years": 0.6},
        },
        "rule": {t.name: {"offsets": [0.0] * len(t.classes), "order": [*range(len(t.classes))][::-1]} for t in TASKS},
        "check": {"photos": len(pixels), "largest_difference": error},
        "scores": {"held_out": {name: {"macro_f1": 0.5, "low": 0.4, "high": 0.6} for name in ("joint", "mask")}},
        "cost": {},
        "trained_on": {"people": 0, "photos": 0, "sha256": {}, "revision": "unknown", "recipes": {}},
        "versions": {},
        "licences": ["a test's own."],
    }
    write_card(folder, card)
    return folder


def sharpen(network):
    """Untrained heads answer nearly the same for every picture: ten times their weights, and the answers differ."""
    for head in network.heads:
        head[-1].weight.data.mul_(10)
    return network


@functools.cache
def portraits(count: int = 4) -> tuple[np.ndarray, ...]:
    """Photos of drawn people (RGB, 512 x 384), the same each time."""
    rng = np.random.default_rng(5)
    people = sample_population(seed=3, count=count)
    return tuple(draw_portrait(person, "normal", rng).image for person in people)


@functools.cache
def group() -> np.ndarray:
    """A photo of two drawn people side by side, the left one twice as large."""
    left, right = portraits()[:2]
    half = np.full((left.shape[0], right.shape[1] // 2, 3), 128, np.uint8)
    half[: right.shape[0] // 2] = cv2.resize(right, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return np.hstack([left, half])


def write_photo(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image[..., ::-1])
    return path
