"""What lies on the annotator's desk: photos, what is known and doubted of them, and the two ledgers of corrections."""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visage.annotator.ledger import Change, Ledger, Row, row_version
from visage.formats.columns import CORNERS, CORRECTION_COLUMNS, MANUAL_BOX_COLUMNS
from visage.formats.photos import read_photo

MAX_TEXT = 500  # characters of a note or a value


@dataclass
class Session:
    """What lies on the desk: photos and what is known of them, and the two ledgers of corrections."""

    name: str
    root: Path
    photos: dict[str, Row]
    tasks: list[dict[str, Any]]
    detected: dict[str, list[float]]
    missed: list[str]
    doubts: list[dict[str, Any]]
    boxes: Ledger
    fixes: Ledger

    def state(self) -> dict[str, Any]:
        """All that the page shows, but for the pictures."""
        told = {"name": self.name, "tasks": self.tasks, "missed": self.missed, "doubts": self.doubts}
        labels = [name for task in self.tasks for name in (task["name"], f"{task['name']}_value")]
        marks = ["person", "width", "height", *labels]
        photos = [{"photo": key} | {mark: row.get(mark, "") for mark in marks} for key, row in self.photos.items()]
        return told | {"photos": photos, "detected": self.detected} | self.corrections()

    def corrections(self) -> dict[str, Any]:
        ledgers = {"boxes": self.boxes, "fixes": self.fixes}
        return {
            name: [{"key": list(key), "row": row, "seen": row_version(row)} for key, row in ledger.rows().items()]
            for name, ledger in ledgers.items()
        }

    def change(self, name: str, body: Any) -> dict[str, Any]:
        """Carry out `{"changes": [{"key": [...], "row": {...} or null, "seen": "..."}]}` on one ledger."""
        ledger, check = (self.boxes, self.box) if name == "boxes" else (self.fixes, self.fix)
        asked = body.get("changes") if isinstance(body, dict) else None
        if not isinstance(asked, list) or not 1 <= len(asked) <= 50 or not all(isinstance(one, dict) for one in asked):
            raise ValueError("changes should be a list of one to fifty changes.")
        ledger.change([self.read_change(one, ledger, check) for one in asked])
        return self.corrections()

    def read_change(self, asked: dict[str, Any], ledger: Ledger, check: Callable[[dict[str, Any]], Row]) -> Change:
        key, row, seen = asked.get("key"), asked.get("row"), asked.get("seen")
        if not isinstance(seen, str) or not isinstance(key, list) or len(key) != len(ledger.key):
            raise ValueError(f"a change has a key ({', '.join(ledger.key)}), a row and the version that was seen.")
        if not all(isinstance(cell, str) for cell in key) or not (row is None or isinstance(row, dict)):
            raise ValueError("the cells of a key are text, and a row is an object or null.")
        return Change(tuple(key), None if row is None else check(row | dict(zip(ledger.key, key, strict=True))), seen)

    def box(self, row: dict[str, Any]) -> Row:
        """A box as the file wants it: tenths of a pixel, inside the photo."""
        if row["photo"] not in self.photos:
            raise ValueError(f"there is no photo {row['photo']!r}.")
        width, height = (int(self.photos[row["photo"]][side]) for side in ("width", "height"))
        edges = [row.get(name) for name in CORNERS]
        if not all(type(edge) in (int, float) and math.isfinite(edge) for edge in edges):
            raise ValueError(f"x0, y0, x1, y1 are {edges}, and should be four numbers.")
        x0, y0, x1, y1 = (round(edge, 1) for edge in edges)
        if not (0 <= x0 < x1 - 1 and 0 <= y0 < y1 - 1 and x1 <= width and y1 <= height):
            raise ValueError(f"the box {[x0, y0, x1, y1]} does not lie in the photo of {width} x {height} pixels.")
        cells = {name: f"{edge:.9g}" for name, edge in zip(CORNERS, (x0, y0, x1, y1), strict=True)}
        return {"photo": row["photo"], **cells, "note": check_text(row.get("note", ""))}

    def fix(self, row: dict[str, Any]) -> Row:
        """A correction of one field of a person or of a photo."""
        known = {"person": {photo["person"] for photo in self.photos.values()}, "photo": self.photos}
        named = [what for what in known if row[what]]
        if len(named) != 1 or row[named[0]] not in known[named[0]]:
            raise ValueError("name one person or one photo that photos.csv knows.")
        task = next((task for task in self.tasks if task["source"] == row["field"]), None)
        if task is None:
            raise ValueError(f"there is no field {row['field']!r}.")
        value = check_text(row.get("value", ""))
        if not (number_at_least(value, 0) if task["bins"] else value in task["classes"]):
            raise ValueError(f"{value!r} is no {row['field']}: a number, or one of {', '.join(task['classes'])}.")
        cells = {name: check_text(row.get(name, "")) for name in CORRECTION_COLUMNS}
        return cells | {
            "value": value,
            "confidence": cells["confidence"] if is_probability(cells["confidence"]) else "1",
        }

    def picture(self, photo: str) -> bytes:
        """A photo as the pipeline sees it, upright RGB, so that a box means the same pixels in both."""
        from PIL import Image

        jpeg = io.BytesIO()
        Image.fromarray(read_photo(self.root, photo)).save(jpeg, "JPEG", quality=92)
        return jpeg.getvalue()


