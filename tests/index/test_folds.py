import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visage.index.folds import SplitParams, split_people


@st.composite
def populations(draw):
    """People with a constant class and several photos each; tiny classes and one person per class among them."""
    folds = draw(st.integers(2, 6))
    sizes = draw(st.lists(st.integers(0, 40), min_size=1, max_size=8))
    shots = draw(st.lists(st.integers(1, 7), min_size=len(sizes), max_size=len(sizes)))
    people, classes = [], []
    for kind, (size, count) in enumerate(zip(sizes, shots, strict=True)):
        for i in range(size):
            people += [f"{i:03d}_{kind}"] * count  # ids repeat among classes; folder names do not
            classes += [kind] * count
    return people, classes, SplitParams(folds=folds, seed=draw(st.integers(0, 9)))


@settings(max_examples=60)
@given(populations())
def test_nobody_is_in_two_folds_and_every_class_is_as_even_as_its_people_allow(population):
    people, classes, params = population
    if len(set(people)) < params.folds:
        with pytest.raises(ValueError, match="cannot be split"):
            split_people(people, classes, params)
        return
    fold = split_people(people, classes, params)
    assert fold.index.is_unique and set(fold.index) == set(people)
    assert set(fold) <= set(range(params.folds))
    table = pd.DataFrame({"person": people, "kind": classes}).drop_duplicates()
    counts = table.assign(fold=table["person"].map(fold)).groupby(["kind", "fold"]).size().unstack(fill_value=0)
    counts = counts.reindex(columns=range(params.folds), fill_value=0)
    assert (counts.max(axis=1) - counts.min(axis=1)).max() <= 1


@settings(max_examples=25)
@given(populations(), st.randoms(use_true_random=False))
def test_the_order_of_the_listing_does_not_matter(population, random):
    people, classes, params = population
    if len(set(people)) < params.folds:
        return
    rows = list(zip(people, classes, strict=True))
    random.shuffle(rows)
    shuffled = split_people([person for person, _ in rows], [kind for _, kind in rows], params)
    assert shuffled.equals(split_people(people, classes, params))


def test_people_whose_photos_differ_in_class_are_spread_too():
    rng = np.random.default_rng(0)
    people, classes = [], []
    for i in range(300):
        for _ in range(rng.integers(1, 5)):
            people.append(f"p{i}")
            classes.append(int(rng.integers(0, 4)))
    fold = split_people(people, classes, SplitParams(folds=5, seed=1))
    counts = pd.crosstab(pd.Series(people).map(fold).to_numpy(), np.array(classes))
    assert (counts.max() / counts.mean()).max() < 1.25


def test_ten_thousand_people_take_a_few_seconds_and_come_out_even():
    people = np.repeat([f"{i:05d}" for i in range(10_000)], 7)
    classes = np.repeat(np.arange(10_000) % 18, 7)
    fold = split_people(people, classes, SplitParams(folds=5, seed=3))
    assert fold.value_counts().max() - fold.value_counts().min() <= 18


def test_another_seed_deals_other_folds():
    people, classes = [f"p{i}" for i in range(60)], [0] * 60
    assert not split_people(people, classes, SplitParams(folds=5, seed=1)).equals(
        split_people(people, classes, SplitParams(folds=5, seed=2))
    )


def test_the_same_folds_come_out_in_another_process_with_another_hash_seed():
    code = (
        "from visage.index.folds import *\n"
        "people, classes = [f'p{i}' for i in range(30)], [i % 3 for i in range(30)]\n"
        "print(split_people(people, classes, SplitParams(folds=4, seed=5)).tolist())"
    )
    run = [sys.executable, "-c", code]
    seeds = [os.environ | {"PYTHONHASHSEED": seed} for seed in ("1", "2")]
    outputs = [subprocess.run(run, capture_output=True, text=True, env=seed).stdout for seed in seeds]
    assert outputs[0] == outputs[1] and outputs[0].startswith("[")


def test_one_fold_holds_nobody_out():
    with pytest.raises(ValueError, match="folds is 1, and should be 2 or more"):
        SplitParams(folds=1, seed=0)
