"""Predictions: by those who never saw the person, of the same pictures as in training, whole probabilities."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.drawn_people import AGE, MASK, TASKS, drawn_dataset, drawn_images, folds_of, people, recipe
from visage.formats.predictions import prediction_columns
from visage.formats.tasks import Task
from visage.inference import list_checkpoints, predict, predict_probabilities, tta_views
from visage.learning.cross_validation import train_fold
from visage.networks.checkpoints import read_checkpoint, write_checkpoints
from visage.networks.images import Preprocessing
from visage.runtime.memo import Memo

PEOPLE = 36


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoints of a joint member, trained well."""
    folder = tmp_path_factory.mktemp("trained")
    dataset = drawn_dataset(folder / "crops", PEOPLE, TASKS)
    joint = recipe(backbone="mlp", joint=True, head="distribution", epochs=40, jitter=0.8)
    folds = [train_fold(dataset, fold, joint, device="cpu", on_epoch=lambda row: None) for fold in dataset.folds]
    write_checkpoints(folder / "models", folds)
    return folder / "models"


@pytest.fixture
def memo(tmp_path: Path) -> Iterator[Memo]:
    with Memo("predict", folder=tmp_path / "memo") as memo:
        yield memo


def predict_people(models: Path, folder: Path, task: Task, memo: Memo) -> list[pd.DataFrame]:
    """One table per fold. No mirror images: the class of these drawn people is the side of a bar."""
    table = people(PEOPLE)
    images = drawn_images(folder / "crops", table)
    files = list_checkpoints(models)
    return list(predict(files, task.name, images, table, folds_of(table), memo, tta="none", device="cpu"))


def test_held_out_people_are_predicted_by_one_fold_and_eval_photos_by_all(
    models: Path, tmp_path: Path, memo: Memo
) -> None:
    table = people(PEOPLE)
    fold_of = table.merge(folds_of(table), on="person").set_index("photo")["fold"]
    for fold, rows in enumerate(predict_people(models, tmp_path, MASK, memo)):
        held_out, evals = (set(rows.loc[rows["kind"] == kind, "photo"]) for kind in ("held_out", "eval"))
        assert (rows["fold"] == fold).all()
        assert held_out == set(fold_of.index[fold_of == fold]) and evals == {"eval/0.jpg", "eval/1.jpg"}
        assert rows.columns.tolist() == prediction_columns(MASK.classes)
        np.testing.assert_allclose(rows[list(MASK.classes)].sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_training_holds_for_people_never_seen(models: Path, tmp_path: Path, memo: Memo, task: Task) -> None:
    """Same pictures, size and standardisation, classes in order: a slip in any of them would end in guessing."""
    truth = people(PEOPLE).set_index("photo")[task.name]
    for rows in predict_people(models, tmp_path, task, memo):
        held_out = rows[rows["kind"] == "held_out"].set_index("photo")
        answers = held_out[list(task.classes)].idxmax(axis=1)
        assert (answers == truth[held_out.index]).mean() >= 0.8


def test_three_tasks_of_a_joint_member_are_computed_once(models: Path, tmp_path: Path, memo: Memo) -> None:
    shared = [predict_people(models, tmp_path, task, memo) for task in TASKS]
    assert (memo.computed, memo.known) == (3, 6)  # a row per fold
    for task, tables in zip(TASKS, shared, strict=True):
        with Memo("predict", folder=tmp_path / task.name) as own_memo:
            separate = predict_people(models, tmp_path, task, own_memo)
            assert own_memo.computed == 3
        pd.testing.assert_frame_equal(pd.concat(tables), pd.concat(separate), check_exact=True)


def test_a_checkpoint_prepares_pictures_as_its_training_did() -> None:
    changed = recipe(height=40, width=30, keep="face", fill=(1, 2, 3), trim=0.1)
    assert changed.preprocessing == Preprocessing(40, 30, "face", (1, 2, 3), 0.1)


@pytest.mark.parametrize(("tta", "count"), [("none", 1), ("flip", 2), ("flip+crops", 12)])
def test_levels_of_test_time_augmentation(tta: str, count: int) -> None:
    pictures = torch.rand(2, 3, 32, 24)
    views = list(tta_views(pictures, tta))
    assert len(views) == count and all(view.shape == pictures.shape for view in views)
    assert torch.equal(views[0], pictures) and (count == 1 or torch.equal(views[1], pictures.flip(3)))


def test_with_flip_a_picture_and_its_mirror_image_get_one_answer(models: Path) -> None:
    network, card = read_checkpoint(models / "fold0.safetensors")
    pixels = torch.randint(0, 256, (3, 3, 32, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    plain, mirrored, once = (
        predict_probabilities(network, card, pictures, tta=tta)[card.head_index(AGE.name)][0]
        for pictures, tta in ((pixels, "flip"), (pixels.flip(3), "flip"), (pixels.flip(3), "none"))
    )
    np.testing.assert_allclose(plain, mirrored, atol=1e-5)
    assert not np.allclose(plain, once, atol=1e-5)


def test_the_first_view_is_what_the_picture_gets_without_test_time_augmentation(models: Path) -> None:
    network, card = read_checkpoint(models / "fold0.safetensors")
    pixels = torch.randint(0, 256, (3, 3, 32, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for flipped, once in zip(
        *(predict_probabilities(network, card, pixels, tta=t) for t in ("flip", "none")), strict=True
    ):
        np.testing.assert_array_equal(flipped[1], once[0])
        np.testing.assert_array_equal(once[1], once[0])
        assert not np.array_equal(flipped[0], flipped[1])


def test_a_folder_without_checkpoints_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no checkpoints"):
        list_checkpoints(tmp_path)
