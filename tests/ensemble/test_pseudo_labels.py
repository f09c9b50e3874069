import numpy as np
import pytest

from tests.drawn_members import COMPETITION, GENDER, PARAMS, align_tables, draw_tables
from visage.ensemble.blend import fit_blend
from visage.ensemble.pseudo_labels import PseudoParams, choose_pseudo_labels, class_thresholds, confident_classes


@pytest.fixture
def population():
    return align_tables(*draw_tables(skills=(4.0,), tests=80)[:3])


def test_a_class_has_its_own_threshold_or_the_one_of_all():
    params = PseudoParams(min_probability=0.9, classes={"age": {">=60": 0.8}})
    assert [values.tolist() for values in class_thresholds(params, COMPETITION)] == [
        [0.9, 0.9, 0.9],
        [0.9, 0.9],
        [0.9, 0.9, 0.8],
    ]


def test_a_class_is_a_label_from_its_threshold_on():
    probabilities = np.array([[0.8, 0.2], [0.79, 0.21], [0.4, 0.6], [0.45, 0.55]])
    assert confident_classes(probabilities, np.array([0.8, 0.6]), GENDER).tolist() == ["male", "", "female", ""]


def test_rows_are_photos_with_one_label_or_more_in_each_fold(population):
    predictions, examples = population
    params = PseudoParams(min_probability=0.99, classes={"age": {">=60": 1.0}})
    chosen = choose_pseudo_labels(predictions, examples, params, PARAMS)
    assert list(chosen.columns) == ["photo", "fold", "mask", "gender", "age"]
    assert set(chosen["photo"]) <= set(examples.test_photos) and set(chosen["fold"]) == {0, 1, 2}
    assert (chosen[["mask", "gender", "age"]] != "").any(axis=1).all() and (chosen["mask"] == "").any()
    assert len(chosen) < 3 * 80 and not (chosen["age"] == ">=60").any()


def test_the_labels_of_a_fold_are_those_of_its_own_models_blended_without_its_labels(population):
    predictions, examples = population
    chosen = choose_pseudo_labels(predictions, examples, PseudoParams(min_probability=0.01), PARAMS)
    rest = examples.folds != 1
    blend = fit_blend(predictions[0].held_out[:, rest], examples.truth[0][rest])
    expected = np.array(COMPETITION[0].classes)[blend(predictions[0].test[:, 1]).argmax(1)]
    assert chosen.loc[chosen["fold"] == 1, "mask"].tolist() == expected.tolist()


def test_other_folds_models_have_no_say_in_a_folds_labels(population):
    predictions, examples = population
    params = PseudoParams(min_probability=0.9)
    before = choose_pseudo_labels(predictions, examples, params, PARAMS)
    predictions[0].test[:, 1:] = 1 / 3  # the other folds' models predict nothing of masks
    after = choose_pseudo_labels(predictions, examples, params, PARAMS)
    assert after[after["fold"] == 0].equals(before[before["fold"] == 0])
    assert (after[after["fold"] != 0]["mask"] == "").all()


@pytest.mark.parametrize(
    "classes, sentence",
    [
        ({"age": {">60": 0.8}}, r"pseudo.classes.age: there is no class '>60'. Did you mean '>=60'\?"),
        ({"ages": {">=60": 0.8}}, r"pseudo.classes: there is no task 'ages'. Did you mean 'age'\?"),
    ],
)
def test_a_threshold_for_a_task_or_class_that_does_not_exist_is_refused(classes, sentence):
    with pytest.raises(ValueError, match=sentence):
        class_thresholds(PseudoParams(min_probability=0.9, classes=classes), COMPETITION)


@pytest.mark.parametrize("values", [{"min_probability": 0.0}, {"min_probability": 0.9, "classes": {"a": {"b": 2.0}}}])
def test_a_threshold_that_is_no_probability_is_refused(values):
    with pytest.raises(ValueError, match="and should be"):
        PseudoParams(**values)
