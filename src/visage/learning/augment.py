"""Pictures varied in batches on the device: pure functions of a batch and a random generator."""

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from visage.learning.losses import Targets
from visage.networks.recipe import TrainParams
from visage.networks.tensors import to_float

LUMA = (0.299, 0.587, 0.114)


def augment(
    pictures: Tensor, wanted: list[Targets], recipe: TrainParams, random: Generator
) -> tuple[Tensor, list[Targets]]:
    """A batch (bytes, N x 3 x H x W, in random order) after every variation that the recipe switches on, as floats from
    0 to 1; and its targets."""
    pictures = transform(pictures, recipe, random)
    if recipe.jitter:
        pictures = jitter_colours(pictures, recipe.jitter, random)
    if recipe.blur:
        pictures = gaussian_blur(pictures, recipe.blur, random)
    if recipe.noise:
        pictures = pictures + torch.randn(pictures.shape, generator=random, device=pictures.device) * recipe.noise
    if recipe.erase:
        pictures = random_erase(pictures, recipe.erase, random)
    if recipe.mix_probability and (recipe.mixup or recipe.cutmix):
        pictures, wanted = mix_images(pictures, wanted, recipe, random)
    return pictures, wanted


def sample_uniform(count: int, low: float, high: float, random: Generator) -> Tensor:
    return torch.rand(count, generator=random, device=random.device) * (high - low) + low


def transform(pictures: Tensor, recipe: TrainParams, random: Generator) -> Tensor:
    """Flip, shift (share of the side), scale (0.1: from 1/1.1 to 1.1 times) and rotate (degrees); floats come out.

    What can be done with bytes is: there is a quarter as much to move.
    """
    first = flip_count(len(pictures), recipe)
    if first:
        pictures = torch.cat([pictures[:first].flip(3), pictures[first:]])
    if recipe.scale or recipe.rotate:
        return warp_affine(to_float(pictures), recipe, random)
    return to_float(shift_pixels(pictures, recipe.shift, random) if recipe.shift else pictures)


def flip_count(count: int, recipe: TrainParams) -> int:
    """How many of a batch are mirrored: the first ones, which in random order are any."""
    return round(recipe.flip * count)


def shift_pixels(pictures: Tensor, share: float, random: Generator) -> Tensor:
    """Moved by whole pixels, the edge repeated: a fraction of what resampling costs."""
    count, channels, height, width = pictures.shape
    down, across = round(share * height), round(share * width)
    left, right = (edge.expand(-1, -1, -1, across) for edge in (pictures[..., :1], pictures[..., -1:]))
    wide = torch.cat([left, pictures, right], 3)
    rows = wide.view(-1).unfold(0, width, 1)  # a view: every stretch of pixels that a row may come from
    y = torch.randint(-down, down + 1, (count, 1, 1), generator=random, device=random.device)
    x = torch.randint(2 * across + 1, (count, 1, 1), generator=random, device=random.device)
    planes = torch.arange(count * channels, device=random.device).view(count, channels, 1)
    taken = planes * height + (torch.arange(height, device=random.device) + y).clamp(0, height - 1)
    return rows.index_select(0, (taken * wide.shape[3] + x).flatten()).view_as(pictures)


