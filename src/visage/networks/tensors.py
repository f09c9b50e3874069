"""Batches of pictures as tensors: layout, dtype, device, precision."""

import numpy as np
import torch
from torch import Tensor


def to_float(pictures: Tensor) -> Tensor:
    """Bytes as the networks see them, from 0 to 1."""
    return pictures.float().mul_(1 / 255)


def to_nchw(pixels: np.ndarray) -> Tensor:
    """N x H x W x 3 as a tensor of N x 3 x H x W, contiguous."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))


def gather(pixels: Tensor, indices: Tensor) -> Tensor:
    """The pictures with these indices, on the device of the indices; `pixels` (N x 3 x H x W) may lie on another."""
    return pixels.index_select(0, indices.to(pixels.device)).to(indices.device, non_blocking=True)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The recipe's precision on a GPU. Processors count in 32 bits: some claim bfloat16 and end the process at it."""
    enabled = device.type == "cuda" and precision != "float32"
    return torch.autocast(device.type, getattr(torch, precision) if enabled else None, enabled=enabled)
