"""A file of values by their digest, in SQLite. Damage never reaches the reader: it only costs what was stored."""

import hashlib
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")

BATCH = 500  # digests in one query
REFUSED = frozenset(  # by the system or another process: the file itself may be whole
    {sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY}
    | {sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN}
)


class Store:
    """Bytes by digest (a text), with the time of their last use. A file that is damaged is begun anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.base: sqlite3.Connection | None = None
        self.attempt(lambda base: None)  # opens the file

    def connect(self) -> sqlite3.Connection:
        base = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
        base.execute("pragma journal_mode = wal")
        base.execute("pragma synchronous = normal")
        base.execute("drop table if exists memo")  # of former versions, whose digests were texts
        base.execute("create table if not exists rows (digest blob primary key, value blob, sum blob, used real)")
        return base

    def attempt(self, action: Callable[[sqlite3.Connection], Result]) -> Result:
        """The action's result. If the file turns out to be damaged, it is thrown away first."""
        try:
            self.base = self.base or self.connect()
            return action(self.base)
        except (sqlite3.Error, UnicodeError) as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF  # none: texts that are no texts
            if code in REFUSED and not self.path.is_dir():
                raise
        if self.base:
            self.base.close()
        for path in self.path.parent.glob(f"{self.path.name}*"):  # with its -wal and -shm
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.base = self.connect()
        return action(self.base)

    def recall(self, digests: Iterable[str]) -> dict[str, bytes]:
        """Those of the digests that are known, with their values."""
        wanted, known = list(dict.fromkeys(digests)), {}
        for start in range(0, len(wanted), BATCH):
            some = {name.encode(): name for name in wanted[start : start + BATCH]}
            rows = self.attempt(partial(select_rows, digests=list(some)))
            known |= {some[key]: value for key, value, total in rows if key in some and is_whole(key, value, total)}
        return known

    def remember(self, values: Mapping[str, bytes]) -> None:
        """Keep these values; all of them are on disk when this returns, or none."""
        self.attempt(partial(insert_rows, values=values))

    def shrink(self, limit: int) -> None:
        """Forget what was used longest ago until the values fit into `limit` bytes."""
        self.attempt(partial(delete_oldest, limit=limit))

    def close(self) -> None:
        self.base.close()


def select_rows(base: sqlite3.Connection, digests: Sequence[bytes]) -> list[tuple]:
    """Digest, value and sum of those that are known; they now count as just used."""
    marks = ",".join("?" * len(digests))
    rows = base.execute(f"select digest, value, sum from rows where digest in ({marks})", digests).fetchall()
    base.execute(f"update rows set used = ? where digest in ({marks})", [time.time(), *digests])
    return rows


def insert_rows(base: sqlite3.Connection, values: Mapping[str, bytes]) -> None:
    now = time.time()
    rows = [(name.encode(), value, checksum(name.encode(), value), now) for name, value in values.items()]
    base.execute("begin immediate")
    try:
        base.executemany("insert or replace into rows values (?, ?, ?, ?)", rows)
        base.execute("commit")
    except BaseException:
        if base.in_transaction:
            base.execute("rollback")
        raise


def delete_oldest(base: sqlite3.Connection, limit: int) -> None:
    sizes = base.execute("select digest, length(value) from rows order by used desc, digest").fetchall()
    totals = accumulate(size or 0 for _, size in sizes)
    if gone := [(key,) for (key, _), total in zip(sizes, totals, strict=True) if total > limit]:
        base.executemany("delete from rows where digest = ?", gone)
        base.execute("vacuum")


def is_whole(key: bytes, value: Any, total: Any) -> bool:
    """Whether value and digest are what was stored; a damaged file can hold anything."""
    return isinstance(value, bytes) and checksum(key, value) == total


def checksum(key: bytes, value: bytes) -> bytes:
    return hashlib.sha256(key + b"\n" + value).digest()
