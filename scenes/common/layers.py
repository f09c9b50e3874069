"""Layers of both networks: a convolution with its norm, and a depthwise separable block."""

from torch import Tensor, nn
from torch.nn import functional as F


def conv_bn(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1, relu: bool = True
) -> nn.Module:
    """Convolution and batch norm, with ReLU unless told otherwise."""
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if relu else []))


class DepthwiseBlock(nn.Module):
    """Depthwise 3x3, then 1x1; with a residual connection where the shapes allow it."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(conv_bn(inputs, inputs, 3, stride, groups=inputs), conv_bn(inputs, outputs, 1))
        self.residual = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


def downsample(inputs: int, outputs: int, depth: int) -> nn.Sequential:
    """One stage of a backbone: a block at half the size, then `depth` blocks."""
    first = DepthwiseBlock(inputs, outputs, 2)
    return nn.Sequential(first, *(DepthwiseBlock(outputs, outputs) for _ in range(depth)))


def upsample(x: Tensor, like: Tensor) -> Tensor:
    """Nearest upsampling by two, cut to the size of `like`: an odd map has a parent of half its size, rounded up."""
    doubled = F.interpolate(x, scale_factor=2.0, mode="nearest")
    return doubled[:, :, : like.shape[2], : like.shape[3]]
