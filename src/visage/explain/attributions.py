"""Where a network looks: Grad-CAM, integrated gradients, and what becomes of the answer when a part is blanked.

All take a network (pictures in, one row of outputs each out) in eval mode and return non-negative maps as large as
the pictures, each of sum one; a map is zero where the answer does not depend on the picture at all.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

Answer = Callable[[Tensor], Tensor]


def class_margin(outputs: Tensor, classes: Tensor) -> Tensor:
    """How far each picture's class is ahead of all others together; unlike a probability it never saturates."""
    own = outputs.gather(1, classes[:, None])[:, 0]
    others = outputs.scatter(1, classes[:, None], -torch.inf)
    return own - others.logsumexp(1)


def grad_cam(network: nn.Module, answer: Answer, pictures: Tensor, classes: Tensor) -> Tensor:
    """Grad-CAM (Selvaraju 2017) at the last place where features lie in space and reach the answer: N x H x W.

    For a CNN that is its last feature map. For a ViT it is the tokens that enter the last block, laid out as the grid
    of patches that they are: of those that leave it, only the class token is read. Features and slopes are multiplied
    place by place (Draelos 2020), which is the same where global average pooling follows, and right where it does not.
    As coarse as the features are, it points and does not measure; a ViT's tokens have mixed by then, and it may miss.
    """
    pictures = pictures.detach().requires_grad_()
    with torch.enable_grad(), record_features(network) as kept:
        score = class_margin(answer(pictures), classes).sum()
        slopes = torch.autograd.grad(score, kept, allow_unused=True)
    for value, slope in zip(reversed(kept), reversed(slopes), strict=True):
        if slope is not None and to_feature_map(slope).abs().amax() > 0:
            heat = (to_feature_map(slope) * to_feature_map(value)).sum(1).relu().detach()
            return normalise(resize_maps(heat, pictures.shape[2:]))
    return torch.zeros_like(pictures[:, 0]).detach()


class record_features:
    """Feature maps of all layers and tokens of whole blocks in the order in which they are made, in this context.

    Each is passed on as a copy, since a ReLU that works in place would change it under our hands.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network, self.kept = network, []

    def __enter__(self) -> list[Tensor]:
        self.hooks = [module.register_forward_hook(self.keep) for module in self.network.modules()]
        return self.kept

    def keep(self, module: nn.Module, _: tuple, output: object) -> Tensor | None:
        if not isinstance(output, Tensor) or not output.requires_grad or not token_grid(output):
            return None
        if output.ndim == 3 and not any(module.children()):  # a norm within a block is a side road
            return None
        self.kept.append(output)
        return output.clone()

    def __exit__(self, *_: object) -> None:
        for hook in self.hooks:
            hook.remove()


def token_grid(value: Tensor) -> tuple[int, int] | None:
    """Rows and columns of a feature map (N x C x h x w) or of a ViT's tokens (N x 1 + h * w x C); None for the rest."""
    if value.ndim == 4 and min(value.shape[2:]) > 1:
        return value.shape[2], value.shape[3]
    side = round((value.shape[1] - 1) ** 0.5) if value.ndim == 3 else 0
    return (side, side) if side > 1 and side * side == value.shape[1] - 1 else None


def to_feature_map(value: Tensor) -> Tensor:
    """Features as N x C x h x w; a ViT's class token lies nowhere and is left out."""
    return value if value.ndim == 4 else value[:, 1:].transpose(1, 2).unflatten(2, token_grid(value))


def integrated_gradients(answer: Answer, pictures: Tensor, classes: Tensor, *, steps: int = 16) -> Tensor:
    """Integrated gradients (Sundararajan 2017) as the energy of each place: N x H x W, as fine as the pictures.

    What cancels out within about an eighth of the height is no evidence; squares keep thousands of faint pixels from
    outweighing the few that decide. Networks trained to use one planted spot put 0.89 to 0.93 of it there, where
    absolute values put 0.35 to 0.66 and Grad-CAM 0.2 to 0.6 (tests/test_attention.py).
    """
    reach = pictures.shape[2] // 24 * 2 + 1
    found = pixel_contributions(answer, pictures, classes, steps=steps).sum(1, keepdim=True)
    for _ in range(2):  # twice a box is nearly a bell, and leaves no edges of its own
        found = F.avg_pool2d(found, reach, 1, reach // 2, count_include_pad=False)
    return normalise(found[:, 0].square())


def pixel_contributions(answer: Answer, pictures: Tensor, classes: Tensor, *, steps: int = 16) -> Tensor:
    """What each value adds to the margin on the way from the picture's mean colour; in sum, the way's whole rise."""
    blank = pictures.mean((2, 3), keepdim=True)
    total = torch.zeros_like(pictures)
    for step in range(steps):
        point = (blank + (step + 0.5) / steps * (pictures - blank)).detach().requires_grad_()
        with torch.enable_grad():
            total += torch.autograd.grad(class_margin(answer(point), classes).sum(), point)[0]
    return (pictures - blank) * total / steps


def resize_maps(heat: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(heat[:, None], tuple(size), mode="bilinear", align_corners=False)[:, 0]


def normalise(heat: Tensor) -> Tensor:
    """Each map of sum one, or all zero."""
    total = heat.sum((1, 2), keepdim=True)
    return torch.where(total > 0, heat / total.clamp_min(1e-30), 0)


def region_shares(heat: Tensor, regions: Tensor, count: int) -> np.ndarray:
    """N x `count`: the part of each map that falls on each region; `regions` (N x H x W) holds their numbers."""
    marks = F.one_hot(regions.long(), count).to(heat.dtype)
    return torch.einsum("nhw,nhwr->nr", heat, marks).numpy(force=True)


def blank_regions(pictures: Tensor, regions: Tensor, count: int) -> Iterator[Tensor]:
    """The pictures without region 0, without region 1, ...: each picture's mean colour instead."""
    blank = pictures.mean((2, 3), keepdim=True)
    for region in range(count):
        yield torch.where((regions == region)[:, None], blank, pictures)
