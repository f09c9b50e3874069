"""Augmentation: nothing when off, exact when simple, and labels that go with the pixels."""

import pytest
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from tests.drawn_people import recipe
from visage.learning.augment import (
    augment,
    gaussian_blur,
    jitter_colours,
    random_erase,
    random_rectangles,
    sample_beta,
    transform,
)
from visage.learning.losses import Targets
from visage.networks.tensors import to_float

EVERYTHING = {"flip": 0.5, "shift": 0.1, "scale": 0.2, "rotate": 20.0, "jitter": 0.3, "noise": 0.05, "blur": 1.0}
EVERYTHING |= {"erase": 0.5, "mix_probability": 1.0, "mixup": 0.4, "cutmix": 1.0}


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def float_pictures(count: int = 8, height: int = 32, width: int = 24) -> Tensor:
    return to_float(byte_pictures(count, height, width))


def byte_pictures(count: int = 8, height: int = 32, width: int = 24) -> Tensor:
    return torch.randint(256, (count, 3, height, width), generator=seeded(9), dtype=torch.uint8)


def test_with_everything_off_pictures_stay_as_they_are() -> None:
    targets = [Targets(torch.eye(8))]
    pictures, same_targets = augment(byte_pictures(), targets, torch.arange(8), recipe(), seeded())
    assert torch.equal(pictures, float_pictures()) and same_targets is targets


def test_the_same_seed_augments_in_the_same_way() -> None:
    first, second, other = (
        augment(byte_pictures(), [Targets(torch.eye(8))], torch.arange(8), recipe(**EVERYTHING), seeded(s))
        for s in (1, 1, 2)
    )
    assert torch.equal(first[0], second[0]) and torch.equal(first[1][0].classes, second[1][0].classes)
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("rotate", [0.0, 1e-6])
def test_a_flip_is_the_mirror_image_by_copy_and_by_resampling(rotate: float) -> None:
    flipped = transform(byte_pictures(), recipe(flip=1.0, rotate=rotate), seeded())
    torch.testing.assert_close(flipped, float_pictures().flip(3), atol=1e-4, rtol=0)


def test_half_of_the_pictures_are_flipped() -> None:
    mirrored = transform(byte_pictures(400, 4, 4), recipe(flip=0.5), seeded()) != float_pictures(400, 4, 4)
    assert mirrored.any(3).any(2).any(1).sum() == 200


def test_a_rotated_disc_stays_a_disc_on_a_picture_that_is_not_square() -> None:
    y, x = torch.meshgrid(torch.arange(64) - 31.5, torch.arange(48) - 23.5, indexing="ij")
    disc = (torch.sigmoid(15 - (x**2 + y**2).sqrt()) * 255).byte().repeat(16, 3, 1, 1)
    assert (transform(disc, recipe(rotate=90.0), seeded()) - to_float(disc)).abs().mean() < 0.01


@pytest.mark.parametrize("rotate", [0.0, 1e-6])
def test_a_shift_moves_by_at_most_its_share_by_copy_and_by_resampling(rotate: float) -> None:
    dot = torch.zeros(300, 3, 40, 20, dtype=torch.uint8)
    dot[:, :, 20, 10] = 255
    places = transform(dot, recipe(shift=0.1, rotate=rotate), seeded()).sum(1).flatten(1).argmax(1)
    x, y = places % 20 - 10, places // 20 - 20
    assert (x.min(), x.max()) == (-2, 2) and (y.min(), y.max()) == (-4, 4)


def test_what_a_shift_brings_in_repeats_the_edge() -> None:
    stripes = torch.arange(20, dtype=torch.uint8).view(1, 1, 1, 20).repeat(50, 3, 40, 1)
    corner = transform(stripes, recipe(shift=0.1), seeded())[:, 0, 0, 0] * 255
    assert set(corner.round().tolist()) == {0.0, 1.0, 2.0}


def test_jitter_keeps_grey_grey_and_centres_on_the_picture() -> None:
    grey = torch.rand(50, 1, 8, 8, generator=seeded()).repeat(1, 3, 1, 1)
    out = jitter_colours(grey, 0.3, seeded())
    torch.testing.assert_close(out[:, 0], out[:, 2])
    ratio = out.mean((1, 2, 3)) / grey.mean((1, 2, 3))
    assert 0.69 < ratio.min() < 0.8 and 1.2 < ratio.max() < 1.31


def test_blur_keeps_a_flat_picture_and_smooths_about_half() -> None:
    many = float_pictures(200, 16, 16)
    out = gaussian_blur(many, 2.0, seeded())
    unchanged = (out - many).abs().amax((1, 2, 3)) < 1e-4
    assert 0.35 < unchanged.float().mean() < 0.65
    grey = torch.full((4, 3, 16, 16), 0.3)
    torch.testing.assert_close(gaussian_blur(grey, 2.0, seeded()), grey)


def test_rectangles_have_their_area_where_they_fit() -> None:
    area = torch.full((4000,), 0.04)
    filled = random_rectangles(4000, 50, 50, area, seeded()).float().mean((1, 2, 3))
    assert filled.max().item() == pytest.approx(0.04, abs=0.005) and filled.min() > 0


def test_erasing_changes_its_share_of_the_pictures() -> None:
    many = float_pictures(400, 16, 16)
    is_changed = (random_erase(many, 0.3, seeded()) != many).any(3).any(2).any(1)
    assert 0.2 < is_changed.float().mean().item() < 0.4


@pytest.mark.parametrize("kind", [{"mixup": 0.5}, {"cutmix": 1.0}, {"mixup": 0.5, "cutmix": 1.0}])
def test_labels_are_mixed_as_much_as_pixels(kind: dict) -> None:
    """Picture i shows nothing but channel-mean i, so what a mixed picture holds can be read off its pixels."""
    plain = (F.one_hot(torch.arange(3)).byte() * 255)[:, :, None, None].repeat(20, 1, 32, 24)
    targets = [Targets(F.one_hot(torch.arange(3)).float().repeat(20, 1))]
    out, [target] = augment(plain, targets, torch.arange(60), recipe(mix_probability=1.0, **kind), seeded())
    torch.testing.assert_close(out.mean((2, 3)), target.classes, atol=1e-5, rtol=0)
    assert (target.classes.amax(1) < 0.999).float().mean() > 0.3


@pytest.mark.parametrize("alpha", [0.1, 0.4, 1.0])
def test_samples_follow_the_beta_distribution(alpha: float) -> None:
    samples = sample_beta(alpha, 20000, seeded())
    assert samples.mean().item() == pytest.approx(0.5, abs=0.02)
    assert samples.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)
