"""What the table says beside the labels: which columns make groups."""

import pandas as pd

from tests.index.test_layouts import TASKS, index
from visage.index.groups import MOST_GROUPS, list_groups

PEOPLE = pd.Series([f"p{n // 2}" for n in range(60)])  # 30 people, two photos each


def names(**columns: list[str]) -> list[str]:
    return list(list_groups(pd.DataFrame(columns), PEOPLE, TASKS))


def test_a_column_with_a_few_values_makes_groups_and_what_a_label_is_read_from_does_not():
    values = ["a", "b", ""] * 20
    assert names(race=values, gender=values, glasses=values) == ["race", "glasses"]


def test_a_column_of_one_value_or_of_too_many_makes_none():
    few, many = ([str(n % count) for n in range(60)] for count in (MOST_GROUPS, MOST_GROUPS + 1))
    assert names(same=["a"] * 60, unknown=["", "a"] * 30, few=few, many=many) == ["few"]


def test_a_column_that_names_people_makes_none_however_few_they_are():
    fields = pd.DataFrame({"id": list("aabbccdd"), "race": list("xxxxyyyy")})
    assert list(list_groups(fields, fields["id"], TASKS)) == ["race"]


def test_groups_are_of_training_photos_in_the_order_of_the_table(competition):
    root = competition([("000001", "male", "20"), ("000002", "female", "60"), ("000003", "male", "59"),
                        ("000004", "male", "30")])  # fmt: skip
    table = root / "train/train.csv"
    text = table.read_text()
    assert list(index(root).groups) == ["photo"]  # all of one race
    table.write_text(text.replace("000001,male,Asian", "000001,male,White"))
    result = index(root)
    assert list(result.groups) == ["photo", "race"]
    assert result.groups["photo"].tolist() == result.photos.query("split == 'train'")["photo"].tolist()
    assert set(result.groups.query("race == 'White'")["photo"].str.slice(13, 19)) == {"000001"}
