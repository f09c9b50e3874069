import dataclasses

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.metrics import f1_score

from tests.drawn_ballots import AGE, COMPETITION, GENDER, MASK, drawn_member, drawn_photos
from visage.ensemble.blend import Blend, average_folds, cross_fit_blend, fit_blend, log_probs, softmax
from visage.ensemble.decision_rule import (
    OFFSET_GRID,
    DecisionRule,
    argmax_by_order,
    bootstrap_gains,
    fit_offsets,
    fit_rule,
    joint_index,
    rarest_first,
)
from visage.ensemble.evaluation import evaluate, plot_tables
from visage.ensemble.fitting import EnsembleParams, answer_table, fit_ensemble
from visage.ensemble.member_predictions import MemberPredictions, RoundParams, align_predictions, build_examples
from visage.ensemble.pseudo_labels import PseudoParams, choose_pseudo_labels
from visage.formats.tasks import Task, joint_codes
from visage.scores import MIN_PROBABILITY, macro_f1, nll

PARAMS = EnsembleParams(weights="fitted", rule="auto", shrinkage=0.002, resamples=200, seed=0)


def drawn(tasks=COMPETITION, skills=(2.0, 1.0), people=60, evals=20, folds=3, seed=0):
    rng = np.random.default_rng(seed)
    photos, fold_table, truth, held = drawn_photos(people, evals, folds, rng, tasks)
    tables = {
        (task.name, i): drawn_member(photos, fold_table, t, h, task, rng, skill=skill)
        for i, skill in enumerate(skills)
        for task, t, h in zip(tasks, truth, held, strict=True)
    }
    return photos, fold_table, tables, held


def seated(photos, folds, tables, tasks=COMPETITION):
    cases = build_examples(photos, folds, tasks)
    members = sorted({member for _, member in tables})
    ballots = []
    for task in tasks:
        lined = [align_predictions(tables[task.name, m], cases, task, "file") for m in members]
        ballots.append(
            MemberPredictions(task, tuple(map(str, members)), *(np.stack(part) for part in zip(*lined, strict=True)))
        )
    return ballots, cases


def voters(seed=0, photos=800, skills=(2.0, 1.0, 0.5)):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, photos)
    said = np.stack([softmax(s * np.eye(3)[truth] + rng.normal(0, 1, (photos, 3))) for s in skills])
    return said, truth


# the blend


@pytest.mark.parametrize("seed", range(3))
def test_the_fitted_powers_are_the_ones_that_a_general_optimiser_finds(seed):
    said, truth = voters(seed, skills=(1.5, 1.0, 0.0))
    pull = lambda w: ((w - 1 / 3) ** 2).sum() / 2 / len(truth)  # noqa: E731
    price = lambda w: nll(Blend(w)(said), truth).mean() + pull(w)  # noqa: E731
    found = minimize(price, np.full(3, 1 / 3), bounds=[(0, None)] * 3, method="L-BFGS-B", tol=1e-12)
    mine = fit_blend(said, truth)
    assert price(mine.powers) <= found.fun + 1e-7
    assert mine.powers == pytest.approx(found.x, abs=2e-3)


def test_weights_are_not_negative_and_add_up_to_one_and_the_better_member_gets_more():
    blend = fit_blend(*voters())
    assert blend.weights.min() >= 0 and blend.weights.sum() == pytest.approx(1)
    assert blend.weights[0] > blend.weights[1] > blend.weights[2]


def test_a_member_that_is_mostly_wrong_gets_no_weight():
    said, truth = voters(skills=(2.0, -2.0))
    assert fit_blend(said, truth).weights.tolist() == [1, 0]


def test_members_that_say_the_same_share_alike():
    said, truth = voters(skills=(1.0,))
    assert fit_blend(np.concatenate([said, said]), truth).weights == pytest.approx([0.5, 0.5])


def test_the_cross_fitted_blend_beats_its_members_and_the_mean_beats_the_worst():
    said, truth = voters(photos=3000)
    folds = np.arange(3000) % 5
    price = {way: nll(cross_fit_blend(said, truth, folds, way), truth).mean() for way in ("fitted", "mean", "best")}
    assert price["fitted"] < price["mean"] < nll(said[-1], truth).mean()
    assert price["fitted"] < price["best"] < nll(said[0], truth).mean()


