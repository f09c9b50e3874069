"""Pictures varied in batches on the device: pure functions of a batch and a random generator."""

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from visage.losses import Targets
from visage.recipes import TrainParams

GREY = (0.299, 0.587, 0.114)


def varied(
    pictures: Tensor, wanted: list[Targets], recipe: TrainParams, random: Generator
) -> tuple[Tensor, list[Targets]]:
    """A batch (N x 3 x H x W, 0 to 1) after every variation that the recipe switches on, and its targets."""
    pictures = moved(pictures, recipe, random)
    if recipe.jitter:
        pictures = coloured(pictures, recipe.jitter, random)
    if recipe.blur:
        pictures = blurred(pictures, recipe.blur, random)
    if recipe.noise:
        pictures = pictures + torch.randn(pictures.shape, generator=random, device=pictures.device) * recipe.noise
    if recipe.erase:
        pictures = erased(pictures, recipe.erase, random)
    if recipe.mix and (recipe.mixup or recipe.cutmix):
        pictures, wanted = mixed(pictures, wanted, recipe, random)
    return pictures, wanted


def uniform(count: int, low: float, high: float, random: Generator) -> Tensor:
    return torch.rand(count, generator=random, device=random.device) * (high - low) + low


def moved(pictures: Tensor, recipe: TrainParams, random: Generator) -> Tensor:
    """Flip, shift (share of the side), scale (0.1: from 1/1.1 to 1.1 times) and rotate (degrees)."""
    count = len(pictures)
    mirror = torch.where(uniform(count, 0, 1, random) < recipe.flip, -1.0, 1.0)
    if recipe.scale or recipe.rotate:
        return resampled(pictures, mirror, recipe, random)
    if recipe.flip:
        turned = (mirror < 0).nonzero()[:, 0]
        pictures = pictures.index_copy(0, turned, pictures[turned].flip(3))
    return shifted(pictures, recipe.shift, random) if recipe.shift else pictures


def shifted(pictures: Tensor, share: float, random: Generator) -> Tensor:
    """Moved by whole pixels, the edge repeated: a third of what resampling costs."""
    count, _, height, width = pictures.shape
    down, across = round(share * height), round(share * width)
    padded = F.pad(pictures, [across, across, down, down], mode="replicate")
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # a view: every place that the picture may move to
    y = torch.randint(2 * down + 1, (count,), generator=random, device=random.device)
    x = torch.randint(2 * across + 1, (count,), generator=random, device=random.device)
    return windows[torch.arange(count, device=y.device), :, y, x]


