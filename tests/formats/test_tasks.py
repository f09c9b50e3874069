import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visage.formats.labels import bin_class_names, load_tasks
from visage.formats.tasks import (
    Task,
    class_codes,
    classify,
    is_about_people,
    joint_class_names,
    joint_codes,
    read_tasks,
    split_joint_codes,
    write_tasks,
)

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


@given(st.lists(st.integers(2, 6), min_size=1, max_size=6))
def test_every_joint_code_splits_and_joins_again_and_has_a_name_of_its_own(class_counts):
    tasks = [Task(f"t{i}", tuple(map(str, range(count))), "x") for i, count in enumerate(class_counts)]
    codes = np.arange(np.prod(class_counts))
    parts = split_joint_codes(codes, tasks)
    assert all(((part >= 0) & (part < count)).all() for part, count in zip(parts, class_counts, strict=True))
    assert np.array_equal(joint_codes(parts, tasks), codes)
    assert len(set(joint_class_names(tasks))) == len(codes)


@pytest.mark.parametrize("bins", [(30,), (30, 60), (0.5, 1.5, 7)])
def test_a_number_is_in_the_class_whose_borders_hold_it(bins):
    task = Task("age", bin_class_names(bins), "age", bins)
    values = np.arange(0, 100, 0.25)
    names, _ = classify(pd.Series(values.astype(str)), task)
    assert class_codes(names, task).tolist() == [sum(value >= border for border in bins) for value in values]


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


def write_labels(tmp_path, text):
    (tmp_path / "params.yaml").write_text(f"labels:\n{text}")
    return tmp_path / "params.yaml"


def test_tasks_are_read_in_the_order_of_the_file(tmp_path):
    path = write_labels(tmp_path, "  age: {field: age, bins: [30, 60]}\n  mask: {field: mask, classes: [worn, bare]}\n")
    assert load_tasks(path) == [AGE, Task("mask", ("worn", "bare"), "mask")]


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        ("{field: a}", "give either classes"),
        ("{field: a, classes: [x, y], bins: [1]}", "give either classes"),
        ("{field: a, classes: [x, x]}", "should be two or more different values"),
        ("{field: a, classes: [x]}", "should be two or more different values"),
        ("{field: a, classes: [yes, no]}", "is True, and should be"),
        ("{field: a, bins: [60, 30]}", "should rise"),
        ("{field: a, bins: [30], clases: [x, y]}", "unknown key 'clases'. Did you mean 'classes'?"),
        ("{field: a, bins: [30, .nan]}", "finite number"),
        ("{field: a, bins: [30, 30.0000001]}", "should rise"),
        ("{field: a, classes: [x, '']}", "not empty"),
        ("{field: a, classes: [x, y/z]}", "without /"),
        ("{label: a, bins: [30]}", "'label' is now called 'field'"),
    ],
)
def test_a_task_that_makes_no_sense_is_told(tmp_path, task, sentence):
    with pytest.raises(ValueError) as error:
        load_tasks(write_labels(tmp_path, f"  t: {task}\n"))
    assert sentence in str(error.value) and "labels.t" in str(error.value)


@pytest.mark.parametrize("count", [0, 7])
def test_there_are_one_to_six_tasks(tmp_path, count):
    path = write_labels(tmp_path, "".join(f"  t{i}: {{field: a, bins: [1]}}\n" for i in range(count)))
    with pytest.raises(ValueError, match=f"names {count} tasks; from one to six will do"):
        load_tasks(path)


@pytest.mark.parametrize(
    "name", ["a;touch HACKED;true", "../../x", "a b", "''", "Age", "1st", "$(x)", "photo", "joint"]
)
def test_a_task_has_a_name_that_is_safe_in_a_command_a_path_and_a_table(tmp_path, name):
    quoted = name if name == "''" else f'"{name}"'
    with pytest.raises(ValueError, match="is called"):
        load_tasks(write_labels(tmp_path, f"  {quoted}: {{field: a, bins: [1]}}\n"))


@pytest.mark.parametrize(("mixed", "expected"), [(1, True), (2, False)])
def test_a_label_is_about_people_if_it_is_one_and_the_same_for_95_of_100(mixed, expected):
    labels = [[0, 1]] * mixed + [[0, 0]] * (20 - mixed) + [[1]] * 9
    rows = np.array([(person, label) for person, own in enumerate(labels) for label in own])
    assert is_about_people(rows[:, 0], rows[:, 1]) == expected


def test_without_people_of_several_photos_a_label_is_about_photos():
    assert not is_about_people(np.array(["a", "b"]), np.array([0, 0]))


def test_an_unknown_label_is_no_class():
    people = np.array([0, 0, 1, 1, 2, 2])
    assert is_about_people(people, np.array([0, 0, 1, -1, -1, -1]))
    assert not is_about_people(people, np.array([0, -1, 1, -1, 0, -1]))  # nobody has two
