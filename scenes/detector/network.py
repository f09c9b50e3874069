"""A small RetinaFace: three strides, two anchors a cell, and one logit, one box and five landmarks per anchor."""

from pathlib import Path

import torch
from torch import Tensor, nn

from common.layers import DepthwiseBlock, conv_bn, downsample, upsample
from common.weights import write_onnx
from visage.faces.retina import ANCHOR_OFFSET, ANCHOR_SIDES, STRIDES

ANCHORS = 2  # per cell
OUTPUTS = ("cls_prob", "bbox_pred", "landmark_pred")  # per stride, as the retina-face package names them


class Context(nn.Module):
    """Three fields of view (3, 5 and 7 cells) side by side, as in the Single Stage Headless detector."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.near = conv_bn(width, width // 2, relu=False)
        self.wide = conv_bn(width, width // 4)
        self.wide5 = conv_bn(width // 4, width // 4, relu=False)
        self.wide7 = nn.Sequential(conv_bn(width // 4, width // 4), conv_bn(width // 4, width // 4, relu=False))

    def forward(self, x: Tensor) -> Tensor:
        wide = self.wide(x)
        return torch.relu(torch.cat([self.near(x), self.wide5(wide), self.wide7(wide)], 1))


class Detector(nn.Module):
    """NHWC RGB 0..255 in; per stride 32, 16, 8: logits (2 a cell), box deltas (8) and landmark deltas (20), NCHW."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_bn(3, 16, stride=2), conv_bn(16, 32, stride=2), DepthwiseBlock(32, 32))
        self.body = nn.ModuleList([downsample(32, 64, 3), downsample(64, 128, 4), downsample(128, 192, 2)])
        self.lateral = nn.ModuleList([conv_bn(channels, width, 1) for channels in (64, 128, 192)])
        self.merge = nn.ModuleList([conv_bn(width, width) for _ in range(2)])
        self.context = nn.ModuleList([Context(width) for _ in STRIDES])
        self.heads = nn.ModuleList([nn.Conv2d(width, ANCHORS * (1 + 4 + 10), 1) for _ in STRIDES])
        for head in self.heads:
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)
            nn.init.constant_(head.bias[:ANCHORS], -3.0)  # few anchors are faces

    def forward(self, x: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
        x = self.stem((x.permute(0, 3, 1, 2) - 127.5) / 64)
        features = []
        for part, lateral in zip(self.body, self.lateral, strict=True):
            x = part(x)
            features.append(lateral(x))
        fine, middle, coarse = features
        middle = self.merge[0](middle + upsample(coarse, like=middle))
        fine = self.merge[1](fine + upsample(middle, like=fine))
        levels = zip(self.heads, self.context, (coarse, middle, fine), strict=True)
        parts = [ANCHORS, 4 * ANCHORS, 10 * ANCHORS]
        return [head(context(feature)).split(parts, 1) for head, context, feature in levels]


class PackageOutputs(nn.Module):
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


def export_detector(network: Detector, path: Path) -> None:
    """The nine outputs, for any batch, height and width."""
    strides = {f"{output}_stride{stride}": stride for stride in STRIDES for output in OUTPUTS}
    axes = {name: {0: "n", 1: f"h{stride}", 2: f"w{stride}"} for name, stride in strides.items()}
    axes = {"input": {0: "n", 1: "h", 2: "w"}, **axes}
    write_onnx(PackageOutputs(network), torch.zeros(1, 320, 256, 3), path, outputs=list(strides), axes=axes)


def build_anchors(height: int, width: int) -> Tensor:
    """Centre x, centre y, side (px) of every anchor, as the outputs are flattened: by stride, row, column, anchor."""
    levels = []
    for stride in STRIDES:
        rows, columns = -(-height // stride), -(-width // stride)
        y = torch.arange(rows) * stride + ANCHOR_OFFSET
        x = torch.arange(columns) * stride + ANCHOR_OFFSET
        y, x = torch.meshgrid(y, x, indexing="ij")
        centres = torch.stack([x, y], -1)[:, :, None].expand(-1, -1, ANCHORS, -1)
        sides = torch.tensor(ANCHOR_SIDES[stride], dtype=torch.float32).expand(rows, columns, ANCHORS)[..., None]
        levels.append(torch.cat([centres, sides], -1).reshape(-1, 3))
    return torch.cat(levels)
