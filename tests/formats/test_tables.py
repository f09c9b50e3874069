"""A CSV as people and spreadsheets write it: read as it was meant, or a sentence that leads to the place."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visage.formats.tables import (
    read_answers,
    read_folds,
    read_manual_table,
    read_numbered_table,
    read_photos,
    read_text_table,
    read_train_photos,
)


@pytest.fixture
def table(tmp_path):
    """Writes t.csv from text or bytes."""

    def write(content: str | bytes):
        path = tmp_path / "t.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("name", ["nan", "NA", "null", "001498", "1e5", "True", " a", "-"])
def test_a_name_is_text_whatever_it_looks_like(table, name):
    assert read_text_table(table(f"photo,age\n{name},\n")).to_numpy().tolist() == [[name, ""]]


@given(st.lists(st.tuples(st.text("a,\"'\n;é ", min_size=1), st.text("a1.\n")), max_size=5))
def test_what_pandas_writes_is_read_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("table") / "t.csv"
    rows = [row for row in rows if "".join(row).strip()]
    pd.DataFrame(rows, columns=["a", "b"]).to_csv(path, index=False)
    assert read_text_table(path).to_numpy().tolist() == [list(row) for row in rows]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_ending_and_a_byte_order_mark_are_read(table, end):
    assert read_text_table(table(end.join(["\ufeffa,b", "1,2", ""]))).to_dict("records") == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize("text", ["a,b\n1,2,\n3,4,\n", "a,b,\n1,2,\n3,4,\n", "a,b,,\n1,2,,\n3,4,,\n,,,\n"])
def test_the_commas_that_a_spreadsheet_adds_are_no_cells(table, text):
    assert read_text_table(table(text)).to_dict("list") == {"a": ["1", "3"], "b": ["2", "4"]}


def test_rows_are_numbered_as_an_editor_counts_lines(table):
    text = 'a,b\n\n1,"two\nlines"\n , \n3,4\n'
    assert read_numbered_table(table(text)).index.tolist() == [3, 6]


def test_a_row_with_too_many_or_too_few_cells_is_named(table):
    with pytest.raises(
        ValueError, match=r"t\.csv, row 2 has 3 cells, 2 wanted\.\n.*t\.csv, row 4 has 1 cells, 2 wanted\."
    ):
        read_text_table(table("a,b\n1,2,3\n1,2\n1\n"))


def test_of_many_ragged_rows_five_are_named(table):
    with pytest.raises(ValueError) as error:
        read_text_table(table("a,b\n" + "1,2,3\n" * 12))
    lines = str(error.value).splitlines()
    assert [line.split(", ")[1] for line in lines[:5]] == [f"row {i} has 3 cells" for i in range(2, 7)]
    assert lines[5] == "... and 7 more." and len(lines) == 7


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("name\nJosé\n".encode("latin-1"), "row 2: the file is not UTF-8, it seems to be Latin-1 (Windows-1252); save"),
        ("name\n김민수\n".encode("cp949"), "row 2: the file is not UTF-8, it seems to be Korean (EUC-KR, CP949); save"),
        ("name\nJosé\n".encode("utf-16"), "row 1: the file is not UTF-8, it seems to be UTF-16; save it as UTF-8."),
        (b"PK\x03\x04\x14\x00\x06\x00\xff", "it seems to be no text but a program's own format; save it as UTF-8."),
        (b"", "is not a table: the file is empty."),
        (b"\n,,\n", "is not a table: the file is empty."),
        (b'a,b\n1,"2\n', "row 2: the file is not a table: unexpected end of data."),
        (b"a,b,a\n1,2,3\n", "has two columns named 'a'; rename or delete one."),
        (b"b,c\n1,2\n", "lacks the column a; it has b, c."),
        (
            b"b;a\n1;2\n",
            "lacks the column a, b; it has b;a. Its cells are not separated by commas; save it with commas.",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_a_sentence_with_its_name(table, data, sentence):
    with pytest.raises(ValueError) as error:
        read_text_table(table(data), ["a", "b"] if b";" in data else ["a"])
    assert sentence in str(error.value) and "t.csv" in str(error.value)


def test_a_missing_file_is_told_with_its_columns(tmp_path):
    with pytest.raises(ValueError, match=r"t\.csv is missing; wanted is a CSV file with the columns a, b\."):
        read_text_table(tmp_path / "t.csv", ["a", "b"])


def test_a_table_kept_by_hand_has_exactly_its_columns(table):
    assert read_manual_table(table("a,b\n1,2\n"), ["a", "b"]).index.tolist() == [2]
    with pytest.raises(ValueError, match=r"t\.csv: the columns are \['b', 'a'\], and should be \['a', 'b'\]\."):
        read_manual_table(table("b,a\n1,2\n"), ["a", "b"])


def test_photos_have_whole_sizes_numbers_where_a_class_comes_from_one_and_names_of_text(table):
    path = table("photo,split,person,age,age_value,width,height\n001,train,nan,<30,29,3,4\nNA,eval,,,,3,4\n")
    photos = read_photos(path)
    assert photos["photo"].tolist() == ["001", "NA"] and photos["person"].tolist() == ["nan", ""]
    assert photos["width"].tolist() == [3, 3] and photos["width"].dtype == "int64"
    assert photos["age_value"].tolist()[0] == 29 and photos["age_value"].isna().tolist() == [False, True]
    assert read_train_photos(path).index.tolist() == [0]


def test_folds_are_whole_numbers_by_names_of_text(table):
    assert read_folds(table("person,fold\n007,2\n")).to_dict("records") == [{"person": "007", "fold": 2}]


def test_answers_have_numbers_where_they_are_probabilities(table):
    answers = read_answers(table("photo,confidence,age,age/<30\n1,0.5,<30,0.5\n"))
    assert answers.to_dict("records") == [{"photo": "1", "confidence": 0.5, "age": "<30", "age/<30": 0.5}]
