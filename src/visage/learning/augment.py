"""Augmentation in batches on the device: pure functions of a batch and a random generator."""

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from visage.learning.losses import Targets
from visage.learning.sampling import choose_partners
from visage.networks.recipe import TrainParams
from visage.networks.tensors import to_float

LUMA = (0.299, 0.587, 0.114)


def augment(
    pictures: Tensor, targets: list[Targets], people: Tensor, recipe: TrainParams, generator: Generator
) -> tuple[Tensor, list[Targets]]:
    """A batch (bytes, N x 3 x H x W, in random order) after every augmentation that the recipe switches on, as floats
    from 0 to 1; and its targets. `people` numbers the persons of the pictures, N."""
    pictures = transform(pictures, recipe, generator)
    if recipe.jitter:
        pictures = jitter_colours(pictures, recipe.jitter, generator)
    if recipe.blur:
        pictures = gaussian_blur(pictures, recipe.blur, generator)
    if recipe.noise:
        pictures = pictures + torch.randn(pictures.shape, generator=generator, device=pictures.device) * recipe.noise
    if recipe.erase:
        pictures = random_erase(pictures, recipe.erase, generator)
    if recipe.mix_probability and (recipe.mixup or recipe.cutmix):
        pictures, targets = mix_images(pictures, targets, people, recipe, generator)
    return pictures, targets


def sample_uniform(count: int, low: float, high: float, generator: Generator) -> Tensor:
    return torch.rand(count, generator=generator, device=generator.device) * (high - low) + low


def transform(pictures: Tensor, recipe: TrainParams, generator: Generator) -> Tensor:
    """Flip, shift (share of the side), scale (0.1: from 1/1.1 to 1.1 times) and rotate (degrees); floats come out.

    Flips and shifts by whole pixels are done on bytes, a quarter of the memory of floats.
    """
    flips = flip_count(len(pictures), recipe.flip)
    if flips:
        pictures = torch.cat([pictures[:flips].flip(3), pictures[flips:]])
    if recipe.scale or recipe.rotate:
        return warp_affine(to_float(pictures), recipe, generator)
    return to_float(shift_pixels(pictures, recipe.shift, generator) if recipe.shift else pictures)


def flip_count(count: int, share: float) -> int:
    """How many of a batch are mirrored: the first ones, as the batch is in random order."""
    return round(share * count)


def shift_pixels(pictures: Tensor, share: float, generator: Generator) -> Tensor:
    """Move each picture by whole pixels, the edge repeated: a fraction of what resampling costs."""
    count, channels, height, width = pictures.shape
    device = generator.device
    down, across = round(share * height), round(share * width)
    left, right = (edge.expand(-1, -1, -1, across) for edge in (pictures[..., :1], pictures[..., -1:]))
    wide = torch.cat([left, pictures, right], 3)
    windows = wide.view(-1).unfold(0, width, 1)  # a view: every run of `width` pixels that a row may come from
    y = torch.randint(-down, down + 1, (count, 1, 1), generator=generator, device=device)
    x = torch.randint(2 * across + 1, (count, 1, 1), generator=generator, device=device)
    planes = torch.arange(count * channels, device=device).view(count, channels, 1)
    rows = planes * height + (torch.arange(height, device=device) + y).clamp(0, height - 1)
    return windows.index_select(0, (rows * wide.shape[3] + x).flatten()).view_as(pictures)


