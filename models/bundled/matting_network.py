"""A small U-Net from a 320 x 320 picture to the share of person in every pixel."""

from __future__ import annotations

import torch
from layers import Block, conv, stage, twice
from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 320  # px, what rembg's u2net_custom session feeds
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # and how it scales the colours


class Matting(nn.Module):
    """N x 3 x 320 x 320, normalised as rembg does, to N x 1 x 320 x 320 logits."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(4), conv(48, 32), Block(32, 32)
        )  # a quarter of the size from here on
        self.down = nn.ModuleList([stage(32, 64, 2), stage(64, 128, 3), stage(128, 192, 3)])
        self.lateral = nn.ModuleList([conv(width, 64, 1) for width in (64, 128, 192)])
        self.up = nn.ModuleList([nn.Sequential(Block(64, 64), Block(64, 64)) for _ in range(2)])
        self.last = nn.Sequential(conv(64 + 32, 48, 1), Block(48, 48), Block(48, 48))
        self.alpha = nn.Conv2d(48, 16, 3, padding=1)  # the sixteen pixels of every place

    def forward(self, x: Tensor) -> Tensor:
        fine = x = self.stem(x)
        features = []
        for down, lateral in zip(self.down, self.lateral, strict=True):
            x = down(x)
            features.append(lateral(x))
        x = features.pop()
        for up in self.up:
            finer = features.pop()
            x = up(finer + twice(x, like=finer))
        x = self.last(torch.cat([twice(x, like=fine), fine], 1))
        return F.pixel_shuffle(self.alpha(x), 4)


class Contract(nn.Module):
    """Alpha from 0 to 1 as rembg wants it.

    rembg stretches every output until its least value is 0 and its greatest 1, which would punch holes into a
    picture that is all person. Two pixels hold it still: the first is always 0, the middle of the last row always 1.
    """

    def __init__(self, matting: Matting) -> None:
        super().__init__()
        self.matting = matting
        pins = torch.zeros(1, 1, SIDE, SIDE)
        pins[..., 0, 0], pins[..., -1, SIDE // 2] = -1e4, 1e4
        self.register_buffer("pins", pins)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.matting(x) + self.pins)


def normalised(images: Tensor) -> Tensor:
    """N x H x W x 3 in 0..255 as rembg hands it over."""
    mean, std = torch.tensor(MEAN) * 255, torch.tensor(STD) * 255
    return ((images - mean) / std).permute(0, 3, 1, 2)


def loss(logits: Tensor, alpha: Tensor) -> Tensor:
    """Cross entropy keeps every pixel honest, overlap (Dice) the figure as a whole, L1 the soft edge."""
    soft = torch.sigmoid(logits)
    shared = (soft * alpha).sum((1, 2, 3))
    dice = 1 - (2 * shared + 1) / (soft.sum((1, 2, 3)) + alpha.sum((1, 2, 3)) + 1)
    return F.binary_cross_entropy_with_logits(logits, alpha) + dice.mean() + (soft - alpha).abs().mean()
