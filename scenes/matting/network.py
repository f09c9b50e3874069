"""A small U-Net from a 320 x 320 image to the share of person in every pixel, and its loss."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from common.layers import DepthwiseBlock, conv_bn, downsample, upsample
from common.weights import write_onnx
from visage.formats.photos import IMAGENET_MEAN, IMAGENET_STD

SIDE = 320  # px, what rembg's u2net_custom session feeds
PIN = 1e4  # logits of the pinned pixels: certainly nobody, certainly a person


class Matting(nn.Module):
    """N x 3 x 320 x 320, normalised as rembg does, to N x 1 x 320 x 320 logits."""

    def __init__(self) -> None:
        super().__init__()
        # a quarter of the size from here on
        self.stem = nn.Sequential(nn.PixelUnshuffle(4), conv_bn(48, 32), DepthwiseBlock(32, 32))
        self.down = nn.ModuleList([downsample(32, 64, 2), downsample(64, 128, 3), downsample(128, 192, 3)])
        self.lateral = nn.ModuleList([conv_bn(width, 64, 1) for width in (64, 128, 192)])
        self.up = nn.ModuleList([nn.Sequential(DepthwiseBlock(64, 64), DepthwiseBlock(64, 64)) for _ in range(2)])
        self.last = nn.Sequential(conv_bn(64 + 32, 48, 1), DepthwiseBlock(48, 48), DepthwiseBlock(48, 48))
        self.alpha = nn.Conv2d(48, 16, 3, padding=1)  # the 4 x 4 pixels of every cell

    def forward(self, x: Tensor) -> Tensor:
        fine = x = self.stem(x)
        features = []
        for down, lateral in zip(self.down, self.lateral, strict=True):
            x = down(x)
            features.append(lateral(x))
        x = features.pop()
        for up in self.up:
            finer = features.pop()
            x = up(finer + upsample(x, like=finer))
        x = self.last(torch.cat([upsample(x, like=fine), fine], 1))
        return F.pixel_shuffle(self.alpha(x), 4)


class RembgOutput(nn.Module):
    """Alpha from 0 to 1 as rembg wants it.

    rembg stretches every output until its least value is 0 and its greatest 1, which would punch holes into a
    picture that is all person. Two pixels prevent it: the first is always 0, the middle of the last row always 1.
    """

    def __init__(self, matting: Matting) -> None:
        super().__init__()
        self.matting = matting
        pins = torch.zeros(1, 1, SIDE, SIDE)
        pins[..., 0, 0], pins[..., -1, SIDE // 2] = -PIN, PIN
        self.register_buffer("pins", pins)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.matting(x) + self.pins)


def export_matting(network: Matting, path: Path) -> None:
    """One output `alpha`, for any batch."""
    axes = {"input": {0: "n"}, "alpha": {0: "n"}}
    write_onnx(RembgOutput(network), torch.zeros(1, 3, SIDE, SIDE), path, outputs=["alpha"], axes=axes)


def normalise(images: Tensor) -> Tensor:
    """N x H x W x 3 from 0 to 255, to N x 3 x H x W as rembg hands it over."""
    mean, std = torch.tensor(IMAGENET_MEAN) * 255, torch.tensor(IMAGENET_STD) * 255
    return ((images - mean) / std).permute(0, 3, 1, 2)


def matting_loss(logits: Tensor, alpha: Tensor) -> Tensor:
    """Cross entropy for every pixel, overlap (Dice) for the figure as a whole, L1 for its soft edge."""
    soft = torch.sigmoid(logits)
    overlap = (soft * alpha).sum((1, 2, 3))
    dice = 1 - (2 * overlap + 1) / (soft.sum((1, 2, 3)) + alpha.sum((1, 2, 3)) + 1)
    return F.binary_cross_entropy_with_logits(logits, alpha) + dice.mean() + (soft - alpha).abs().mean()
