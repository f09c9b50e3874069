import numpy as np
import pandas as pd
import pytest

from tests.drawn_members import COMPETITION, GENDER, MASK, draw_tables
from visage.ensemble.member_predictions import (
    RoundParams,
    align_predictions,
    build_examples,
    read_member_predictions,
)
from visage.formats.predictions import FIRST_VIEW

ADVICE = " Run `dvc repro`, so that the predictions, photos.csv and folds.csv belong together."
PHOTO = "train/images/000000/0.jpg"
INVALID = f"1 rows hold a probability that is not a number from 0 to 1: {PHOTO}."


def tiny_set():
    """Two people in two folds, three training photos, two test photos; and a member's rows about gender, shuffled."""
    photos = pd.DataFrame(
        {"photo": ["t2", "b1", "a2", "t1", "a1"], "split": ["eval", "train", "train", "eval", "train"],
         "person": ["", "b", "a", "", "a"], "gender": ["", "female", "male", "", "male"]}
    )  # fmt: skip
    folds = pd.DataFrame({"person": ["b", "a"], "fold": [5, 2]})
    rows = [("t1", 5, "eval", 0.1), ("a1", 2, "held_out", 0.2), ("t2", 2, "eval", 0.3), ("b1", 5, "held_out", 0.4),
            ("t2", 5, "eval", 0.5), ("a2", 2, "held_out", 0.6), ("t1", 2, "eval", 0.7)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["photo", "fold", "kind", "male"]).assign(female=lambda t: 1 - t["male"])
    return photos, folds, table.assign(**{"first/male": table["female"], "first/female": table["male"]})


def test_examples_are_sorted_by_photo_and_carry_fold_and_class():
    photos, folds, _ = tiny_set()
    examples = build_examples(photos, folds, [GENDER])
    assert examples.train_photos.tolist() == ["a1", "a2", "b1"] and examples.test_photos.tolist() == ["t1", "t2"]
    assert examples.people.tolist() == [0, 0, 1] and examples.folds.tolist() == [2, 2, 5]
    assert examples.truth[0].tolist() == [0, 0, 1]


def test_a_subset_of_the_examples_leaves_the_test_photos_alone():
    photos, folds, _ = tiny_set()
    part = build_examples(photos, folds, [GENDER]).subset(np.array([False, True, True]))
    assert part.train_photos.tolist() == ["a2", "b1"] and part.test_photos.tolist() == ["t1", "t2"]
    assert (part.people.tolist(), part.folds.tolist(), part.truth[0].tolist()) == ([0, 1], [2, 5], [0, 1])


def test_predictions_are_aligned_by_photo_and_fold_whatever_the_order_of_rows():
    photos, folds, table = tiny_set()
    held_out, test = align_predictions(table, build_examples(photos, folds, [GENDER]), GENDER, "file")
    assert held_out == pytest.approx(np.array([[0.2, 0.8], [0.6, 0.4], [0.4, 0.6]]))
    assert test[..., 0] == pytest.approx(np.array([[0.7, 0.3], [0.1, 0.5]]))  # folds 2 and 5, photos t1 and t2


def test_the_first_view_is_read_on_demand_and_checked_alike():
    photos, folds, table = tiny_set()
    examples = build_examples(photos, folds, [GENDER])
    held_out, _ = align_predictions(table, examples, GENDER, "file", FIRST_VIEW)
    assert held_out[:, 0] == pytest.approx([0.8, 0.4, 0.6])
    with pytest.raises(ValueError, match="1 rows hold probabilities that do not add up to one: t1"):
        align_predictions(set_first("first/male", 0.5)(table, [0]), examples, GENDER, "file", FIRST_VIEW)


def test_photos_to_answer_of_one_person_have_one_number_and_nameless_ones_none():
    photos, folds, _ = tiny_set()
    assert build_examples(photos, folds, [GENDER]).test_people.tolist() == [-1, -1]
    examples = build_examples(photos.assign(person=["x", "b", "a", "x", "a"]), folds, [GENDER])
    assert examples.test_people.tolist() == [0, 0] and examples.people.tolist() == [0, 0, 1]


def test_the_order_of_columns_does_not_matter():
    photos, folds, table = tiny_set()
    examples = build_examples(photos, folds, [GENDER])
    first, second = (align_predictions(t, examples, GENDER, "file")[0] for t in (table, table[table.columns[::-1]]))
    assert np.array_equal(first, second)


def test_members_are_read_from_several_folders_sorted_and_each_once(tmp_path):
    photos, folds, table = tiny_set()
    for folder, member in (("first", "wide"), ("second", "late")):
        (tmp_path / folder).mkdir()
        own = table.assign(male=table["male"] / (2 if member == "late" else 1)).assign(female=lambda t: 1 - t["male"])
        own.to_parquet(tmp_path / folder / f"gender-{member}.parquet")
    examples = build_examples(photos, folds, [GENDER])
    folders = [tmp_path / "first", tmp_path / "second"]
    (predictions,) = read_member_predictions(folders, examples, ["wide", "late", "wide"])
    assert predictions.members == ("late", "wide")
    assert predictions.held_out[:, 0, 0] == pytest.approx([0.1, 0.2])
    assert predictions.held_out.shape == (2, 3, 2) and predictions.test.shape == (2, 2, 2, 2)


