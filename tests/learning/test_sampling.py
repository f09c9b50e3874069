"""Batches and partners: everyone as often as the recipe says, and people as the unit."""

import pytest
import torch
from torch import Generator, Tensor

from tests.drawn_people import recipe
from visage.learning.sampling import choose_partners, epoch_batches


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def sample(count: int, people: Tensor | None = None, **changes: object) -> Tensor:
    """An epoch of rows 100, 101, ... with two photos of each person, unless said otherwise."""
    rows = torch.arange(100, 100 + count)
    people = torch.arange(100 + count) // 2 if people is None else people
    return epoch_batches([torch.arange(100 + count) % 3], people, rows, recipe(**changes), seeded())


def test_balanced_sampling_shows_rare_classes_as_often() -> None:
    codes = torch.tensor([0] * 900 + [1] * 90 + [2] * 10)
    batches = epoch_batches([codes], codes, torch.arange(1000), recipe(sampling="balanced"), seeded())
    assert torch.bincount(codes[batches.flatten()]).min() > 270 and batches.shape == (1000 // 16, 16)


@pytest.mark.parametrize("sampling", ["shuffled", "people"])
@pytest.mark.parametrize(("count", "shape"), [(23, (4, 5)), (3, (1, 3))])
def test_an_epoch_shows_every_picture_at_most_once_and_drops_less_than_a_batch(
    count: int, shape: tuple, sampling: str
) -> None:
    batches = sample(count, batch=5, sampling=sampling)
    assert batches.shape == shape and len(batches.unique()) == batches.numel() and batches.min() >= 100


def test_sampled_by_people_photos_are_in_the_batch_of_another_of_their_person() -> None:
    people = torch.arange(700) % 75  # eight photos of each of 75 people from row 100 on
    batches = sample(600, people, batch=20, sampling="people")
    counts = [people[batch].unique(return_counts=True)[1] for batch in batches]
    assert all((count % 2 == 0).all() for count in counts)
    assert sum(len(count) for count in counts) > 0.9 * 300  # two photos of each, rarely four


def test_sampled_by_people_a_batch_and_its_rows_are_in_random_order() -> None:
    first, second = (sample(40, batch=20, sampling="people") for _ in range(2))
    assert torch.equal(first, second)
    assert not (first[0, ::2] // 2 == first[0, 1::2] // 2).all()
    assert not torch.equal(first.flatten(), first.flatten().sort().values)


def test_a_picture_is_mixed_with_another_persons() -> None:
    people = torch.tensor([3] * 7 + [5] * 4 + [1, 2, 8])
    partners = choose_partners(people, seeded())
    assert (people[partners] != people).all()
    assert sorted(partners.tolist()) == list(range(len(people)))
    assert not torch.equal(partners, choose_partners(people, seeded(1)))
