"""Who learns from whom: true folds, checked on the pictures themselves by the colour that each drawn person has."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.drawn_people import (
    AGE,
    GENDER,
    MASK,
    TASKS,
    colour_of,
    drawn_dataset,
    drawn_images,
    folds_of,
    people,
    recipe,
)
from visage.formats.tasks import Task
from visage.learning.dataset import ANY_FOLD, FoldDataset, build_dataset, fold_inputs
from visage.networks.images import ImageArray
from visage.runtime.memo import digest


def people_in_pixels(dataset: FoldDataset, rows: np.ndarray) -> set[int]:
    """Whose colours lie in these pictures: read off the pixels, not off any table."""
    person_of = {colour_of(person): person for person in range(40)}
    pixels = dataset.images.pixels[dataset.rows["picture"].to_numpy()[rows]].reshape(-1, 3)
    return {person_of[colour] for colour in map(tuple, np.unique(pixels, axis=0)) if colour in person_of}


def transplant(donor: int, receiver: int, fold: int) -> ImageArray:
    """A picture half of one person's colour and half of another's."""
    pixels = np.empty((1, 32, 24, 3), np.uint8)
    pixels[:, :16], pixels[:, 16:] = colour_of(donor), colour_of(receiver)
    row = {"photo": f"{donor}+{receiver}", "donor_person": f"p{donor:02d}", "receiver_person": f"p{receiver:02d}"}
    row |= {"fold": fold, "mask": "worn", "gender": "male", "age": ">=60", "age_value": 60.0}
    return ImageArray(pixels, np.array([f"{donor}+{receiver}"], dtype=object), pd.DataFrame([row]))


def test_nobody_is_on_both_sides_and_every_fold_holds_others_out(tmp_path: Path) -> None:
    dataset = drawn_dataset(tmp_path, count=13)
    held = {fold: people_in_pixels(dataset, dataset.held_out_rows(fold)) for fold in dataset.folds}
    for fold in dataset.folds:
        assert people_in_pixels(dataset, dataset.train_rows(fold)) == set(range(13)) - held[fold]
    assert sorted(person for group in held.values() for person in group) == list(range(13))


def test_a_shuffled_table_gives_the_same_dataset(tmp_path: Path) -> None:
    table = people(9)
    images = drawn_images(tmp_path, table)
    dataset = build_dataset(table, folds_of(table), TASKS, images)
    shuffled = build_dataset(table.sample(frac=1, random_state=1), folds_of(table).iloc[::-1], TASKS, images)
    pd.testing.assert_frame_equal(dataset.rows, shuffled.rows)


def test_every_label_belongs_to_its_picture(tmp_path: Path) -> None:
    dataset = drawn_dataset(tmp_path, tasks=TASKS)
    for _, row in dataset.rows.iterrows():
        bars = dataset.images.pixels[row["picture"]][
            [1, 11, 22]
        ]  # one line through each task's bar, see draw_picture()
        assert [int((bar == 255).all(1).argmax()) // 8 for bar in bars] == [row["mask"], row["gender"], row["age"]]


def test_transplants_are_learnt_from_only_where_both_people_may_be_known(tmp_path: Path) -> None:
    table = people(12)
    folds = folds_of(table)
    transplants = transplant(6, 7, fold=0)  # p06 and p07 are held out together, by fold 0
    assert set(folds.set_index("person").loc[["p06", "p07"], "fold"]) == {0}
    dataset = build_dataset(table, folds, TASKS, drawn_images(tmp_path, table), transplants)
    for fold in dataset.folds:
        assert not people_in_pixels(dataset, dataset.train_rows(fold)) & people_in_pixels(
            dataset, dataset.held_out_rows(fold)
        )
        rows = set(dataset.rows.index[dataset.rows["donor"] != ""])
        assert rows & set(dataset.train_rows(fold)) == (rows if fold else set())
        assert not rows & set(dataset.held_out_rows(fold))


def test_pseudo_labels_teach_only_the_fold_that_gave_them(tmp_path: Path) -> None:
    table = people(6)
    pseudo = pd.DataFrame({"photo": ["eval/0.jpg"] * 2, "fold": [1, 2], "mask": ["worn", ""], "gender": ["", "male"]})
    pseudo["age"] = [">=60", ""]
    dataset = build_dataset(table, folds_of(table), TASKS, drawn_images(tmp_path, table), pseudo=pseudo)
    extra = dataset.rows[dataset.rows["photo"] == "eval/0.jpg"]
    assert [len(set(dataset.train_rows(fold)) & set(extra.index)) for fold in dataset.folds] == [0, 1, 1]
    assert extra[["only_fold", "fold", "mask", "gender", "age"]].to_numpy().tolist() == [
        [1, ANY_FOLD, 0, -1, 2],
        [2, ANY_FOLD, -1, 0, -1],
    ]
    assert ANY_FOLD not in dataset.folds


def test_a_person_without_a_fold_is_named(tmp_path: Path) -> None:
    table = people(4)
    with pytest.raises(ValueError, match=r"1 people are in no fold \(p03"):
        build_dataset(table, folds_of(table).iloc[:-1], TASKS, drawn_images(tmp_path, table))


def test_a_photo_that_was_dropped_is_not_learnt_from(tmp_path: Path) -> None:
    table = people(4)
    images = drawn_images(tmp_path, table.iloc[1:])
    assert len(build_dataset(table, folds_of(table), TASKS, images).rows) == 7


def digests(dataset: FoldDataset, **changes: object) -> list[str]:
    return [digest(*fold_inputs(dataset, fold, recipe(**changes))) for fold in dataset.folds]


def test_a_corrected_label_touches_only_folds_that_learn_from_it(tmp_path: Path) -> None:
    dataset = drawn_dataset(tmp_path)
    rows, held_out = dataset.rows.copy(), dataset.held_out_rows(1)
    rows.loc[held_out, "mask"] = (rows.loc[held_out, "mask"] + 1) % 3
    corrected = replace(dataset, rows=rows)
    assert [a == b for a, b in zip(digests(dataset), digests(corrected), strict=True)] == [False, True, False]
    scored = zip(digests(dataset, eval_every=1), digests(corrected, eval_every=1), strict=True)
    assert [a == b for a, b in scored] == [False, True, False]  # held-out people are scored anew, not learnt anew


def test_a_label_of_another_task_touches_nothing(tmp_path: Path) -> None:
    table = people(6)
    images, other = drawn_images(tmp_path, table), table.assign(gender="female")

    def task_digests(table: pd.DataFrame, task: Task) -> list[str]:
        return digests(build_dataset(table, folds_of(table), [task], images))

    assert task_digests(table, MASK) == task_digests(other, MASK)
    assert task_digests(table, GENDER) != task_digests(other, GENDER)


def test_a_changed_pixel_recipe_or_border_of_a_bin_touches_every_fold_that_knows_it(tmp_path: Path) -> None:
    dataset = drawn_dataset(tmp_path, tasks=[AGE])
    picture_digests = dataset.images.digests.copy()
    picture_digests[dataset.rows["picture"][dataset.held_out_rows(2)[0]]] = "another picture"
    other = replace(dataset, images=replace(dataset.images, digests=picture_digests))
    assert [a == b for a, b in zip(digests(dataset), digests(other), strict=True)] == [False, False, True]
    rebinned = replace(dataset, tasks=(replace(AGE, bins=(30.0, 58.0)),))
    for changed in (digests(dataset, lr=0.1), digests(rebinned)):
        assert not set(changed) & set(digests(dataset))
