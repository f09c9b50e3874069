import numpy as np
import pytest
from scipy.special import softmax
from sklearn import metrics

from tests.drawn_members import AGE, COMPETITION, PARAMS, align_tables, draw_tables
from visage.ensemble.answers import log_probs
from visage.ensemble.blend import cross_fit_blend
from visage.ensemble.decision_rule import bootstrap_gains
from visage.ensemble.evaluation import build_answer_sets, evaluate, plot_tables, round_numbers
from visage.ensemble.fitting import fit_ensemble
from visage.formats.tasks import joint_codes
from visage.scores import calibration_error, precision_recall


@pytest.fixture(scope="module")
def population():
    return align_tables(*draw_tables(skills=(2.0, 0.5))[:3])


@pytest.fixture(scope="module")
def result(population):
    return fit_ensemble(*population, PARAMS.replace(rule="offsets"))


@pytest.fixture(scope="module")
def scores(population, result):
    predictions, examples = population
    return evaluate(predictions, result, examples, PARAMS.replace(rule="offsets"))


def test_the_scores_are_those_of_the_cross_fitted_answers(population, result, scores):
    _, examples = population
    assert list(scores["tasks"]) == [task.name for task in COMPETITION]
    for task, truth, answers in zip(COMPETITION, examples.truth, result.answers, strict=True):
        card = scores["tasks"][task.name]
        assert card["macro_f1"] == pytest.approx(metrics.f1_score(truth, answers, average="macro"), abs=1e-6)
    truth, answers = (joint_codes(codes, COMPETITION) for codes in (examples.truth, result.answers))
    expected = metrics.f1_score(truth, answers, average="macro")
    assert scores["joint"]["macro_f1"] == pytest.approx(expected, abs=1e-6)
    assert scores["joint"]["low"] < expected < scores["joint"]["high"]


def test_the_joint_loss_and_confidence_are_those_of_the_joint_probability(population, result):
    _, examples = population
    mask, *_, joint = build_answer_sets(result, examples)
    a, b, c = result.held_out
    assert mask.right.tolist() == (a.argmax(1) == examples.truth[0]).tolist()
    probabilities = np.einsum("pi,pj,pk->pijk", a, b, c).reshape(len(a), -1)
    truth = joint_codes(examples.truth, COMPETITION)
    assert joint.loss == pytest.approx(-np.log(probabilities[np.arange(len(truth)), truth]))
    assert joint.confidence == pytest.approx(probabilities.max(1))
    assert joint.right.tolist() == (probabilities.argmax(1) == truth).tolist()


def test_fold_mean_and_spread_are_over_the_folds(population, result, scores):
    folds, truth, answers = population[1].folds, population[1].truth[0], result.answers[0]
    by_fold = [metrics.f1_score(truth[folds == k], answers[folds == k], average="macro") for k in range(3)]
    assert scores["tasks"]["mask"]["fold_mean"] == pytest.approx(np.mean(by_fold), abs=1e-6)
    assert scores["tasks"]["mask"]["fold_spread"] == pytest.approx(np.std(by_fold, ddof=1), abs=1e-6)


def test_the_ways_of_blending_are_compared_cross_fitted(population, scores):
    predictions, examples = population
    blend, truth = scores["blend"]["age"], examples.truth[2]
    for way in ("fitted", "mean", "best"):
        p = cross_fit_blend(predictions[2].held_out, truth, examples.folds, way)
        assert blend["log_loss"][way] == pytest.approx(metrics.log_loss(truth, p), abs=1e-6)
        assert blend["ece"][way] == pytest.approx(calibration_error(p.max(1), p.argmax(1) == truth), abs=1e-6)


def test_raw_is_the_final_weights_without_the_temperature(population, result, scores):
    predictions, examples = population
    weights = result.blends[2].weights
    combined = np.einsum("m,mpc->pc", weights, log_probs(predictions[2].held_out))
    expected = metrics.log_loss(examples.truth[2], softmax(combined, axis=-1))
    assert scores["blend"]["age"]["log_loss"]["raw"] == pytest.approx(expected, abs=1e-6)
    assert list(scores["blend"]["age"]["weights"].values()) == pytest.approx(list(weights), abs=1e-6)


