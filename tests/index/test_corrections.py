import pandas as pd
import pytest

from tests.conftest import PROJECT
from visage.formats.columns import CORRECTION_COLUMNS
from visage.formats.tasks import Task
from visage.index.corrections import apply_corrections, read_corrections

TASKS = [
    Task("mask", ("worn", "incorrect", "not worn"), "mask"),
    Task("gender", ("male", "female"), "gender"),
    Task("age", ("<30", "30-59", ">=60"), "age", (30, 60)),
]
PEOPLE = [("1_m", "male", "20"), ("2_f", "female", "61"), ("3_m", "male", "58"), ("3_f", "female", "40")]
PHOTOS = pd.DataFrame(
    [(f"{person}/{shot}.jpg", person, person[0], f"{person}/{shot}", f"{person[0]}/{shot}", shot, gender, age)
     for person, gender, age in PEOPLE
     for shot in ("worn", "incorrect")],
    columns=["photo", "person", "id", "shot", "id_shot", "mask", "gender", "age"],
)  # fmt: skip


def correct(*rows, confidence=0.5):
    """The photos after these rows of labels.csv."""
    corrections = pd.DataFrame(rows, columns=CORRECTION_COLUMNS, index=range(2, len(rows) + 2), dtype=str)
    return apply_corrections(PHOTOS, corrections, TASKS, confidence=confidence, file="labels.csv")


def test_a_person_is_corrected_in_all_photos_and_nobody_else():
    corrected = correct(["1_m", "", "gender", "female", "0.9", "", ""])
    assert corrected.loc[corrected["gender"] != PHOTOS["gender"], "person"].tolist() == ["1_m", "1_m"]


def test_a_photo_is_corrected_alone_by_key_by_folder_and_shot_or_by_id_and_shot():
    for name in ("2_f/worn.jpg", "2_f/worn", "2/worn"):
        corrected = correct(["", name, "mask", "not worn", "1", "", ""])
        assert corrected.index[corrected["mask"] != PHOTOS["mask"]].tolist() == [2]


def test_a_correction_below_the_confidence_is_off_and_on_when_it_is_lowered():
    row = ["1_m", "", "age", "60", "0.3", "", ""]
    assert correct(row).equals(PHOTOS)
    assert correct(row, confidence=0.2)["age"].tolist()[:2] == ["60", "60"]


def test_other_flips_a_field_of_two_classes():
    assert correct(["2_f", "", "gender", "other", "1", "", ""])["gender"].tolist()[2:4] == ["male", "male"]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (["9_m", "", "gender", "male", "1", "", ""], "labels.csv, row 2: there is no person '9_m'. Did you mean '"),
        (["9_m", "", "gender", "male", "0", "", ""], "there is no person '9_m'"),
        (["3", "", "gender", "male", "1", "", ""], "'3' names 2 people; write the whole folder name: 3_m, 3_f."),
        (["", "1/normal", "mask", "worn", "1", "", ""], "there is no photo '1/normal'."),
        (["", "", "mask", "worn", "1", "", ""], "name a person or a photo, one of the two."),
        (["1_m", "1/worn", "mask", "worn", "1", "", ""], "name a person or a photo, one of the two."),
        (["1_m", "", "sex", "male", "1", "", ""], "there is no field 'sex'."),
        (["1_m", "", "gender", "femal", "1", "", ""], "gender 'femal' is not one of male, female."),
        (["1_m", "", "mask", "other", "1", "", ""], "mask 'other' is not one of"),
        (["1_m", "", "age", "old", "1", "", ""], "age 'old' is not a number"),
        (["1_m", "", "age", "60", "sure", "", ""], "confidence 'sure' should be a number from 0 to 1."),
        (["1_m", "", "age", "60", "1.5", "", ""], "confidence '1.5' should be a number from 0 to 1."),
    ],
)  # fmt: skip
def test_a_correction_that_makes_no_sense_is_an_error(row, sentence):
    with pytest.raises(ValueError) as error:
        correct(row)
    assert sentence in str(error.value)


def test_all_wrong_corrections_are_told_at_once():
    with pytest.raises(ValueError) as error:
        correct(
            ["9", "", "age", "1", "1", "", ""], ["1_m", "", "age", "1", "1", "", ""], ["8", "", "age", "1", "1", "", ""]
        )
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == ["labels.csv, row 2", "labels.csv, row 4"]


def test_a_wrong_row_is_named_by_its_line_below_blank_lines_and_line_breaks(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(",".join(CORRECTION_COLUMNS) + '\n\n1_m,,age,60,1,,"two\nlines"\n9_m,,age,60,1,,\n')
    with pytest.raises(ValueError, match="labels.csv, row 5: there is no person '9_m'"):
        apply_corrections(PHOTOS, read_corrections(path), TASKS, confidence=0.5, file="labels.csv")


def test_a_cell_too_many_is_told_instead_of_every_photo(tmp_path):
    (tmp_path / "labels.csv").write_text(",".join(CORRECTION_COLUMNS) + "\n1_m,,age,60,1,,some,note\n")
    with pytest.raises(ValueError, match=r"labels\.csv, row 2 has 8 cells, 7 wanted"):
        read_corrections(tmp_path / "labels.csv")


def test_corrections_that_are_missing_are_a_sentence(tmp_path):
    with pytest.raises(
        ValueError, match=r"labels\.csv is missing; wanted is a CSV file with the columns person, photo,"
    ):
        read_corrections(tmp_path / "labels.csv")


def test_a_name_that_nobody_has_lists_no_other_names():
    with pytest.raises(ValueError) as error:
        correct(["somebody else", "", "age", "60", "1", "", ""])
    assert str(error.value) == "labels.csv, row 2: there is no person 'somebody else'."


def test_the_shipped_corrections_can_be_read():
    corrections = read_corrections(PROJECT / "data/manual/competition/labels.csv")
    assert len(corrections) == 20
    assert set(corrections["field"]) == {"mask", "gender"}
    assert (pd.to_numeric(corrections["confidence"]) < 0.5).sum() == 3
