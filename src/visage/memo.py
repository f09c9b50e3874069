"""What long stages remember between runs: results by the digest of everything that went into them.

An accelerator and never a source: without it the same results are computed again, and an entry that is torn
or wrong is dropped. It lives inside DVC's cache folder, so that `--temp` and `--queue` runs share it.
"""

import ast
import configparser
import dataclasses
import functools
import hashlib
import importlib.util
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

Item = TypeVar("Item")

LIMIT = 8 * 2**30  # bytes a stage may keep; what was used longest ago goes first
BATCH = 500  # digests in one query


def digest(*parts: Any) -> str:
    """SHA-256 of the parts, each with its length, so that no two different lists of parts look alike."""
    total = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else json.dumps(plain(part), sort_keys=True).encode()
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()


def plain(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


@functools.cache
def file_digest(path: Path) -> str:
    """SHA-256 of a file such as a network's weights."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.cache
def source_digest(*modules: str) -> str:
    """SHA-256 of what these visage modules, and the visage modules that they import, say.

    A bug that is fixed in the code thereby invalidates what the bug made; a comment or a line break does not.
    """
    sources: dict[str, str] = {}
    open_ends = list(modules)
    while open_ends:
        name = open_ends.pop()
        if name not in sources:
            sources[name] = Path(importlib.util.find_spec(f"visage.{name}").origin).read_text(encoding="utf-8")
            open_ends += imported(sources[name])
    return digest(sorted((name, ast.dump(ast.parse(source))) for name, source in sources.items()))


def imported(source: str) -> set[str]:
    """Names of the visage modules that a source text imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            package, _, module = node.module.partition(".")
            if package == "visage":
                names |= {module.partition(".")[0]} if module else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("visage.")}
    return names


def cache_folder() -> Path:
    """The folder of DVC's cache, also inside the copies of the project in which `--temp` runs work."""
    home = Path(os.environ.get("DVC_ROOT", ".")) / ".dvc"
    found = home / "cache"
    for name in ("config", "config.local"):
        config = configparser.ConfigParser(strict=False, interpolation=None)
        config.read(home / name, encoding="utf-8")
        if folder := config.get("cache", "dir", fallback=None):
            found = home / Path(os.path.expandvars(folder)).expanduser()  # an absolute path replaces what is before it
    return found


class Memo:
    """`recall` what is known, `remember` what was computed."""

    def __init__(self, stage: str, *, folder: Path | None = None, limit: int = LIMIT) -> None:
        folder = folder or cache_folder() / "memo"
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self.limit = folder / f"{stage}.sqlite", limit
        self.known = self.made = 0
        try:
            self.base = self.connect()
        except sqlite3.DatabaseError:  # torn: start anew, it only costs time
            self.path.unlink()
            self.base = self.connect()

    def connect(self) -> sqlite3.Connection:
        base = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
        base.execute("pragma journal_mode = wal")
        base.execute("pragma synchronous = normal")
        base.execute("create table if not exists memo (digest text primary key, value blob, sum blob, used real)")
        return base

    def recall(self, digests: Iterable[str]) -> dict[str, bytes]:
        """Those of the digests that are known, with their values."""
        wanted, known = list(dict.fromkeys(digests)), {}
        for start in range(0, len(wanted), BATCH):
            some = wanted[start : start + BATCH]
            marks = ",".join("?" * len(some))
            rows = self.base.execute(f"select digest, value, sum from memo where digest in ({marks})", some).fetchall()
            known |= {key: value for key, value, total in rows if total == hashlib.sha256(value).digest()}
            self.base.execute(f"update memo set used = ? where digest in ({marks})", [time.time(), *some])
        return known

    def remember(self, rows: Mapping[str, bytes]) -> None:
        """Keep these values; all of them are on disk when this returns, or none."""
        now = time.time()
        self.base.execute("begin immediate")
        self.base.executemany(
            "insert or replace into memo values (?, ?, ?, ?)",
            [(key, value, hashlib.sha256(value).digest(), now) for key, value in rows.items()],
        )
        self.base.execute("commit")

    def close(self) -> None:
        """Forget what was used longest ago until the rest fits, and hand the file back."""
        sizes = self.base.execute("select digest, length(value) from memo order by used desc, digest").fetchall()
        total, gone = 0, []
        for key, size in sizes:
            total += size
            if total > self.limit:
                gone.append((key,))
        if gone:
            self.base.executemany("delete from memo where digest = ?", gone)
            self.base.execute("vacuum")
        self.base.close()

    def __str__(self) -> str:
        return f"{self.made:,} made, {self.known:,} remembered from earlier runs"

    def __enter__(self) -> "Memo":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def remembering(
    memo: Memo,
    items: Sequence[Item],
    keys: Callable[[Sequence[Item]], Iterable[str]],
    make: Callable[[Sequence[Item]], Iterable[dict]],
    *,
    chunk: int = 256,
) -> Iterator[dict]:
    """One row per item, in order: recalled where its digest is known, made and remembered where not.

    `make` gets the unknown items of a chunk and yields their rows in order; a chunk is on disk before the next begins.
    """
    for start in range(0, len(items), chunk):
        some = items[start : start + chunk]
        digests = list(keys(some))
        known = {key: row for key, data in memo.recall(digests).items() if (row := unpack(data)) is not None}
        new = [(key, item) for key, item in zip(digests, some, strict=True) if key not in known]
        made = dict(zip([key for key, _ in new], make([item for _, item in new]), strict=True)) if new else {}
        memo.remember({key: pack(row) for key, row in made.items()})
        memo.made, memo.known = memo.made + len(made), memo.known + len(some) - len(made)
        rows = known | made
        yield from (rows[key] for key in digests)


def pack(row: Mapping[str, Any]) -> bytes:
    """A row of numbers, texts and bytes: a line of JSON, then the bytes one after another."""
    blobs = {name: value for name, value in row.items() if isinstance(value, bytes)}
    head = {name: {"bytes": len(value)} if name in blobs else value for name, value in row.items()}
    return json.dumps(head).encode() + b"\n" + b"".join(blobs.values())


def unpack(data: bytes) -> dict[str, Any] | None:
    """What `pack` made; None for anything else, which is then computed again."""
    line, _, rest = data.partition(b"\n")
    try:
        row = json.loads(line)
        for name, value in row.items():
            if isinstance(value, dict):
                row[name], rest = rest[: value["bytes"]], rest[value["bytes"] :]
    except (ValueError, KeyError, AttributeError):
        return None
    return row
