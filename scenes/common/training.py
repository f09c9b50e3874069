"""The training loop of both networks: AdamW, linear warm-up and cosine, bfloat16 convolutions, averaged weights.

One thread trains: at these sizes a second one on a CPU costs more in waiting than it gains, and every run gives the
same result. Two more threads make the samples of the next steps.
"""

import copy
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import cv2
import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from visage.runtime.params import Params

PREFETCH = 3  # batches that are being made while one is trained on
WARMUP_STEPS = 100  # of the learning rate
EMA_DECAY = 0.995  # of the averaged weights
MAX_GRADIENT_NORM = 10
REPORT_EVERY = 20  # steps

Sample = TypeVar("Sample")


class TrainingParams(Params):
    """What both training sections hold."""

    seed: int = Field(ge=0)
    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    sizes: tuple[int, int]  # px of the training images, early and late: small ones teach nearly as much and cost less
    early_share: float = Field(ge=0, le=1)  # of the steps
    lr: float = Field(gt=0)
    weight_decay: float = Field(ge=0)  # norms and biases have none


def make_deterministic(seed: int) -> None:
    """One thread for torch and OpenCV, and the seed of the initial weights."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.manual_seed(seed)


def fit(
    network: nn.Module,
    make_sample: Callable[[int, np.random.Generator], Sample],
    compute_loss: Callable[[nn.Module, list[Sample]], Tensor],
    params: TrainingParams,
) -> Iterator[tuple[int, float, nn.Module]]:
    """Every REPORT_EVERY steps and after the last: (steps since, their mean loss, the network of averaged weights)."""
    network = network.to(memory_format=torch.channels_last).train()
    average = copy.deepcopy(network).eval()
    optimizer = build_optimizer(network, params)
    losses: list[float] = []
    for step, batch in enumerate(sample_batches(make_sample, params), start=1):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, params)
        loss = compute_loss(network, batch)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), MAX_GRADIENT_NORM)
        optimizer.step()
        update_average(average, network, decay=min(EMA_DECAY, step / (step + 9)))
        losses.append(loss.item())
        if step % REPORT_EVERY == 0 or step == params.steps:
            yield len(losses), float(np.mean(losses)), average
            losses.clear()


def sample_batches(
    make_sample: Callable[[int, np.random.Generator], Sample], params: TrainingParams
) -> Iterator[list[Sample]]:
    """One list of `batch` samples a step; a sample depends on its size, the seed, its step and its place alone."""
    with ThreadPoolExecutor(2) as pool:

        def submit(step: int) -> list[Future]:
            size = params.sizes[step >= params.early_share * params.steps]
            keys = [[params.seed, step, place] for place in range(params.batch)]
            return [pool.submit(make_sample, size, np.random.default_rng(key)) for key in keys]

        pending = [submit(step) for step in range(min(PREFETCH, params.steps))]
        for step in range(params.steps):
            yield [future.result() for future in pending.pop(0)]
            if step + PREFETCH < params.steps:
                pending.append(submit(step + PREFETCH))


def build_optimizer(network: nn.Module, params: TrainingParams) -> torch.optim.Optimizer:
    """AdamW; the weights of convolutions decay, biases and norms do not."""
    weights = [weight for weight in network.parameters() if weight.ndim > 1]
    others = [weight for weight in network.parameters() if weight.ndim <= 1]
    groups = [{"params": weights, "weight_decay": params.weight_decay}, {"params": others, "weight_decay": 0}]
    return torch.optim.AdamW(groups, lr=params.lr)


def learning_rate(step: int, params: TrainingParams) -> float:
    """Linear warm-up times half a cosine; steps count from 1."""
    warmup = min(1, step / WARMUP_STEPS)
    return params.lr * warmup * (0.5 + 0.5 * np.cos(np.pi * (step - 1) / params.steps))


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, *, decay: float) -> None:
    """Move the averaged weights towards the network's; counters are copied."""
    for old, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        old.lerp_(new, 1 - decay) if old.dtype.is_floating_point else old.copy_(new)