@pytest.mark.parametrize("heat", [0.4, 1.0, 2.5])
def test_the_temperature_undoes_the_heat_that_was_put_in(heat):
    rng = np.random.default_rng(0)
    honest = rng.dirichlet(np.ones(3), 20000)
    truth = (rng.random((20000, 1)) > honest.cumsum(1)).sum(1)
    blend = fit_blend(softmax(log_probs(honest) * heat)[None], truth)
    assert blend.temperature == pytest.approx(heat, rel=0.04)


def test_a_blend_never_turns_infinite():
    said, truth = np.eye(3)[None, [0, 1, 2] * 20], np.array([0, 1, 2] * 20)
    assert np.isfinite(fit_blend(said, truth).powers).all()  # never mistaken
    wrong = fit_blend(said, (truth + 1) % 3)  # never right
    assert (
        wrong.weights.sum() == pytest.approx(1)
        and np.isfinite(wrong(said)).all()
        and wrong.temperature <= 1 / MIN_PROBABILITY
    )


def test_the_folds_of_eval_are_averaged_member_by_member():
    said = np.array([[[[0.8, 0.2]], [[0.5, 0.5]]], [[[0.9, 0.1]], [[0.9, 0.1]]]])
    # by hand: sqrt(0.8 * 0.5) against sqrt(0.2 * 0.5) is two against one
    assert average_folds(said) == pytest.approx(np.array([[[2 / 3, 1 / 3]], [[0.9, 0.1]]]))


# the decision


def test_a_tie_goes_to_the_class_that_is_rarer_in_training_and_then_to_the_earlier_one():
    order = rarest_first(np.array([0, 0, 0, 1, 2, 2, 3]), 4)
    assert order.tolist() == [1, 3, 2, 0]
    assert argmax_by_order(np.array([[0.4, 0.1, 0.4, 0.1], [0.25] * 4, [0.0, 0.3, 0.1, 0.3]]), order).tolist() == [
        2,
        1,
        1,
    ]


def test_a_tie_that_floating_point_hides_is_still_a_tie():
    assert argmax_by_order(np.array([[0.1 + 0.2, 0.3]]), np.array([1, 0])).tolist() == [1]


def test_the_joint_answer_is_the_likeliest_joint_class_counted_by_brute_force():
    rng = np.random.default_rng(0)
    parts = [rng.dirichlet(np.ones(len(t.classes)), 200) for t in COMPETITION]
    offsets = tuple(rng.normal(0, 1, len(t.classes)) for t in COMPETITION)
    rule = DecisionRule(offsets, tuple(np.arange(len(t.classes)) for t in COMPETITION))
    a, b, c = (log_probs(p) + o for p, o in zip(parts, offsets, strict=True))
    everything = (a[:, :, None, None] + b[:, None, :, None] + c[:, None, None, :]).reshape(200, -1)
    assert joint_codes(rule(parts), COMPETITION).tolist() == everything.argmax(1).tolist()


@pytest.mark.parametrize("seed", range(3))
def test_no_single_other_step_would_be_better_than_the_offsets_found(seed):
    rng = np.random.default_rng(seed)
    sizes = (3, 2)
    truth = [rng.choice(3, 300, p=[0.7, 0.2, 0.1]), rng.integers(0, 2, 300)]
    said = [
        softmax(np.eye(s)[t] + rng.normal(0, 1, (300, s)) + np.eye(s)[0]) for s, t in zip(sizes, truth, strict=True)
    ]
    offsets = fit_offsets(said, truth, 0.001)

    def worth(tried):
        answer = [(log_probs(p) + o).argmax(1) for p, o in zip(said, tried, strict=True)]
        return macro_f1(joint_index(truth, sizes), joint_index(answer, sizes)) - 0.001 * sum(
            (o**2).sum() for o in tried
        )

    for task, size in enumerate(sizes):
        for one in range(size):
            for step in OFFSET_GRID:
                tried = [o.copy() for o in offsets]
                tried[task][one] = step
                assert worth(tried) <= worth(offsets) + 1e-9
    assert worth(offsets) > worth([np.zeros(3), np.zeros(2)])


