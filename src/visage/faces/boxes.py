"""One face box per photo: detected boxes, hand-drawn boxes, and which of them counts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from visage.faces.choice import contains_landmarks
from visage.formats.columns import CORNERS, LANDMARKS, MANUAL_BOX_COLUMNS
from visage.formats.tables import read_manual_table, read_text_table
from visage.runtime.problems import raise_problems, suggest_nearest

Missing = Literal["stop", "whole", "drop"]  # what to do with a photo that has no box


def read_boxes(path: Path) -> pd.DataFrame:
    """boxes.csv as `detect` writes it, by photo; no face = NaN."""
    numbers = [*CORNERS, "score", *LANDMARKS, "faces"]
    boxes = parse_numbers(read_text_table(path, ["photo", *numbers]), numbers).set_index("photo")
    assert boxes.index.is_unique, f"{path} lists a photo twice"
    return boxes


def parse_numbers(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The table with these text columns as numbers; an empty cell is NaN."""
    return table.assign(**{name: pd.to_numeric(table[name]) for name in columns})


def read_manual_boxes(path: Path, photos: pd.DataFrame) -> pd.DataFrame:
    """Hand-drawn boxes by photo, checked against the photos and their sizes; all problems at once."""
    table = read_manual_table(path, MANUAL_BOX_COLUMNS)
    sizes = photos.set_index("photo")[["width", "height"]]
    boxes, problems = [], []
    for row, photo, *cells, _ in table.itertuples():
        try:
            boxes.append(check_box(cells, photo, sizes))
        except ValueError as error:
            problems.append(f"{path}, row {row}: {error}")
    for row, photo in table.loc[table["photo"].duplicated(), "photo"].items():
        problems.append(f"{path}, row {row}: {photo} has a box above already; keep one row.")
    raise_problems(problems)
    return pd.DataFrame(boxes, columns=CORNERS, index=table["photo"], dtype=float)


def check_box(cells: Sequence[str], photo: str, sizes: pd.DataFrame) -> list[float]:
    """x0 y0 x1 y1 of four cells of text, if they are a box inside the photo; `sizes` has width and height by photo."""
    if photo not in sizes.index:
        raise ValueError(f"there is no photo {photo!r}.{suggest_nearest(photo, sizes.index)}")
    try:
        x0, y0, x1, y1 = box = [float(cell) for cell in cells]
    except ValueError:
        raise ValueError(f"{', '.join(map(repr, cells))} should be four numbers: x0, y0, x1, y1 in pixels.") from None
    width, height = sizes.loc[photo]
    if not np.isfinite(box).all():
        raise ValueError(f"{', '.join(cells)} should be four finite numbers.")
    if x1 <= x0 or y1 <= y0:
        raise ValueError(
            f"the box {x0:g} {y0:g} {x1:g} {y1:g} is empty or reversed; x0 should be below x1 and y0 below y1."
        )
    if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
        raise ValueError(f"the box {x0:g} {y0:g} {x1:g} {y1:g} leaves the photo, which is {width} x {height}.")
    return box


def choose_boxes(photos: pd.DataFrame, detected: pd.DataFrame, manual: pd.DataFrame, missing: Missing) -> pd.DataFrame:
    """The box that counts for each photo, with `by`: hand before detector before the whole photo.

    Joined by photo, never by position in a table. A hand-drawn box keeps the detector's landmarks if they lie in it.
    """
    keys = photos["photo"].to_numpy()
    if absent := sorted(set(keys) - set(detected.index)):
        raise ValueError(f"the boxes lack {len(absent)} photos, such as {absent[0]}; run `dvc repro detect`.")
    chosen = detected.loc[keys, [*CORNERS, *LANDMARKS]].astype(float)
    chosen["by"] = np.where(chosen["x0"].notna(), "detector", "")
    by_hand = manual.index.intersection(chosen.index)
    chosen.loc[by_hand, CORNERS] = manual.loc[by_hand, CORNERS]
    chosen.loc[by_hand, "by"] = "hand"
    chosen.loc[[photo for photo in by_hand if not has_landmarks_inside(chosen.loc[photo])], LANDMARKS] = np.nan
    faceless = chosen.index[chosen["by"] == ""]
    if len(faceless) and missing == "stop":
        raise ValueError(
            f"{len(faceless)} photos have no face, such as {faceless[0]}: draw their boxes with `visage annotate`, "
            "or set crop.missing to whole or drop."
        )
    if missing == "drop":
        return chosen.drop(faceless)
    sizes = photos.set_index("photo").loc[faceless, ["width", "height"]].to_numpy(float)
    chosen.loc[faceless, CORNERS] = np.hstack([np.zeros_like(sizes), sizes])
    chosen.loc[faceless, "by"] = "whole"
    return chosen


def has_landmarks_inside(face: pd.Series) -> bool:
    """Whether all five landmarks lie in the box."""
    return contains_landmarks(face[CORNERS].to_numpy(float), face[LANDMARKS].to_numpy(float).reshape(5, 2))
