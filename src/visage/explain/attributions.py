"""Attributions: Grad-CAM, integrated gradients, and pictures with a region blanked.

All take a network (pictures in, one row of logits each out) in eval mode and return non-negative maps as large as
the pictures, each of sum one, or zero where there is nothing to attribute.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

Logits = Callable[[Tensor], Tensor]  # pictures (N x 3 x H x W, 0 to 1) to N x classes


def class_margin(logits: Tensor, classes: Tensor) -> Tensor:
    """How far each picture's class is ahead of all others together; unlike a probability it never saturates."""
    own = logits.gather(1, classes[:, None])[:, 0]
    others = logits.scatter(1, classes[:, None], -torch.inf)
    return own - others.logsumexp(1)


def grad_cam(network: nn.Module, compute_logits: Logits, pictures: Tensor, classes: Tensor) -> Tensor:
    """Grad-CAM (Selvaraju 2017) at the last layer whose features lie in space and reach the logits: N x H x W.

    For a CNN that is its last feature map. For a ViT it is the tokens that enter the last block, laid out as the grid
    of patches that they are: of those that leave it, only the class token is read. Features and gradients are
    multiplied place by place (Draelos 2020), which is the same where global average pooling follows, and right where
    it does not. As coarse as the features are, it points and does not measure; a ViT's tokens have mixed by then, and
    it may miss.
    """
    pictures = pictures.detach().requires_grad_()
    with torch.enable_grad(), record_features(network) as features:
        margin = class_margin(compute_logits(pictures), classes).sum()
        gradients = torch.autograd.grad(margin, features, allow_unused=True)
    for feature, gradient in zip(reversed(features), reversed(gradients), strict=True):
        if gradient is not None and to_feature_map(gradient).abs().amax() > 0:
            heat = (to_feature_map(gradient) * to_feature_map(feature)).sum(1).relu().detach()
            return normalise(resize_maps(heat, pictures.shape[2:]))
    return torch.zeros_like(pictures[:, 0]).detach()


class record_features:
    """Feature maps of all layers and tokens of whole blocks in the order in which they are made, in this context.

    Each is passed on as a copy, since a ReLU that works in place would change the recorded one.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network, self.features = network, []

    def __enter__(self) -> list[Tensor]:
        self.hooks = [module.register_forward_hook(self.record) for module in self.network.modules()]
        return self.features

    def record(self, module: nn.Module, _: tuple, output: object) -> Tensor | None:
        if not isinstance(output, Tensor) or not output.requires_grad or not grid_size(output):
            return None
        if output.ndim == 3 and not any(module.children()):  # a layer within a block, such as a norm, is no block
            return None
        self.features.append(output)
        return output.clone()

    def __exit__(self, *_: object) -> None:
        for hook in self.hooks:
            hook.remove()


def grid_size(feature: Tensor) -> tuple[int, int] | None:
    """Rows and columns of a feature map (N x C x h x w) or of a ViT's tokens (N x 1 + h * w x C); None for the rest."""
    if feature.ndim == 4 and min(feature.shape[2:]) > 1:
        return feature.shape[2], feature.shape[3]
    side = round((feature.shape[1] - 1) ** 0.5) if feature.ndim == 3 else 0
    return (side, side) if side > 1 and side * side == feature.shape[1] - 1 else None


def to_feature_map(feature: Tensor) -> Tensor:
    """Features as N x C x h x w; a ViT's class token lies nowhere and is left out."""
    return feature if feature.ndim == 4 else feature[:, 1:].transpose(1, 2).unflatten(2, grid_size(feature))


def integrated_gradients(compute_logits: Logits, pictures: Tensor, classes: Tensor, *, steps: int = 16) -> Tensor:
    """Integrated gradients (Sundararajan 2017) as the energy of each place: N x H x W, as fine as the pictures.

    What cancels out within about an eighth of the height is no evidence; squares keep thousands of faint pixels from
    outweighing the few that decide. Networks trained to use one planted spot put 0.89 to 0.93 of it there, where
    absolute values put 0.35 to 0.66 and Grad-CAM 0.2 to 0.6 (tests/explain/test_attributions.py).
    """
    width = pictures.shape[2] // 24 * 2 + 1
    heat = pixel_contributions(compute_logits, pictures, classes, steps=steps).sum(1, keepdim=True)
    for _ in range(2):  # a box filter twice is nearly a Gaussian, without edges
        heat = F.avg_pool2d(heat, width, 1, width // 2, count_include_pad=False)
    return normalise(heat[:, 0].square())


def pixel_contributions(compute_logits: Logits, pictures: Tensor, classes: Tensor, *, steps: int = 16) -> Tensor:
    """Integrated gradients of the margin by the midpoint rule, from the picture's mean colour: N x 3 x H x W.

    Their sum is the margin of the picture less that of its mean colour.
    """
    baseline = mean_colour(pictures)
    total = torch.zeros_like(pictures)
    for step in range(steps):
        point = (baseline + (step + 0.5) / steps * (pictures - baseline)).detach().requires_grad_()
        with torch.enable_grad():
            total += torch.autograd.grad(class_margin(compute_logits(point), classes).sum(), point)[0]
    return (pictures - baseline) * total / steps


def mean_colour(pictures: Tensor) -> Tensor:
    """N x 3 x 1 x 1."""
    return pictures.mean((2, 3), keepdim=True)


def resize_maps(heat: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(heat[:, None], tuple(size), mode="bilinear", align_corners=False)[:, 0]


def normalise(heat: Tensor) -> Tensor:
    """Each map of sum one, or all zero."""
    total = heat.sum((1, 2), keepdim=True)
    return torch.where(total > 0, heat / total.clamp_min(1e-30), 0)


def region_shares(heat: Tensor, regions: Tensor, count: int) -> np.ndarray:
    """N x `count`: the part of each map that falls on each region; `regions` (N x H x W) holds their numbers."""
    is_region = F.one_hot(regions.long(), count).to(heat.dtype)
    return torch.einsum("nhw,nhwr->nr", heat, is_region).numpy(force=True)


def blank_regions(pictures: Tensor, regions: Tensor, count: int) -> Iterator[Tensor]:
    """The pictures without region 0, without region 1, ...: each picture's mean colour instead."""
    colour = mean_colour(pictures)
    for region in range(count):
        yield torch.where((regions == region)[:, None], colour, pictures)