def test_more_shrinkage_means_smaller_offsets_and_a_great_deal_means_none():
    said, truth = voters()
    sizes = [np.abs(fit_offsets([said[0]], [truth], shrinkage)[0]).sum() for shrinkage in (0, 0.01, 10)]
    assert sizes[0] >= sizes[1] >= sizes[2] == 0


def test_auto_takes_the_offsets_where_rare_classes_are_missed_and_leaves_them_where_nothing_is_gained():
    rng = np.random.default_rng(0)
    people, folds = np.repeat(np.arange(400), 5), np.repeat(np.arange(400) % 4, 5)
    rare = np.repeat((rng.random(400) < 0.1).astype(int), 5)
    even = np.repeat(rng.integers(0, 2, 400), 5)
    choice = {"people": people, "folds": folds, "rule": "auto", "shrinkage": 0.002, "resamples": 300, "seed": 0}
    for truth, prior, wanted in ((rare, [0.99, 0.01], True), (even, [0.5, 0.5], False)):
        p = softmax(np.log(prior) + 2 * np.eye(2)[truth] + rng.normal(0, 1.4, (2000, 2)))
        rule = fit_rule([p], [truth], **choice)
        assert np.any(rule.offsets[0]) == wanted


def test_the_gain_compares_two_answers_in_the_same_drawn_populations():
    truth = [np.repeat([0, 1, 2], 40)]
    same = bootstrap_gains(truth, truth, truth, np.arange(120), sizes=(3,), resamples=100, seed=0)
    worse = bootstrap_gains(truth, [np.zeros(120, int)], truth, np.arange(120), sizes=(3,), resamples=100, seed=0)
    assert (same == 0).all() and (worse < -0.5).all()


# all of it


def test_the_order_of_rows_and_members_changes_nothing():
    photos, folds, tables, _ = drawn()
    first = seated(photos, folds, tables)
    mixed = {key: table.sample(frac=1, random_state=1) for key, table in reversed(tables.items())}
    second = seated(photos.sample(frac=1, random_state=2), folds.sample(frac=1, random_state=3), mixed)
    one, two = (answer_table(fit_ensemble(*each, PARAMS), each[1]) for each in (first, second))
    assert one.equals(two)


SIX = tuple(Task(f"t{i}", tuple("abcde"[: 2 + i % 3]), f"t{i}") for i in range(6))


@pytest.mark.parametrize("tasks", [(AGE,), (GENDER, AGE), SIX], ids=["one", "two", "six"])
def test_one_to_six_tasks_are_answered_and_scored(tasks):
    photos, folds, tables, held = drawn(tasks)
    ballots, cases = seated(photos, folds, tables, tasks)
    verdict = fit_ensemble(ballots, cases, PARAMS)
    table, told = answer_table(verdict, cases), evaluate(ballots, verdict, cases, PARAMS)
    assert list(told["tasks"]) == [task.name for task in tasks]
    assert len(table) == len(photos) and not table.drop(columns="fold").isna().any().any()
    evals = table[table["split"] == "eval"]
    assert (evals["ans"] == joint_codes(verdict.eval_answers, tasks)).all()
    assert np.mean([(a == h).mean() for a, h in zip(verdict.eval_answers, held, strict=True)]) > 0.7
    assert told["joint"]["low"] <= told["joint"]["macro_f1"] <= told["joint"]["high"] + 0.05


def test_a_class_absent_from_a_fold_or_from_everyone_breaks_nothing():
    photos, folds, tables, _ = drawn()
    train, lone = photos["split"] == "train", photos["person"] == "000000"
    photos.loc[train & (photos["age"] == ">=60"), "age"] = "<30"  # nobody is old
    photos.loc[train, "gender"] = np.where(lone[train], "female", "male")  # one woman, in one fold
    ballots, cases = seated(photos, folds, tables)
    told = evaluate(ballots, fit_ensemble(ballots, cases, PARAMS), cases, PARAMS)
    assert "female" in told["tasks"]["gender"]["f1"] and np.isfinite(told["joint"]["macro_f1"])


