"""Which rows make a batch, and which pictures are mixed with which: people are the unit, where the recipe says so."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from visage.networks.recipe import TrainParams

PHOTOS_IN_BATCH = 2  # of a person, sampled by people: more would leave fewer people in a batch


def epoch_batches(
    codes: Sequence[Tensor], people: Tensor, rows: Tensor, recipe: TrainParams, generator: Generator
) -> Tensor:
    """An epoch's rows in random order, batches x batch size. What is left over for less than a batch is left out.

    `balanced` samples every joint class of `codes` (one tensor per head) as often; `people` puts two photos of a
    person into a batch, and still shows every photo at most once.
    """
    size = min(recipe.batch, len(rows))
    if recipe.sampling == "balanced":
        joint = torch.stack([head_codes[rows] for head_codes in codes], 1)
        _, joint_code, counts = joint.unique(dim=0, return_inverse=True, return_counts=True)
        order = torch.multinomial(1 / counts[joint_code].float(), len(rows), replacement=True, generator=generator)
    elif recipe.sampling == "people":
        order = shuffle_groups(split_groups(people[rows], generator), generator)
    else:
        order = torch.randperm(len(rows), generator=generator, device=generator.device)
    batches = rows[order[: len(rows) // size * size]].view(-1, size)
    if recipe.sampling == "people":  # augmentation counts on random order within a batch too
        batches = batches.gather(1, torch.rand(batches.shape, generator=generator, device=generator.device).argsort(1))
    return batches


def split_groups(people: Tensor, generator: Generator) -> Tensor:
    """A group number for each picture: a person's pictures, at random, in groups of up to PHOTOS_IN_BATCH."""
    order = shuffle_groups(people, generator)
    counts = people[order].unique_consecutive(return_counts=True)[1]
    places = torch.arange(len(order), device=order.device) - (counts.cumsum(0) - counts).repeat_interleave(counts)
    groups = torch.empty_like(order)
    groups[order] = (places % PHOTOS_IN_BATCH == 0).cumsum(0) - 1
    return groups


def shuffle_groups(groups: Tensor, generator: Generator) -> Tensor:
    """Indices in random order, but the members of a group (N numbers) side by side."""
    names, members = groups.unique(return_inverse=True)
    order, ranks = (
        torch.randperm(count, generator=generator, device=generator.device) for count in (len(groups), len(names))
    )
    return order[ranks[members[order]].argsort(stable=True)]


def choose_partners(people: Tensor, generator: Generator) -> Tensor:
    """For each picture the index of the one it is mixed with, a permutation: another person's, unless one person has
    more than half of the pictures.

    People stand in a circle in random order, each one's pictures side by side, and every picture is mixed with the one
    as many places on as the most frequent person has pictures.
    """
    circle, most = shuffle_groups(people, generator), people.unique(return_counts=True)[1].max()
    partners = torch.empty_like(circle)
    partners[circle] = circle.roll(-int(most))
    return partners
