"""CSV files: one way to read their cells, and one reader for each table that several stages read.

Names are text, always (`001498-1`, `nan`); an empty cell is '' in text columns and NaN in numbers. Rows are numbered
as an editor counts lines, so that a message leads to the right one.
"""

import codecs
import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from visage.runtime.problems import MAX_NAMES, shorten


def read_text_table(path: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """A CSV whose cells are all text; it must have these columns."""
    return read_numbered_table(path, columns).reset_index(drop=True)


def read_numbered_table(path: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """The same, its index being the line that each row begins on."""
    header, rows = read_cells(path, columns)
    check_header(path, header, columns)
    return pd.DataFrame(list(rows.values()), index=list(rows), columns=header, dtype=str)


def read_manual_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A table that is kept by hand, numbered: it has exactly these columns, in this order."""
    header, rows = read_cells(path, columns)
    if header != list(columns):
        raise ValueError(f"{path}: the columns are {header}, and should be {list(columns)}.")
    return pd.DataFrame(list(rows.values()), index=list(rows), columns=header, dtype=str)


def read_cells(path: Path, columns: Sequence[str]) -> tuple[list[str], dict[int, list[str]]]:
    """The names in the first row, and the cells of each other row by the line that it begins on.

    Rows without any text are left out, and so are empty cells to the right of the last named column: spreadsheets
    write both.
    """
    if not Path(path).is_file():
        wanted = f"; wanted is a CSV file with the columns {', '.join(columns)}" if columns else ""
        raise ValueError(f"{path} is missing{wanted}.")
    rows = {line: cells for line, cells in parse_rows(path) if any(cell.strip() for cell in cells)}
    if not rows:
        raise ValueError(f"{path} is not a table: the file is empty.")
    header = strip_empty(rows.pop(min(rows)), 0)
    rows = {line: strip_empty(cells, len(header)) for line, cells in rows.items()}
    check_widths(path, rows, len(header))
    return header, rows


def strip_empty(cells: list[str], width: int) -> list[str]:
    """The cells without the empty ones at the end, down to that width."""
    while len(cells) > width and not cells[-1]:
        cells = cells[:-1]
    return cells


def check_widths(path: Path, rows: Mapping[int, Sequence[str]], width: int) -> None:
    """Every row has as many cells as there are columns."""
    ragged = {line: len(cells) for line, cells in rows.items() if len(cells) != width}
    if ragged:
        lines = [f"{path}, row {line} has {count} cells, {width} wanted." for line, count in ragged.items()]
        advice = "A cell that holds a comma or a line break needs quotes around it."
        raise ValueError("\n".join([*shorten(lines, MAX_NAMES), advice]))


def parse_rows(path: Path) -> list[tuple[int, list[str]]]:
    """Line and cells of every row; a quoted cell may hold line breaks."""
    reader = csv.reader(io.StringIO(decode_text(path), newline=""), strict=True)
    rows, line = [], 1
    try:
        for cells in reader:
            rows.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{path}, row {line}: the file is not a table: {error}.") from None
    return rows


def decode_text(path: Path) -> str:
    """The text of a UTF-8 file, without a byte order mark."""
    data = Path(path).read_bytes()
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{path}, row {line}: the file is not UTF-8, it seems to be {guess_encoding(data)}; save it as UTF-8."
        ) from None


def guess_encoding(data: bytes) -> str:
    """What bytes that are not UTF-8 may be."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "UTF-16"
    if b"\0" in data:
        return "no text but a program's own format"
    try:
        data.decode("euc_kr")
    except UnicodeDecodeError:
        return "Latin-1 (Windows-1252)"
    return "Korean (EUC-KR, CP949)"


def check_header(path: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    """Every column once, and all of those that are needed."""
    if doubled := sorted({name for name in header if header.count(name) > 1}):
        raise ValueError(f"{path} has two columns named {doubled[0]!r}; rename or delete one.")
    if lacking := [name for name in columns if name not in header]:
        advice = (
            " Its cells are not separated by commas; save it with commas." if len(header) == 1 < len(columns) else ""
        )
        raise ValueError(f"{path} lacks the column {', '.join(lacking)}; it has {', '.join(header)}.{advice}")


def read_photos(path: Path) -> pd.DataFrame:
    """photos.csv: photo, split (train | eval), person, a class per task, `<task>_value`, width and height in pixels."""
    table = read_text_table(path, ["photo", "split", "person"])
    for name in table:
        if name in ("width", "height"):
            table[name] = table[name].astype(int)
        elif name.endswith("_value"):
            table[name] = pd.to_numeric(table[name])
    return table


def read_train_photos(path: Path) -> pd.DataFrame:
    """The rows of photos.csv that are learnt from, with the row numbers of the whole table."""
    return read_photos(path).query("split == 'train'")


def read_folds(path: Path) -> pd.DataFrame:
    """folds.csv: person, fold."""
    return read_text_table(path, ["person", "fold"]).astype({"fold": int})


def read_answers(path: Path) -> pd.DataFrame:
    """answers.csv: text, but for the confidence and the probabilities `<task>/<class>`."""
    table = read_text_table(path)
    numbers = [name for name in table if name == "confidence" or "/" in name]
    return table.assign(**{name: pd.to_numeric(table[name]) for name in numbers})
