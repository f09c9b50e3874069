"""What a wrong answer costs: targets are soft (mixed pictures have mixed labels), and losses are means over a batch."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from visage.networks.network import Head
from visage.networks.recipe import TrainParams

EFFECTIVE_BETA = 0.999  # the overlap of "class-balanced loss based on effective number of samples", as a share


@dataclass(frozen=True)
class Targets:
    """Per picture: the wanted probability of each class, and (for a head of values) of each cell; zeros = unknown."""

    classes: Tensor
    cells: Tensor | None = None

    def __getitem__(self, rows: Tensor) -> "Targets":
        return Targets(self.classes[rows], None if self.cells is None else self.cells[rows])

    def mixed(self, order: Tensor, share: Tensor) -> "Targets":
        """`share` (one per picture) of oneself and the rest of the partner."""

        def mix(rows: Tensor) -> Tensor:
            return rows * share[:, None] + rows[order] * (1 - share[:, None])

        return Targets(mix(self.classes), None if self.cells is None else mix(self.cells))


def build_targets(codes: Tensor, values: Tensor, head: Head, spread: float) -> Targets:
    """Class codes (-1: unknown) as rows of probabilities; values as bell curves of that spread over the cells."""
    classes = F.one_hot(codes.clamp_min(0), len(head.classes)).float() * (codes >= 0)[:, None]
    if not head.cells:
        return Targets(classes)
    distance = (values[:, None].double() - torch.tensor(head.cells, dtype=torch.float64, device=values.device)) / spread
    return Targets(classes, (-distance.square() / 2).softmax(1).nan_to_num(0).float())


def head_loss(outputs: Tensor, wanted: Targets, head: Head, weights: Tensor, recipe: TrainParams) -> Tensor:
    """One head's loss: on its classes, plus on the distribution where there is one."""
    loss = class_loss(head.class_logits(outputs), wanted.classes, weights, recipe)
    if wanted.cells is None:
        return loss
    return loss - (outputs.log_softmax(1) * wanted.cells).sum(1).mean()


def class_loss(logits: Tensor, wanted: Tensor, weights: Tensor, recipe: TrainParams) -> Tensor:
    """Cross-entropy, by the recipe smoothed, focal, weighted by class, and mixed with the soft macro F1."""
    smooth = wanted * (1 - recipe.smoothing) + wanted.sum(1, keepdim=True) * recipe.smoothing / wanted.shape[1]
    logs = logits.log_softmax(1)
    fading = (1 - logs.exp()) ** recipe.focal if recipe.focal else 1.0
    cost = -(fading * smooth * weights * logs).sum() / (wanted * weights).sum().clamp_min(1e-9)
    if not recipe.f1_weight:
        return cost
    return (1 - recipe.f1_weight) * cost + recipe.f1_weight * (1 - soft_macro_f1(logs.exp(), wanted))


def soft_macro_f1(shares: Tensor, wanted: Tensor) -> Tensor:
    """Macro F1 with probabilities for counts, over the classes that the batch holds; unknown rows do not count."""
    shares = shares * wanted.sum(1, keepdim=True)
    both = (shares * wanted).sum(0)
    f1 = 2 * both / (shares.sum(0) + wanted.sum(0)).clamp_min(1e-9)
    there = (wanted.sum(0) > 0).float()
    return (f1 * there).sum() / there.sum().clamp_min(1)


def class_weights(codes: Tensor, classes: int, kind: str) -> Tensor:
    """One weight per class, of mean one over the pictures; a class without pictures weighs nothing."""
    counts = torch.bincount(codes[codes >= 0], minlength=classes).double()
    if kind == "none":
        return torch.ones(classes, device=codes.device)
    # effective: the n-th picture of a class tells less than its first, so large classes are discounted less than by 1/n
    worth = counts if kind == "balanced" else 1 - EFFECTIVE_BETA**counts
    weights = torch.where(counts > 0, 1 / worth.clamp_min(1e-9), 0)
    return (weights * counts.sum() / (weights * counts).sum()).float()
