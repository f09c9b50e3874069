"""A CSV of hand-made corrections that several tabs and servers change at once: row by row, atomically, nothing lost."""

import csv
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from visage.formats.tables import read_manual_table
from visage.runtime.files import replace_file

Key = tuple[str, ...]
Row = dict[str, str]


@dataclass(frozen=True)
class Change:
    """A row's new cells, or None to delete it, and the version of the row that the author of the change saw."""

    key: Key
    row: Row | None
    version: str = ""


class StaleRow(Exception):
    """Somebody else changed one of these rows first; nothing was written."""


class Ledger:
    """The file is read anew each time, so a person may edit it by hand meanwhile; other rows stay as they are."""

    def __init__(self, path: Path, columns: Sequence[str], key: Sequence[str]) -> None:
        self.path, self.columns, self.key = Path(path), list(columns), list(key)

    def rows(self) -> dict[Key, Row]:
        """The rows in the order of the file, each under its key."""
        if not self.path.exists():
            return {}
        rows: dict[Key, Row] = {}
        for line, row in read_manual_table(self.path, self.columns).to_dict("index").items():
            key = tuple(row[column] for column in self.key)
            if key in rows:
                raise ValueError(f"{self.path}, row {line} is the second one for {key}; delete one.")
            rows[key] = row
        return rows

    def apply(self, changes: Sequence[Change]) -> dict[Key, Row]:
        """Carry out all of the changes or, when one row is no longer what its author saw, none (StaleRow)."""
        with self.lock():
            rows = self.rows()
            for change in changes:
                row = rows.get(change.key)
                if row_version(row) != change.version and row != change.row:
                    raise StaleRow
            for change in changes:
                if change.row is None:
                    rows.pop(change.key, None)
                else:
                    rows[change.key] = change.row
            self.write(rows)
            return rows

    def write(self, rows: Mapping[Key, Row]) -> None:
        """The whole file under a temporary name, on the disk, and only then under its own: a kill leaves old or new."""
        with replace_file(self.path) as part, part.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, self.columns, lineterminator="\n")
            table.writeheader()
            table.writerows(rows.values())
            file.flush()
            os.fsync(file.fileno())

    def lock(self) -> FileLock:
        """One writer at a time, among threads and among processes; the lock dies with its holder."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(self.path.with_name(f".{self.path.name}.lock"))


def row_version(row: Mapping[str, str] | None) -> str:
    """A short digest of a row's cells; empty where there is no row."""
    return "" if row is None else hashlib.sha256(repr(list(row.items())).encode()).hexdigest()[:16]
