"""The training section of the matting network, and the loss of a batch."""

from collections.abc import Sequence

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from common.training import TrainingParams
from matting.network import matting_loss, normalise


class TrainMattingParams(TrainingParams):
    """Section `train_matting`."""

    scene_share: float = Field(ge=0, le=1)  # pieces of scenes among the new backgrounds; the rest is made up


def batch_loss(network: nn.Module, batch: Sequence[tuple[np.ndarray, np.ndarray]]) -> Tensor:
    images, alphas = (torch.from_numpy(np.stack(parts)).float() for parts in zip(*batch, strict=True))
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(normalise(images))
    return matting_loss(logits.float(), alphas[:, None] / 255)
