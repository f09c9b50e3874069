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
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from tests.bench.measure import PROJECT, figure
from visage.learning.losses import build_targets
from visage.learning.optim import ScheduledOptimizer
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
        self.size, self.paths = (recipe.width, recipe.height), [folder / f"{index}.jpg" for index in range(count)]
        rng = np.random.default_rng(0)
        for path in self.paths:
            coarse = Image.fromarray(rng.integers(40, 220, (32, 24, 3), np.uint8)).resize((384, 512), Image.BICUBIC)
            path.write_bytes(encode_jpeg(np.asarray(coarse) + rng.integers(0, 16, (512, 384, 3), np.uint8)))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        picture = np.asarray(Image.open(self.paths[index]).convert("RGB").resize(self.size, Image.BILINEAR))
        return torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 255, index % 3


def encode_jpeg(picture: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(data, "JPEG", quality=75)
    return data.getvalue()


def build(recipe: TrainParams, device: str) -> Network:
    torch.manual_seed(0)
    return build_network(recipe, [HEAD]).to(device, memory_format=torch.channels_last).train()


def run_conventional(recipe: TrainParams, photos: Photos, device: str) -> Iterator[float]:
    """One round an epoch, in images a second; the workers stay, so that their start is not counted."""
    network = build(recipe, device)
    optimizer = ScheduledOptimizer(network, recipe, 10**6)
    loader = DataLoader(
        photos, recipe.batch, shuffle=True, num_workers=count_workers(), drop_last=True, persistent_workers=True
    )
    next(iter(loader))
    while True:
        start = time.perf_counter()
        for pictures, codes in loader:
            with autocast(torch.device(device), recipe.precision):
                logits = network(pictures.to(device))[0]
            optimizer.step(F.cross_entropy(logits, codes.to(device)))
        yield len(loader) * recipe.batch / (time.perf_counter() - start)


def run_alone(recipe: TrainParams, count: int, device: str) -> Iterator[float]:
    """Forward and backward on a batch that is there, and nothing else."""
    network = build(recipe, device)
    pictures = torch.rand(recipe.batch, 3, recipe.height, recipe.width, device=device)
    codes, steps = torch.arange(recipe.batch, device=device) % 3, count // recipe.batch
    while True:
        start = time.perf_counter()
        for _ in range(steps):
            network.zero_grad(set_to_none=True)
            with autocast(torch.device(device), recipe.precision):
                loss = F.cross_entropy(network(pictures)[0], codes)
            loss.backward()
        loss.item()
        yield steps * recipe.batch / (time.perf_counter() - start)


def run_ours(recipe: TrainParams, count: int, device: str) -> Iterator[float]:
    """The rate in the learning curve of `fit`, with everything that the recipe switches on."""
    pixels = torch.randint(0, 256, (count, 3, recipe.height, recipe.width), dtype=torch.uint8, device=device)
    rows = torch.arange(count, device=device)
    codes = rows % 3
    data = TrainingData(pixels, rows, rows, [HEAD], [codes], [build_targets(codes, codes.float(), HEAD, 1.0)])
    for row in fit(build(recipe, device), data, rows, recipe.replace(epochs=1000), seed=0):
        yield row["images_per_s"]


def measure_rates(recipe: TrainParams, count: int, device: str) -> dict[str, float]:
    """The best round of each loop, in images a second."""
    with tempfile.TemporaryDirectory() as folder:
        loops = {
            "ours": run_ours(recipe, count, device),
            "conventional": run_conventional(recipe, Photos(Path(folder), recipe, count), device),
            "alone": run_alone(recipe, count, device),
        }
        for loop in loops.values():
            next(loop)  # the first round warms up
        rounds = [{name: next(loop) for name, loop in loops.items()} for _ in range(ROUNDS)]
    return {name: max(rates[name] for rates in rounds) for name in loops}


def compare_rates(name: str, rates: dict[str, float]) -> dict[str, dict]:
    ours = rates["ours"]
    return {
        f"train {name}: ours / conventional loop": figure(ours / rates["conventional"], 3, "higher", "times"),
        f"train {name}: ours / network alone": figure(ours / rates["alone"], 0.9, "higher", "times"),
        f"train {name}: images a second": figure(ours, 0, "higher", "images/s"),
    }


def measure_matmul(side: int = 8192) -> float:
    """bfloat16 operations a second of large square products on the GPU."""
    a = torch.randn(side, side, device="cuda", dtype=torch.bfloat16)
    times = []
    for _ in range(10):
        torch.cuda.synchronize()
        start = time.perf_counter()
        a @ a
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return 2 * side**3 / min(times)


def count_operations(recipe: TrainParams) -> float:
    """Operations that one training image takes: the backward pass costs twice the forward pass."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        build(recipe, "cpu")(torch.zeros(2, 3, recipe.height, recipe.width))
    return counter.get_total_flops() / 2 * 3


def figures() -> dict[str, dict]:
    torch.set_num_threads(count_workers())
    recipe = load(TrainParams, "train", path=PROJECT / "params.yaml").replace(joint=False, eval_every=0)
    small = recipe.replace(backbone="cnn", weights="none", unfreeze="all", height=128, width=96)
    results = compare_rates("cnn 128x96 on the CPU", measure_rates(small, 640, "cpu"))
    if select_device() != "cuda":
        return results
    limit = measure_matmul()
    for name in ("resnet18", "resnet50"):
        large = small.replace(backbone=name, height=224, width=224, precision="bfloat16", batch=256)
        rates = measure_rates(large, 4096, "cuda")
        share = rates["ours"] * count_operations(large) / limit
        results |= compare_rates(f"{name} 224 on the GPU", rates)
        results[f"train {name} 224 on the GPU: share of the matmul limit"] = figure(share, 0, "higher", "")
    return results
