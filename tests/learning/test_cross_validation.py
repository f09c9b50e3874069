"""Cross-validation: heads, standardisation, joint networks, and folds that survive a kill."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.drawn_people import AGE, MASK, TASKS, drawn_dataset, recipe
from visage.formats.photos import IMAGENET_MEAN
from visage.learning import cross_validation
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
    with Memo("train", folder=tmp_path / "memo") as memo:
        yield memo


def test_two_runs_give_identical_checkpoints(tmp_path: Path) -> None:
    dataset, changed = drawn_dataset(tmp_path), recipe(epochs=2, flip=0.5, noise=0.1, dropout=0.2, ema=0.9)
    folds = [train_fold(dataset, 1, changed, device="cpu", on_epoch=silent) for _ in range(2)]
    assert folds[0]["checkpoint"] == folds[1]["checkpoint"]


def test_folds_differ_by_seed_and_people(tmp_path: Path) -> None:
    dataset = drawn_dataset(tmp_path)
    folds = [train_fold(dataset, fold, recipe(), device="cpu", on_epoch=silent) for fold in dataset.folds]
    assert len({fold["checkpoint"] for fold in folds}) == 3


def test_a_killed_run_goes_on_with_the_fold_it_was_in_and_ends_the_same(tmp_path: Path, memo: Memo) -> None:
    dataset, changed, rows = drawn_dataset(tmp_path), recipe(epochs=2), []

    class Killed(BaseException):
        pass

    def kill(row: dict) -> None:
        if (row["fold"], row["epoch"]) == (1, 1):
            raise Killed

    with pytest.raises(Killed):
        list(cross_validate(dataset, changed, memo, device="cpu", on_epoch=kill))
    resumed = list(cross_validate(dataset, changed, memo, device="cpu", on_epoch=rows.append))
    assert {row["fold"] for row in rows} == {1, 2}  # the finished fold was not trained again
    with Memo("train", folder=tmp_path / "other") as fresh:
        whole = list(cross_validate(dataset, changed, fresh, device="cpu", on_epoch=silent))
    assert [fold["checkpoint"] for fold in resumed] == [fold["checkpoint"] for fold in whole]
    assert [len(fold["curve"]) for fold in resumed] == [2, 2, 2]


def test_a_joint_network_is_trained_once_for_all_tasks(tmp_path: Path, memo: Memo) -> None:
    dataset, rows = drawn_dataset(tmp_path, tasks=TASKS), []
    changed = recipe(joint=True, head="distribution")
    first = list(cross_validate(dataset, changed, memo, device="cpu", on_epoch=rows.append))
    again = list(cross_validate(dataset, changed, memo, device="cpu", on_epoch=rows.append))
    assert len(rows) == 3 and first == again
    path = tmp_path / "fold0.safetensors"
    path.write_bytes(first[0]["checkpoint"])
    heads = read_card(path).heads
    assert [head.task for head in heads] == ["mask", "gender", "age"]
    assert [bool(head.cells) for head in heads] == [False, False, True]


def test_training_that_goes_wrong_names_task_and_fold(tmp_path: Path) -> None:
    diverging = recipe(optimizer="sgd", lr=1e8, backbone="mlp", epochs=3, batch=2)
    with pytest.raises(ValueError, match=r"mask, fold 2: the loss is .* after epoch 1 at learning rate"):
        train_fold(drawn_dataset(tmp_path), 2, diverging, device="cpu", on_epoch=silent)


def test_the_years_reach_beyond_the_oldest_so_that_the_last_class_can_be_likely() -> None:
    head = make_head(AGE, np.array([18.0, 60.0, np.nan]), recipe(head="distribution", label_sigma=3.0))
    assert head.cells[0] == 12 and head.cells[-1] == 66 and head.bins == (30.0, 60.0)
    assert head.cells[1] - head.cells[0] == 1.5
    assert make_head(MASK, np.array([np.nan]), recipe(head="distribution")).cells == ()


@pytest.mark.parametrize(("values", "label_sigma", "sentence"), [
    ([np.nan], 3.0, "photos.csv has none"),
    ([20.0, 60.0], 100.0, "label_sigma: 100 does not suit age"),
    ([20.0, 60.0], 0.01, "does not suit"),
])  # fmt: skip
def test_an_impossible_distribution_is_an_error_in_a_sentence(
    values: list[float], label_sigma: float, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        make_head(AGE, np.array(values), recipe(head="distribution", label_sigma=label_sigma))


@pytest.mark.parametrize("head", ["classes", "distribution"])
def test_old_from_moves_the_training_label_and_never_the_true_one(tmp_path: Path, head: str) -> None:
    dataset = drawn_dataset(tmp_path, tasks=[AGE])
    dataset.rows["age_value"] = 40.0 + np.arange(len(dataset.rows))  # 40 to 63
    dataset.rows["age"] = 1 + (dataset.rows["age_value"] >= 60)
    changed = recipe(head=head, old_from=58.0)
    heads = [make_head(AGE, dataset.rows["age_value"].to_numpy(), changed)]
    data = build_training_data(dataset, build_network(changed, heads), heads, changed, "cpu")
    assert data.codes[0].tolist() == (1 + (dataset.rows["age_value"] >= 60)).tolist()
    assert data.targets[0].classes.argmax(1).tolist() == (1 + (dataset.rows["age_value"] >= 58)).tolist()
    assert heads[0].bins == ((30.0, 58.0) if head == "distribution" else ())


def test_the_inner_people_are_whole_people_of_the_training_side(tmp_path: Path) -> None:
    dataset = drawn_dataset(tmp_path)
    rows, eval_rows = split_rows(dataset, 0, recipe(early_stop="loss", validation_share=0.25), 1, "cpu")
    people = dataset.rows["person"].to_numpy()
    train, inner, held_out = (set(people[split]) for split in (rows, eval_rows["inner"], eval_rows["held_out"]))
    assert len(inner) == 2 and not train & inner and not (train | inner) & held_out
    assert len(train | inner | held_out) == 12


def test_pictures_are_standardised_by_the_training_people(tmp_path: Path) -> None:
    dataset = drawn_dataset(tmp_path)
    rows = dataset.train_rows(0)
    pixels = dataset.images.pixels[dataset.rows["picture"].to_numpy()[rows]] / 255.0
    mean, std = channel_statistics(dataset, rows, recipe())
    np.testing.assert_allclose(mean, pixels.mean((0, 1, 2)), atol=0.02)
    np.testing.assert_allclose(std, pixels.std((0, 1, 2)), atol=0.02)
    assert channel_statistics(dataset, rows, recipe(standardise="imagenet"))[0] == IMAGENET_MEAN


def test_a_frozen_backbone_runs_once_for_all_folds(tmp_path: Path, memo: Memo, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import get_model

    torch.save(get_model("mobilenet_v3_small", weights=None).state_dict(), tmp_path / "w.pth")
    calls, frozen_features = [], cross_validation.frozen_features

    def count_calls(*args: object) -> torch.Tensor:
        calls.append(args)
        return frozen_features(*args)

    monkeypatch.setattr(cross_validation, "frozen_features", count_calls)
    changed = {"backbone": "mobilenet_v3_small", "weights": str(tmp_path / "w.pth"), "unfreeze": "head", "flip": 0.5}
    dataset = drawn_dataset(tmp_path / "drawn")
    list(cross_validate(dataset, recipe(standardise="imagenet", **changed), memo, device="cpu", on_epoch=silent))
    assert len(calls) == 1


def test_a_corrected_label_of_held_out_people_changes_the_curve_and_trains_nothing(tmp_path):
    dataset = drawn_dataset(tmp_path)

    def validate(dataset):
        with Memo("train", folder=tmp_path / "memo") as memo:
            folds = list(cross_validate(dataset, recipe(eval_every=1), memo, device="cpu", on_epoch=lambda row: None))
            return memo.computed, [row["macro_f1"] for row in folds[1]["curve"] if row["split"] == "held_out"]

    computed, before = validate(dataset)
    assert computed == 3 and validate(dataset) == (0, before)
    rows, held_out = dataset.rows.copy(), dataset.held_out_rows(1)
    rows.loc[held_out, "mask"] = (rows.loc[held_out, "mask"] + 1) % 3
    computed, after = validate(replace(dataset, rows=rows))
    assert computed == 2 and after != before