def test_the_best_member_is_the_one_of_the_highest_f1_alone(population, scores):
    predictions, examples = population
    blend = scores["blend"]["gender"]
    for member, p in zip(("0", "1"), predictions[1].held_out, strict=True):
        expected = metrics.f1_score(examples.truth[1], p.argmax(1), average="macro")
        assert blend["members"][member]["macro_f1"] == pytest.approx(expected, abs=1e-6)
    assert blend["best"] == "0" and blend["members"]["0"]["macro_f1"] > blend["members"]["1"]["macro_f1"]


def test_the_gain_of_the_offsets_is_that_of_the_cross_fitted_answers(population, result, scores):
    _, examples = population
    rule = scores["rule"]
    truth = joint_codes(examples.truth, COMPETITION)
    for name, answers in (("argmax", result.argmax_answers), ("offsets", result.offset_answers)):
        expected = metrics.f1_score(truth, joint_codes(answers, COMPETITION), average="macro")
        assert rule[name] == pytest.approx(expected, abs=1e-6)
    assert rule["gain"] == pytest.approx(rule["offsets"] - rule["argmax"], abs=2e-6)
    gains = bootstrap_gains(result.offset_answers, result.argmax_answers, examples, PARAMS)
    assert [rule["gain_low"], rule["gain_high"]] == pytest.approx(np.quantile(gains, [0.05, 0.95]), abs=1e-6)


@pytest.mark.parametrize("rule", ["argmax", "offsets"])
def test_the_rule_that_was_taken_is_named(population, rule):
    predictions, examples = population
    params = PARAMS.replace(rule=rule, shrinkage=0.0)
    scores = evaluate(predictions, fit_ensemble(predictions, examples, params), examples, params)
    assert scores["rule"]["taken"] == rule
    assert any(value for offsets in scores["rule"]["nudges"].values() for value in offsets.values()) == (
        rule == "offsets"
    )


def test_a_class_absent_from_a_fold_or_from_everyone_breaks_nothing():
    photos, folds, tables, _ = draw_tables()
    train, first_person = photos["split"] == "train", photos["person"] == "000000"
    photos.loc[train & (photos["age"] == ">=60"), "age"] = "<30"  # nobody is old
    photos.loc[train, "gender"] = np.where(first_person[train], "female", "male")  # one woman, in one fold
    predictions, examples = align_tables(photos, folds, tables)
    scores = evaluate(predictions, fit_ensemble(predictions, examples, PARAMS), examples, PARAMS)
    assert "female" in scores["tasks"]["gender"]["f1"] and np.isfinite(scores["joint"]["macro_f1"])


def test_the_confusion_has_a_row_for_every_pair_of_classes_in_their_order(population, result):
    _, examples = population
    rows, classes = plot_tables(result, examples)["confusion/mask"], COMPETITION[0].classes
    assert list(zip(rows["actual"], rows["predicted"], strict=True)) == [(a, p) for a in classes for p in classes]
    truth, answers = np.array(classes)[examples.truth[0]], np.array(classes)[result.answers[0]]
    for row in rows.itertuples():
        assert row.photos == ((truth == row.actual) & (answers == row.predicted)).sum()
    assert np.allclose(rows.groupby("actual")["share"].sum(), 1)


def test_there_are_curves_of_every_class_and_bins_of_all_photos(population, result):
    _, examples = population
    tables = plot_tables(result, examples)
    kinds = {f"{kind}/{name}" for kind in ("confusion", "reliability") for name in ("mask", "gender", "age", "joint")}
    assert set(tables) == kinds | {f"precision_recall/{task.name}" for task in COMPETITION}
    curves = tables["precision_recall/age"].set_index("class")
    for i, name in enumerate(AGE.classes):
        assert np.array_equal(curves.loc[name], precision_recall(result.held_out[2][:, i], examples.truth[2] == i))
    assert tables["reliability/joint"]["photos"].sum() == len(examples.train_photos)
    assert tables["confusion/joint"]["photos"].sum() == len(examples.train_photos)


def test_numbers_are_rounded_to_six_digits_at_every_depth():
    assert round_numbers({"a": {"b": np.float64(0.12345678), "c": 3, "d": "x"}}) == {
        "a": {"b": 0.123457, "c": 3, "d": "x"}
    }
