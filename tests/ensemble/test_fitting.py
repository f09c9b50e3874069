import dataclasses

import numpy as np
import pytest

from tests.drawn_members import AGE, COMPETITION, GENDER, PARAMS, align_tables, draw_tables
from visage.ensemble.answers import average_folds
from visage.ensemble.blend import fit_blend
from visage.ensemble.fitting import answer_table, fit_ensemble
from visage.formats.tasks import Task, joint_codes

SIX = tuple(Task(f"t{i}", tuple("abcde"[: 2 + i % 3]), f"t{i}") for i in range(6))


@pytest.fixture(scope="module")
def population():
    return align_tables(*draw_tables()[:3])


@pytest.fixture(scope="module")
def result(population):
    return fit_ensemble(*population, PARAMS)


def test_the_order_of_rows_and_members_changes_nothing():
    photos, folds, tables, _ = draw_tables()
    first = align_tables(photos, folds, tables)
    shuffled = {key: table.sample(frac=1, random_state=1) for key, table in reversed(tables.items())}
    second = align_tables(photos.sample(frac=1, random_state=2), folds.sample(frac=1, random_state=3), shuffled)
    before, after = (answer_table(fit_ensemble(*each, PARAMS), each[1]) for each in (first, second))
    assert before.equals(after)


@pytest.mark.parametrize("tasks", [(AGE,), (GENDER, AGE), SIX], ids=["one", "two", "six"])
def test_one_to_six_tasks_are_answered(tasks):
    photos, folds, tables, test_codes = draw_tables(tasks)
    predictions, examples = align_tables(photos, folds, tables, tasks)
    result = fit_ensemble(predictions, examples, PARAMS)
    table = answer_table(result, examples)
    assert len(table) == len(photos) and not table.drop(columns="fold").isna().any().any()
    test = table[table["split"] == "eval"]
    assert (test["ans"] == joint_codes(result.test_answers, tasks)).all()
    assert np.mean([(a == c).mean() for a, c in zip(result.test_answers, test_codes, strict=True)]) > 0.7


def test_what_a_photo_is_given_is_fitted_without_its_fold(population, result):
    """Other labels in fold 0 leave its own blended probabilities and answers as they were."""
    predictions, examples = population
    first = examples.folds == 0
    relabelled = dataclasses.replace(examples, truth=tuple(np.where(first, 0, codes) for codes in examples.truth))
    other = fit_ensemble(predictions, relabelled, PARAMS)
    for before, after in zip([*result.held_out, *result.answers], [*other.held_out, *other.answers], strict=True):
        assert np.array_equal(before[first], after[first])
    changed = [not np.array_equal(b[~first], a[~first]) for b, a in zip(result.held_out, other.held_out, strict=True)]
    assert any(changed)


def test_held_out_probabilities_are_those_of_the_blend_fitted_on_the_other_folds(population, result):
    predictions, examples = population
    out = examples.folds == 1
    blend = fit_blend(predictions[2].held_out[:, ~out], examples.truth[2][~out])
    assert np.array_equal(result.held_out[2][out], blend(predictions[2].held_out[:, out]))


def test_test_photos_are_answered_by_blends_and_a_rule_fitted_on_all_folds(population, result):
    predictions, examples = population
    for task in range(3):
        blend = fit_blend(predictions[task].held_out, examples.truth[task])
        assert result.test[task] == pytest.approx(blend(average_folds(predictions[task].test)))
    assert all(map(np.array_equal, result.test_answers, result.rule(result.test)))


def test_both_rules_are_cross_fitted_and_the_one_asked_for_gives_the_answers(population):
    predictions, examples = population
    for rule in ("argmax", "offsets"):
        result = fit_ensemble(predictions, examples, PARAMS.replace(rule=rule, shrinkage=0.0))
        asked, other = result.argmax_answers, result.offset_answers
        if rule == "offsets":
            asked, other = other, asked
        assert all(map(np.array_equal, result.answers, asked))
        assert not all(map(np.array_equal, result.answers, other))
        assert all(np.array_equal(a, p.argmax(1)) for a, p in zip(result.argmax_answers, result.held_out, strict=True))


def test_the_answer_table_holds_classes_joint_codes_and_the_probability_of_the_answer(population, result):
    _, examples = population
    table = answer_table(result, examples)
    columns = [f"{task.name}/{name}" for task in COMPETITION for name in task.classes]
    assert list(table) == ["photo", "split", "fold", "mask", "gender", "age", "ans", "confidence", *columns]
    assert table["photo"].tolist() == [*examples.train_photos, *examples.test_photos]
    assert table["fold"].tolist()[:420] == examples.folds.tolist() and table["fold"][420:].isna().all()
    for row in table.iloc[[0, 200, 430]].to_dict("records"):
        of_answer = [row[f"{task.name}/{row[task.name]}"] for task in COMPETITION]
        assert row["confidence"] == pytest.approx(np.prod(of_answer))
        mask, gender, age = (task.classes.index(row[task.name]) for task in COMPETITION)
        assert row["ans"] == mask * 6 + gender * 3 + age


def test_the_answer_table_of_training_photos_is_that_of_the_cross_fitted_answers(population, result):
    table = answer_table(result, population[1])[:420]
    for task, answers, p in zip(COMPETITION, result.answers, result.held_out, strict=True):
        assert table[task.name].tolist() == [task.classes[code] for code in answers]
        assert np.array_equal(table[[f"{task.name}/{name}" for name in task.classes]].to_numpy(), p)
