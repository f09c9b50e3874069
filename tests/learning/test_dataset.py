"""Who learns from whom: true folds, checked on the pictures themselves by the colour that each drawn person has."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.drawn_lessons import AGE, GENDER, MASK, TASKS, colour_of, drawn_album, drawn_course, folds_of, people, recipe
from visage.learning.dataset import ANY_FOLD, FoldDataset, build_dataset, fold_digest
from visage.networks.images import ImageArray


def seen_people(lessons: FoldDataset, rows: np.ndarray) -> set[int]:
    """Whose colours lie in these pictures: nothing is taken from any table's word."""
    names = {colour_of(person): person for person in range(40)}
    pixels = lessons.album.pixels[lessons.rows["picture"].to_numpy()[rows]].reshape(-1, 3)
    return {names[colour] for colour in map(tuple, np.unique(pixels, axis=0)) if colour in names}


def transplant(donor: int, receiver: int, fold: int) -> ImageArray:
    """A picture half of one person's colour and half of another's."""
    pixels = np.empty((1, 32, 24, 3), np.uint8)
    pixels[:, :16], pixels[:, 16:] = colour_of(donor), colour_of(receiver)
    row = {"photo": f"{donor}+{receiver}", "donor_person": f"p{donor:02d}", "receiver_person": f"p{receiver:02d}"}
    row |= {"fold": fold, "mask": "worn", "gender": "male", "age": ">=60", "age_value": 60.0}
    return ImageArray(pixels, np.array([f"{donor}+{receiver}"], dtype=object), pd.DataFrame([row]))


def test_nobody_is_on_both_sides_and_every_fold_holds_others_out(tmp_path: Path) -> None:
    lessons = drawn_course(tmp_path, count=13)
    held = {fold: seen_people(lessons, lessons.held_out(fold)) for fold in lessons.folds}
    for fold in lessons.folds:
        assert seen_people(lessons, lessons.seen(fold)) == set(range(13)) - held[fold]
    assert sorted(person for some in held.values() for person in some) == list(range(13))


def test_a_shuffled_table_gives_the_same_course(tmp_path: Path) -> None:
    table = people(9)
    album = drawn_album(tmp_path, table)
    one = build_dataset(table, folds_of(table), TASKS, album)
    two = build_dataset(table.sample(frac=1, random_state=1), folds_of(table).iloc[::-1], TASKS, album)
    pd.testing.assert_frame_equal(one.rows, two.rows)


def test_every_label_belongs_to_its_picture(tmp_path: Path) -> None:
    lessons = drawn_course(tmp_path, tasks=TASKS)
    for _, row in lessons.rows.iterrows():
        bars = lessons.album.pixels[row["picture"]][[1, 11, 22]]  # one line through each task's bar, see draw()
        assert [int((bar == 255).all(1).argmax()) // 8 for bar in bars] == [row["mask"], row["gender"], row["age"]]


def test_transplants_are_learnt_from_only_where_both_people_may_be_known(tmp_path: Path) -> None:
    table = people(12)
    folds = folds_of(table)
    made = transplant(6, 7, fold=0)  # p06 and p07 are held out together, by fold 0
    assert set(folds.set_index("person").loc[["p06", "p07"], "fold"]) == {0}
    lessons = build_dataset(table, folds, TASKS, drawn_album(tmp_path, table), made)
    for fold in lessons.folds:
        assert not seen_people(lessons, lessons.seen(fold)) & seen_people(lessons, lessons.held_out(fold))
        mixed = lessons.rows.index[lessons.rows["donor"] != ""]
        assert set(mixed) <= set(lessons.seen(fold)) if fold else not set(mixed) & set(lessons.seen(fold))
        assert not set(mixed) & set(lessons.held_out(fold))


def test_pseudo_labels_teach_only_the_fold_that_gave_them(tmp_path: Path) -> None:
    table = people(6)
    pseudo = pd.DataFrame({"photo": ["eval/0.jpg"] * 2, "fold": [1, 2], "mask": ["worn", ""], "gender": ["", "male"]})
    pseudo["age"] = [">=60", ""]
    lessons = build_dataset(table, folds_of(table), TASKS, drawn_album(tmp_path, table), pseudo=pseudo)
    extra = lessons.rows[lessons.rows["photo"] == "eval/0.jpg"]
    assert [len(set(lessons.seen(fold)) & set(extra.index)) for fold in lessons.folds] == [0, 1, 1]
    assert extra[["only", "fold", "mask", "gender", "age"]].to_numpy().tolist() == [
        [1, ANY_FOLD, 0, -1, 2],
        [2, ANY_FOLD, -1, 0, -1],
    ]
    assert ANY_FOLD not in lessons.folds


def test_a_person_without_a_fold_is_named(tmp_path: Path) -> None:
    table = people(4)
    with pytest.raises(ValueError, match=r"1 people are in no fold \(p03"):
        build_dataset(table, folds_of(table).iloc[:-1], TASKS, drawn_album(tmp_path, table))


def test_a_photo_that_was_dropped_is_not_learnt_from(tmp_path: Path) -> None:
    table = people(4)
    album = drawn_album(tmp_path, table.iloc[1:])
    assert len(build_dataset(table, folds_of(table), TASKS, album).rows) == 7


def digests(lessons: FoldDataset, **changes: object) -> list[str]:
    return [fold_digest(lessons, fold, recipe(**changes), "source", "weights") for fold in lessons.folds]


def test_a_corrected_label_touches_only_folds_that_learn_from_it(tmp_path: Path) -> None:
    lessons = drawn_course(tmp_path)
    rows = lessons.rows.copy()
    rows.loc[lessons.held_out(1), "mask"] = (rows.loc[lessons.held_out(1), "mask"] + 1) % 3
    fixed = replace(lessons, rows=rows)
    assert [a == b for a, b in zip(digests(lessons), digests(fixed), strict=True)] == [False, True, False]
    watched = zip(digests(lessons, eval_every=1), digests(fixed, eval_every=1), strict=True)
    assert not any(a == b for a, b in watched)  # the curve shows held-out people too


def test_a_label_of_another_task_touches_nothing(tmp_path: Path) -> None:
    table = people(6)
    album, other = drawn_album(tmp_path, table), table.assign(gender="female")
    one, two = (build_dataset(some, folds_of(table), [MASK], album) for some in (table, other))
    assert digests(one) == digests(two)
    assert digests(build_dataset(table, folds_of(table), [GENDER], album)) != digests(
        build_dataset(other, folds_of(table), [GENDER], album)
    )


def test_a_changed_pixel_recipe_or_border_of_a_bin_touches_every_fold_that_knows_it(tmp_path: Path) -> None:
    lessons = drawn_course(tmp_path, tasks=[AGE])
    sums = lessons.album.digests.copy()
    sums[lessons.rows["picture"][lessons.held_out(2)[0]]] = "another picture"
    other = replace(lessons, album=replace(lessons.album, digests=sums))
    assert [a == b for a, b in zip(digests(lessons), digests(other), strict=True)] == [False, False, True]
    moved = replace(lessons, tasks=(replace(AGE, bins=(30.0, 58.0)),))
    for changed in (digests(lessons, lr=0.1), digests(moved)):
        assert not set(changed) & set(digests(lessons))
