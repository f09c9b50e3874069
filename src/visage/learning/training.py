"""Training one network: epochs over a tensor of pictures that is already on the device."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from time import perf_counter
from typing import Any

import torch
from torch import Generator, Tensor, nn

from visage.formats.tasks import is_about_people
from visage.learning.augment import augment, flip_count
from visage.learning.losses import Targets, class_weights, disagreement, head_loss
from visage.learning.optim import EMA, BestCheckpoint, ScheduledOptimizer
from visage.learning.sampling import epoch_batches
from visage.networks.network import Head, Network
from visage.networks.recipe import TrainParams
from visage.networks.tensors import autocast, gather, to_float
from visage.scores import macro_f1

MAX_LOSS = 100.0  # no loss of ours begins above 10


@dataclass(frozen=True)
class TrainingData:
    """Pictures (uint8, P x 3 x H x W), and for each of N rows the index of its picture and the number of its person.

    Per head: the true class code of each row (-1: unknown), and the targets of training. For a frozen backbone,
    `features` (P x views x width; views: as it is, mirrored) were computed once and stand in for the pictures.
    """

    pixels: Tensor
    picture_indices: Tensor
    people: Tensor
    heads: list[Head]
    codes: list[Tensor]
    targets: list[Targets]
    features: Tensor | None = None


def fit(
    network: Network,
    data: TrainingData,
    rows: Tensor,
    recipe: TrainParams,
    *,
    seed: int,
    eval_rows: Mapping[str, Tensor] | None = None,
) -> Iterator[dict[str, Any]]:
    """Train the network, in place, on these rows; yields a row of the learning curve per epoch and split.

    A row of `eval_rows` also has the `logits` (N x classes, one tensor per head) that it scores.

    `eval_rows` are other rows to score on the way: `inner` (training people set aside) may end the training early,
    `held_out` decides nothing. In the end the network is its moving average, or that of the best epoch.
    """
    torch.manual_seed(seed)  # dropout uses torch's own generator, everything else ours
    generator = Generator(rows.device).manual_seed(seed)
    init_batchnorm(network, data, rows, recipe)
    model = torch.compile(network) if recipe.compile else network
    steps = max(1, len(rows) // recipe.batch)
    optimizer, ema = ScheduledOptimizer(network, recipe, recipe.epochs * steps), EMA(network, recipe.ema)
    weights = [
        class_weights(codes[rows], len(head.classes), recipe.class_weights)
        for codes, head in zip(data.codes, data.heads, strict=True)
    ]
    people = data.people[rows].numpy(force=True)
    person_heads = [
        recipe.agreement > 0 and is_about_people(people, codes[rows].numpy(force=True)) for codes in data.codes
    ]
    best, epochs_without_gain = BestCheckpoint(recipe.early_stop), 0
    for epoch in range(1, recipe.epochs + 1):
        network.train()
        start = perf_counter()
        batches = epoch_batches(data.codes, data.people, rows, recipe, generator)
        loss, f1 = train_epoch(model, data, batches, weights, person_heads, recipe, optimizer, ema, generator)
        if not loss < MAX_LOSS:
            raise ValueError(
                f"the loss is {loss:.3g} after epoch {epoch} at learning rate {optimizer.lr:.2g}; lower train.lr."
            )
        yield curve_row(epoch, "train", loss, f1, optimizer.lr, batches.numel() / (perf_counter() - start))
        for split in splits_to_score(eval_rows or {}, recipe, epoch):
            logits = predict_class_logits(ema.network, data, eval_rows[split], recipe)
            loss, f1 = evaluate(logits, [codes[eval_rows[split]] for codes in data.codes])
            yield curve_row(epoch, split, loss, f1, optimizer.lr, 0.0) | {"logits": logits}
            if split == "inner":
                epochs_without_gain = 0 if best.update(ema.network, loss, f1) else epochs_without_gain + 1
        if epochs_without_gain >= recipe.patience:
            break
    network.load_state_dict(best.state or ema.network.state_dict())
    network.eval()


def train_epoch(
    model: nn.Module,
    data: TrainingData,
    batches: Tensor,
    weights: list[Tensor],
    person_heads: list[bool],
    recipe: TrainParams,
    optimizer: ScheduledOptimizer,
    ema: EMA,
    generator: Generator,
) -> tuple[float, float]:
    """One optimizer step per batch (rows); returns the mean loss and the macro F1 of the augmented pictures.

    `weights` are per head those of its classes; the loss is summed over heads. In `person_heads` it also counts how far
    a person's photos disagree.
    """
    losses, predictions = [], []
    for rows in batches:
        outputs, targets = forward_batch(model, data, rows, recipe, generator)
        parts = zip(outputs, targets, data.heads, weights, strict=True)
        loss = sum(head_loss(output, target, head, weight, recipe) for output, target, head, weight in parts)
        for output, head in zip(compress(outputs, person_heads), compress(data.heads, person_heads), strict=True):
            loss = loss + recipe.agreement * disagreement(head.class_logits(output), data.people[rows])
        optimizer.step(loss)
        ema.update()
        losses.append(loss.detach())
        predictions.append(predict_codes(data.heads, [output.detach() for output in outputs]))
    codes = [torch.cat(batch_codes) for batch_codes in zip(*predictions, strict=True)]
    return torch.stack(losses).mean().item(), mean_macro_f1(
        [true_codes[batches.flatten()] for true_codes in data.codes], codes
    )


def predict_codes(heads: list[Head], outputs: list[Tensor]) -> list[Tensor]:
    """Per head the codes of the likeliest classes."""
    return [head.class_logits(output).argmax(1) for head, output in zip(heads, outputs, strict=True)]


@torch.no_grad()
def init_batchnorm(network: Network, data: TrainingData, rows: Tensor, recipe: TrainParams) -> None:
    """Let batch norms begin with the statistics of a first batch: with few steps, where they begin would stay visible.

    From there they move by a tenth a step (MobileNet's own hundredth is made for a million steps).
    """
    norms = [layer for layer in network.train().modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    for layer in norms:
        layer.momentum = 1.0
    if norms:
        first_rows = rows[:: max(1, len(rows) // recipe.batch)][: recipe.batch]
        with autocast(rows.device, recipe.precision):
            forward_plain(network, data, data.picture_indices[first_rows])
    for layer in norms:
        layer.momentum = 0.1


def forward_batch(
    model: nn.Module, data: TrainingData, rows: Tensor, recipe: TrainParams, generator: Generator
) -> tuple[list[Tensor], list[Targets]]:
    """The network's outputs for an augmented batch, and its targets."""
    targets = [head_targets[rows] for head_targets in data.targets]
    indices = data.picture_indices[rows]
    if data.features is not None:  # the only augmentation of a frozen backbone is the mirror image
        flips = (torch.arange(len(rows), device=rows.device) < flip_count(len(rows), recipe.flip)).long()
        features = data.features[indices, flips.clamp_max(data.features.shape[1] - 1)]
        with autocast(rows.device, recipe.precision):
            return model.apply_heads(features), targets
    with torch.no_grad():
        pictures = gather(data.pixels, indices)
        pictures, targets = augment(pictures, targets, data.people[rows], recipe, generator)
    with autocast(rows.device, recipe.precision):
        return model(pictures), targets


def forward_plain(network: Network, data: TrainingData, indices: Tensor) -> list[Tensor]:
    """The network's outputs for pictures without augmentation."""
    if data.features is not None:
        return network.apply_heads(data.features[indices, 0])
    return network(to_float(gather(data.pixels, indices)))


@torch.no_grad()
def predict_logits(network: Network, data: TrainingData, rows: Tensor, recipe: TrainParams) -> list[Tensor]:
    """The network's outputs for these rows in eval mode, one tensor per head."""
    network.eval()
    with autocast(rows.device, recipe.precision):
        batches = data.picture_indices[rows].split(4 * recipe.batch)
        parts = [forward_plain(network, data, indices) for indices in batches]
    return [torch.cat(outputs) for outputs in zip(*parts, strict=True)]


@torch.no_grad()
def frozen_features(network: Network, pixels: Tensor, recipe: TrainParams) -> Tensor:
    """A frozen backbone's features of pictures and, if the recipe flips, of their mirror images: P x views x width."""
    network.eval()
    device = network.mean.device
    parts = []
    with autocast(device, recipe.precision):
        for indices in torch.arange(len(pixels), device=device).split(4 * recipe.batch):
            pictures = to_float(gather(pixels, indices))
            views = [pictures, pictures.flip(3)] if recipe.flip else [pictures]
            parts.append(torch.stack([network.extract_features(view).float() for view in views], 1))
    return torch.cat(parts)


def splits_to_score(eval_rows: Mapping[str, Tensor], recipe: TrainParams, epoch: int) -> list[str]:
    """The inner split after every epoch, others after every `eval_every` epochs and the last."""
    is_due = recipe.eval_every and (epoch % recipe.eval_every == 0 or epoch == recipe.epochs)
    return [split for split in eval_rows if split == "inner" or is_due]


def predict_class_logits(network: Network, data: TrainingData, rows: Tensor, recipe: TrainParams) -> list[Tensor]:
    """Logits of the classes (N x classes, one tensor per head) for these rows in eval mode."""
    outputs = predict_logits(network, data, rows, recipe)
    return [head.class_logits(output) for head, output in zip(data.heads, outputs, strict=True)]


def evaluate(logits: Sequence[Tensor], codes: Sequence[Tensor]) -> tuple[float, float]:
    """Cross-entropy, summed over heads, and macro F1, averaged over heads; unknown labels (-1) do not count."""
    pairs = list(zip(logits, codes, strict=True))
    loss = sum(nn.functional.cross_entropy(values, truth, ignore_index=-1).item() for values, truth in pairs)
    return loss, mean_macro_f1(codes, [values.argmax(1) for values in logits])


def mean_macro_f1(codes: Sequence[Tensor], predictions: Sequence[Tensor]) -> float:
    """Macro F1 of predicted class codes (one tensor per head), averaged over heads; unknown labels do not count."""
    scores = []
    for truth, predicted in zip(codes, predictions, strict=True):
        truth, predicted = truth.numpy(force=True), predicted.numpy(force=True)
        scores.append(macro_f1(truth[truth >= 0], predicted[truth >= 0]))
    return sum(scores) / len(scores)


def curve_row(epoch: int, split: str, loss: float, f1: float, lr: float, images_per_s: float) -> dict[str, Any]:
    return {"epoch": epoch, "split": split, "loss": loss, "macro_f1": f1, "lr": lr, "images_per_s": images_per_s}
