"""Networks: a backbone that turns pictures into features, and one head per task that turns features into logits."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visage.networks.backbones import build_backbone, list_blocks
from visage.networks.pretrained import find_weights, load_backbone
from visage.networks.recipe import TrainParams


@dataclass(frozen=True)
class Head:
    """What one task's outputs mean: its classes or, for a distribution, values (`cells`) in bins with these borders."""

    task: str
    classes: tuple[str, ...]
    cells: tuple[float, ...] = ()
    bins: tuple[float, ...] = ()

    @property
    def outputs(self) -> int:
        return len(self.cells or self.classes)

    def class_logits(self, outputs: Tensor) -> Tensor:
        """Outputs as one logit per class: a class is as likely as all the values in its bin together."""
        if not self.cells:
            return outputs
        borders = [0, *(bisect_left(self.cells, border) for border in self.bins), len(self.cells)]
        bins = outputs.split([end - start for start, end in pairwise(borders)], dim=1)
        return torch.stack([cells.logsumexp(1) for cells in bins], 1)


class Network(nn.Module):
    """`backbone` gives one row of features per picture; `heads` turn it into outputs, one tensor per task."""

    def __init__(self, backbone: nn.Module, heads: Sequence[Head], recipe: TrainParams) -> None:
        super().__init__()
        self.backbone = backbone
        self.image_size = getattr(backbone, "image_size", None)  # pixels; only a ViT has one
        self.register_buffer("mean", torch.zeros(3, 1, 1))
        self.register_buffer("std", torch.ones(3, 1, 1))
        width = self.count_features(recipe)
        # frozen features come in every scale, and no layer before the heads can learn to mend it
        self.norm = nn.BatchNorm1d(width, affine=False) if recipe.unfreeze == "head" else nn.Identity()
        self.heads = nn.ModuleList(build_head(width, recipe.hidden, head.outputs, recipe.dropout) for head in heads)

    def count_features(self, recipe: TrainParams) -> int:
        """The width of the backbone's features; pictures too small for the backbone are an error here."""
        self.eval()
        try:
            with torch.no_grad():
                return self.extract_features(torch.zeros(1, 3, recipe.height, recipe.width)).shape[1]
        except (RuntimeError, ValueError) as error:
            size = f"{recipe.height} x {recipe.width}"
            raise ValueError(
                f"{recipe.backbone} cannot read pictures of {size}; enlarge train.height and width ({error})."
            ) from None

    def set_channel_stats(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Set what pictures are centred and divided by: red, green, blue from 0 to 1."""
        self.mean.copy_(torch.tensor(mean).view(3, 1, 1))
        self.std.copy_(torch.tensor(std).view(3, 1, 1))

    def extract_features(self, pictures: Tensor) -> Tensor:
        """One row per picture (N x 3 x H x W, 0 to 1)."""
        pictures = torch.addcmul(-self.mean / self.std, pictures, 1 / self.std)
        if self.image_size and pictures.shape[2:] != (self.image_size, self.image_size):  # a ViT knows one size only
            pictures = F.interpolate(pictures, (self.image_size, self.image_size), mode="bilinear", antialias=True)
        return self.backbone(pictures.contiguous(memory_format=torch.channels_last)).flatten(1)

    def apply_heads(self, features: Tensor) -> list[Tensor]:
        """One tensor of outputs (N x `Head.outputs`) per head."""
        features = self.norm(features)
        return [head(features).float() for head in self.heads]

    def forward(self, pictures: Tensor) -> list[Tensor]:
        return self.apply_heads(self.extract_features(pictures))

    def train(self, mode: bool = True) -> "Network":
        """Frozen blocks stay as they are: their batch norms do not move and nothing in them is dropped."""
        super().train(mode)
        for block in self.modules():
            weights = list(block.parameters())
            if weights and not any(weight.requires_grad for weight in weights):
                block.eval()
        return self


def build_head(width: int, hidden: Sequence[int], outputs: int, dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for size in hidden:
        layers += [nn.Dropout(dropout), nn.Linear(width, size), nn.ReLU(inplace=True)]
        width = size
    return nn.Sequential(*layers, nn.Dropout(dropout), nn.Linear(width, outputs))


def build_network(recipe: TrainParams, heads: Sequence[Head], *, weights: bool = True) -> Network:
    """The recipe's network, frozen as it says. `weights=False` leaves out the download: a checkpoint follows."""
    backbone, removed_layers = build_backbone(recipe)
    network = Network(backbone, heads, recipe)
    if weights and (path := find_weights(recipe)):
        load_backbone(network.backbone, path, removed_layers)
    freeze(network.backbone, recipe.unfreeze)
    return network


def freeze(backbone: nn.Module, unfreeze: str | int) -> None:
    """Let gradients flow into all of the backbone, none of it (`head`), or its last n blocks."""
    blocks = list(list_blocks(backbone))
    backbone.requires_grad_(unfreeze == "all")
    for block in blocks[-unfreeze:] if isinstance(unfreeze, int) else []:
        block.requires_grad_(True)
