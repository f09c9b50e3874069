"""One answer for all photos of a person, where the photos to answer name their people.

Tasks about the person (gender, age) take the mean log probability over the person's photos; tasks about the photo
(mask) stay as they are. It is done to the members' predictions, of held-out people and of people to answer alike, so
that weights, temperature, rule and scores are those of such answers.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import softmax

from visage.ensemble.answers import log_probs
from visage.ensemble.member_predictions import Examples, MemberPredictions
from visage.formats.tasks import is_about_people


def names_people(examples: Examples) -> bool:
    """Whether each photo to answer names its person; in the competition none does."""
    return len(examples.test_people) > 0 and bool((examples.test_people >= 0).all())


def average_people(predictions: Sequence[MemberPredictions], examples: Examples) -> list[MemberPredictions]:
    """The same predictions, but of tasks about the person one and the same for all photos of a person.

    Where a photo to answer names nobody, nothing changes: held-out answers are scored as the others are made.
    """
    if not names_people(examples):
        return list(predictions)
    return [
        replace(
            own,
            held_out=share_by_person(own.held_out, examples.people),
            test=share_by_person(own.test, examples.test_people),
        )
        if is_about_people(examples.people, truth)
        else own
        for own, truth in zip(predictions, examples.truth, strict=True)
    ]


def share_by_person(probabilities: np.ndarray, people: np.ndarray) -> np.ndarray:
    """(..., photos, classes): every photo gets the mean, over its person's photos, of the log probabilities."""
    means = mean_by_person(log_probs(probabilities), people)
    return softmax(means, axis=-1)[..., people, :]


def mean_by_person(values: np.ndarray, people: np.ndarray) -> np.ndarray:
    """(..., photos, classes) in, (..., people, classes) out; people are numbered from 0."""
    counts = np.bincount(people)
    sums = np.zeros((len(counts), *values.shape[:-2], values.shape[-1]))
    np.add.at(sums, people, np.moveaxis(values, -2, 0))
    return np.moveaxis(sums / counts.reshape(-1, *[1] * (sums.ndim - 1)), 0, -2)