def resampled(pictures: Tensor, mirror: Tensor, recipe: TrainParams, random: Generator) -> Tensor:
    """All of it at once; `mirror` is -1 for pictures to be flipped."""
    count = len(pictures)
    angle = uniform(count, -math.radians(recipe.rotate), math.radians(recipe.rotate), random)
    zoom = (uniform(count, -1, 1, random) * math.log1p(recipe.scale)).exp()
    dx, dy = (uniform(count, -2 * recipe.shift, 2 * recipe.shift, random) for _ in "xy")
    shape = pictures.shape[2] / pictures.shape[3]  # coordinates run from -1 to 1 on both sides, however long
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    rows = [cos * mirror, -sin * shape, dx, sin / shape * mirror, cos, dy]
    matrix = torch.stack(rows, 1).view(-1, 2, 3).to(pictures.dtype)
    grid = F.affine_grid(matrix, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def coloured(pictures: Tensor, strength: float, random: Generator) -> Tensor:
    """Brightness, contrast and saturation, each by up to 1 +- strength."""
    light, contrast, saturation = (
        uniform(len(pictures), 1 - strength, 1 + strength, random).view(-1, 1, 1, 1) for _ in range(3)
    )
    red, green, blue = pictures.unbind(1)
    grey = (red * GREY[0]).add_(green, alpha=GREY[1]).add_(blue, alpha=GREY[2])[:, None]
    middle = grey.mean((2, 3), keepdim=True)
    # contrast * (saturation * x + (1 - saturation) * grey - middle) + middle, all times light
    rest = grey.mul_(light * contrast * (1 - saturation)).add_(middle * (1 - contrast) * light)
    return (pictures * (light * contrast * saturation)).add_(rest)


def blurred(pictures: Tensor, strength: float, random: Generator) -> Tensor:
    """Half of the pictures through a Gaussian of up to `strength` pixels: one kernel per picture, two passes."""
    count, channels, height, width = pictures.shape
    sigma = (uniform(count, -strength, strength, random)).clamp_min(1e-3)  # below zero: left sharp
    reach = max(1, math.ceil(2 * strength))
    kernel = (-(torch.arange(-reach, reach + 1, device=pictures.device) ** 2) / (2 * sigma[:, None] ** 2)).softmax(1)
    kernel = kernel.repeat_interleave(channels, 0)
    flat = pictures.reshape(1, count * channels, height, width)
    flat = F.pad(flat, [reach] * 4, mode="replicate")
    flat = F.conv2d(flat, kernel[:, None, :, None], groups=count * channels)
    return F.conv2d(flat, kernel[:, None, None, :], groups=count * channels).view(count, channels, height, width)


def boxes(count: int, height: int, width: int, area: Tensor, random: Generator) -> Tensor:
    """Random rectangles (N x 1 x H x W, true inside) with sides of sqrt(area) of the picture's, cut off at its edge."""
    side = area.sqrt().view(-1, 1)
    x, y = (uniform(count, 0, 1, random).view(-1, 1) for _ in "xy")
    across = ((torch.arange(width, device=x.device) + 0.5) / width - x).abs() < side / 2
    down = ((torch.arange(height, device=x.device) + 0.5) / height - y).abs() < side / 2
    return (down[:, :, None] & across[:, None, :])[:, None]


def erased(pictures: Tensor, share: float, random: Generator) -> Tensor:
    """That share of the pictures loses a rectangle (2 to 20% of the area) to its own mean colour."""
    count, _, height, width = pictures.shape
    area = uniform(count, 0.02, 0.2, random) * (uniform(count, 0, 1, random) < share)
    return torch.where(boxes(count, height, width, area, random), pictures.mean((2, 3), keepdim=True), pictures)


def mixed(
    pictures: Tensor, wanted: list[Targets], recipe: TrainParams, random: Generator
) -> tuple[Tensor, list[Targets]]:
    """`mix` of the pictures with a partner: half by mixup, half by CutMix, or all by the one that is switched on."""
    count, _, height, width = pictures.shape
    order = torch.randperm(count, generator=random, device=random.device)
    apply = uniform(count, 0, 1, random) < recipe.mix
    cuts = (
        uniform(count, 0, 1, random) < recipe.cutmix / (recipe.mixup + recipe.cutmix)
        if recipe.cutmix
        else torch.zeros_like(apply)
    )
    share = torch.where(apply & ~cuts, beta(recipe.mixup, count, random), 1.0)
    cut = boxes(count, height, width, torch.where(apply & cuts, 1 - beta(recipe.cutmix, count, random), 0), random)
    partner = pictures[order]
    pictures = torch.where(cut, partner, torch.lerp(partner, pictures, share.view(-1, 1, 1, 1)))
    share = share * (1 - cut.float().mean((1, 2, 3)))  # what is left of oneself
    return pictures, [one.mixed(order, share) for one in wanted]


def beta(alpha: float, count: int, random: Generator) -> Tensor:
    """Draws from Beta(alpha, alpha), from the given generator (torch's own Beta takes none)."""
    if not alpha:
        return torch.ones(count, device=random.device)
    # Johnk: accept u^(1/a), v^(1/a) with a sum up to one; 64 tries leave none over for alpha <= 1
    u, v = (torch.rand(64, count, generator=random, device=random.device) ** (1 / alpha) for _ in "uv")
    first = (u + v <= 1).float().argmax(0, keepdim=True)
    u, v = u.gather(0, first)[0], v.gather(0, first)[0]
    return (u / (u + v).clamp_min(1e-9)).clamp(0, 1)
