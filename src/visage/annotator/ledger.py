"""A CSV of hand-made corrections that several tabs and servers change at once: row by row, atomically, nothing lost."""

import csv
import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

Key = tuple[str, ...]
Row = dict[str, str]


@dataclass(frozen=True)
class Change:
    """A row's new cells, or None to take it out, and the version of the row that the change was made upon."""

    key: Key
    row: Row | None
    seen: str = ""


class StaleRow(Exception):
    """Somebody else changed one of these rows first; nothing was written."""


class Ledger:
    """The file is read anew each time, so a person may edit it by hand meanwhile; other rows stay as they are."""

    def __init__(self, path: Path, columns: Sequence[str], key: Sequence[str]) -> None:
        self.path, self.columns, self.key = Path(path), list(columns), list(key)

    def rows(self) -> dict[Key, Row]:
        """The rows in the order of the file, each under its key."""
        try:
            lines = list(csv.reader(io.StringIO(self.path.read_text(encoding="utf-8-sig"), newline=""), strict=True))
        except FileNotFoundError:
            return {}
        except csv.Error as error:
            raise ValueError(f"{self.path} is not a CSV file ({error}); mend it by hand.") from None
        if not lines or lines[0] != self.columns:
            raise ValueError(f"{self.path}: the columns are {lines[:1]}, and should be {self.columns}.")
        found: dict[Key, Row] = {}
        for number, cells in enumerate(lines[1:], 2):
            if not any(cells):
                continue
            if len(cells) != len(self.columns):
                raise ValueError(f"{self.path}, row {number} has {len(cells)} cells, and should have {len(lines[0])}.")
            row = dict(zip(self.columns, cells, strict=True))
            if self.key_of(row) in found:
                raise ValueError(f"{self.path}, row {number} is the second one for {self.key_of(row)}; delete one.")
            found[self.key_of(row)] = row
        return found

    def key_of(self, row: Mapping[str, str]) -> Key:
        return tuple(row[column] for column in self.key)

    def change(self, changes: Sequence[Change]) -> dict[Key, Row]:
        """Carry out all of the changes or, when one row is no longer what its author saw, none (Stale)."""
        with self.lock():
            rows = self.rows()
            for one in changes:
                if row_version(rows.get(one.key)) != one.seen and rows.get(one.key) != one.row:
                    raise StaleRow
            for one in changes:
                if one.row is None:
                    rows.pop(one.key, None)
                else:
                    rows[one.key] = one.row
            self.write(rows)
            return rows

    def write(self, rows: Mapping[Key, Row]) -> None:
        """The whole file under a temporary name, on the disk, and only then under its own: a kill leaves old or new."""
        text = io.StringIO(newline="")
        table = csv.DictWriter(text, self.columns, lineterminator="\n")
        table.writeheader()
        table.writerows(rows.values())
        making = self.path.with_name(f".{self.path.name}.part")
        with making.open("w", encoding="utf-8", newline="") as file:
            file.write(text.getvalue())
            file.flush()
            os.fsync(file.fileno())
        making.replace(self.path)

    def lock(self) -> FileLock:
        """One writer at a time, among threads and among processes; the lock dies with its holder."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(self.path.with_name(f".{self.path.name}.lock"))


def row_version(row: Mapping[str, str] | None) -> str:
    """A short mark of a row's cells; empty where there is no row."""
    return "" if row is None else hashlib.sha256(repr(list(row.items())).encode()).hexdigest()[:16]
