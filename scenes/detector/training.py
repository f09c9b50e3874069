"""What the detector is trained on, and the loss of a batch."""

from collections.abc import Sequence

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from common.portraits import GroupPortrait
from common.training import TrainingParams
from detector.loss import compute_losses
from detector.network import build_anchors
from detector.samples import AnnotatedImage

BOX_WEIGHT, LANDMARK_WEIGHT = 2, 0.5  # against the loss of the scores


class TrainDetectorParams(TrainingParams):
    """Section `train_detector`."""

    portrait_share: float = Field(ge=0, le=1)  # drawn portraits among the training images; the rest are scenes


def annotate(
    scenes: Sequence[tuple[np.ndarray, np.ndarray]], portraits: Sequence[GroupPortrait]
) -> tuple[list[AnnotatedImage], list[AnnotatedImage]]:
    """The scenes, whose landmarks are unknown, and the drawn portraits."""
    unknown = [np.full((len(boxes), 5, 2), np.nan, np.float32) for _, boxes in scenes]
    return (
        [AnnotatedImage(image, boxes, nan) for (image, boxes), nan in zip(scenes, unknown, strict=True)],
        [AnnotatedImage(portrait.image, portrait.boxes, portrait.landmarks) for portrait in portraits],
    )


def batch_loss(network: nn.Module, batch: Sequence[AnnotatedImage]) -> Tensor:
    images = torch.from_numpy(np.stack([sample.image for sample in batch])).float()
    with torch.autocast("cpu", torch.bfloat16):
        outputs = network(images)
    boxes = [torch.from_numpy(sample.boxes) for sample in batch]
    landmarks = [torch.from_numpy(sample.landmarks) for sample in batch]
    score, box, landmark = compute_losses(outputs, boxes, landmarks, build_anchors(*images.shape[1:3]))
    return score + BOX_WEIGHT * box + LANDMARK_WEIGHT * landmark
