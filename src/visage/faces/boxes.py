"""Faces as boxes: what the detector found, what was drawn by hand, and which of them counts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from visage.formats.columns import CORNERS, LANDMARKS, MANUAL_BOX_COLUMNS
from visage.runtime.params import suggest

Missing = Literal["stop", "whole", "drop"]


def read_boxes(path: Path) -> pd.DataFrame:
    """What `detect` wrote, by photo."""
    boxes = pd.read_csv(path, dtype={"photo": str}).set_index("photo")
    assert boxes.index.is_unique, f"{path} lists a photo twice"
    return boxes


def read_manual_boxes(path: Path, photos: pd.DataFrame) -> pd.DataFrame:
    """Boxes drawn by hand, by photo, checked against the photos and their sizes; all problems at once."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    if list(table.columns) != MANUAL_BOX_COLUMNS:
        raise ValueError(f"{path}: the columns are {list(table.columns)}, and should be {MANUAL_BOX_COLUMNS}.")
    sizes = photos.set_index("photo")[["width", "height"]]
    told, boxes = [], []
    for row, line in enumerate(table.itertuples(), 2):
        try:
            boxes.append(check_box([line.x0, line.y0, line.x1, line.y1], line.photo, sizes))
        except ValueError as error:
            told.append(f"{path}, row {row}: {error}")
    for row in np.flatnonzero(table["photo"].duplicated()) + 2:
        told.append(f"{path}, row {row}: {table['photo'][row - 2]} has a box above already; keep one row.")
    if told:
        raise ValueError("\n".join(told))
    return pd.DataFrame(boxes, columns=CORNERS, index=table["photo"], dtype=float)


def check_box(cells: Sequence[str], photo: str, sizes: pd.DataFrame) -> list[float]:
    if photo not in sizes.index:
        raise ValueError(f"there is no photo {photo!r}.{suggest(photo, sizes.index) if len(sizes) < 50000 else ''}")
    try:
        x0, y0, x1, y1 = box = [float(cell) for cell in cells]
    except ValueError:
        raise ValueError(f"{', '.join(map(repr, cells))} should be four numbers: x0, y0, x1, y1 in pixels.") from None
    width, height = sizes.loc[photo]
    if not np.isfinite(box).all():
        raise ValueError(f"{', '.join(cells)} should be four finite numbers.")
    if x1 <= x0 or y1 <= y0:
        raise ValueError(f"the box {x0:g} {y0:g} {x1:g} {y1:g} is empty or reversed; x0 < x1 and y0 < y1 are wanted.")
    if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
        raise ValueError(f"the box {x0:g} {y0:g} {x1:g} {y1:g} leaves the photo, which is {width} x {height}.")
    return box


def choose_boxes(photos: pd.DataFrame, found: pd.DataFrame, hand: pd.DataFrame, missing: Missing) -> pd.DataFrame:
    """The box that counts for each photo, with `by`: hand before detector before the whole photo.

    Joined by photo, never by place in a table. A hand-drawn box keeps the detector's landmarks if they lie in it.
    """
    keys = photos["photo"].to_numpy()
    if absent := sorted(set(keys) - set(found.index)):
        raise ValueError(f"the boxes lack {len(absent)} photos, such as {absent[0]}; run `dvc repro detect`.")
    chosen = found.loc[keys, [*CORNERS, *LANDMARKS]].astype(float)
    chosen["by"] = np.where(chosen["x0"].notna(), "detector", "")
    drawn = hand.index.intersection(chosen.index)
    chosen.loc[drawn, CORNERS] = hand.loc[drawn, CORNERS]
    chosen.loc[drawn, "by"] = "hand"
    chosen.loc[[photo for photo in drawn if not contains_landmarks(chosen.loc[photo])], LANDMARKS] = np.nan
    nobody = chosen.index[chosen["by"] == ""]
    if len(nobody) and missing == "stop":
        raise ValueError(
            f"{len(nobody)} photos have no face, such as {nobody[0]}: draw their boxes with `visage annotate`, "
            "or set crop.missing to whole or drop."
        )
    if missing == "drop":
        return chosen.drop(nobody)
    sizes = photos.set_index("photo").loc[nobody, ["width", "height"]].to_numpy(float)
    chosen.loc[nobody, CORNERS] = np.hstack([np.zeros_like(sizes), sizes])
    chosen.loc[nobody, "by"] = "whole"
    return chosen


def contains_landmarks(face: pd.Series) -> bool:
    x, y = face[LANDMARKS[0::2]].to_numpy(float), face[LANDMARKS[1::2]].to_numpy(float)
    return bool(((x >= face["x0"]) & (x <= face["x1"]) & (y >= face["y0"]) & (y <= face["y1"])).all())
