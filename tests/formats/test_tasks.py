import numpy as np
import pandas as pd
import pytest

from visage.formats.columns import CORRECTION_COLUMNS
from visage.formats.tasks import (
    Task,
    bin_class_names,
    class_codes,
    classify,
    joint_class_names,
    joint_codes,
    load_tasks,
    read_tasks,
    split_joint_codes,
    write_tasks,
)
from visage.index.corrections import apply_corrections, read_corrections
from visage.networks.recipe import TrainParams

MASK = Task("mask", ("worn", "incorrect", "not worn"), "mask")
GENDER = Task("gender", ("male", "female"), "gender")
AGE = Task("age", ("<30", "30-59", ">=60"), "age", (30, 60))


def test_the_joint_class_is_the_competitions():
    mask, gender, age = np.array([0, 1, 2, 2]), np.array([0, 1, 0, 1]), np.array([0, 2, 1, 2])
    joint = joint_codes([mask, gender, age], [MASK, GENDER, AGE])
    assert joint.tolist() == [0, 11, 13, 17]  # mask * 6 + gender * 3 + age, by hand
    assert [part.tolist() for part in split_joint_codes(joint, [MASK, GENDER, AGE])] == [
        [0, 1, 2, 2],
        [0, 1, 0, 1],
        [0, 2, 1, 2],
    ]
    assert joint_class_names([MASK, GENDER, AGE])[11] == "incorrect/female/>=60"


@pytest.mark.parametrize("radices", [(2,), (3, 2), (5, 2, 3, 2, 4, 6)])
def test_from_one_to_six_tasks_every_joint_code_splits_and_joins_again(radices):
    tasks = [Task(f"t{i}", tuple(map(str, range(n))), "x") for i, n in enumerate(radices)]
    every = np.arange(np.prod(radices))
    assert np.array_equal(joint_codes(split_joint_codes(every, tasks), tasks), every)
    assert len(joint_class_names(tasks)) == len(set(joint_class_names(tasks))) == len(every)


def test_bins_put_a_border_into_the_class_above_it():
    names, wrong = classify(pd.Series(["29", "30", "59", "60", "29.9"]), AGE)
    assert names.tolist() == ["<30", "30-59", "30-59", ">=60", "<30"]
    assert (wrong == "").all()
    assert bin_class_names([18]) == ("<18", ">=18")
    assert bin_class_names([0.5, 1.5]) == ("<0.5", "0.5-<1.5", ">=1.5")


def test_a_label_that_is_none_of_the_classes_is_told_with_the_nearest():
    names, wrong = classify(pd.Series(["male", "femal", ""]), GENDER)
    assert names.tolist() == ["male", "", ""]
    assert wrong.tolist() == [
        "",
        "gender 'femal' is not one of male, female. Did you mean 'female'?",
        "gender '' is not one of male, female.",
    ]


@pytest.mark.parametrize("age", ["old", "", "nan", "inf"])
def test_an_age_that_is_not_a_number_is_told(age):
    assert classify(pd.Series([age]), AGE)[1][0] == f"age {age!r} is not a number; write one such as 34."


def test_codes_follow_the_tasks_order_not_the_alphabet():
    assert class_codes(pd.Series(["worn", "not worn", ""]), MASK).tolist() == [0, 2, -1]


def test_tasks_survive_their_file(tmp_path):
    write_tasks(tmp_path / "tasks.json", [MASK, AGE])
    assert read_tasks(tmp_path / "tasks.json") == [MASK, AGE]


def test_tasks_are_read_in_the_order_of_the_file_beside_recipe_keys(tmp_path):
    (tmp_path / "params.yaml").write_text(
        "tasks:\n  age: {label: age, bins: [30, 60], epochs: 3}\n  mask: {label: mask, classes: [worn, not worn]}\n"
    )
    tasks = load_tasks(TrainParams, tmp_path / "params.yaml")
    assert tasks == [AGE, Task("mask", ("worn", "not worn"), "mask")]


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        ("{label: a}", "give either classes"),
        ("{label: a, classes: [x, y], bins: [1]}", "give either classes"),
        ("{label: a, classes: [x, x]}", "should be two or more different values"),
        ("{label: a, classes: [yes, no]}", "classes[0] is True, and should be text"),
        ("{label: a, bins: [60, 30]}", "should rise"),
        ("{label: a, bins: [30], epoch: 3}", "unknown key 'epoch'. Did you mean 'epochs'?"),
    ],
)
def test_a_task_that_makes_no_sense_is_told(tmp_path, task, sentence):
    (tmp_path / "params.yaml").write_text(f"tasks:\n  t: {task}\n")
    with pytest.raises(ValueError) as told:
        load_tasks(TrainParams, tmp_path / "params.yaml")
    assert sentence in str(told.value) and "tasks.t" in str(told.value)


