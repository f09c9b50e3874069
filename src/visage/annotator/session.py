"""What the annotator's page shows and changes: photos, what is known of them, and the two ledgers of corrections."""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from visage.annotator.ledger import Change, Ledger, Row, row_version
from visage.formats.columns import CORNERS, CORRECTION_COLUMNS, MANUAL_BOX_COLUMNS
from visage.formats.photos import read_photo
from visage.formats.tables import read_text_table
from visage.formats.tasks import Task, read_tasks
from visage.runtime.params import find_section, read_params

MAX_TEXT = 500  # characters of a note or a value
MAX_CHANGES = 50  # in one request


@dataclass
class Session:
    """One data set under the annotator. All but the ledgers stays as it was when the session began."""

    name: str
    root: Path
    photos: dict[str, Row]  # the rows of photos.csv by photo
    tasks: list[Task]
    detected: dict[str, list[float]]  # x0, y0, x1, y1 by photo
    missed: list[str]  # photos on which detection saw no face
    label_issues: list[dict[str, Any]]  # see group_label_issues
    boxes: Ledger
    labels: Ledger

    def state(self) -> dict[str, Any]:
        """All that the page shows, but for the pictures."""
        labels = [name for task in self.tasks for name in (task.name, f"{task.name}_value")]
        columns = ["person", "width", "height", *labels]
        return {
            "name": self.name,
            "tasks": [asdict(task) for task in self.tasks],
            "photos": [
                {"photo": photo} | {column: row.get(column, "") for column in columns}
                for photo, row in self.photos.items()
            ],
            "detected": self.detected,
            "missed": self.missed,
            "label_issues": self.label_issues,
        } | self.corrections()

    def corrections(self) -> dict[str, Any]:
        """The rows of both ledgers, each with its version."""
        return {"boxes": list_rows(self.boxes), "labels": list_rows(self.labels)}

    def apply(self, name: str, body: Any) -> dict[str, Any]:
        """Carry out `{"changes": [{"key": [...], "row": {...} or null, "version": "..."}]}` on one ledger."""
        ledger, parse_row = (self.boxes, self.parse_box) if name == "boxes" else (self.labels, self.parse_label)
        changes = body.get("changes") if isinstance(body, dict) else None
        if not isinstance(changes, list) or not 1 <= len(changes) <= MAX_CHANGES:
            raise ValueError(f"changes should be a list of 1 to {MAX_CHANGES} changes.")
        ledger.apply([parse_change(change, ledger.key, parse_row) for change in changes])
        return self.corrections()

    def parse_box(self, row: dict[str, Any]) -> Row:
        """A row of boxes.csv: tenths of a pixel, inside the photo."""
        if row["photo"] not in self.photos:
            raise ValueError(f"there is no photo {row['photo']!r}.")
        width, height = (int(self.photos[row["photo"]][side]) for side in ("width", "height"))
        edges = [row.get(name) for name in CORNERS]
        if not all(type(edge) in (int, float) and math.isfinite(edge) for edge in edges):
            raise ValueError(f"x0, y0, x1, y1 are {edges}, and should be four numbers.")
        x0, y0, x1, y1 = box = [round(edge, 1) for edge in edges]
        if not (0 <= x0 < x1 - 1 and 0 <= y0 < y1 - 1 and x1 <= width and y1 <= height):
            raise ValueError(f"the box {box} does not lie in the photo of {width} x {height} pixels.")
        cells = {name: f"{edge:.9g}" for name, edge in zip(CORNERS, box, strict=True)}
        return {"photo": row["photo"], **cells, "note": check_text(row.get("note", ""))}

    def parse_label(self, row: dict[str, Any]) -> Row:
        """A row of labels.csv: a field of one person or of one photo."""
        known = {"person": {photo["person"] for photo in self.photos.values()}, "photo": self.photos}
        subjects = [column for column in known if row[column]]
        if len(subjects) != 1 or row[subjects[0]] not in known[subjects[0]]:
            raise ValueError("name one person or one photo that photos.csv knows.")
        task = next((task for task in self.tasks if task.source == row["field"]), None)
        if task is None:
            raise ValueError(f"there is no field {row['field']!r}.")
        cells = {name: check_text(row.get(name, "")) for name in CORRECTION_COLUMNS}
        value, confidence = cells["value"], cells["confidence"]
        if not (is_number(value, 0, math.inf) if task.bins else value in task.classes):
            raise ValueError(f"{value!r} is no {row['field']}: a number, or one of {', '.join(task.classes)}.")
        return cells | {"confidence": confidence if is_number(confidence, 0, 1) else "1"}

    def encode_photo(self, photo: str) -> bytes:
        """A photo as the pipeline sees it, upright RGB, so that a box means the same pixels in both; a JPEG."""
        jpeg = io.BytesIO()
        Image.fromarray(read_photo(self.root, photo)).save(jpeg, "JPEG", quality=92)
        return jpeg.getvalue()


