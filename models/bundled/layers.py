"""The bricks of both networks: a convolution with its norm, and a depthwise block."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def conv(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1, act: bool = True
) -> nn.Sequential:
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if act else []))


class Block(nn.Module):
    """Depthwise 3x3 then 1x1; added to its input where the shapes allow it."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(conv(inputs, inputs, 3, stride, groups=inputs), conv(inputs, outputs, 1))
        self.same = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.same else self.layers(x)


def stage(inputs: int, outputs: int, depth: int) -> nn.Sequential:
    """Half the size, then `depth` blocks."""
    return nn.Sequential(Block(inputs, outputs, 2), *(Block(outputs, outputs) for _ in range(depth)))


def twice(x: Tensor, like: Tensor) -> Tensor:
    """Nearest upsampling by two, cut to the finer map: an odd map is the ceiling of half its parent."""
    return torch.nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")[:, :, : like.shape[2], : like.shape[3]]
