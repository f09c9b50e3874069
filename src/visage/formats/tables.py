"""The tables between stages: one reader each, so that a column has the same type for everybody.

Names are text, always (`001498-1`, `nan`); an empty cell is '' in text columns and NaN in numbers.
"""

from pathlib import Path

import pandas as pd


def read_text_table(path: Path) -> pd.DataFrame:
    """A CSV whose cells are all text."""
    return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")


def read_photos(path: Path) -> pd.DataFrame:
    """photos.csv: photo, split (train | eval), person, a class per task, `<task>_value`, width and height in pixels."""
    table = read_text_table(path)
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
    return read_text_table(path).astype({"fold": int})


def read_answers(path: Path) -> pd.DataFrame:
    """answers.csv: text, but for the confidence and the probabilities `<task>/<class>`."""
    table = read_text_table(path)
    numbers = [name for name in table if name == "confidence" or "/" in name]
    return table.assign(**{name: pd.to_numeric(table[name]) for name in numbers})
