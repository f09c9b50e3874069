"""The detector's loss: which anchor answers for which face, and how wrong its score, box and landmarks are.

Anchors are rows of (centre x, centre y, side), boxes of x0 y0 x1 y1, all in pixels of the training image.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

BACKGROUND, IGNORED = -1, -2  # instead of a face: the anchor should score nothing; the anchor does not count
CANDIDATES = 9  # cells per face and stride whose anchors may answer for it
HARD_NEGATIVES = 3  # per positive: the worst mistakes of the whole batch
IGNORED_IOU = 0.4  # an anchor that fits a face better than this without answering for it does not count
MIN_SIDE = 6.0  # px; smaller faces are neither learnt nor held against the detector


def compute_losses(
    outputs: list, boxes: list[Tensor], landmarks: list[Tensor], anchors: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """(score, box, landmark) losses of a batch: the first two per positive anchor, the last per known one."""
    logits, deltas, points = (
        flatten_levels([level[part] for level in outputs], width) for part, width in ((0, 1), (1, 4), (2, 10))
    )
    level_sizes = [level[0].shape[1:].numel() for level in outputs]
    assignments = torch.stack([assign_faces(faces, anchors, level_sizes) for faces in boxes])
    photo, anchor = torch.nonzero(assignments >= 0, as_tuple=True)
    positives = max(len(photo), 1)
    score = score_loss(logits[..., 0], assignments) / positives
    if not len(photo):
        return score, deltas.sum() * 0, points.sum() * 0
    first = torch.tensor([0, *[len(faces) for faces in boxes[:-1]]]).cumsum(0)  # face of each photo in the whole batch
    face = first[photo] + assignments[photo, anchor]
    box = box_loss(deltas[photo, anchor], torch.cat(boxes)[face], anchors[anchor]) / positives
    return score, box, landmark_loss(points[photo, anchor], torch.cat(landmarks)[face], anchors[anchor])


def flatten_levels(maps: list[Tensor], width: int) -> Tensor:
    """One NCHW map per stride as N x anchors x width, the anchors in the order of `build_anchors`."""
    rows = [level.permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, width)) for level in maps]
    return torch.cat(rows, 1).float()


def assign_faces(boxes: Tensor, anchors: Tensor, level_sizes: list[int]) -> Tensor:
    """For every anchor the row of its face, BACKGROUND or IGNORED; `level_sizes` counts the anchors of each stride.

    Adaptive (ATSS): a face gets those of its nearest anchors that fit it at least as well as their mean IoU plus one
    standard deviation, and its best anchor always.
    """
    assignment = torch.full((len(anchors),), BACKGROUND)
    if not len(boxes):
        return assignment
    iou = box_iou(boxes, to_corners(anchors))
    candidates = nearest_anchors(boxes, anchors, level_sizes)
    candidate_iou = iou.gather(1, candidates)
    threshold = candidate_iou.mean(1, keepdim=True) + candidate_iou.std(1, keepdim=True)
    priority = torch.zeros_like(iou).scatter_(1, candidates, (candidate_iou >= threshold).float())
    priority[torch.arange(len(boxes)), iou.argmax(1)] = 2
    best, face = (priority * (iou + 1e-3)).max(0)
    assignment[iou.max(0).values > IGNORED_IOU] = IGNORED
    assignment = torch.where(best > 0, face, assignment)
    tiny = (boxes[:, 2:] - boxes[:, :2]).amax(1) < MIN_SIDE
    assignment[(best > 0) & tiny[face]] = IGNORED
    return assignment


def nearest_anchors(boxes: Tensor, anchors: Tensor, level_sizes: list[int]) -> Tensor:
    """For every box the anchors of each stride's nearest cells, two a cell."""
    distance = torch.cdist((boxes[:, :2] + boxes[:, 2:]) / 2, anchors[:, :2])
    nearest, first = [], 0
    for size in level_sizes:
        level = distance[:, first : first + size]
        nearest.append(level.topk(min(2 * CANDIDATES, size), largest=False).indices + first)
        first += size
    return torch.cat(nearest, 1)


def to_corners(anchors: Tensor) -> Tensor:
    """Anchors as boxes. The package's anchors are one pixel smaller than their side."""
    half = (anchors[:, 2:] - 1) / 2
    return torch.cat([anchors[:, :2] - half, anchors[:, :2] + half], 1)


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of every box of `a` with every box of `b`."""
    low = torch.maximum(a[:, None, :2], b[None, :, :2])
    high = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    intersection = (high - low).clamp(min=0).prod(2)
    area_a, area_b = (a[:, 2:] - a[:, :2]).prod(1), (b[:, 2:] - b[:, :2]).prod(1)
    return intersection / (area_a[:, None] + area_b[None] - intersection + 1e-6)


def score_loss(logits: Tensor, assignments: Tensor) -> Tensor:
    """Cross entropy of all positives and of the hardest negatives (online hard example mining)."""
    loss = F.binary_cross_entropy_with_logits(logits, (assignments >= 0).float(), reduction="none")
    positive, negative = loss[assignments >= 0], loss[assignments == BACKGROUND]
    photos = len(assignments)  # a batch with hardly a face still has some negatives
    hardest = negative.topk(min(HARD_NEGATIVES * max(len(positive), photos), len(negative))).values
    return positive.sum() + hardest.sum()


def box_loss(deltas: Tensor, boxes: Tensor, anchors: Tensor) -> Tensor:
    """Generalised IoU of the decoded boxes, summed."""
    centre = deltas[:, :2] * anchors[:, 2:] + anchors[:, :2]
    half = (torch.exp(deltas[:, 2:].clamp(max=4)) * anchors[:, 2:] - 1) / 2
    low, high = centre - half, centre + half
    intersection = (torch.minimum(high, boxes[:, 2:]) - torch.maximum(low, boxes[:, :2])).clamp(min=0).prod(1)
    area, true_area = (high - low).clamp(min=0).prod(1), (boxes[:, 2:] - boxes[:, :2]).prod(1)
    union = area + true_area - intersection + 1e-6
    hull = (torch.maximum(high, boxes[:, 2:]) - torch.minimum(low, boxes[:, :2])).prod(1) + 1e-6
    return (1 - intersection / union + (hull - union) / hull).sum()


def landmark_loss(deltas: Tensor, landmarks: Tensor, anchors: Tensor) -> Tensor:
    """Smooth L1 in sides of the anchor, mean over the faces whose landmarks are known (not NaN)."""
    known = ~torch.isnan(landmarks).any(2).any(1)
    if not known.any():
        return deltas.sum() * 0
    targets = ((landmarks[known] - anchors[known, None, :2]) / anchors[known, None, 2:]).flatten(1)
    return F.smooth_l1_loss(deltas[known], targets, beta=0.05, reduction="sum") / known.sum()
