"""Attention: maps fall on what a network uses, for CNNs and ViTs, and the parts of a face are where they should be."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.drawn_lessons import recipe
from visage.explain.attributions import (
    blank_regions,
    class_margin,
    grad_cam,
    integrated_gradients,
    pixel_contributions,
    region_shares,
)
from visage.explain.contact_sheets import draw_attribution_sheet
from visage.explain.explanations import compute_attributions, read_regions, sample_photos, summarise
from visage.explain.face_regions import REGIONS, region_map
from visage.formats.columns import LANDMARKS
from visage.formats.shards import encode_image, shard_order, write_shards
from visage.formats.tasks import Task
from visage.networks.checkpoints import CheckpointCard, checkpoint_bytes
from visage.networks.images import Preprocessing, read_images
from visage.networks.network import Head, build_network

MAPS = {
    "grad_cam": lambda network, pictures, classes: grad_cam(network, network, pictures, classes),
    "integrated_gradients": integrated_gradients,
}
SIDE = 48
SPOT = (slice(24, 40), slice(8, 24))  # a ninth of the picture; the direction of its stripes is the class


def drawn(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Coloured noise, and on it the spot."""
    rng = torch.Generator().manual_seed(seed)
    pictures = F.interpolate(torch.rand(count, 3, 12, 12, generator=rng), (SIDE, SIDE)) * 0.5 + 0.25
    classes = torch.randint(2, (count,), generator=rng)
    lines = ((torch.arange(16) // 2) % 2).float().expand(16, 16)
    pictures[:, :, *SPOT] = torch.stack([lines.T, lines])[classes][:, None] * 0.6 + 0.2
    return pictures, classes


class TinyViT(nn.Module):
    """Patches of 8, a class token, blocks as torchvision builds them, an answer from the class token alone."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 8, 8)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.places = nn.Parameter(torch.randn(1, 37, width) * 0.2)
        layer = {"dropout": 0.0, "batch_first": True, "norm_first": True}
        self.blocks = nn.Sequential(*(nn.TransformerEncoderLayer(width, 4, 64, **layer) for _ in range(2)))
        self.head = nn.Linear(width, 2)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        patches = self.patches(pictures - 0.5).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(patches), -1, -1), patches], 1) + self.places
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
        pictures, classes = drawn(64, step)
        optimiser.zero_grad()
        F.cross_entropy(network(pictures), classes).backward()
        optimiser.step()
    pictures, classes = drawn(128, 999)
    alone = pictures.mean((2, 3), keepdim=True).expand_as(pictures).clone()
    alone[:, :, *SPOT] = pictures[:, :, *SPOT]
    assert (network.eval()(alone).argmax(1) == classes).all()
    return network


def test_attention_falls_on_the_only_spot_that_matters(trained):
    pictures, classes = drawn(48, 1234)
    heat = integrated_gradients(trained, pictures, classes)
    print(f"{type(trained).__name__}: {heat[:, *SPOT].sum((1, 2)).mean():.3f} of the share")
    assert heat[:, *SPOT].sum((1, 2)).mean() >= 0.8


def test_grad_cam_leans_to_the_spot_and_peaks_there(trained):
    """It is as coarse as the last features are, so it points and does not measure; the tokens of a ViT have mixed."""
    if isinstance(trained, TinyViT):
        pytest.skip("what reaches a ViT's last block has been mixed by attention: Grad-CAM promises nothing there")
    pictures, classes = drawn(48, 1234)
    heat = grad_cam(trained, trained, pictures, classes)
    assert heat[:, *SPOT].sum((1, 2)).mean() >= 3 * 16 * 16 / SIDE**2
    peaks = heat.flatten(1).argmax(1)
    rows, columns = peaks // SIDE, peaks % SIDE
    on = (rows >= SPOT[0].start) & (rows < SPOT[0].stop) & (columns >= SPOT[1].start) & (columns < SPOT[1].stop)
    assert on.float().mean() >= 0.8


def test_contributions_add_up_to_the_rise_of_the_margin(trained):
    pictures, classes = drawn(8, 5)
    blank = pictures.mean((2, 3), keepdim=True).expand_as(pictures)
    with torch.no_grad():
        rise = class_margin(trained(pictures), classes) - class_margin(trained(blank), classes)
    total = pixel_contributions(trained, pictures, classes, steps=64).sum((1, 2, 3))
    assert torch.allclose(total, rise, rtol=0.1, atol=0.3)


def test_blanking_the_spot_takes_the_answer_away_and_blanking_the_rest_does_not(trained):
    pictures, classes = drawn(64, 6)
    regions = torch.ones(64, SIDE, SIDE)
    regions[:, *SPOT] = 0
    without_spot, without_rest = (trained(one).argmax(1) == classes for one in blank_regions(pictures, regions, 2))
    assert without_spot.float().mean() < 0.7 < 1.0 == without_rest.float().mean()


@pytest.mark.parametrize("method", MAPS)
def test_maps_are_of_sum_one_and_leave_the_network_as_it_was(trained, method):
    pictures, classes = drawn(4, 7)
    before = trained(pictures)
    heat = (
        grad_cam(trained, trained, pictures, classes)
        if method == "grad_cam"
        else integrated_gradients(trained, pictures, classes)
    )
    assert heat.shape == (4, SIDE, SIDE) and (heat >= 0).all() and torch.allclose(heat.sum((1, 2)), torch.ones(4))
    assert not any(module._forward_hooks for module in trained.modules())
    assert torch.equal(trained(pictures), before)


def test_frozen_networks_and_our_own_backbones_are_seen_through():
    from visage.networks.backbones import small_cnn

    network = nn.Sequential(small_cnn((4, 8, 8, 8)), nn.Flatten(), nn.Linear(8, 3)).eval().requires_grad_(False)
    heat = grad_cam(network, network, torch.rand(2, 3, 64, 64), torch.tensor([0, 2]))
    assert heat.shape == (2, 64, 64) and torch.isfinite(heat).all()


def test_a_network_that_ignores_its_picture_has_no_attention():
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    nn.init.zeros_(network[0].weight)
    pictures = torch.rand(2, 3, 8, 8)
    assert integrated_gradients(network, pictures, torch.tensor([0, 1])).sum() == 0


def test_shares_are_what_falls_on_each_region():
    heat = torch.tensor([[[0.5, 0.2], [0.3, 0.0]]])
    assert np.allclose(region_shares(heat, torch.tensor([[[0, 2], [2, 1]]]), 4), [[0.5, 0, 0.5, 0]])


MARKS = np.array([[36, 50], [64, 50], [50, 64], [40, 78], [60, 78]], float)  # of 100 x 120: an upright face


def part(regions: np.ndarray, x: float, y: float) -> str:
    return REGIONS[regions[int(y), int(x)]]


def test_the_parts_of_a_face_are_where_they_should_be():
    matte = np.zeros((120, 100), np.uint8)
    matte[5:110, 15:85] = 255
    regions = region_map(MARKS, (120, 100), matte)
    seen = {(50, 78): "mouth", (50, 64): "nose", (36, 50): "eyes", (64, 50): "eyes", (50, 32): "forehead"}
    seen |= {(27, 68): "cheeks", (50, 12): "hair", (18, 45): "hair", (20, 106): "clothes", (3, 3): "background"}
    assert {point: part(regions, *point) for point in seen} == seen


def test_a_face_turned_by_ninety_degrees_has_its_parts_turned_too():
    matte = np.full((100, 100), 255, np.uint8)
    turned = np.stack([100 - MARKS[:, 1], MARKS[:, 0]], 1)  # clockwise
    regions = region_map(turned, (100, 100), matte)
    assert part(regions, 100 - 78, 50) == "mouth" and part(regions, 100 - 32, 50) == "forehead"


def test_without_a_matte_hair_counts_as_background():
    assert "hair" not in {REGIONS[i] for i in np.unique(region_map(MARKS, (120, 100)))}


# ---- explanations: the same for whole tables -----------------------------------------------------------------------

TASK = Task("mask", ("worn", "not worn"), "mask")
RECIPE = recipe()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight people in two folds, one photo each, one without landmarks; fold 0's network says worn, fold 1's not."""
    marks = dict(zip(LANDMARKS, (MARKS * 0.6).ravel().tolist(), strict=True))
    rows = [{"photo": f"{p}.jpg", "width": 60, "height": 72, "image": encode_image(np.full((72, 60, 3), 20 * p, np.uint8)),
             **(marks if p else dict.fromkeys(LANDMARKS)), "by": "detector"} for p in range(8)]  # fmt: skip
    rows = sorted(rows, key=lambda row: shard_order(r["photo"] for r in rows).index(row["photo"]))
    write_shards(tmp_path / "crops", rows, dict.fromkeys(LANDMARKS, float) | {"by": str})
    matte = encode_image(np.full((72, 60), 255, np.uint8), ".png")
    write_shards(tmp_path / "mattes", [{**row, "image": matte} for row in rows], {})
    (tmp_path / "models").mkdir()
    for fold in (0, 1):
        network = build_network(RECIPE, [Head("mask", TASK.classes)], weights=False)
        network.heads[0][-1].bias.data[fold] = 50.0
        card = CheckpointCard((Head("mask", TASK.classes),), RECIPE, "", fold)
        (tmp_path / f"models/fold{fold}.safetensors").write_bytes(checkpoint_bytes(network, card))
    return tmp_path


def people() -> tuple[pd.DataFrame, pd.DataFrame]:
    names = [str(p) for p in range(8)]
    photos = pd.DataFrame({"photo": [f"{p}.jpg" for p in names], "split": "train", "person": names,
                           "mask": ["worn", "not worn"] * 4})  # fmt: skip
    return photos, pd.DataFrame({"person": names, "fold": [0, 0, 1, 1] * 2})


def test_every_face_is_seen_by_the_fold_that_never_saw_the_person(folder):
    rows = sample_photos(*people(), TASK, 8, seed=1)
    known = read_regions(folder / "crops", folder / "mattes", set(rows["photo"]), Preprocessing(32, 24))
    assert set(known) == set(rows["photo"]) - {"0.jpg"}
    album = read_images(folder / "crops", folder / "mattes", Preprocessing(32, 24), wanted=known)
    rows = album.rows[["photo"]].merge(rows, on="photo")
    regions = np.stack([known[photo] for photo in rows["photo"]])
    seen = compute_attributions(sorted((folder / "models").iterdir()), "mask", album.pixels, regions, rows, 4, "cpu")
    assert (seen.answers == rows["fold"].to_numpy()).all()
    told = summarise(seen, regions, rows["code"].to_numpy(), TASK)
    assert told["photos"] == 7 and list(told["macro_f1"]) == ["whole", *(f"without {name}" for name in REGIONS)]
    assert sum(told["area"].values()) == pytest.approx(1, abs=0.001)
    picture = draw_attribution_sheet(
        album.pixels, seen.cam, seen.fine, rows["code"].to_numpy(), TASK.classes, people=True
    )
    assert picture.dtype == np.uint8 and picture.shape[1] > draw_attribution_sheet(
        album.pixels, seen.cam, seen.fine, rows["code"].to_numpy(), TASK.classes, people=False
    ).shape[1]  # fmt: skip


def test_the_parts_of_a_trimmed_picture_are_the_middle_of_the_whole(folder, tmp_path):
    whole, trimmed = (
        read_regions(folder / "crops", tmp_path, {"1.jpg"}, look)["1.jpg"]
        for look in (Preprocessing(64, 48), Preprocessing(32, 24, trim=0.25))
    )
    assert len(np.unique(trimmed)) > 2 and np.array_equal(trimmed, whole[16:48, 12:36])


def test_faces_are_chosen_evenly_and_alike_for_any_order_of_the_table():
    photos, folds = people()
    photos.loc[2:, "mask"] = "worn"
    chosen = sample_photos(photos, folds, TASK, 4, seed=3)
    assert chosen["code"].tolist() == [0, 0, 1]
    pd.testing.assert_frame_equal(chosen, sample_photos(photos[::-1], folds, TASK, 4, seed=3))
