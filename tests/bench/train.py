"""Training images a second: ours, a conventional loop (decode and resize every photo anew), and the network alone.

The three take turns in one process, many short rounds, and the best round of each counts: whatever else goes on in a
machine can only slow a round down. Where there is a GPU, also resnet18 and resnet50 at 224 in bfloat16, and the card's
matmul limit.
"""

import io
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from tests.bench.measure import PROJECT, figure
from visage.learning.losses import build_targets
from visage.learning.optim import OptimizerStep
from visage.learning.training import TrainingData, fit
from visage.networks.network import Head, Network, build_network
from visage.networks.recipe import TrainParams
from visage.networks.tensors import autocast
from visage.runtime.parallel import count_workers, select_device
from visage.runtime.params import load

HEAD = Head("mask", ("worn", "incorrect", "not worn"))
ROUNDS = int(os.environ.get("ROUNDS", "15"))


class Photos(Dataset):
    """What a conventional loop reads: JPEG files of 384x512 (about 25 KB), decoded and shrunk whenever asked for."""

    def __init__(self, folder: Path, recipe: TrainParams, count: int) -> None:
        self.size, self.paths = (recipe.width, recipe.height), [folder / f"{number}.jpg" for number in range(count)]
        rng = np.random.default_rng(0)
        for path in self.paths:
            coarse = Image.fromarray(rng.integers(40, 220, (32, 24, 3), np.uint8)).resize((384, 512), Image.BICUBIC)
            path.write_bytes(jpeg(np.asarray(coarse) + rng.integers(0, 16, (512, 384, 3), np.uint8)))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, int]:
        picture = np.asarray(Image.open(self.paths[place]).convert("RGB").resize(self.size, Image.BILINEAR))
        return torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 255, place % 3


def jpeg(picture: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(data, "JPEG", quality=75)
    return data.getvalue()


def made(recipe: TrainParams, on: str) -> Network:
    torch.manual_seed(0)
    return build_network(recipe, [HEAD]).to(on, memory_format=torch.channels_last).train()


def conventional(recipe: TrainParams, photos: Photos, on: str) -> Iterator[float]:
    """One round an epoch; the workers stay, so that their start is not counted."""
    network = made(recipe, on)
    stepper = OptimizerStep(network, recipe, 10**6)
    loader = DataLoader(
        photos, recipe.batch, shuffle=True, num_workers=count_workers(), drop_last=True, persistent_workers=True
    )
    next(iter(loader))
    while True:
        start = time.perf_counter()
        for pictures, codes in loader:
            with autocast(torch.device(on), recipe):
                answer = network(pictures.to(on))[0]
            stepper.step(F.cross_entropy(answer, codes.to(on)))
        yield len(loader) * recipe.batch / (time.perf_counter() - start)


def alone(recipe: TrainParams, count: int, on: str) -> Iterator[float]:
    """Forward and backward on a batch that is there, and nothing else."""
    network = made(recipe, on)
    pictures = torch.rand(recipe.batch, 3, recipe.height, recipe.width, device=on)
    codes = torch.arange(recipe.batch, device=on) % 3
    while True:
        start = time.perf_counter()
        for _ in range(count // recipe.batch):
            network.zero_grad(set_to_none=True)
            with autocast(torch.device(on), recipe):
                loss = F.cross_entropy(network(pictures)[0], codes)
            loss.backward()
        loss.item()
        yield count // recipe.batch * recipe.batch / (time.perf_counter() - start)


def ours(recipe: TrainParams, count: int, on: str) -> Iterator[float]:
    """What `fit` says about itself, with everything that the recipe switches on."""
    pixels = torch.randint(0, 256, (count, 3, recipe.height, recipe.width), dtype=torch.uint8, device=on)
    codes = torch.arange(count, device=on) % 3
    lesson = TrainingData(
        pixels, torch.arange(count, device=on), [codes], [build_targets(codes, codes.float(), HEAD, 1.0)]
    )
    for row in fit(made(recipe, on), lesson, lesson.pictures, [HEAD], recipe.replace(epochs=1000), seed=0):
        yield row["images_per_s"]


def rates(recipe: TrainParams, count: int, on: str) -> dict[str, list[float]]:
    with tempfile.TemporaryDirectory() as folder:
        loops = {
            "ours": ours(recipe, count, on),
            "conventional": conventional(recipe, Photos(Path(folder), recipe, count), on),
            "alone": alone(recipe, count, on),
        }
        for loop in loops.values():
            next(loop)  # the first round warms up
        rounds = [{name: next(loop) for name, loop in loops.items()} for _ in range(ROUNDS)]
    return {name: [one[name] for one in rounds] for name in loops}


def ratio(found: dict[str, list[float]], other: str) -> float:
    return max(found["ours"]) / max(found[other])


def rows(name: str, found: dict[str, list[float]]) -> dict[str, dict]:
    return {
        f"train {name}: ours / conventional loop": figure(ratio(found, "conventional"), 3, "higher", "times"),
        f"train {name}: ours / network alone": figure(ratio(found, "alone"), 0.9, "higher", "times"),
        f"train {name}: images a second": figure(max(found["ours"]), 0, "higher", "images/s"),
    }


def matmul_limit(on: str, side: int = 8192) -> float:
    """Measured bfloat16 operations a second of large square products."""
    a = torch.randn(side, side, device=on, dtype=torch.bfloat16)
    times = []
    for _ in range(10):
        torch.cuda.synchronize()
        start = time.perf_counter()
        a @ a
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return 2 * side**3 / min(times)


def figures() -> dict[str, dict]:
    torch.set_num_threads(count_workers())
    recipe = replace(load(TrainParams, "train", path=PROJECT / "params.yaml"), joint=False, eval_every=0)
    small = recipe.replace(backbone="cnn", weights="none", unfreeze="all", height=128, width=96)
    found = rows("cnn 128x96 on the CPU", rates(small, 640, "cpu"))
    if select_device() == "cuda":
        from torch.utils.flop_counter import FlopCounterMode

        limit = matmul_limit("cuda")
        for name in ("resnet18", "resnet50"):
            large = replace(small, backbone=name, height=224, width=224, precision="bfloat16", batch=256)
            found |= rows(f"{name} 224 on the GPU", rates(large, 4096, "cuda"))
            with FlopCounterMode(display=False) as counter:
                made(large, "cpu")(torch.zeros(2, 3, 224, 224))
            share = (
                found[f"train {name} 224 on the GPU: images a second"]["figure"]
                * counter.get_total_flops()
                / 2
                * 3
                / limit
            )
            found[f"train {name} 224 on the GPU: share of the matmul limit"] = figure(share, 0, "higher", "")
    return found