def warp_affine(pictures: Tensor, recipe: TrainParams, generator: Generator) -> Tensor:
    """Rotate, scale and shift at once, by resampling."""
    count = len(pictures)
    angle = sample_uniform(count, -math.radians(recipe.rotate), math.radians(recipe.rotate), generator)
    zoom = (sample_uniform(count, -1, 1, generator) * math.log1p(recipe.scale)).exp()
    dx, dy = (sample_uniform(count, -2 * recipe.shift, 2 * recipe.shift, generator) for _ in "xy")
    aspect = pictures.shape[2] / pictures.shape[3]  # coordinates run from -1 to 1 on both sides, however long
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    matrix = torch.stack([cos, -sin * aspect, dx, sin / aspect, cos, dy], 1).view(-1, 2, 3).to(pictures.dtype)
    grid = F.affine_grid(matrix, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def jitter_colours(pictures: Tensor, strength: float, generator: Generator) -> Tensor:
    """Brightness, contrast and saturation, each by up to 1 +- strength: a matrix and an offset per picture."""
    light, contrast, saturation = (
        sample_uniform(len(pictures), 1 - strength, 1 + strength, generator).view(-1, 1, 1) for _ in range(3)
    )
    grey = torch.tensor(LUMA, device=pictures.device)
    middle = (pictures.mean((2, 3)) @ grey).view(-1, 1, 1)
    # contrast * (saturation * x + (1 - saturation) * grey - middle) + middle, all times light
    mixing = light * contrast * (saturation * torch.eye(3, device=grey.device) + (1 - saturation) * grey)
    return torch.baddbmm(light * (1 - contrast) * middle, mixing, pictures.flatten(2)).view_as(pictures)


def gaussian_blur(pictures: Tensor, strength: float, generator: Generator) -> Tensor:
    """Half of the pictures through a Gaussian of up to `strength` pixels: one kernel per picture, two passes."""
    count, channels, height, width = pictures.shape
    sigma = sample_uniform(count, -strength, strength, generator).clamp_min(1e-3)  # below zero: the picture stays sharp
    radius = max(1, math.ceil(2 * strength))
    offsets = torch.arange(-radius, radius + 1, device=pictures.device)
    kernel = (-(offsets**2) / (2 * sigma[:, None] ** 2)).softmax(1).repeat_interleave(channels, 0)
    flat = pictures.reshape(1, count * channels, height, width)  # one group of the convolution per channel
    flat = F.pad(flat, [radius] * 4, mode="replicate")
    flat = F.conv2d(flat, kernel[:, None, :, None], groups=count * channels)
    return F.conv2d(flat, kernel[:, None, None, :], groups=count * channels).view(count, channels, height, width)


def random_rectangles(count: int, height: int, width: int, area: Tensor, generator: Generator) -> Tensor:
    """Random rectangles (N x 1 x H x W, true inside) with sides of sqrt(area) of the picture's, cut off at its edge."""
    side = area.sqrt().view(-1, 1)
    x, y = (sample_uniform(count, 0, 1, generator).view(-1, 1) for _ in "xy")
    columns = ((torch.arange(width, device=x.device) + 0.5) / width - x).abs() < side / 2
    rows = ((torch.arange(height, device=x.device) + 0.5) / height - y).abs() < side / 2
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def random_erase(pictures: Tensor, share: float, generator: Generator) -> Tensor:
    """That share of the pictures loses a rectangle (2 to 20% of the area) to its own mean colour."""
    count, _, height, width = pictures.shape
    area = sample_uniform(count, 0.02, 0.2, generator) * (sample_uniform(count, 0, 1, generator) < share)
    erased = random_rectangles(count, height, width, area, generator)
    return torch.where(erased, pictures.mean((2, 3), keepdim=True), pictures)


def mix_images(
    pictures: Tensor, targets: list[Targets], people: Tensor, recipe: TrainParams, generator: Generator
) -> tuple[Tensor, list[Targets]]:
    """`mix_probability` of the pictures with one of another person: by mixup or CutMix, as often as their strengths
    say."""
    count, _, height, width = pictures.shape
    order = choose_partners(people, generator)
    mixes = sample_uniform(count, 0, 1, generator) < recipe.mix_probability
    cuts = torch.zeros_like(mixes)
    if recipe.cutmix:
        cuts = sample_uniform(count, 0, 1, generator) < recipe.cutmix / (recipe.mixup + recipe.cutmix)
    share = torch.where(mixes & ~cuts, sample_beta(recipe.mixup, count, generator), 1.0)
    area = torch.where(mixes & cuts, 1 - sample_beta(recipe.cutmix, count, generator), 0)
    cut = random_rectangles(count, height, width, area, generator)
    partners = pictures[order]
    pictures = torch.where(cut, partners, torch.lerp(partners, pictures, share.view(-1, 1, 1, 1)))
    share = share * (1 - cut.float().mean((1, 2, 3)))  # of the picture itself, after both
    return pictures, [target.mix(order, share) for target in targets]


def sample_beta(alpha: float, count: int, generator: Generator) -> Tensor:
    """Samples of Beta(alpha, alpha), from the given generator (torch's own Beta takes none); ones for alpha 0."""
    if not alpha:
        return torch.ones(count, device=generator.device)
    # Johnk: accept u^(1/a), v^(1/a) with a sum up to one; for alpha <= 1 one of 64 tries is always accepted
    u, v = (torch.rand(64, count, generator=generator, device=generator.device) ** (1 / alpha) for _ in "uv")
    first = (u + v <= 1).float().argmax(0, keepdim=True)
    u, v = u.gather(0, first)[0], v.gather(0, first)[0]
    return (u / (u + v).clamp_min(1e-9)).clamp(0, 1)