def test_seven_tasks_are_too_many(tmp_path):
    rows = "".join(f"  t{i}: {{label: a, bins: [1]}}\n" for i in range(7))
    (tmp_path / "params.yaml").write_text("tasks:\n" + rows)
    with pytest.raises(ValueError, match="names 7 tasks; from one to six will do"):
        load_tasks(TrainParams, tmp_path / "params.yaml")


PEOPLE = [("1_m", "male", "20"), ("2_f", "female", "61"), ("3_m", "male", "58"), ("3_f", "female", "40")]
PHOTOS = pd.DataFrame(
    [(f"{person}/{shot}.jpg", person, person[0], f"{person}/{shot}", f"{person[0]}/{shot}", shot, gender, age)
     for person, gender, age in PEOPLE
     for shot in ("worn", "incorrect")],
    columns=["photo", "person", "id", "shot", "id_shot", "mask", "gender", "age"],
)  # fmt: skip


def fixed(*rows, confidence=0.5):
    fixes = pd.DataFrame(rows, columns=CORRECTION_COLUMNS, dtype=str).assign(row=range(2, len(rows) + 2))
    return apply_corrections(PHOTOS, fixes, [MASK, GENDER, AGE], confidence=confidence, file="labels.csv")


def test_a_person_is_corrected_in_all_photos_and_nobody_else():
    after = fixed(["1_m", "", "gender", "female", "0.9", "", ""])
    assert after.loc[after["gender"] != PHOTOS["gender"], "person"].tolist() == ["1_m", "1_m"]


def test_a_photo_is_corrected_alone_by_key_by_folder_and_shot_or_by_id_and_shot():
    for name in ("2_f/worn.jpg", "2_f/worn", "2/worn"):
        after = fixed(["", name, "mask", "not worn", "1", "", ""])
        assert after.index[after["mask"] != PHOTOS["mask"]].tolist() == [2]


def test_a_correction_below_the_confidence_is_off_and_on_when_it_is_lowered():
    row = ["1_m", "", "age", "60", "0.3", "", ""]
    assert fixed(row).equals(PHOTOS)
    assert fixed(row, confidence=0.2)["age"].tolist()[:2] == ["60", "60"]


def test_other_flips_a_field_of_two_classes():
    assert fixed(["2_f", "", "gender", "other", "1", "", ""])["gender"].tolist()[2:4] == ["male", "male"]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (["9_m", "", "gender", "male", "1", "", ""], "labels.csv, row 2: there is no person '9_m'. Did you mean '"),
        (["9_m", "", "gender", "male", "0", "", ""], "there is no person '9_m'"),
        (["3", "", "gender", "male", "1", "", ""], "'3' names 2 people; write the whole folder name: 3_m, 3_f."),
        (["", "1/normal", "mask", "worn", "1", "", ""], "there is no photo '1/normal'."),
        (["", "", "mask", "worn", "1", "", ""], "name a person or a photo, one of the two."),
        (["1_m", "1/worn", "mask", "worn", "1", "", ""], "name a person or a photo, one of the two."),
        (["1_m", "", "sex", "male", "1", "", ""], "there is no field 'sex'."),
        (["1_m", "", "gender", "femal", "1", "", ""], "gender 'femal' is not one of male, female."),
        (["1_m", "", "mask", "other", "1", "", ""], "mask 'other' is not one of"),
        (["1_m", "", "age", "old", "1", "", ""], "age 'old' is not a number"),
        (["1_m", "", "age", "60", "sure", "", ""], "confidence 'sure' should be a number from 0 to 1."),
        (["1_m", "", "age", "60", "1.5", "", ""], "confidence '1.5' should be a number from 0 to 1."),
    ],
)  # fmt: skip
def test_a_correction_that_makes_no_sense_is_an_error(row, sentence):
    with pytest.raises(ValueError) as told:
        fixed(row)
    assert sentence in str(told.value)


def test_all_wrong_corrections_are_told_at_once():
    with pytest.raises(ValueError) as told:
        fixed(
            ["9", "", "age", "1", "1", "", ""], ["1_m", "", "age", "1", "1", "", ""], ["8", "", "age", "1", "1", "", ""]
        )
    assert [line.split(":")[0] for line in str(told.value).splitlines()] == ["labels.csv, row 2", "labels.csv, row 4"]


def test_the_shipped_corrections_can_be_read():
    fixes = read_corrections("data/manual/competition/labels.csv")
    assert len(fixes) == 20
    assert set(fixes["field"]) == {"mask", "gender"}
    assert (pd.to_numeric(fixes["confidence"]) < 0.5).sum() == 3
