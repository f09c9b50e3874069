"""Predictions: by those who never saw the person, of the same pictures as in training, whole probabilities."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.drawn_lessons import AGE, MASK, TASKS, drawn_album, drawn_course, folds_of, people, recipe
from visage.inference import list_checkpoints, predict, predict_probabilities, tta_views
from visage.learning.cross_validation import train_fold
from visage.networks.checkpoints import read_checkpoint, write_checkpoints
from visage.networks.images import preprocessing_of

PEOPLE = 36


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learnt")
    course, asked = (
        drawn_course(folder / "crops", PEOPLE, TASKS),
        recipe(backbone="mlp", joint=True, head="distribution", epochs=40, jitter=0.8),
    )
    write_checkpoints(
        folder / "models",
        [train_fold(course, fold, asked, device="cpu", told=lambda row: None) for fold in course.folds],
    )
    return folder


def test_held_out_people_are_asked_of_one_fold_and_eval_photos_of_all(models: Path) -> None:
    table = people(PEOPLE)
    said = list(
        predict(
            list_checkpoints(models / "models"),
            "mask",
            drawn_album(models / "again", table),
            table,
            folds_of(table),
            tta="none",
            device="cpu",
        )
    )
    fold_of = table.merge(folds_of(table), on="person").set_index("photo")["fold"]
    for fold, rows in enumerate(said):
        held = rows[rows["kind"] == "held_out"]
        assert (rows["fold"] == fold).all() and set(held["photo"]) == set(fold_of.index[fold_of == fold])
        assert set(rows.loc[rows["kind"] == "eval", "photo"]) == {"eval/0.jpg", "eval/1.jpg"}
        assert rows.columns.tolist() == ["photo", "fold", "kind", *MASK.classes]
        np.testing.assert_allclose(rows[list(MASK.classes)].sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_what_was_learnt_holds_for_people_never_seen(models: Path, task: object) -> None:
    """Same pictures, same size, same standardisation, classes in order: a slip in any of them would end in guessing.

    No mirror images here: what these drawn people are is told by the side of a bar.
    """
    table = people(PEOPLE)
    for rows in predict(
        list_checkpoints(models / "models"),
        task.name,
        drawn_album(models / "b", table),
        table,
        folds_of(table),
        tta="none",
        device="cpu",
    ):
        held = rows[rows["kind"] == "held_out"].set_index("photo")
        said = held[list(task.classes)].idxmax(axis=1)
        assert (said == table.set_index("photo").loc[held.index, task.name]).mean() >= 0.8


def test_a_checkpoint_prepares_pictures_as_its_training_did() -> None:
    look = preprocessing_of(recipe(height=40, width=30, keep="face", fill=(1, 2, 3)))
    assert (look.height, look.width, look.keep, look.fill) == (40, 30, "face", (1, 2, 3))


@pytest.mark.parametrize(("tta", "count"), [("none", 1), ("flip", 2), ("flip+crops", 12)])
def test_levels_of_test_time_augmentation(tta: str, count: int) -> None:
    pictures = torch.rand(2, 3, 32, 24)
    views = list(tta_views(pictures, tta))
    assert len(views) == count and all(view.shape == pictures.shape for view in views)
    assert torch.equal(views[0], pictures) and (count == 1 or torch.equal(views[1], pictures.flip(3)))


def test_with_flip_a_picture_and_its_mirror_image_get_one_answer(models: Path) -> None:
    network, card = read_checkpoint(models / "models/fold0.safetensors")
    pixels = torch.randint(0, 256, (3, 3, 32, 24), dtype=torch.uint8)
    one, other = (
        predict_probabilities(network, card, some, task=AGE.name, tta="flip") for some in (pixels, pixels.flip(3))
    )
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_folder_without_checkpoints_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no checkpoints"):
        list_checkpoints(tmp_path)
