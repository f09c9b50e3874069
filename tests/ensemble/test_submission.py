import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from tests.drawn_members import COMPETITION, GENDER
from visage.ensemble.submission import (
    NOTHING_TO_ANSWER,
    compare_counts,
    fill_form,
    read_form,
    score_key,
    write_submission,
)
from visage.formats.tasks import joint_codes


def make_answers(names=("b.jpg", "a.png", "c.jpeg")):
    """An eval of three photos: the answers as the ensemble writes them, and the form in an order of its own."""
    codes = [np.array([0, 1, 2]), np.array([1, 0, 1]), np.array([2, 0, 1])]
    answers = pd.DataFrame({"photo": [f"eval/images/{name}" for name in names], "split": "eval"})
    for task, code in zip(COMPETITION, codes, strict=True):
        answers[task.name] = np.array(task.classes)[code]
    answers["ans"] = joint_codes(codes, COMPETITION).astype(str)  # 5, 6, 16 by hand
    train = answers.iloc[:1].assign(photo="train/images/x/normal.jpg", split="train")
    form = pd.DataFrame({"ImageID": ["c.jpeg", "b.jpg", "a.png"]})
    return pd.concat([train, answers], ignore_index=True), form.assign(photo="eval/images/" + form["ImageID"])


def fill(answers, form):
    return fill_form(answers, form, COMPETITION, file="eval/info.csv")


def test_the_submission_has_the_rows_and_the_order_of_the_form_and_no_index(tmp_path):
    answers, form = make_answers()
    write_submission(tmp_path / "submission.csv", fill(answers, form))
    assert (tmp_path / "submission.csv").read_bytes() == b"ImageID,ans\nc.jpeg,16\nb.jpg,5\na.png,6\n"
    assert [path.name for path in tmp_path.iterdir()] == ["submission.csv"]


def test_the_order_of_the_answers_does_not_matter():
    answers, form = make_answers()
    assert fill(answers[::-1], form).equals(fill(answers, form))


def set_cell(row, column, value):
    def change(answers, form):
        answers = answers.astype({column: object})
        answers.loc[row, column] = value
        return answers, form

    return change


