"""From a course to checkpoints: heads, standardisation, joint networks, and folds that survive a kill."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.drawn_lessons import AGE, MASK, TASKS, drawn_course, recipe
from visage.learning import cross_validation as lessons
from visage.learning.cross_validation import (
    build_training_data,
    channel_statistics,
    cross_validate,
    make_head,
    split_rows,
    train_fold,
)
from visage.networks.checkpoints import read_card
from visage.networks.network import build_network
from visage.runtime.memo import Memo


def silent(_: dict) -> None:
    pass


@pytest.fixture
def memo(tmp_path: Path) -> Iterator[Memo]:
    with Memo("train", folder=tmp_path / "memo") as found:
        yield found


def test_two_runs_give_identical_checkpoints(tmp_path: Path) -> None:
    course, asked = drawn_course(tmp_path), recipe(epochs=2, flip=0.5, noise=0.1, dropout=0.2, ema=0.9)
    assert (
        train_fold(course, 1, asked, device="cpu", told=silent)["checkpoint"]
        == train_fold(course, 1, asked, device="cpu", told=silent)["checkpoint"]
    )


def test_folds_differ_by_seed_and_people(tmp_path: Path) -> None:
    course = drawn_course(tmp_path)
    made = [train_fold(course, fold, recipe(), device="cpu", told=silent)["checkpoint"] for fold in course.folds]
    assert len(set(made)) == 3


def test_a_killed_run_goes_on_with_the_fold_it_was_in_and_ends_the_same(tmp_path: Path, memo: Memo) -> None:
    course, asked, heard = drawn_course(tmp_path), recipe(epochs=2), []

    class Killed(BaseException):
        pass

    def kill(row: dict) -> None:
        if (row["fold"], row["epoch"]) == (1, 1):
            raise Killed

    with pytest.raises(Killed):
        list(cross_validate(course, asked, memo, device="cpu", told=kill))
    resumed = list(cross_validate(course, asked, memo, device="cpu", told=heard.append))
    assert {row["fold"] for row in heard} == {1, 2}  # the finished fold was not learnt again
    with Memo("train", folder=tmp_path / "other") as fresh:
        whole = list(cross_validate(course, asked, fresh, device="cpu", told=silent))
    assert [fold["checkpoint"] for fold in resumed] == [fold["checkpoint"] for fold in whole]
    assert [len(fold["curve"]) for fold in resumed] == [2, 2, 2]


def test_a_joint_network_is_learnt_once_for_all_tasks(tmp_path: Path, memo: Memo) -> None:
    course, heard = drawn_course(tmp_path, tasks=TASKS), []
    asked = recipe(joint=True, head="distribution")
    first = list(cross_validate(course, asked, memo, device="cpu", told=heard.append))
    again = list(cross_validate(course, asked, memo, device="cpu", told=heard.append))
    assert len(heard) == 3 and first == again
    path = tmp_path / "fold0.safetensors"
    path.write_bytes(first[0]["checkpoint"])
    heads = read_card(path).heads
    assert [head.task for head in heads] == ["mask", "gender", "age"]
    assert [bool(head.cells) for head in heads] == [False, False, True]


def test_training_that_goes_wrong_names_task_and_fold(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"mask, fold 2: the loss is .* after epoch 1 at learning rate"):
        train_fold(
            drawn_course(tmp_path),
            2,
            recipe(optimizer="sgd", lr=1e8, backbone="mlp", epochs=3, batch=2),
            device="cpu",
            told=silent,
        )


def test_the_years_reach_beyond_the_oldest_so_that_the_last_class_can_be_likely() -> None:
    head = make_head(AGE, np.array([18.0, 60.0, np.nan]), recipe(head="distribution", label_sigma=3.0))
    assert head.cells[0] == 12 and head.cells[-1] == 66 and head.bins == (30.0, 60.0)
    assert head.cells[1] - head.cells[0] == 1.5
    assert make_head(MASK, np.array([np.nan]), recipe(head="distribution")).cells == ()


@pytest.mark.parametrize(("values", "spread", "sentence"), [
    ([np.nan], 3.0, "photos.csv has none"),
    ([20.0, 60.0], 100.0, "label_sigma: 100 does not suit age"),
    ([20.0, 60.0], 0.01, "does not suit"),
])  # fmt: skip
def test_a_distribution_that_cannot_be_is_said_in_a_sentence(
    values: list[float], label_sigma: float, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        make_head(AGE, np.array(values), recipe(head="distribution", label_sigma=spread))


@pytest.mark.parametrize("head", ["classes", "distribution"])
def test_old_from_moves_the_training_label_and_never_the_true_one(tmp_path: Path, head: str) -> None:
    course = drawn_course(tmp_path, tasks=[AGE])
    course.rows["age_value"] = 40.0 + np.arange(len(course.rows))  # 40 to 63
    course.rows["age"] = 1 + (course.rows["age_value"] >= 60)
    asked = recipe(head=head, old_from=58.0)
    heads = [make_head(AGE, course.rows["age_value"].to_numpy(), asked)]
    made = build_training_data(course, build_network(asked, heads), heads, asked, "cpu")
    assert made.codes[0].tolist() == (1 + (course.rows["age_value"] >= 60)).tolist()
    assert made.targets[0].classes.argmax(1).tolist() == (1 + (course.rows["age_value"] >= 58)).tolist()
    assert heads[0].bins == ((30.0, 58.0) if head == "distribution" else ())


def test_the_inner_people_are_whole_people_of_the_training_side(tmp_path: Path) -> None:
    course = drawn_course(tmp_path)
    rows, looks = split_rows(course, 0, recipe(early_stop="loss", validation_share=0.25), 1, "cpu")
    people = course.rows["person"].to_numpy()
    learning, inner, held = set(people[rows]), set(people[looks["inner"]]), set(people[looks["held_out"]])
    assert len(inner) == 2 and not learning & inner and not (learning | inner) & held
    assert len(learning | inner | held) == 12


def test_pictures_are_standardised_by_the_people_that_are_learnt_from(tmp_path: Path) -> None:
    course = drawn_course(tmp_path)
    rows = course.seen(0)
    pixels = course.album.pixels[course.rows["picture"].to_numpy()[rows]] / 255.0
    mean, std = channel_statistics(course, rows, recipe())
    np.testing.assert_allclose(mean, pixels.mean((0, 1, 2)), atol=0.02)
    np.testing.assert_allclose(std, pixels.std((0, 1, 2)), atol=0.02)
    assert channel_statistics(course, rows, recipe(standardise="imagenet"))[0] == [0.485, 0.456, 0.406]


def test_a_frozen_backbone_runs_once_for_all_folds(tmp_path: Path, memo: Memo, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import get_model

    torch.save(get_model("mobilenet_v3_small", weights=None).state_dict(), tmp_path / "w.pth")
    passes, whole = [], lessons.cached_features
    monkeypatch.setattr(lessons, "views", lambda *args: passes.append(1) or whole(*args))
    asked = {"backbone": "mobilenet_v3_small", "weights": str(tmp_path / "w.pth"), "unfreeze": "head", "flip": 0.5}
    course = drawn_course(tmp_path / "drawn")
    list(cross_validate(course, recipe(standardise="imagenet", **asked), memo, device="cpu", told=silent))
    assert len(passes) == 1
