from visage.ensemble.summary import summarise_scores

CARD = {"macro_f1": 0.80489, "low": 0.7245, "high": 0.8561, "log_loss": 0.41237, "accuracy": 0.9}
EVALUATION = {"joint": CARD, "tasks": {"mask": CARD | {"macro_f1": 0.9731}, "age": CARD | {"macro_f1": 0.8776}}}
ATTENTION = {"mask": {"attention": {"all": {"background": 0.0312, "nose": 0.5}}}}


def test_the_scores_are_few_flat_and_of_three_digits():
    scores = summarise_scores(EVALUATION, {"joint": {"macro_f1": 0.90952}}, ATTENTION)
    assert scores == {
        "joint": 0.805, "low": 0.725, "high": 0.856, "key": 0.91, "log_loss": 0.412,
        "mask": 0.973, "age": 0.878, "mask_bg": 0.031,
    }  # fmt: skip


def test_without_a_key_there_is_no_key_score():
    assert "key" not in summarise_scores(EVALUATION, {"reason": "only the judges know"}, ATTENTION)