def check_text(value: Any) -> str:
    """One line of plain text."""
    if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable():
        raise ValueError(f"values and notes are one line of at most {MAX_TEXT} characters.")
    return value


def number_at_least(value: str, least: float) -> bool:
    try:
        return math.isfinite(float(value)) and float(value) >= least
    except ValueError:
        return False


def is_probability(value: str) -> bool:
    return number_at_least(value, 0) and float(value) <= 1


def read_session(name: str, root: Path, tables: Mapping[str, Path], manual: Path) -> Session:
    """Whatever of photos, tasks, boxes, missed and doubts is there; only the photos must be."""
    photos = {row["photo"]: row for row in read_rows(tables["photos"])}
    if not photos:
        raise ValueError(f"{tables['photos']} names no photos; `dvc repro index` makes it.")
    detected = {row["photo"]: box_edges(row) for row in read_rows(tables["boxes"]) if row["x0"]}
    missed = [row["photo"] for row in read_rows(tables["missed"]) if row["photo"] in photos]
    tasks = json.loads(tables["tasks"].read_text(encoding="utf-8")) if tables["tasks"].is_file() else []
    boxes = Ledger(manual / "boxes.csv", MANUAL_BOX_COLUMNS, ["photo"])
    fixes = Ledger(manual / "labels.csv", CORRECTION_COLUMNS, ["person", "photo", "field"])
    doubts = group_doubts(read_rows(tables["doubts"]), photos)
    return Session(name, root, photos, tasks, detected, list(dict.fromkeys(missed)), doubts, boxes, fixes)


def group_doubts(rows: list[Row], photos: Mapping[str, Row]) -> list[dict[str, Any]]:
    """The audit's rows, those of one doubt (they share their source, such as `audit: swap 12`) together."""
    belongings: dict[str, list[str]] = {}
    for photo, row in photos.items():
        if row["person"]:  # nobody knows who is on a photo to answer
            belongings.setdefault(row["person"], []).append(photo)
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row["photo"] in photos or row["person"] in belongings:
            groups.setdefault(row["source"], []).append(row)
    return [
        {
            "source": source,
            "rows": group,
            "photos": [p for r in group for p in belongings.get(r["person"]) or [r["photo"]]],
        }
        for source, group in groups.items()
    ]


def box_edges(row: Row) -> list[float]:
    return [float(row[name]) for name in CORNERS]


def read_rows(path: Path) -> list[Row]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))