def test_all_files_that_are_missing_or_wrong_are_named_together(tmp_path):
    photos, folds, table = tiny_set()
    table.assign(male=0.9).to_parquet(tmp_path / "gender-wide.parquet")
    with pytest.raises(ValueError) as error:
        read_member_predictions([tmp_path], build_examples(photos, folds, [GENDER]), ["late", "wide"])
    missing, wrong = str(error.value).split("\n")
    assert missing == f"gender-late.parquet is in none of {tmp_path}.{ADVICE}"
    assert wrong.startswith("gender-wide.parquet: 7 rows hold probabilities that do not add up to one")


def set_first(column, value):
    def change(table, rows):
        table.loc[rows[0], column] = value
        return table

    return change


def repeat_first(table, rows):
    return table.loc[[rows[0], *table.index]]


def add_stranger(table, rows):
    return set_first("photo", "x.jpg")(repeat_first(table, rows).reset_index(drop=True), [0])


REFUSED = {
    "nan": (set_first("worn", np.nan), "held_out", INVALID),
    "above one": (set_first("worn", 1.2), "held_out", INVALID),
    "below zero": (set_first("worn", -0.1), "held_out", INVALID),
    "sum": (set_first("worn", 0.0), "held_out", f"1 rows hold probabilities that do not add up to one: {PHOTO}."),
    "sum off by little": (
        lambda t, r: set_first("worn", 1.002 - t.loc[r[0], ["incorrect", "not worn"]].sum())(t, r),
        "held_out",
        f"1 rows hold probabilities that do not add up to one: {PHOTO}.",
    ),
    "kind": (set_first("kind", "test"), "held_out", f"1 rows are of a kind other than held_out or eval: {PHOTO}."),
    "missing": (lambda t, r: t.drop(r[0]), "held_out", f"1 held-out photos have no row: {PHOTO}."),
    "missing eval": (lambda t, r: t.drop(r[0]), "eval", "1 fold 0's eval photos have no row: eval/images/00000.jpg."),
    "twice": (repeat_first, "held_out", f"1 held-out photos have more than one row: {PHOTO}."),
    "twice in eval": (repeat_first, "eval", "1 fold 0's eval photos have more than one row: eval/images/00000.jpg."),
    "stranger": (
        add_stranger,
        "held_out",
        "1 held-out rows are about photos that photos.csv does not list as such: x.jpg.",
    ),
    "unknown fold": (set_first("fold", 9), "eval", "1 eval rows come from an unknown fold: eval/images/00000.jpg."),
    "leak": (
        set_first("fold", 1),
        "held_out",
        f"1 held-out rows come from a fold that was trained on the person: {PHOTO}.",
    ),
}


@pytest.fixture(scope="module")
def population():
    photos, folds, tables, _ = draw_tables(skills=(2.0,))
    return photos, folds, tables["mask", 0]


@pytest.mark.parametrize("name", REFUSED)
def test_predictions_that_do_not_fit_are_refused_with_a_sentence(name, population):
    change, kind, sentence = REFUSED[name]
    photos, folds, table = population
    wrong = change(table.copy(), table.index[table["kind"] == kind])
    with pytest.raises(ValueError) as error:
        align_predictions(wrong, build_examples(photos, folds, COMPETITION), MASK, "mask-small.parquet")
    assert f"mask-small.parquet: {sentence}{ADVICE}" in str(error.value).split("\n")


def test_probabilities_are_numbers_from_nought_to_one_and_may_miss_the_sum_of_one_by_a_thousandth():
    photos, folds, table = tiny_set()
    table.loc[[1, 3], ["male", "female"]] = [[1.0, 0.0], [0.6, 0.4009]]
    held_out, _ = align_predictions(table, build_examples(photos, folds, [GENDER]), GENDER, "file")
    assert held_out[[0, 2]].tolist() == [[1.0, 0.0], [0.6, 0.4009]]


def test_other_columns_are_refused_and_named(population):
    photos, folds, table = population
    with pytest.raises(ValueError) as error:
        align_predictions(table.rename(columns={"worn": "on"}), build_examples(photos, folds, COMPETITION), MASK, "f")
    rest = "'incorrect', 'not worn', 'first/worn', 'first/incorrect', 'first/not worn']"
    assert str(error.value) == (
        f"f: the columns are ['photo', 'fold', 'kind', 'on', {rest}, and should be "
        f"['photo', 'fold', 'kind', 'worn', {rest}.{ADVICE}"
    )


def test_all_that_is_wrong_with_photos_and_folds_is_named_together():
    photos, folds, _ = tiny_set()
    photos = pd.concat([photos, photos.iloc[[0]]]).reset_index(drop=True)
    photos.loc[1, "gender"] = ""
    with pytest.raises(ValueError) as error:
        build_examples(photos, pd.concat([folds.iloc[[0, 0]]]), [GENDER])
    assert str(error.value).split("\n") == [
        "photos.csv: 1 photos are listed twice: t2." + ADVICE,
        "folds.csv: 1 people are listed twice: b." + ADVICE,
        "folds.csv: 1 people have no fold: a." + ADVICE,
        "photos.csv: 1 training photos have no class of gender: b1." + ADVICE,
        "folds.csv: cross-fitting takes two folds or more; raise split.folds.",
    ]


def test_a_set_without_training_photos_is_refused():
    photos, folds, _ = tiny_set()
    with pytest.raises(ValueError, match=r"photos.csv: there is no training photo\."):
        build_examples(photos[photos["split"] == "eval"], folds, [GENDER])


@pytest.mark.parametrize("first, second", [(("a",), ("a",)), (("a", "a"), ()), ((), ("a",))])
def test_a_round_without_members_or_a_member_named_twice_is_refused(first, second):
    with pytest.raises(ValueError, match="first names one member or more, and none is named twice"):
        RoundParams(first=first, second=second)
