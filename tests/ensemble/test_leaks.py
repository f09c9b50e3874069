"""The leak detector: labels that nobody can guess stay unguessed through blending, calibration and decision.

Each drawn person has a face (a few numbers) and labels shuffled among people, so that a face says nothing of its
labels. A member that has seen a person knows its labels by its face; one that has not knows nothing.
"""

from collections.abc import Sequence

import numpy as np
import pytest

from tests.drawn_ballots import COMPETITION, drawn_photos
from visage.ensemble.fitting import EnsembleParams, fit_ensemble
from visage.ensemble.member_predictions import MemberPredictions, build_examples
from visage.formats.tasks import joint_codes
from visage.scores import macro_f1

PEOPLE, FOLDS, SEEDS = 120, 4, range(6)
PARAMS = EnsembleParams(weights="fitted", rule="offsets", shrinkage=0.0, resamples=100, seed=0)


def world(seed: int):
    """Cases whose labels are shuffled among people, and the faces on their photos."""
    rng = np.random.default_rng(seed)
    photos, folds, _, _ = drawn_photos(PEOPLE, 10, FOLDS, rng)
    cases = build_examples(photos, folds, COMPETITION)
    face = rng.normal(0, 1, (PEOPLE, 4))
    return cases, face[cases.people] + rng.normal(0, 0.05, (len(cases.photos), 4))


def recalled(faces: np.ndarray, seen: np.ndarray, truth: np.ndarray, classes: int, width: float) -> np.ndarray:
    """What a member that learnt the faces `seen` by heart says of others: nearby ones vote."""
    distance = (faces**2).sum(1)[:, None] + (seen**2).sum(1) - 2 * faces @ seen.T
    votes = np.exp(-distance / width) @ np.eye(classes)[truth] + 1e-3
    return votes / votes.sum(1, keepdims=True)


def ballots(cases, faces, *, leaky: Sequence[int] = ()) -> list[MemberPredictions]:
    """Two members a task, trained on all other folds; the leaky folds' models have seen everyone."""
    found = []
    for task, truth in zip(cases.tasks, cases.truth, strict=True):
        held = np.empty((2, len(truth), len(task.classes)))
        for fold in range(FOLDS):
            seen = np.ones(len(truth), bool) if fold in leaky else cases.folds != fold
            here = cases.folds == fold
            for member, width in enumerate((0.05, 0.5)):
                held[member, here] = recalled(faces[here], faces[seen], truth[seen], len(task.classes), width)
        evals = np.full((2, FOLDS, len(cases.evals), len(task.classes)), 1 / len(task.classes))
        found.append(MemberPredictions(task, ("near", "wide"), held, evals))
    return found


def beyond_chance(cases, answers) -> float:
    """How many standard deviations the joint macro F1 lies above that of the same answers for shuffled people."""
    rng = np.random.default_rng(0)
    truth, said = joint_codes(cases.truth, cases.tasks), joint_codes(answers, cases.tasks)
    shots = len(truth) // PEOPLE  # the photos are sorted by person, each with the same shots
    chance = [macro_f1(truth.reshape(PEOPLE, shots)[rng.permutation(PEOPLE)].ravel(), said) for _ in range(200)]
    return float((macro_f1(truth, said) - np.mean(chance)) / np.std(chance))


def verdicts(seeds=SEEDS, **leak):
    for seed in seeds:
        cases, faces = world(seed)
        yield cases, fit_ensemble(ballots(cases, faces, **leak), cases, PARAMS)


@pytest.fixture(scope="module")
def honest():
    return list(verdicts())


def test_shuffled_labels_stay_at_chance_after_blending_calibration_and_decision(honest):
    distances = [beyond_chance(cases, verdict.answers) for cases, verdict in honest]
    assert max(distances) < 3 and np.mean(distances) < 1


def test_models_that_have_seen_everyone_are_far_above_chance():
    distances = [beyond_chance(cases, verdict.answers) for cases, verdict in verdicts(SEEDS[:2], leaky=range(FOLDS))]
    assert min(distances) > 20


def test_one_leaked_fold_of_four_is_enough_to_be_noticed():
    """Barely so in some worlds: weights fitted on three honest folds believe nobody, the leaked fold included."""
    distances = [beyond_chance(cases, verdict.answers) for cases, verdict in verdicts(leaky=(2,))]
    assert np.mean(distances) > 3


def test_a_rule_that_has_seen_the_labels_it_is_scored_on_is_caught(honest):
    """The second level can leak as well: the final rule, made for eval, is not to be scored on the training photos."""
    seen = [beyond_chance(cases, verdict.rule(verdict.held_out)) for cases, verdict in honest]
    crossed = [beyond_chance(cases, verdict.answers) for cases, verdict in honest]
    assert np.mean(seen) > 1.5 and np.mean(seen) > np.mean(crossed) + 1


def test_auto_claims_no_gain_where_there_is_nothing_to_gain():
    cases, faces = world(0)
    auto = EnsembleParams(weights="fitted", rule="auto", shrinkage=0.002, resamples=200, seed=0)
    assert not any(np.any(offsets) for offsets in fit_ensemble(ballots(cases, faces), cases, auto).rule.offsets)
