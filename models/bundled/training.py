"""One loop for both networks: AdamW with a warm start and a cosine end, bfloat16 convolutions, averaged weights kept.

One thread: on a CPU a second one costs more in waiting than it gains at these sizes, and the result stays the same
on every run. Samples are made by two threads of their own, ahead of the step that wants them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

AHEAD = 3  # batches in the making


@dataclass(frozen=True)
class Recipe:
    seed: int
    steps: int
    batch: int
    sizes: tuple[int, int]  # px of the training pictures, first and last: small ones teach nearly as much and cost less
    grow: float  # share of the steps with the first size
    sizes: tuple[int, int]  # px of the training pictures, early and late: small ones teach nearly as much and cost less
    grow: float  # share of the steps that are early
    lr: float
    decay: float  # of the weights; norms and biases have none


def samples(make: Callable[[int, np.random.Generator], object], recipe: Recipe) -> Iterator[list]:
    """One list of `batch` samples a step; a sample depends on its size, the seed, the step and its place alone."""
    with ThreadPoolExecutor(2) as pool:

        def ask(step: int) -> list:
            size = recipe.sizes[step >= recipe.grow * recipe.steps]
            keys = ([recipe.seed, step, place] for place in range(recipe.batch))
            return [pool.submit(make, size, np.random.default_rng(key)) for key in keys]

        waiting = [ask(step) for step in range(min(AHEAD, recipe.steps))]
        for step in range(recipe.steps):
            yield [future.result() for future in waiting.pop(0)]
            if step + AHEAD < recipe.steps:
                waiting.append(ask(step + AHEAD))


def fit(
    network: nn.Module, make: Callable, loss: Callable[[nn.Module, list], Tensor], recipe: Recipe
) -> Iterator[tuple[int, float, nn.Module]]:
    """(step, loss, the averaged network) after every step."""
    network = network.to(memory_format=torch.channels_last).train()
    average = copy.deepcopy(network).eval()
    weights = [part for part in network.parameters() if part.ndim > 1]
    others = [part for part in network.parameters() if part.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": weights, "weight_decay": recipe.decay}, {"params": others, "weight_decay": 0}], lr=recipe.lr
    )
    for step, batch in enumerate(samples(make, recipe)):
        for group in optimiser.param_groups:
            group["lr"] = recipe.lr * min(1, (step + 1) / 100) * (0.5 + 0.5 * np.cos(np.pi * step / recipe.steps))
        value = loss(network, batch)
        optimiser.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 10)
        optimiser.step()
        blend(average, network, keep=min(0.995, (step + 1) / (step + 10)))
        yield step + 1, value.item(), average


def told(done: Iterator[tuple[int, float, nn.Module]], steps: int, every: int = 100) -> Iterator[nn.Module]:
    """Print the mean loss now and then, and hand the network on to be saved."""
    losses: list[float] = []
    for step, loss, average in done:
        losses.append(loss)
        if step % every == 0 or step == steps:
            print(f"{step}/{steps} loss {np.mean(losses):.3f}", flush=True)
            losses.clear()
            yield average


@torch.no_grad()
def blend(average: nn.Module, network: nn.Module, *, keep: float) -> None:
    for old, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        old.lerp_(new, 1 - keep) if old.dtype.is_floating_point else old.copy_(new)