def list_rows(ledger: Ledger) -> list[dict[str, Any]]:
    return [{"key": list(key), "row": row, "version": row_version(row)} for key, row in ledger.rows().items()]


def parse_change(change: Any, columns: Sequence[str], parse_row: Callable[[dict[str, Any]], Row]) -> Change:
    """A change as the page sends it, its row checked; `columns` are those of the key."""
    if not isinstance(change, dict):
        raise ValueError("a change is an object.")
    key, row, version = change.get("key"), change.get("row"), change.get("version")
    if not isinstance(version, str) or not isinstance(key, list) or len(key) != len(columns):
        raise ValueError(f"a change has a key ({', '.join(columns)}), a row and the version that its author saw.")
    if not all(isinstance(cell, str) for cell in key) or not (row is None or isinstance(row, dict)):
        raise ValueError("the cells of a key are text, and a row is an object or null.")
    cells = None if row is None else parse_row(row | dict(zip(columns, key, strict=True)))
    return Change(tuple(key), cells, version)


def check_text(value: Any) -> str:
    """One line of plain text."""
    if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable():
        raise ValueError(f"values and notes are one line of at most {MAX_TEXT} characters.")
    return value


def is_number(text: str, low: float, high: float) -> bool:
    """Whether the text is a finite number from `low` to `high`."""
    try:
        number = float(text)
    except ValueError:
        return False
    return math.isfinite(number) and low <= number <= high


def read_set_name() -> str:
    """The data set that params.yaml names."""
    return str(find_section(read_params(), "data")["name"])


def read_session(name: str, root: Path, tables: Mapping[str, Path], manual: Path) -> Session:
    """Whatever of photos, tasks, boxes, missed and doubts is there; only the photos must be."""
    photos = {
        row["photo"]: row for row in read_optional_table(tables["photos"], ["photo", "person", "width", "height"])
    }
    if not photos:
        raise ValueError(f"{tables['photos']} names no photos; `dvc repro index` makes it.")
    boxes = [row for row in read_optional_table(tables["boxes"], ["photo", *CORNERS]) if row["x0"]]
    missed = [row["photo"] for row in read_optional_table(tables["missed"], ["photo"]) if row["photo"] in photos]
    return Session(
        name=name,
        root=root,
        photos=photos,
        tasks=read_tasks(tables["tasks"]) if tables["tasks"].is_file() else [],
        detected={row["photo"]: [float(row[corner]) for corner in CORNERS] for row in boxes},
        missed=list(dict.fromkeys(missed)),
        label_issues=group_label_issues(read_optional_table(tables["doubts"], CORRECTION_COLUMNS), photos),
        boxes=Ledger(manual / "boxes.csv", MANUAL_BOX_COLUMNS, ["photo"]),
        labels=Ledger(manual / "labels.csv", CORRECTION_COLUMNS, ["person", "photo", "field"]),
    )


def read_optional_table(path: Path, columns: Sequence[str]) -> list[Row]:
    """The rows of a table, none where there is no file."""
    return read_text_table(path, columns).to_dict("records") if path.is_file() else []


def group_label_issues(rows: Sequence[Row], photos: Mapping[str, Row]) -> list[dict[str, Any]]:
    """The audit's rows, those of one issue (they share their source, such as `audit: swap 12`) together.

    Each with `source`, its `rows` of doubts.csv, and the `photos` that they speak of.
    """
    photos_of: dict[str, list[str]] = {}
    for photo, row in photos.items():
        if row["person"]:  # nobody knows who is on a photo to answer
            photos_of.setdefault(row["person"], []).append(photo)
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row["photo"] in photos or row["person"] in photos_of:
            groups.setdefault(row["source"], []).append(row)
    return [
        {
            "source": source,
            "rows": group,
            "photos": [photo for row in group for photo in photos_of.get(row["person"]) or [row["photo"]]],
        }
        for source, group in groups.items()
    ]
