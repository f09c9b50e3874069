"""Attributions: maps fall on what a network uses, for CNNs and ViTs, and agree with captum's."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from torch import Tensor, nn
from torch.nn import functional as F

from visage.explain.attributions import (
    blank_regions,
    class_margin,
    grad_cam,
    integrated_gradients,
    mean_colour,
    pixel_contributions,
    region_shares,
)
from visage.networks.backbones import small_cnn

SIDE = 48  # pixels
SPOT = (slice(24, 40), slice(8, 24))  # a ninth of the picture; the direction of its stripes is the class
Method = Callable[[nn.Module, Tensor, Tensor], Tensor]


def grad_cam_of(network: nn.Module, pictures: Tensor, classes: Tensor) -> Tensor:
    return grad_cam(network, network, pictures, classes)


def striped_spots(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Pictures of coloured noise with the spot on it, and their classes."""
    rng = torch.Generator().manual_seed(seed)
    pictures = F.interpolate(torch.rand(count, 3, 12, 12, generator=rng), (SIDE, SIDE)) * 0.5 + 0.25
    classes = torch.randint(2, (count,), generator=rng)
    lines = ((torch.arange(16) // 2) % 2).float().expand(16, 16)
    pictures[:, :, *SPOT] = torch.stack([lines.T, lines])[classes][:, None] * 0.6 + 0.2
    return pictures, classes


class TinyViT(nn.Module):
    """Patches of 8, a class token, blocks as torchvision builds them, logits from the class token alone."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 8, 8)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.randn(1, 37, width) * 0.2)
        layer = {"dropout": 0.0, "batch_first": True, "norm_first": True}
        self.blocks = nn.Sequential(*(nn.TransformerEncoderLayer(width, 4, 64, **layer) for _ in range(2)))
        self.head = nn.Linear(width, 2)

    def forward(self, pictures: Tensor) -> Tensor:
        patches = self.patches(pictures - 0.5).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(patches), -1, -1), patches], 1) + self.positions
        return self.head(self.blocks(tokens)[:, 0])


def tiny_cnn() -> nn.Sequential:
    layers: list[nn.Module] = []
    for narrow, wide in ((3, 16), (16, 32)):
        layers += [nn.Conv2d(narrow, wide, 3, 2, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU(inplace=True)]
    layers += [nn.Conv2d(32, 32, 3, 1, 1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 2))


@pytest.fixture(scope="module", params=["cnn", "vit"])
def trained(request: pytest.FixtureRequest) -> nn.Module:
    """A network that needs the spot and nothing else."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # threads of networks this small wait more than they work
    network, lr, steps = (tiny_cnn(), 1e-2, 50) if request.param == "cnn" else (TinyViT(), 3e-3, 150)
    optimizer = torch.optim.AdamW(network.parameters(), lr)
    for step in range(steps):
        pictures, classes = striped_spots(64, step)
        optimizer.zero_grad()
        F.cross_entropy(network(pictures), classes).backward()
        optimizer.step()
    pictures, classes = striped_spots(128, 999)
    spot_alone = mean_colour(pictures).expand_as(pictures).clone()
    spot_alone[:, :, *SPOT] = pictures[:, :, *SPOT]
    assert (network.eval()(spot_alone).argmax(1) == classes).all()
    return network


def test_integrated_gradients_fall_on_the_only_spot_that_matters(trained: nn.Module) -> None:
    pictures, classes = striped_spots(48, 1234)
    heat = integrated_gradients(trained, pictures, classes)
    assert heat[:, *SPOT].sum((1, 2)).mean() >= 0.8


def test_grad_cam_leans_to_the_spot_and_peaks_there(trained: nn.Module) -> None:
    """It is as coarse as the last features are, so it points and does not measure."""
    if isinstance(trained, TinyViT):
        pytest.skip("what reaches a ViT's last block has been mixed by attention: Grad-CAM promises nothing there")
    pictures, classes = striped_spots(48, 1234)
    heat = grad_cam(trained, trained, pictures, classes)
    assert heat[:, *SPOT].sum((1, 2)).mean() >= 3 * 16 * 16 / SIDE**2
    peaks = F.one_hot(heat.flatten(1).argmax(1), SIDE * SIDE).view(-1, SIDE, SIDE)
    assert peaks[:, *SPOT].sum() >= 0.8 * len(peaks)


def test_contributions_are_those_of_captum(trained: nn.Module) -> None:
    pictures, classes = striped_spots(6, 8)
    captum = IntegratedGradients(lambda points, labels: class_margin(trained(points), labels))
    expected = captum.attribute(
        pictures,
        baselines=mean_colour(pictures).expand_as(pictures),
        additional_forward_args=classes,
        n_steps=8,
        method="riemann_middle",
    )
    ours = pixel_contributions(trained, pictures, classes, steps=8)
    scale = expected.abs().max().item()
    assert scale > 0
    torch.testing.assert_close(ours, expected.float(), atol=1e-5 * scale, rtol=1e-4)


def test_contributions_add_up_to_the_rise_of_the_margin(trained: nn.Module) -> None:
    pictures, classes = striped_spots(8, 5)
    baseline = mean_colour(pictures).expand_as(pictures)
    with torch.no_grad():
        rise = class_margin(trained(pictures), classes) - class_margin(trained(baseline), classes)
    total = pixel_contributions(trained, pictures, classes, steps=64).sum((1, 2, 3))
    assert torch.allclose(total, rise, rtol=0.1, atol=0.3)


def test_blanking_the_spot_takes_the_answer_away_and_blanking_the_rest_does_not(trained: nn.Module) -> None:
    pictures, classes = striped_spots(64, 6)
    regions = torch.ones(64, SIDE, SIDE)
    regions[:, *SPOT] = 0
    views = blank_regions(pictures, regions, 2)
    without_spot, without_rest = (trained(view).argmax(1) == classes for view in views)
    assert without_spot.float().mean() < 0.7 < 1.0 == without_rest.float().mean()


@pytest.mark.parametrize("method", [grad_cam_of, integrated_gradients])
def test_maps_are_not_negative_and_of_sum_one(trained: nn.Module, method: Method) -> None:
    heat = method(trained, *striped_spots(4, 7))
    assert heat.shape == (4, SIDE, SIDE) and (heat >= 0).all() and heat.flatten(1).amax(1).min() > 0
    torch.testing.assert_close(heat.sum((1, 2)), torch.ones(4))


@pytest.mark.parametrize("method", [grad_cam_of, integrated_gradients])
def test_the_network_stays_as_it_was(trained: nn.Module, method: Method) -> None:
    pictures, classes = striped_spots(4, 7)
    before = trained(pictures)
    method(trained, pictures, classes)
    assert not any(module._forward_hooks for module in trained.modules())
    assert torch.equal(trained(pictures), before)


def test_grad_cam_reads_frozen_networks_and_our_own_backbones() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(small_cnn((4, 8, 8, 8)), nn.Flatten(), nn.Linear(8, 3)).eval().requires_grad_(False)
    heat = grad_cam(network, network, torch.rand(2, 3, 64, 64), torch.tensor([0, 2]))
    assert heat.shape == (2, 64, 64)
    torch.testing.assert_close(heat.sum((1, 2)), torch.ones(2))


def test_integrated_gradients_of_a_network_that_ignores_its_picture_are_zero() -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    nn.init.zeros_(network[0].weight)
    assert integrated_gradients(network, torch.rand(2, 3, 8, 8), torch.tensor([0, 1])).abs().sum() == 0


def test_shares_are_the_parts_of_a_map_on_each_region() -> None:
    heat = torch.tensor([[[0.5, 0.2], [0.3, 0.0]]])
    assert np.allclose(region_shares(heat, torch.tensor([[[0, 2], [2, 1]]]), 4), [[0.5, 0, 0.5, 0]])
