"""What an anchor should say: which face is whose, and how wrong box, score and landmarks are."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

NEAREST = 9  # anchors per face and stride that may claim it
HARD_NEGATIVES = 3  # per positive: the worst mistakes of the whole batch
TINY = 6.0  # px; smaller faces are neither learnt nor held against the detector


def corners(anchors: Tensor) -> Tensor:
    half = (anchors[:, 2:] - 1) / 2
    return torch.cat([anchors[:, :2] - half, anchors[:, :2] + half], 1)


def overlaps(a: Tensor, b: Tensor) -> Tensor:
    inner = (
        (torch.minimum(a[:, None, 2:], b[None, :, 2:]) - torch.maximum(a[:, None, :2], b[None, :, :2]))
        .clamp(min=0)
        .prod(2)
    )
    return inner / ((a[:, 2:] - a[:, :2]).prod(1)[:, None] + (b[:, 2:] - b[:, :2]).prod(1)[None] - inner + 1e-6)


def assign(boxes: Tensor, anchors: Tensor, per_level: list[int]) -> Tensor:
    """For every anchor its face, -1 for none, -2 for do-not-care. Adaptive: a face takes the near anchors that fit it
    better than the mean plus one deviation of its own candidates (ATSS), and always its best one."""
    owner = torch.full((len(anchors),), -1)
    if not len(boxes):
        return owner
    iou = overlaps(boxes, corners(anchors))
    distance = torch.cdist((boxes[:, :2] + boxes[:, 2:]) / 2, anchors[:, :2])
    near, first = [], 0
    for count in per_level:
        near.append(distance[:, first : first + count].topk(min(2 * NEAREST, count), largest=False).indices + first)
        first += count
    near = torch.cat(near, 1)
    fit = iou.gather(1, near)
    taken = torch.zeros_like(iou).scatter_(
        1, near, (fit >= fit.mean(1, keepdim=True) + fit.std(1, keepdim=True)).float()
    )
    taken[torch.arange(len(boxes)), iou.argmax(1)] = 2
    best, face = (taken * (iou + 1e-3)).max(0)
    owner[iou.max(0).values > 0.4] = -2
    owner = torch.where(best > 0, face, owner)
    tiny = (boxes[:, 2:] - boxes[:, :2]).amax(1) < TINY
    care = torch.cat([tiny, torch.tensor([False, False])])
    return torch.where(care[owner], torch.full_like(owner, -2), owner)


def losses(
    outputs: list, boxes: list[Tensor], landmarks: list[Tensor], anchors: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """(score, box, landmark) losses of a batch, each per positive anchor."""
    logits, deltas, points = (
        torch.cat(
            [level[part].permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, width)) for level in outputs], 1
        ).float()
        for part, width in enumerate((1, 4, 10))
    )
    per_level = [level[0].shape[2] * level[0].shape[3] * 2 for level in outputs]
    owners = torch.stack([assign(faces, anchors, per_level) for faces in boxes])
    photo, anchor = torch.nonzero(owners >= 0, as_tuple=True)
    count = max(len(photo), 1)
    score = score_loss(logits[..., 0], owners) / count
    if not len(photo):
        return score, deltas.sum() * 0, points.sum() * 0
    first = torch.tensor([0, *[len(faces) for faces in boxes[:-1]]]).cumsum(0)
    face = first[photo] + owners[photo, anchor]
    box = box_loss(deltas[photo, anchor], torch.cat(boxes)[face], anchors[anchor]) / count
    return score, box, landmark_loss(points[photo, anchor], torch.cat(landmarks)[face], anchors[anchor])


def score_loss(logits: Tensor, owners: Tensor) -> Tensor:
    """Cross entropy of all positives and of the hardest negatives (online hard example mining)."""
    loss = F.binary_cross_entropy_with_logits(logits, (owners >= 0).float(), reduction="none")
    positive, negative = loss[owners >= 0], loss[owners == -1]
    hardest = negative.topk(min(HARD_NEGATIVES * max(len(positive), len(owners)), len(negative))).values
    return positive.sum() + hardest.sum()


def box_loss(deltas: Tensor, boxes: Tensor, anchors: Tensor) -> Tensor:
    """Generalised IoU of the decoded boxes."""
    centre = deltas[:, :2] * anchors[:, 2:] + anchors[:, :2]
    half = (torch.exp(deltas[:, 2:].clamp(max=4)) * anchors[:, 2:] - 1) / 2
    low, high = centre - half, centre + half
    inner = (torch.minimum(high, boxes[:, 2:]) - torch.maximum(low, boxes[:, :2])).clamp(min=0).prod(1)
    union = (high - low).clamp(min=0).prod(1) + (boxes[:, 2:] - boxes[:, :2]).prod(1) - inner + 1e-6
    hull = (torch.maximum(high, boxes[:, 2:]) - torch.minimum(low, boxes[:, :2])).prod(1) + 1e-6
    return (1 - inner / union + (hull - union) / hull).sum()


def landmark_loss(deltas: Tensor, landmarks: Tensor, anchors: Tensor) -> Tensor:
    """Smooth L1 in anchor sides, over the faces whose landmarks are known."""
    known = ~torch.isnan(landmarks).any(2).any(1)
    if not known.any():
        return deltas.sum() * 0
    wish = ((landmarks[known] - anchors[known, None, :2]) / anchors[known, None, 2:]).flatten(1)
    return F.smooth_l1_loss(deltas[known], wish, beta=0.05, reduction="sum") / known.sum()