ADVICE = " Run `dvc repro ensemble`."
B = "eval/images/b.jpg."
UNLIKE = f"answers.csv: 1 answers are not what the tasks' classes beside them say: {B}" + ADVICE
REFUSED = {
    "empty": (set_cell(1, "ans", ""), f"answers.csv: 1 answers are not whole numbers: {B}" + ADVICE),
    "nan": (set_cell(1, "ans", np.nan), f"answers.csv: 1 answers are not whole numbers: {B}" + ADVICE),
    "infinite": (set_cell(1, "ans", "inf"), f"answers.csv: 1 answers are not whole numbers: {B}" + ADVICE),
    "half": (set_cell(1, "ans", "5.5"), f"answers.csv: 1 answers are not whole numbers: {B}" + ADVICE),
    "word": (set_cell(1, "ans", "old"), f"answers.csv: 1 answers are not whole numbers: {B}" + ADVICE),
    "too high": (set_cell(1, "ans", "18"), f"answers.csv: 1 answers are not from 0 to 17: {B}" + ADVICE),
    "negative": (set_cell(1, "ans", "-1"), f"answers.csv: 1 answers are not from 0 to 17: {B}" + ADVICE),
    "other": (set_cell(1, "ans", "4"), UNLIKE),
    "class": (set_cell(1, "age", "old"), UNLIKE),
    "class of code -1": (  # worn/female/-1 is 0 * 6 + 1 * 3 - 1
        lambda a, f: set_cell(1, "ans", "2")(*set_cell(1, "age", "old")(a, f)),
        UNLIKE,
    ),
    "missing": (lambda a, f: (a.drop(1), f), f"answers.csv: 1 photos of eval/info.csv have no answer: {B}" + ADVICE),
    "extra": (
        lambda a, f: (a, f[f["ImageID"] != "b.jpg"]),
        f"answers.csv: 1 answers are about photos that eval/info.csv does not list: {B}" + ADVICE,
    ),
    "twice": (
        lambda a, f: (a.loc[[0, 1, 1, 2, 3]], f),
        f"answers.csv: 1 photos have more than one answer: {B}" + ADVICE,
    ),
    "form twice": (
        lambda a, f: (a, f.iloc[[0, 1, 1, 2]]),
        f"eval/info.csv: 1 photos are listed twice: {B} A photo takes one answer: mend it.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_invalid_answers_are_refused_with_a_sentence(name):
    change, sentence = REFUSED[name]
    with pytest.raises(ValueError) as error:
        fill(*change(*make_answers()))
    assert str(error.value) == sentence


def test_all_that_is_wrong_is_listed_at_once():
    answers, form = make_answers()
    with pytest.raises(ValueError) as error:
        fill(set_cell(2, "ans", "99")(answers.drop(1), form)[0], form)
    assert len(str(error.value).split("\n")) == 2


def test_a_set_without_a_form_gets_its_eval_photos_in_order_with_a_column_a_task(tmp_path):
    answers, _ = make_answers()
    photos = pd.DataFrame({"photo": ["t", *sorted(answers["photo"][1:])], "split": ["train", *["eval"] * 3]})
    form, file = read_form(tmp_path, photos)
    table = fill_form(answers, form, COMPETITION, file=file)
    assert file is None and list(table.columns) == ["photo", "mask", "gender", "age", "ans"]
    assert table["photo"].tolist() == ["eval/images/a.png", "eval/images/b.jpg", "eval/images/c.jpeg"]
    assert table["ans"].tolist() == [6, 5, 16]


def test_one_task_alone_is_submitted_too():
    answers, form = make_answers()
    answers["ans"] = answers["gender"].map({"male": "0", "female": "1"})
    assert fill_form(answers, form, [GENDER], file="f")["ans"].tolist() == [1, 1, 0]


def test_a_form_lists_photos_of_the_test_folder_in_its_own_order(tmp_path):
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval/info.csv").write_text("ImageID,ans\nb.jpg,0\na.png,0\n")
    form, file = read_form(tmp_path, pd.DataFrame())
    assert file == "eval/info.csv" and form["ImageID"].tolist() == ["b.jpg", "a.png"]
    assert form["photo"].tolist() == ["eval/images/b.jpg", "eval/images/a.png"]


def test_a_form_without_the_photos_names_is_refused(tmp_path):
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval/info.csv").write_text("id,ans\n1,0\n")
    with pytest.raises(ValueError, match="info.csv lacks the column ImageID; it has id, ans"):
        read_form(tmp_path, pd.DataFrame())


def test_the_counts_of_answers_stand_beside_those_of_training_photos():
    answers, form = make_answers()
    train = answers[answers["split"] == "train"]
    photos = pd.concat([train, train.assign(gender="male"), train])
    header, *lines = compare_counts(fill(answers, form), photos, COMPETITION).split("\n")
    assert header.split() == ["ans", "class", "training", "answered"]
    assert [line.split() for line in lines] == [
        ["2", "worn/male/>=60", "1", "33.3%", "0", "0.0%"],
        ["5", "worn/female/>=60", "2", "66.7%", "1", "33.3%"],
        ["6", "incorrect/male/<30", "0", "0.0%", "1", "33.3%"],
        ["16", "not", "worn/female/30-59", "0", "0.0%", "1", "33.3%"],
    ]


def test_the_key_scores_as_scikit_learn_does_whatever_its_order(tmp_path):
    submission = fill(*make_answers())
    (tmp_path / "answers.csv").write_text("ImageID,ans\na.png,6\nb.jpg,5\nc.jpeg,15\n")
    scores = score_key(tmp_path, submission, COMPETITION)
    assert scores["joint"]["macro_f1"] == pytest.approx(f1_score([15, 5, 6], [16, 5, 6], average="macro"))
    assert scores["joint"]["accuracy"] == pytest.approx(2 / 3)
    assert scores["tasks"]["mask"]["macro_f1"] == 1
    assert scores["tasks"]["age"]["f1"] == pytest.approx({"<30": 2 / 3, "30-59": 0, ">=60": 1})


def test_without_a_key_there_is_a_reason(tmp_path):
    scores = score_key(tmp_path, fill(*make_answers()), COMPETITION)
    assert scores == {"reason": "answers.csv is not there: only the judges know the answers of these photos."}


KEYS = {
    "ImageID,ans\na.png,6\nb.jpg,5\n": "1 photos are missing: c.jpeg.",
    "ImageID,ans\na.png,6\nb.jpg,5\nc.jpeg,1\nd.jpg,1\n": "1 photos are not among those to answer: d.jpg.",
    "ImageID,ans\na.png,6\nb.jpg,5\nc.jpeg,1\nc.jpeg,1\n": "1 photos are listed twice: c.jpeg.",
    "ImageID,ans\na.png,6\nb.jpg,5\nc.jpeg,\n": "1 answers are not whole numbers from 0 to 17: c.jpeg.",
    "ImageID,ans\na.png,6\nb.jpg,5\nc.jpeg,18\n": "1 answers are not whole numbers from 0 to 17: c.jpeg.",
}


@pytest.mark.parametrize("text", KEYS)
def test_a_key_that_does_not_fit_is_refused(text, tmp_path):
    (tmp_path / "answers.csv").write_text(text)
    with pytest.raises(ValueError) as error:
        score_key(tmp_path, fill(*make_answers()), COMPETITION)
    assert str(error.value) == f"{tmp_path}/answers.csv: {KEYS[text]} Mend the key, or go without it."


def test_a_set_without_photos_to_answer_says_so_instead_of_writing_a_header_alone(tmp_path):
    write_submission(tmp_path / "submission.csv", pd.DataFrame({"photo": [], "ans": []}))
    assert (tmp_path / "submission.csv").read_text() == NOTHING_TO_ANSWER + "\n"