def test_the_headline_scores_are_those_of_the_cross_fitted_answers():
    photos, folds, tables, _ = drawn()
    ballots, cases = seated(photos, folds, tables)
    verdict = fit_ensemble(ballots, cases, PARAMS)
    told, table = evaluate(ballots, verdict, cases, PARAMS), answer_table(verdict, cases).set_index("photo")
    train = photos[photos["split"] == "train"]
    answers = table.loc[train["photo"]]
    for task in COMPETITION:
        expected = f1_score(train[task.name], answers[task.name], average="macro")
        assert told["tasks"][task.name]["macro_f1"] == pytest.approx(expected, abs=1e-6)
    joined = [table["mask"] + table["gender"] + table["age"] for table in (train, answers)]
    expected = f1_score(*joined, average="macro")
    assert told["joint"]["macro_f1"] == pytest.approx(expected, abs=1e-6)


def test_what_is_said_of_one_persons_photos_is_fitted_without_that_persons_fold():
    """Other labels in fold 0 leave its own blended probabilities and answers as they were."""
    photos, folds, tables, _ = drawn()
    ballots, cases = seated(photos, folds, tables)
    first = cases.folds == 0
    changed = dataclasses.replace(cases, truth=tuple(np.where(first, 0, t) for t in cases.truth))
    one, two = fit_ensemble(ballots, cases, PARAMS), fit_ensemble(ballots, changed, PARAMS)
    for before, after in zip([*one.held_out, *one.answers], [*two.held_out, *two.answers], strict=True):
        assert np.array_equal(before[first], after[first])
    assert any(not np.array_equal(b[~first], a[~first]) for b, a in zip(one.held_out, two.held_out, strict=True))


def test_a_photos_probabilities_owe_nothing_to_the_persons_other_photos():
    photos, folds, tables, _ = drawn()
    ballots, cases = seated(photos, folds, tables)
    blend = fit_blend(ballots[0].held_out, cases.truth[0])
    other = ballots[0].held_out.copy()
    other[:, 1:] = 1 / 3
    assert np.array_equal(blend(other)[0], blend(ballots[0].held_out)[0])


def test_the_confusion_rows_are_the_photos_and_the_curves_hold_every_class():
    ballots, cases = seated(*drawn()[:3])
    tables = plot_tables(fit_ensemble(ballots, cases, PARAMS), cases)
    assert len(tables["confusion/joint"]) == len(cases.photos) == len(tables["confusion/mask"])
    assert tables["confusion/mask"]["actual"].value_counts()["worn"] == (cases.truth[0] == 0).sum()
    assert set(tables["precision_recall/age"]["class"]) == set(AGE.classes)
    assert tables["reliability/joint"]["photos"].sum() == len(cases.photos)


# pseudo-labels


def test_pseudo_labels_are_sure_ones_of_the_folds_own_models():
    ballots, cases = seated(*drawn(skills=(4.0,), evals=80)[:3])
    params = PseudoParams(min_probability=0.9, classes={"age": {">=60": 1.0}, "gender": {"male": 0.5, "female": 0.5}})
    chosen = choose_pseudo_labels(ballots, cases, params, PARAMS)
    assert list(chosen.columns) == ["photo", "fold", "mask", "gender", "age"]
    assert (chosen["gender"] != "").all() and not (chosen["age"] == ">=60").any() and (chosen["mask"] == "").any()
    assert set(chosen["photo"]) <= set(cases.evals)
    ballots[0].evals[:, 1:] = 1 / 3  # the other folds' models no longer know anything of masks
    again = choose_pseudo_labels(ballots, cases, params, PARAMS)
    assert again[again["fold"] == 0].equals(chosen[chosen["fold"] == 0])
    assert (again[again["fold"] != 0]["mask"] == "").all()


def test_a_threshold_for_a_class_that_is_not_there_is_a_sentence():
    ballots, cases = seated(*drawn()[:3])
    with pytest.raises(ValueError, match=r"pseudo.classes.age: there is no class '>60'. Did you mean '>=60'\?"):
        choose_pseudo_labels(ballots, cases, PseudoParams(min_probability=0.9, classes={"age": {">60": 0.8}}), PARAMS)


# what is refused


def broken(change, kind="held_out"):
    photos, folds, tables, _ = drawn()
    table = tables["mask", 0]
    return photos, folds, change(table.copy(), table.index[table["kind"] == kind])


def set_at(column, value):
    def change(table, rows):
        table.loc[rows[0], column] = value
        return table

    return change