def warp_affine(pictures: Tensor, recipe: TrainParams, random: Generator) -> Tensor:
    """Turned, scaled and shifted at once."""
    count = len(pictures)
    angle = sample_uniform(count, -math.radians(recipe.rotate), math.radians(recipe.rotate), random)
    zoom = (sample_uniform(count, -1, 1, random) * math.log1p(recipe.scale)).exp()
    dx, dy = (sample_uniform(count, -2 * recipe.shift, 2 * recipe.shift, random) for _ in "xy")
    shape = pictures.shape[2] / pictures.shape[3]  # coordinates run from -1 to 1 on both sides, however long
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    rows = [cos, -sin * shape, dx, sin / shape, cos, dy]
    matrix = torch.stack(rows, 1).view(-1, 2, 3).to(pictures.dtype)
    grid = F.affine_grid(matrix, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def jitter_colours(pictures: Tensor, strength: float, random: Generator) -> Tensor:
    """Brightness, contrast and saturation, each by up to 1 +- strength: a matrix and an offset per picture."""
    light, contrast, saturation = (
        sample_uniform(len(pictures), 1 - strength, 1 + strength, random).view(-1, 1, 1) for _ in range(3)
    )
    grey = torch.tensor(LUMA, device=pictures.device)
    middle = (pictures.mean((2, 3)) @ grey).view(-1, 1, 1)
    # contrast * (saturation * x + (1 - saturation) * grey - middle) + middle, all times light
    mixing = light * contrast * (saturation * torch.eye(3, device=grey.device) + (1 - saturation) * grey)
    return torch.baddbmm(light * (1 - contrast) * middle, mixing, pictures.flatten(2)).view_as(pictures)


def gaussian_blur(pictures: Tensor, strength: float, random: Generator) -> Tensor:
    """Half of the pictures through a Gaussian of up to `strength` pixels: one kernel per picture, two passes."""
    count, channels, height, width = pictures.shape
    sigma = (sample_uniform(count, -strength, strength, random)).clamp_min(1e-3)  # below zero: left sharp
    reach = max(1, math.ceil(2 * strength))
    kernel = (-(torch.arange(-reach, reach + 1, device=pictures.device) ** 2) / (2 * sigma[:, None] ** 2)).softmax(1)
    kernel = kernel.repeat_interleave(channels, 0)
    flat = pictures.reshape(1, count * channels, height, width)
    flat = F.pad(flat, [reach] * 4, mode="replicate")
    flat = F.conv2d(flat, kernel[:, None, :, None], groups=count * channels)
    return F.conv2d(flat, kernel[:, None, None, :], groups=count * channels).view(count, channels, height, width)


def random_rectangles(count: int, height: int, width: int, area: Tensor, random: Generator) -> Tensor:
    """Random rectangles (N x 1 x H x W, true inside) with sides of sqrt(area) of the picture's, cut off at its edge."""
    side = area.sqrt().view(-1, 1)
    x, y = (sample_uniform(count, 0, 1, random).view(-1, 1) for _ in "xy")
    across = ((torch.arange(width, device=x.device) + 0.5) / width - x).abs() < side / 2
    down = ((torch.arange(height, device=x.device) + 0.5) / height - y).abs() < side / 2
    return (down[:, :, None] & across[:, None, :])[:, None]


def random_erase(pictures: Tensor, share: float, random: Generator) -> Tensor:
    """That share of the pictures loses a rectangle (2 to 20% of the area) to its own mean colour."""
    count, _, height, width = pictures.shape
    area = sample_uniform(count, 0.02, 0.2, random) * (sample_uniform(count, 0, 1, random) < share)
    return torch.where(
        random_rectangles(count, height, width, area, random), pictures.mean((2, 3), keepdim=True), pictures
    )


def mix_images(
    pictures: Tensor, wanted: list[Targets], recipe: TrainParams, random: Generator
) -> tuple[Tensor, list[Targets]]:
    """`mix` of the pictures with a partner: half by mixup, half by CutMix, or all by the one that is switched on."""
    count, _, height, width = pictures.shape
    order = torch.randperm(count, generator=random, device=random.device)
    apply = sample_uniform(count, 0, 1, random) < recipe.mix_probability
    cuts = (
        sample_uniform(count, 0, 1, random) < recipe.cutmix / (recipe.mixup + recipe.cutmix)
        if recipe.cutmix
        else torch.zeros_like(apply)
    )
    share = torch.where(apply & ~cuts, sample_beta(recipe.mixup, count, random), 1.0)
    cut = random_rectangles(
        count, height, width, torch.where(apply & cuts, 1 - sample_beta(recipe.cutmix, count, random), 0), random
    )
    partner = pictures[order]
    pictures = torch.where(cut, partner, torch.lerp(partner, pictures, share.view(-1, 1, 1, 1)))
    share = share * (1 - cut.float().mean((1, 2, 3)))  # what is left of oneself
    return pictures, [one.mixed(order, share) for one in wanted]


def sample_beta(alpha: float, count: int, random: Generator) -> Tensor:
    """Draws from Beta(alpha, alpha), from the given generator (torch's own Beta takes none)."""
    if not alpha:
        return torch.ones(count, device=random.device)
    # Johnk: accept u^(1/a), v^(1/a) with a sum up to one; 64 tries leave none over for alpha <= 1
    u, v = (torch.rand(64, count, generator=random, device=random.device) ** (1 / alpha) for _ in "uv")
    first = (u + v <= 1).float().argmax(0, keepdim=True)
    u, v = u.gather(0, first)[0], v.gather(0, first)[0]
    return (u / (u + v).clamp_min(1e-9)).clamp(0, 1)
