"""Losses: targets are soft (mixed pictures have mixed labels), and losses are means over a batch."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from visage.networks.network import Head
from visage.networks.recipe import TrainParams

EFFECTIVE_BETA = 0.999  # the overlap of "class-balanced loss based on effective number of samples", as a share


@dataclass(frozen=True)
class Targets:
    """Per picture: the probability of each class, and (for a head of values) of each cell; rows of 0 are unknown."""

    classes: Tensor
    cells: Tensor | None = None

    def __getitem__(self, rows: Tensor) -> "Targets":
        return Targets(self.classes[rows], None if self.cells is None else self.cells[rows])

    def mix(self, order: Tensor, share: Tensor) -> "Targets":
        """`share` (one per picture) of the picture's own target and the rest of its partner's, `order[i]`."""

        def blend(rows: Tensor) -> Tensor:
            return rows * share[:, None] + rows[order] * (1 - share[:, None])

        return Targets(blend(self.classes), None if self.cells is None else blend(self.cells))


def build_targets(codes: Tensor, values: Tensor, head: Head, label_sigma: float) -> Targets:
    """Class codes (-1: unknown) as rows of probabilities; values as Gaussians of `label_sigma` over the cells."""
    classes = F.one_hot(codes.clamp_min(0), len(head.classes)).float() * (codes >= 0)[:, None]
    if not head.cells:
        return Targets(classes)
    cells = torch.tensor(head.cells, dtype=torch.float64, device=values.device)
    distance = (values[:, None].double() - cells) / label_sigma
    return Targets(classes, (-distance.square() / 2).softmax(1).nan_to_num(0).float())


def head_loss(outputs: Tensor, targets: Targets, head: Head, weights: Tensor, recipe: TrainParams) -> Tensor:
    """One head's loss: on its classes, plus on the distribution where there is one."""
    loss = class_loss(head.class_logits(outputs), targets.classes, weights, recipe)
    if targets.cells is None:
        return loss
    return loss - (outputs.log_softmax(1) * targets.cells).sum(1).mean()


def class_loss(logits: Tensor, targets: Tensor, weights: Tensor, recipe: TrainParams) -> Tensor:
    """Cross-entropy, by the recipe smoothed, focal, weighted by class, and mixed with the soft macro F1."""
    smoothed = targets * (1 - recipe.smoothing) + targets.sum(1, keepdim=True) * recipe.smoothing / targets.shape[1]
    log_probs = logits.log_softmax(1)
    focus = (1 - log_probs.exp()) ** recipe.focal if recipe.focal else 1.0
    loss = -(focus * smoothed * weights * log_probs).sum() / (targets * weights).sum().clamp_min(1e-9)
    if not recipe.f1_weight:
        return loss
    return (1 - recipe.f1_weight) * loss + recipe.f1_weight * (1 - soft_macro_f1(log_probs.exp(), targets))


def disagreement(logits: Tensor, people: Tensor) -> Tensor:
    """How far photos (N x classes) are from the mean of their person's photos in the batch: mean KL divergence, nats.

    `people` numbers the persons, N. A person's only photo agrees with itself.
    """
    log_probs = logits.log_softmax(1)
    probabilities, same_person = log_probs.exp(), (people[:, None] == people).float()
    means = same_person @ probabilities / same_person.sum(1, keepdim=True)
    return (probabilities * (log_probs - means.clamp_min(1e-9).log())).sum(1).mean()


def soft_macro_f1(probabilities: Tensor, targets: Tensor) -> Tensor:
    """Macro F1 with probabilities for counts, over the classes that the batch holds; unknown rows do not count."""
    probabilities = probabilities * targets.sum(1, keepdim=True)
    hits = (probabilities * targets).sum(0)
    f1 = 2 * hits / (probabilities.sum(0) + targets.sum(0)).clamp_min(1e-9)
    present = (targets.sum(0) > 0).float()
    return (f1 * present).sum() / present.sum().clamp_min(1)


def class_weights(codes: Tensor, classes: int, kind: str) -> Tensor:
    """One weight per class, of mean one over the pictures; a class without pictures weighs nothing."""
    counts = torch.bincount(codes[codes >= 0], minlength=classes).double()
    if kind == "none":
        return torch.ones(classes, device=codes.device)
    # effective: the n-th picture of a class adds less than its first, so large classes are discounted less than by 1/n
    sizes = counts if kind == "balanced" else 1 - EFFECTIVE_BETA**counts
    weights = torch.where(counts > 0, 1 / sizes.clamp_min(1e-9), 0)
    return (weights * counts.sum() / (weights * counts).sum()).float()
