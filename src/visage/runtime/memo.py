"""What long stages remember between runs: one row per item, by the digest of everything that went into it.

An accelerator and never a source: without it the same rows are computed again, and an entry that is torn or wrong is
dropped. It lies inside DVC's cache folder, so that `--temp` and `--queue` runs share it.
"""

import ast
import configparser
import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

import visage
from visage.runtime.parallel import map_threads
from visage.runtime.store import Store

Item = TypeVar("Item")
Row = dict[str, Any]

LIMIT = 8 * 2**30  # bytes a stage may keep; what was used longest ago goes first
PACKAGE = Path(visage.__file__).parent


def digest(*parts: Any) -> str:
    """SHA-256 of the parts, each with its length, so that ("ab", "c") and ("a", "bc") differ."""
    total = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else json.dumps(part, sort_keys=True, default=to_plain).encode()
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()


def to_plain(value: Any) -> Any:
    """What JSON does not know, as something that it does: parameters as a dict."""
    if isinstance(value, BaseModel):
        return value.model_dump()
    raise TypeError(f"{type(value).__name__} cannot be part of a digest")


@functools.cache
def file_digest(path: Path) -> str:
    """SHA-256 of a file such as a network's weights."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.cache
def source_digest(*modules: str, package: Path = PACKAGE) -> str:
    """SHA-256 of the code of these modules (`visage.faces.crops`) and of all visage modules that they import.

    A bug that is mended in any of them invalidates what the bug made; a changed comment or line break does not.
    """
    sources = {name: module_file(name, package).read_text(encoding="utf-8") for name in reachable(modules, package)}
    return digest(sorted((name, ast.dump(ast.parse(source))) for name, source in sources.items()))


def reachable(modules: Iterable[str], package: Path = PACKAGE) -> set[str]:
    """The modules and all that they import from the package, directly or through others; whole dotted names."""
    found, waiting = set(), list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += imported_modules(module_file(name, package).read_text(encoding="utf-8"), package)
    return found


def imported_modules(source: str, package: Path = PACKAGE) -> set[str]:
    """Dotted names of the package's modules that a source text imports, wherever in the file.

    `from visage.faces import crops` imports the module visage.faces.crops and the package visage.faces.
    """
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    names = {name for name in names if name.split(".")[0] == "visage" and module_file(name, package)}
    return names | {parent for name in names for parent in parents(name)}


def parents(name: str) -> list[str]:
    """visage and visage.faces for visage.faces.crops."""
    parts = name.split(".")
    return [".".join(parts[:depth]) for depth in range(1, len(parts))]


def module_file(name: str, package: Path = PACKAGE) -> Path | None:
    """The file of a dotted module name; None where the name is no module (a function, say)."""
    path = package.joinpath(*name.split(".")[1:])
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


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
    """The rows that one stage has computed. `inputs` and the code of the modules `code` are part of every row's digest.

    with Memo("crop", params, code="visage.faces.crops") as memo:
        rows = memo.map(partial(map_threads, crop), photos, key=lambda photo: [photo_digest(photo)])
    """

    def __init__(
        self, stage: str, *inputs: Any, code: str | None = None, folder: Path | None = None, limit: int = LIMIT
    ) -> None:
        folder = folder or cache_folder() / "memo"
        folder.mkdir(parents=True, exist_ok=True)
        self.inputs = digest(*inputs, source_digest(code) if code else "")
        self.path, self.limit = folder / f"{stage}.sqlite", limit
        self.known = self.computed = 0
        self.store = Store(self.path)

    def map(
        self,
        compute: Callable[[Sequence[Item]], Iterable[Row]],
        items: Iterable[Item],
        *,
        key: Callable[[Item], Sequence[Any]],
        chunk: int = 256,
    ) -> Iterator[Row]:
        """One row per item, in order: recalled where its digest is known, computed and remembered where not.

        `key` lists what an item's row depends on. `compute` gets the unknown items of a chunk and yields their rows
        in order; the rows of a chunk are on disk before the next begins.
        """
        items = iter(items)
        while some := list(islice(items, chunk)):
            digests = list(map_threads(lambda item: digest(self.inputs, *key(item)), some))
            rows = {name: unpack(data) for name, data in self.store.recall(digests).items()}
            known = {name: row for name, row in rows.items() if row is not None}
            new = {name: item for name, item in zip(digests, some, strict=True) if name not in known}
            computed = dict(zip(new, compute(list(new.values())), strict=True)) if new else {}
            self.store.remember({name: pack(row) for name, row in computed.items()})
            self.computed, self.known = self.computed + len(computed), self.known + len(some) - len(computed)
            rows = known | computed
            yield from (rows[name] for name in digests)

    def close(self) -> None:
        """Forget what was used longest ago until the rest fits, and hand the file back."""
        self.store.shrink(self.limit)
        self.store.close()

    def __str__(self) -> str:
        return f"{self.computed:,} computed, {self.known:,} remembered from earlier runs"

    def __enter__(self) -> "Memo":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def pack(row: Mapping[str, Any]) -> bytes:
    """A row of numbers, texts and bytes: a line of JSON, then the bytes one after another."""
    blobs = {name: value for name, value in row.items() if isinstance(value, bytes)}
    head = {name: {"bytes": len(value)} if name in blobs else value for name, value in row.items()}
    return json.dumps(head).encode() + b"\n" + b"".join(blobs.values())


def unpack(data: bytes) -> Row | None:
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
