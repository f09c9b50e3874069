"""The leak detector: labels that nobody can guess stay at chance through blending, calibration and decision.

Each simulated person has a face (a few numbers) and labels shuffled among people, so that a face says nothing of its
labels. A member trained on a person knows its labels by its face; one that was not knows nothing.
"""

from collections.abc import Sequence

import numpy as np
import pytest

from tests.drawn_members import COMPETITION, PARAMS, draw_photos
from visage.ensemble.fitting import fit_ensemble
from visage.ensemble.member_predictions import Examples, MemberPredictions, build_examples
from visage.formats.tasks import joint_codes
from visage.scores import macro_f1

PEOPLE, FOLDS, SEEDS = 120, 4, range(6)
OFFSETS = PARAMS.replace(rule="offsets", shrinkage=0.0, resamples=100)


def draw_faces(seed: int) -> tuple[Examples, np.ndarray]:
    """Examples whose labels are shuffled among people, and the faces on their photos."""
    rng = np.random.default_rng(seed)
    photos, folds, _, _ = draw_photos(PEOPLE, 10, FOLDS, rng)
    examples = build_examples(photos, folds, COMPETITION)
    face = rng.normal(0, 1, (PEOPLE, 4))
    return examples, face[examples.people] + rng.normal(0, 0.05, (len(examples.train_photos), 4))


def predict_nearest(faces: np.ndarray, known: np.ndarray, truth: np.ndarray, classes: int, width: float) -> np.ndarray:
    """A kernel density classifier, trained on the faces `known`."""
    distance = (faces**2).sum(1)[:, None] + (known**2).sum(1) - 2 * faces @ known.T
    votes = np.exp(-distance / width) @ np.eye(classes)[truth] + 1e-3
    return votes / votes.sum(1, keepdims=True)


def predict_folds(examples: Examples, faces: np.ndarray, leaky: Sequence[int] = ()) -> list[MemberPredictions]:
    """Two members a task, trained on all other folds; the leaky folds' models are trained on everyone."""
    predictions = []
    for task, truth in zip(examples.tasks, examples.truth, strict=True):
        held_out = np.empty((2, len(truth), len(task.classes)))
        for fold in range(FOLDS):
            train = np.ones(len(truth), bool) if fold in leaky else examples.folds != fold
            own = examples.folds == fold
            for member, width in enumerate((0.05, 0.5)):
                held_out[member, own] = predict_nearest(
                    faces[own], faces[train], truth[train], len(task.classes), width
                )
        test = np.full((2, FOLDS, len(examples.test_photos), len(task.classes)), 1 / len(task.classes))
        predictions.append(MemberPredictions(task, ("near", "wide"), held_out, test))
    return predictions


def fit_ensembles(seeds=SEEDS, leaky: Sequence[int] = ()):
    for seed in seeds:
        examples, faces = draw_faces(seed)
        yield examples, fit_ensemble(predict_folds(examples, faces, leaky), examples, OFFSETS)


def z_score(examples: Examples, answers: Sequence[np.ndarray]) -> float:
    """How many standard deviations the joint macro F1 lies above that of the same answers for shuffled people."""
    rng = np.random.default_rng(0)
    truth, joint = joint_codes(examples.truth, examples.tasks), joint_codes(answers, examples.tasks)
    by_person = truth.reshape(PEOPLE, -1)  # the photos are sorted by person, each with the same shots
    chance = [macro_f1(by_person[rng.permutation(PEOPLE)].ravel(), joint) for _ in range(200)]
    return float((macro_f1(truth, joint) - np.mean(chance)) / np.std(chance))


@pytest.fixture(scope="module")
def without_leak():
    return list(fit_ensembles())


def test_shuffled_labels_stay_at_chance_after_blending_calibration_and_decision(without_leak):
    z_scores = [z_score(examples, result.answers) for examples, result in without_leak]
    assert max(z_scores) < 3 and np.mean(z_scores) < 1


def test_models_trained_on_everyone_are_far_above_chance():
    z_scores = [z_score(examples, result.answers) for examples, result in fit_ensembles(SEEDS[:2], range(FOLDS))]
    assert min(z_scores) > 20


def test_one_leaked_fold_of_four_is_enough_to_be_noticed():
    """Barely so for some seeds: weights fitted on three honest folds trust no member, in the leaked fold neither."""
    z_scores = [z_score(examples, result.answers) for examples, result in fit_ensembles(leaky=(2,))]
    assert np.mean(z_scores) > 3


def test_a_rule_fitted_on_the_labels_it_is_scored_on_is_caught(without_leak):
    """The second level can leak as well: the final rule, fitted on all folds, must not score the training photos."""
    final_rule = [z_score(examples, result.rule(result.held_out)) for examples, result in without_leak]
    cross_fitted = [z_score(examples, result.answers) for examples, result in without_leak]
    assert np.mean(final_rule) > 1.5 and np.mean(final_rule) > np.mean(cross_fitted) + 1


def test_auto_claims_no_gain_where_there_is_nothing_to_gain():
    examples, faces = draw_faces(0)
    result = fit_ensemble(predict_folds(examples, faces), examples, PARAMS.replace(rule="auto"))
    assert not any(np.any(offsets) for offsets in result.rule.offsets)
