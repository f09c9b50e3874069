"""Learning one network: epochs over a tensor of pictures that is already on the device."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Generator, Tensor, nn

from visage.learning.augment import augment, flip_count
from visage.learning.losses import Targets, class_weights, head_loss
from visage.learning.optim import EMA, BestCheckpoint, OptimizerStep
from visage.networks.network import Head, Network
from visage.networks.recipe import TrainParams
from visage.networks.tensors import autocast, gather, to_float
from visage.runtime.parallel import count_workers
from visage.scores import macro_f1

MAX_LOSS = 100.0  # no loss of ours begins above 10


@dataclass(frozen=True)
class TrainingData:
    """Pictures (uint8, P x 3 x H x W), and for each of N rows: the place of its picture and, per head, the true class
    code (-1: unknown) and what training wants.

    For a frozen backbone, `features` (P x views x width) were computed once and stand in for the pictures.
    """

    pixels: Tensor
    pictures: Tensor
    codes: list[Tensor]
    targets: list[Targets]
    features: Tensor | None = None


def fit(
    network: Network,
    lesson: TrainingData,
    rows: Tensor,
    heads: Sequence[Head],
    recipe: TrainParams,
    *,
    seed: int,
    looks: Mapping[str, Tensor] | None = None,
) -> Iterator[dict[str, Any]]:
    """Teach the network, in place, from these rows; yields a row of the learning curve per epoch and split.

    `looks` are other rows to score on the way: `inner` (training people set aside) may end the training early,
    `held_out` is looked at and decides nothing. In the end the network is its moving average, or the best epoch.
    """
    torch.manual_seed(seed)  # dropout draws from torch's own generator, everything else from ours
    random = Generator(rows.device).manual_seed(seed)
    weights = [
        class_weights(codes[rows], len(h.classes), recipe.class_weights)
        for codes, h in zip(lesson.codes, heads, strict=True)
    ]
    steps = max(1, len(rows) // recipe.batch)
    init_batchnorm(network, lesson, rows, recipe)
    stepper, average = OptimizerStep(network, recipe, recipe.epochs * steps), EMA(network, recipe.ema)
    best, since = BestCheckpoint(recipe.early_stop), 0
    for epoch in range(1, recipe.epochs + 1):
        network.train()
        started, losses, guesses, order = perf_counter(), [], [], epoch_batches(lesson, rows, recipe, random)
        for batch in order:
            outputs, wanted = forward_batch(stepper.network, lesson, batch, recipe, random)
            loss = sum(
                head_loss(o, t, h, w, recipe) for o, t, h, w in zip(outputs, wanted, heads, weights, strict=True)
            )
            stepper.step(loss)
            average.follow()
            losses.append(loss.detach())
            guesses.append([h.class_logits(o.detach()).argmax(1) for o, h in zip(outputs, heads, strict=True)])
        loss = torch.stack(losses).mean().item()
        rate = order.numel() / (perf_counter() - started)
        if not loss < MAX_LOSS:
            raise ValueError(
                f"the loss is {loss:.3g} after epoch {epoch} at learning rate {stepper.rate:.2g}; lower train.lr."
            )
        guessed = [torch.cat(one) for one in zip(*guesses, strict=True)]
        yield curve_row(epoch, "train", loss, mean_macro_f1(lesson, order.flatten(), guessed), stepper.rate, rate)
        for split, others in splits_due(looks, recipe, epoch):
            loss, f1 = evaluate(average.network, lesson, others, heads, recipe)
            yield curve_row(epoch, split, loss, f1, stepper.rate, 0.0)
            if split == "inner":
                since = 0 if best.seen(average.network, loss, f1) else since + 1
        if since >= recipe.patience:
            break
    network.load_state_dict(best.state or average.network.state_dict())
    network.eval()


@torch.no_grad()
def init_batchnorm(network: Network, lesson: TrainingData, rows: Tensor, recipe: TrainParams) -> None:
    """Let batch norms begin with the statistics of a first batch: with few steps, where they begin would stay visible.

    From there they move by a tenth a step (MobileNet's own hundredth is made for a million steps).
    """
    norms = [layer for layer in network.train().modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    for layer in norms:
        layer.momentum = 1.0
    if norms:
        some = lesson.pictures[rows[:: max(1, len(rows) // recipe.batch)][: recipe.batch]]
        with autocast(rows.device, recipe):
            if lesson.features is None:
                network(to_float(gather(lesson.pixels, some)))
            else:
                network.answers(lesson.features[some, 0])
    for layer in norms:
        layer.momentum = 0.1


def curve_row(epoch: int, split: str, loss: float, f1: float, lr: float, rate: float) -> dict[str, Any]:
    return {"epoch": epoch, "split": split, "loss": loss, "macro_f1": f1, "lr": lr, "images_per_s": rate}


def epoch_batches(lesson: TrainingData, rows: Tensor, recipe: TrainParams, random: Generator) -> Tensor:
    """An epoch's pictures in random order, cut to whole batches; `balanced` draws every joint class as often."""
    if recipe.sampling == "balanced":
        _, place, counts = torch.stack([codes[rows] for codes in lesson.codes], 1).unique(
            dim=0, return_inverse=True, return_counts=True
        )
        order = torch.multinomial(1 / counts[place].float(), len(rows), replacement=True, generator=random)
    else:
        order = torch.randperm(len(rows), generator=random, device=random.device)
    size = min(recipe.batch, len(rows))
    return rows[order[: len(rows) // size * size]].view(-1, size)


def forward_batch(
    ask: nn.Module, lesson: TrainingData, rows: Tensor, recipe: TrainParams, random: Generator
) -> tuple[list[Tensor], list[Targets]]:
    """The network's answers to a varied batch, and what was wanted."""
    wanted = [targets[rows] for targets in lesson.targets]
    if lesson.features is not None:  # the variation of a frozen backbone is to see the mirror image
        view = (torch.arange(len(rows), device=rows.device) < flip_count(len(rows), recipe)).long()
        seen = lesson.features[lesson.pictures[rows], view.clamp_max(lesson.features.shape[1] - 1)]
        with autocast(rows.device, recipe):
            return ask.answers(seen), wanted
    with torch.no_grad():
        pictures, wanted = augment(gather(lesson.pixels, lesson.pictures[rows]), wanted, recipe, random)
    with autocast(rows.device, recipe):
        return ask(pictures), wanted


@torch.no_grad()
def predict_logits(network: Network, lesson: TrainingData, rows: Tensor, recipe: TrainParams) -> list[Tensor]:
    """The network's outputs for these rows as they are."""
    network.eval()
    with autocast(rows.device, recipe):
        parts = [
            network(to_float(gather(lesson.pixels, some)))
            if lesson.features is None
            else network.answers(lesson.features[some, 0])
            for some in lesson.pictures[rows].split(4 * recipe.batch)
        ]
    return [torch.cat(one) for one in zip(*parts, strict=True)]


@torch.no_grad()
def frozen_features(network: Network, pixels: Tensor, recipe: TrainParams) -> Tensor:
    """What a frozen backbone makes of every picture and, if the recipe flips, of its mirror image."""
    network.eval()
    device = network.mean.device
    parts = []
    with autocast(device, recipe):
        for some in torch.arange(len(pixels), device=device).split(4 * recipe.batch):
            pictures = to_float(gather(pixels, some))
            seen = [pictures, pictures.flip(3)] if recipe.flip else [pictures]
            parts.append(torch.stack([network.features(one).float() for one in seen], 1))
    return torch.cat(parts)


def splits_due(looks: Mapping[str, Tensor] | None, recipe: TrainParams, epoch: int) -> Iterator[tuple[str, Tensor]]:
    """The inner split after every epoch, others after every `watch` epochs and the last."""
    for split, rows in (looks or {}).items():
        if split == "inner" or (recipe.eval_every and (epoch % recipe.eval_every == 0 or epoch == recipe.epochs)):
            yield split, rows


def evaluate(
    network: Network, lesson: TrainingData, rows: Tensor, heads: Sequence[Head], recipe: TrainParams
) -> tuple[float, float]:
    """Cross-entropy and macro F1 on the true labels, summed and averaged over heads."""
    logits = [h.class_logits(o) for o, h in zip(predict_logits(network, lesson, rows, recipe), heads, strict=True)]
    pairs = zip(logits, lesson.codes, strict=True)
    loss = sum(nn.functional.cross_entropy(one, codes[rows], ignore_index=-1).item() for one, codes in pairs)
    return loss, mean_macro_f1(lesson, rows, [one.argmax(1) for one in logits])


def mean_macro_f1(lesson: TrainingData, rows: Tensor, guesses: list[Tensor]) -> float:
    """Macro F1, averaged over heads."""
    pairs = [
        (codes[rows].numpy(force=True), guess.numpy(force=True))
        for codes, guess in zip(lesson.codes, guesses, strict=True)
    ]
    return sum(macro_f1(true[true >= 0], said[true >= 0]) for true, said in pairs) / len(pairs)


def make_deterministic() -> None:
    """The same numbers in every run on one machine, even where a faster order of sums exists."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_num_threads(count_workers())
    torch.backends.cudnn.benchmark = False