AGAIN = " Run `dvc repro`, so that the predictions, photos.csv and folds.csv belong together."
ONE = "train/images/000000/0.jpg"
ODD = f"1 rows hold a probability that is not a number from 0 to 1: {ONE}."
REFUSED = {
    "nan": (set_at("worn", np.nan), "held_out", ODD),
    "more than one": (set_at("worn", 1.2), "held_out", ODD),
    "sum": (set_at("worn", 0.0), "held_out", f"1 rows hold probabilities that do not add up to one: {ONE}."),
    "kind": (set_at("kind", "test"), "held_out", f"1 rows are of a kind other than held_out or eval: {ONE}."),
    "missing": (lambda t, r: t.drop(r[0]), "held_out", f"1 held-out photos have no row: {ONE}."),
    "missing eval": (lambda t, r: t.drop(r[0]), "eval", "1 fold 0's eval photos have no row: eval/images/00000.jpg."),
    "twice": (lambda t, r: t.loc[[r[0], *t.index]], "held_out", f"1 held-out photos have more than one row: {ONE}."),
    "twice in eval": (
        lambda t, r: t.loc[[r[0], *t.index]],
        "eval",
        "1 fold 0's eval photos have more than one row: eval/images/00000.jpg.",
    ),
    "extra": (
        lambda t, r: set_at("photo", "x.jpg")(t.loc[[r[0], *t.index]].reset_index(drop=True), [0]),
        "held_out",
        "1 held-out rows are about photos that photos.csv does not list as such: x.jpg.",
    ),
    "unknown fold": (set_at("fold", 9), "eval", "1 eval rows come from an unknown fold: eval/images/00000.jpg."),
    "leak": (set_at("fold", 1), "held_out", f"1 held-out rows come from a fold that was trained on the person: {ONE}."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_predictions_that_do_not_fit_are_refused_with_a_sentence(name):
    change, kind, sentence = REFUSED[name]
    photos, folds, table = broken(change, kind)
    with pytest.raises(ValueError) as told:
        align_predictions(table, build_examples(photos, folds, COMPETITION), MASK, "mask-small.parquet")
    assert f"mask-small.parquet: {sentence}{AGAIN}" in str(told.value).split("\n")


def test_other_columns_are_refused_and_named():
    photos, folds, table = broken(lambda t, _: t.rename(columns={"worn": "on"}))
    with pytest.raises(ValueError) as told:
        align_predictions(table, build_examples(photos, folds, COMPETITION), MASK, "f")
    assert str(told.value) == (
        "f: the columns are ['photo', 'fold', 'kind', 'on', 'incorrect', 'not worn'], and should be "
        "['photo', 'fold', 'kind', 'worn', 'incorrect', 'not worn']." + AGAIN
    )


def test_people_without_a_fold_and_photos_without_a_class_are_told_together():
    photos, folds, _, _ = drawn()
    photos.loc[0, "age"] = ""
    with pytest.raises(ValueError) as told:
        build_examples(photos, folds[folds["person"] != "000005"], COMPETITION)
    assert str(told.value).split("\n") == [
        "folds.csv: 1 people have no fold: 000005." + AGAIN,
        f"photos.csv: 1 training photos have no class of age: {ONE}." + AGAIN,
    ]


def test_one_fold_is_too_few():
    photos, folds, _, _ = drawn()
    with pytest.raises(ValueError, match="cross-fitting takes two folds or more"):
        build_examples(photos, folds.assign(fold=0), COMPETITION)


BAD_PARAMS = {
    "shrinkage is -1.0, and should be 0 (off) or more.": lambda: PARAMS.replace(shrinkage=-1.0),
    "resamples is 10, and should be 100 or more.": lambda: PARAMS.replace(resamples=10),
    "first names one member or more, and none is named twice; these are ['a', 'a'].": lambda: RoundParams(
        first=("a",), second=("a",)
    ),
    "classes is 2.0, and should be up to 1.": lambda: PseudoParams(
        min_probability=0.9, classes={"age": {"<30": 2.0}}
    ),
}


@pytest.mark.parametrize("sentence", BAD_PARAMS)
def test_params_that_make_no_sense_are_refused(sentence):
    with pytest.raises(ValueError) as told:
        BAD_PARAMS[sentence]()
    assert str(told.value) == sentence
