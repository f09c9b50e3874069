"""Explanations of whole tables: who is explained by which network, the regions, the summary and its pictures."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.drawn_people import recipe, write_set
from visage.explain.contact_sheets import draw_attribution_sheet
from visage.explain.explanations import (
    Attributions,
    compute_attributions,
    read_regions,
    sample_photos,
    summarise,
)
from visage.explain.face_regions import REGIONS
from visage.formats.columns import LANDMARKS
from visage.formats.tasks import Task
from visage.inference import list_checkpoints
from visage.networks.checkpoints import CheckpointCard, encode_checkpoint
from visage.networks.images import Preprocessing, read_images
from visage.networks.network import Head, build_network
from visage.runtime.memo import Memo

TASK = Task("mask", ("worn", "not worn"), "mask")
HEAD = Head("mask", TASK.classes)
SIZE = Preprocessing(32, 24)
POINTS = np.array([[36, 50], [64, 50], [50, 64], [40, 78], [60, 78]]) * 0.6  # an upright face, in pictures of 60 x 72
WITHOUT_LANDMARKS = "0.jpg"


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Eight people in two folds, one photo each; fold 0's network answers worn, fold 1's not worn."""
    photos = [*(f"{person}.jpg" for person in range(1, 8)), WITHOUT_LANDMARKS]
    landmarks = {
        name: {photo: None if photo == WITHOUT_LANDMARKS else float(value) for photo in photos}
        for name, value in zip(LANDMARKS, POINTS.ravel(), strict=True)
    }
    write_set(tmp_path / "crops", {p: rng.integers(0, 256, (72, 60, 3), np.uint8) for p in photos}, **landmarks)
    write_set(tmp_path / "mattes", {photo: np.full((72, 60), 255, np.uint8) for photo in photos})
    (tmp_path / "models").mkdir()
    torch.manual_seed(0)
    for fold in (0, 1):
        network = build_network(recipe(), [HEAD], weights=False)
        network.heads[0][-1].bias.data[fold] = 50.0
        card = CheckpointCard((HEAD,), recipe(), "", fold)
        (tmp_path / f"models/fold{fold}.safetensors").write_bytes(encode_checkpoint(network, card))
    return tmp_path


def people() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables like photos.csv and folds.csv."""
    names = [str(person) for person in range(8)]
    photos = pd.DataFrame({"photo": [f"{name}.jpg" for name in names], "split": "train", "person": names})
    photos["mask"] = ["worn", "not worn"] * 4
    return photos, pd.DataFrame({"person": names, "fold": [0, 0, 1, 1] * 2})


def explain(folder: Path, memo: Memo) -> tuple[Attributions, np.ndarray, pd.DataFrame]:
    """The attributions of everybody with landmarks, their regions and rows."""
    sample = sample_photos(*people(), TASK, 8, seed=1)
    region_maps = read_regions(folder / "crops", folder / "mattes", set(sample["photo"]), SIZE)
    images = read_images(folder / "crops", folder / "mattes", SIZE, photos=region_maps)
    rows = images.rows[["photo"]].merge(sample, on="photo")
    regions = np.stack([region_maps[photo] for photo in rows["photo"]])
    files = list_checkpoints(folder / "models")
    return compute_attributions(files, "mask", images, regions, rows, 4, memo, device="cpu"), regions, rows


def test_every_face_is_explained_by_the_fold_that_never_saw_the_person(folder: Path) -> None:
    with Memo("explain", folder=folder / "memo") as memo:
        attributions, _, rows = explain(folder, memo)
    assert (attributions.answers == rows["fold"].to_numpy()).all()
    assert set(rows["photo"]) == set(people()[0]["photo"]) - {WITHOUT_LANDMARKS}


def test_every_face_has_a_map_of_sum_one(folder: Path) -> None:
    with Memo("explain", folder=folder / "memo") as memo:
        attributions, _, _ = explain(folder, memo)
    np.testing.assert_allclose(attributions.grad_cam.sum((1, 2)), 1, rtol=1e-4)
    np.testing.assert_allclose(attributions.gradients.sum((1, 2)), 1, rtol=1e-4)


def test_attributions_are_computed_once_per_fold(folder: Path) -> None:
    with Memo("explain", folder=folder / "memo") as memo:
        first, _, _ = explain(folder, memo)
        again, _, _ = explain(folder, memo)
        assert (memo.computed, memo.known) == (2, 2)
    for name, array in vars(first).items():
        assert np.array_equal(array, getattr(again, name))


def test_a_fold_without_a_network_is_an_error(folder: Path) -> None:
    (folder / "models/fold1.safetensors").unlink()
    with (
        Memo("explain", folder=folder / "memo") as memo,
        pytest.raises(ValueError, match="no network of fold 1 for mask"),
    ):
        explain(folder, memo)


def test_the_summary_has_shares_and_scores_of_every_region() -> None:
    """Two pictures of two pixels: all attention of the first is on the mouth, of the second on the eyes."""
    mouth, eyes = REGIONS.index("mouth"), REGIONS.index("eyes")
    regions, heat = np.array([[[mouth, eyes]]] * 2), np.array([[[1.0, 0.0]], [[0.0, 1.0]]], np.float32)
    codes = np.array([0, 1])
    answers = np.array([[0, 1], *([0, 0] if name == "eyes" else [0, 1] for name in REGIONS)])
    summary = summarise(Attributions(heat, heat, answers), regions, codes, TASK)
    assert summary["photos"] == 2 and summary["area"]["mouth"] == summary["area"]["eyes"] == 0.5
    assert summary["attention"]["all"]["mouth"] == 0.5 and summary["grad_cam"]["not worn"]["eyes"] == 1
    assert list(summary["macro_f1"]) == ["whole", *(f"without {name}" for name in REGIONS)]
    assert summary["macro_f1"]["whole"] == 1 and summary["macro_f1"]["without eyes"] == pytest.approx(1 / 3, abs=1e-4)


def test_a_contact_sheet_is_wider_with_single_people(rng: np.random.Generator) -> None:
    heat = rng.random((4, 32, 24), np.float32)
    attributions = Attributions(heat, heat, np.zeros((9, 4), np.int64))
    pixels, codes = rng.integers(0, 256, (4, 32, 24, 3), np.uint8), np.array([0, 1, 0, 1])
    sheets = [
        draw_attribution_sheet(pixels, attributions, codes, TASK.classes, single_people=single_people)
        for single_people in (False, True)
    ]
    assert sheets[0].dtype == np.uint8 and sheets[0].shape[0] == sheets[1].shape[0]
    assert sheets[0].shape[1] < sheets[1].shape[1]


def test_the_regions_of_a_trimmed_picture_are_the_middle_of_the_whole(folder: Path, tmp_path: Path) -> None:
    whole, trimmed = (
        read_regions(folder / "crops", tmp_path, {"1.jpg"}, preprocessing)["1.jpg"]
        for preprocessing in (Preprocessing(64, 48), Preprocessing(32, 24, trim=0.25))
    )
    assert len(np.unique(trimmed)) > 2 and np.array_equal(trimmed, whole[16:48, 12:36])


def test_photos_are_sampled_evenly_and_alike_for_any_order_of_the_table() -> None:
    photos, folds = people()
    photos.loc[2:, "mask"] = "worn"
    sample = sample_photos(photos, folds, TASK, 4, seed=3)
    assert sample["code"].tolist() == [0, 0, 1]
    pd.testing.assert_frame_equal(sample, sample_photos(photos[::-1], folds, TASK, 4, seed=3))
