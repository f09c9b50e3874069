"""Batches of pictures as tensors: layout, dtype, device, precision."""

import numpy as np
import torch
from torch import Tensor

from visage.networks.recipe import TrainParams


def to_float(pictures: Tensor) -> Tensor:
    """Bytes as the networks see them, from 0 to 1."""
    return pictures.float().mul_(1 / 255)


def gather(pixels: Tensor, pictures: Tensor) -> Tensor:
    """Some pictures (N x 3 x H x W), on the device of the places `pictures`."""
    return pixels.index_select(0, pictures.to(pixels.device)).to(pictures.device, non_blocking=True)


def to_nchw(pixels: np.ndarray) -> Tensor:
    """Pictures in channels, as everything on the device wants them: P x H x W x 3 to P x 3 x H x W."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))


def autocast(device: torch.device, recipe: TrainParams) -> torch.autocast:
    """The recipe's precision on a GPU. Processors count in 32 bits: some claim bfloat16 and end the process at it."""
    enabled = device.type == "cuda" and recipe.precision != "float32"
    return torch.autocast(device.type, getattr(torch, recipe.precision) if enabled else None, enabled=enabled)
