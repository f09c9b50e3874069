"""Answers averaged over a person: of tasks about the person only, and only where the photos to answer name theirs."""

import numpy as np
import pytest

from tests.drawn_members import AGE, COMPETITION, MASK, PARAMS, align_tables, draw_tables
from visage.ensemble.fitting import fit_ensemble
from visage.ensemble.people import average_people, mean_by_person, names_people, share_by_person
from visage.formats.tasks import joint_codes
from visage.scores import macro_f1


def named_population(tests=21, **options):
    """A population whose photos to answer show three of one person."""
    photos, folds, tables, codes = draw_tables(tests=tests, **options)
    to_answer = photos["split"] == "eval"
    photos.loc[to_answer, "person"] = [f"x{i // 3}" for i in range(tests)]
    return *align_tables(photos, folds, tables), codes


def test_a_person_gets_the_mean_of_the_log_probabilities():
    p = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    shared = share_by_person(p, np.array([0, 1, 0]))
    odds = np.sqrt(0.9 * 0.2) / np.sqrt(0.1 * 0.8)
    assert shared[:, 0] == pytest.approx([odds / (1 + odds), 0.5, odds / (1 + odds)])
    assert shared.sum(1) == pytest.approx(1)


def test_means_are_taken_along_the_photos_whatever_stands_before_them(rng):
    values, people = rng.normal(size=(2, 3, 5, 4)), np.array([1, 0, 1, 1, 0])
    means = mean_by_person(values, people)
    assert means.shape == (2, 3, 2, 4)
    assert means[1, 2, 1] == pytest.approx(values[1, 2, [0, 2, 3]].mean(0))


def test_photos_of_one_person_share_what_is_about_the_person_and_nothing_else():
    predictions, examples, _ = named_population()
    averaged = average_people(predictions, examples)
    for own, task in zip(averaged, COMPETITION, strict=True):
        by_person = own.held_out[0].reshape(60, 7, -1)
        spread = np.ptp(by_person, axis=1).max(), np.ptp(own.test[0, 0].reshape(7, 3, -1), axis=1).max()
        assert (max(spread) == 0) == (task != MASK)
    assert np.array_equal(averaged[0].held_out, predictions[0].held_out)


def test_nothing_changes_where_a_photo_to_answer_names_nobody():
    photos, folds, tables, _ = draw_tables()
    predictions, examples = align_tables(photos, folds, tables)
    assert average_people(predictions, examples) == predictions
    partly = photos.copy()
    partly.loc[partly.index[partly["split"] == "eval"][0], "person"] = "x"
    predictions, examples = align_tables(partly, folds, tables)
    assert average_people(predictions, examples) == predictions


def test_where_every_photo_to_answer_is_a_person_of_its_own_their_probabilities_stay():
    photos, folds, tables, _ = draw_tables(tests=6)
    to_answer = photos["split"] == "eval"
    photos.loc[to_answer, "person"] = [f"x{i}" for i in range(6)]
    predictions, examples = align_tables(photos, folds, tables)
    assert names_people(examples)
    for own, before in zip(average_people(predictions, examples), predictions, strict=True):
        assert own.test == pytest.approx(before.test)


def test_a_set_without_photos_to_answer_names_nobody():
    _, examples = align_tables(*draw_tables(tests=0)[:3])
    assert not names_people(examples)


def test_answers_averaged_over_a_person_are_better_and_scored_as_they_are_given():
    """The drawn errors of a person's photos are independent, so seven photos tell far more than one."""
    predictions, examples, _ = named_population(skills=(1.0,), tests=150)
    single, averaged = (fit_ensemble(p, examples, PARAMS) for p in (predictions, average_people(predictions, examples)))
    truth = joint_codes(examples.truth, COMPETITION)
    f1 = [macro_f1(truth, joint_codes(result.answers, COMPETITION)) for result in (single, averaged)]
    assert f1[1] > f1[0] + 0.1
    ages = averaged.answers[COMPETITION.index(AGE)].reshape(60, 7)
    assert (ages == ages[:, :1]).all()
    assert np.ptp(averaged.test_answers[COMPETITION.index(AGE)].reshape(50, 3), axis=1).max() == 0


def test_the_blend_of_averaged_members_is_the_average_of_their_blend():
    predictions, examples, _ = named_population(skills=(0.3, 0.1))  # no probability so small that it is clipped
    result = fit_ensemble(average_people(predictions, examples), examples, PARAMS)
    blend, own = result.blends[2], predictions[2]
    after = share_by_person(blend(own.held_out), examples.people)
    assert blend(average_people(predictions, examples)[2].held_out) == pytest.approx(after, abs=1e-6)
