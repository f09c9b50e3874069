"""The chapter "Using it": what the bundle is, and how well each group of people is answered."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from tests.drawn_members import COMPETITION as TASKS
from tests.report.example_run import write_example_run
from visage.report.card import describe_card
from visage.report.groups import FEWEST_PEOPLE, compare_groups, measure_accuracy
from visage.report.page import render_page
from visage.report.run_results import RunResults, read_run_results

GENDER = TASKS[1]


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> RunResults:
    return read_run_results(write_example_run(tmp_path_factory.mktemp("run")))


def chapter(results: RunResults) -> str:
    """Its text, without tags."""
    html = render_page(results, "tiny", faces=False).split('<section id="using">')[1].split("</section>")[0]
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def tables(races: dict[str, tuple[int, int]]) -> tuple[pd.DataFrame, ...]:
    """Photos, answers and groups: for each race so many people, two photos each, so many people taken for women."""
    rows = [
        {"photo": f"{race}{person}/{shot}", "person": f"{race}{person}", "race": race,
         "gender": "female" if person < wrong else "male"}
        for race, (people, wrong) in races.items() for person in range(people) for shot in "ab"
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    photos = table[["photo", "person"]].assign(split="train", gender="male")
    return photos, table[["photo", "gender"]], table[["photo", "race"]]


def compare(races: dict[str, tuple[int, int]]):
    return compare_groups(*tables(races), [GENDER])


def test_the_chapter_says_what_the_bundle_is_and_what_it_is_not_for(results):
    text = chapter(results)
    for words in ("What it is not for", "knows and compares no faces", "label of appearance", "guess by appearance",
                  "18 in int8", "person for age, 96 x 128 pixels", "plain 0.75, person 0.25; temperature 0.83",
                  "differ by at most 5e-07", "joint macro F1 0.810 to 0.800", "420 photos of 60 people, at revision",
                  "visage watch IN", "&lt;ask&gt; those who own"):  # fmt: skip
        assert words in text, words


def test_without_a_bundle_the_chapter_still_says_what_it_is_not_for(results):
    text = chapter(dataclasses.replace(results, card=None))
    assert "There is no bundle" in text and "What it is not for" in text and "visage serve" not in text


def test_tasks_of_ones_own_are_not_told_of_gender_and_age(results):
    text = chapter(dataclasses.replace(results, tasks=TASKS[:1]))
    assert "label of appearance" not in text and "guess by appearance" not in text


def test_groups_are_labels_about_the_person_and_further_columns_and_the_mask_is_none(results):
    comparison = compare_groups(results.photos, results.answers, results.groups, results.tasks)
    assert list(comparison.groups) == ["gender", "age", "race"] and comparison.beyond_labels
    assert set(comparison.largest) == {"mask", "gender", "age"}
    for groups in comparison.groups.values():
        assert sum(group.photos for group in groups) == 420 and sum(group.people for group in groups) == 60


def test_without_further_columns_the_chapter_says_that_nothing_was_measured_by_them(results):
    sentence = "no column beside the labels that puts people into groups, such as race"
    assert sentence in chapter(dataclasses.replace(results, groups=None))
    assert sentence in chapter(dataclasses.replace(results, groups=results.groups[["photo"]]))
    assert sentence not in chapter(results)


def test_without_answers_there_is_nothing_to_compare(results):
    assert "No answers can be compared" in chapter(dataclasses.replace(results, answers=None))


def test_the_largest_difference_is_between_the_best_and_the_worst_group():
    gap = compare({"Asian": (50, 5), "Black": (50, 20), "White": (50, 10)}).largest["gender"]
    assert (gap.better.value, gap.worse.value) == ("Asian", "Black")
    assert gap.share == pytest.approx(0.3) and 0 < gap.low < gap.share < gap.high


def test_a_difference_of_one_person_is_not_told_apart_from_chance():
    gap = compare({"Asian": (25, 0), "Black": (25, 1)}).largest["gender"]
    assert gap.share == pytest.approx(0.04) and gap.low < 0 < gap.high


def test_a_group_of_too_few_people_is_marked_and_has_no_part_in_the_largest_difference(results):
    few = FEWEST_PEOPLE - 1
    comparison = compare({"Asian": (few, few), "Black": (30, 1), "White": (30, 3)})
    assert [group.enough for group in comparison.groups["race"]] == [False, True, True]
    assert {comparison.largest["gender"].better.value, comparison.largest["gender"].worse.value} == {"Black", "White"}
    assert compare({"Asian": (few, few), "Black": (30, 1)}).largest["gender"] is None
    assert "Black * 17" in chapter(results) and "Asian 26" in chapter(results)


def test_an_unknown_value_is_no_group():
    photos, answers, groups = tables({"Asian": (30, 1), "": (30, 3)})
    assert [g.value for g in compare_groups(photos, answers, groups, [GENDER]).groups["race"]] == ["Asian"]


def test_many_photos_of_a_person_are_worth_one_where_they_fail_together():
    right = np.arange(40) < 36
    once = measure_accuracy(right, np.arange(40))
    often = measure_accuracy(np.repeat(right, 7), np.repeat(np.arange(40), 7))
    alone = measure_accuracy(np.repeat(right, 7), np.arange(280))
    assert (often.low, often.high) == pytest.approx((once.low, once.high), abs=0.001)
    assert alone.low > often.low and alone.high < often.high


def test_few_people_without_a_mistake_leave_room_for_one():
    own = measure_accuracy(np.ones(140, bool), np.repeat(np.arange(20), 7))
    assert own.share == own.high == 1 and 0.8 < own.low < 0.9


def test_the_interval_holds_the_truth_about_95_times_of_100():
    """Seven photos each of 60 people, of whom each has an own chance of being answered right; 0.8 on average."""
    rng = np.random.default_rng(0)
    people, held = np.repeat(np.arange(60), 7), 0
    for _ in range(400):
        chances = rng.beta(2, 0.5, 60)
        own = measure_accuracy(rng.random(420) < chances[people], people)
        held += own.low <= 0.8 <= own.high
    assert 0.92 <= held / 400 <= 0.98


def test_a_bundle_whose_members_know_nothing_still_has_its_rows(results):
    card = results.card | {"blend": {task.name: {"plain": 0.0} for task in TASKS}, "cost": {}}
    assert ("blend: mask", "plain; offsets worn +0.4") in describe_card(card)
