"""A small RetinaFace: three scales, two anchors each, one logit, one box and five landmarks per anchor."""

from __future__ import annotations

import torch
from layers import Block, conv, stage, twice
from torch import Tensor, nn

STRIDES = (32, 16, 8)
SIDES = {
    32: (512, 256),
    16: (128, 64),
    8: (32, 16),
}  # the anchors of the retina-face package, all centred 7.5 px into their cell


class Context(nn.Module):
    """Three fields of view (3, 5 and 7 cells) side by side, as in the Single Stage Headless detector."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.near = conv(width, width // 2, act=False)
        self.wide = conv(width, width // 4)
        self.wide5 = conv(width // 4, width // 4, act=False)
        self.wide7 = nn.Sequential(conv(width // 4, width // 4), conv(width // 4, width // 4, act=False))

    def forward(self, x: Tensor) -> Tensor:
        wide = self.wide(x)
        return torch.relu(torch.cat([self.near(x), self.wide5(wide), self.wide7(wide)], 1))


class Detector(nn.Module):
    """NHWC RGB 0..255 in; per stride 32, 16, 8: logits (2 a cell), box deltas (8) and landmark deltas (20), NCHW."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, 16, stride=2), conv(16, 32, stride=2), Block(32, 32))
        self.body = nn.ModuleList([stage(32, 64, 3), stage(64, 128, 4), stage(128, 192, 2)])
        self.lateral = nn.ModuleList([conv(c, width, 1) for c in (64, 128, 192)])
        self.merge = nn.ModuleList([conv(width, width) for _ in range(2)])
        self.context = nn.ModuleList([Context(width) for _ in STRIDES])
        self.heads = nn.ModuleList([nn.Conv2d(width, 2 + 8 + 20, 1) for _ in STRIDES])
        for head in self.heads:
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)
            nn.init.constant_(head.bias[:2], -3.0)

    def forward(self, x: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
        x = self.stem((x.permute(0, 3, 1, 2) - 127.5) / 64)
        features = []
        for part, lateral in zip(self.body, self.lateral, strict=True):
            x = part(x)
            features.append(lateral(x))
        fine, middle, coarse = features
        middle = self.merge[0](middle + twice(coarse, like=middle))
        fine = self.merge[1](fine + twice(middle, like=fine))
        levels = zip(self.heads, self.context, (coarse, middle, fine), strict=True)
        return [head(context(feature)).split([2, 8, 20], 1) for head, context, feature in levels]


class Contract(nn.Module):
    """The detector as the retina-face package wants it: nine NHWC outputs, scores as [none, none, face, face]."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, x: Tensor) -> list[Tensor]:
        outputs = []
        for logits, boxes, landmarks in self.detector(x):
            face = torch.sigmoid(logits)
            outputs += [part.permute(0, 2, 3, 1) for part in (torch.cat([1 - face, face], 1), boxes, landmarks)]
        return outputs


def anchors(height: int, width: int) -> Tensor:
    """Centre x, centre y, side of every anchor, in the order of the flattened outputs (stride, row, column, anchor)."""
    planes = []
    for stride in STRIDES:
        rows, columns = -(-height // stride), -(-width // stride)
        y, x = torch.meshgrid(torch.arange(rows) * stride + 7.5, torch.arange(columns) * stride + 7.5, indexing="ij")
        centres = torch.stack([x, y], -1)[:, :, None].expand(-1, -1, 2, -1)
        sides = torch.tensor(SIDES[stride], dtype=torch.float32).expand(rows, columns, 2)[..., None]
        planes.append(torch.cat([centres, sides], -1).reshape(-1, 3))
    return torch.cat(planes)
