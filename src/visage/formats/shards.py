"""Picture sets: many encoded pictures in a few Parquet shards, a photo always in the same shard."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from visage.runtime.files import replace_folder

if TYPE_CHECKING:  # a bundle encodes pictures where there is no pyarrow
    import pyarrow as pa

SHARDS = 64
ARROW_TYPES = {str: "string", bytes: "binary", int: "int64", float: "float64", bool: "bool"}


def shard_of(photo: str) -> int:
    """The shard of a photo, from its key alone: correcting one picture changes one file."""
    return hashlib.blake2b(photo.encode(), digest_size=8).digest()[0] % SHARDS


def shard_order(photos: Iterable[str]) -> list[str]:
    """Photo keys in the order in which a picture set is written."""
    return sorted(photos, key=lambda photo: (shard_of(photo), photo))


def encode_image(image: np.ndarray, form: str = ".jpg", quality: int = 95) -> bytes:
    """RGB (or one grey channel) as JPEG or PNG bytes."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality] if form == ".jpg" else [cv2.IMWRITE_PNG_COMPRESSION, 3]
    encoded, data = cv2.imencode(form, image[..., ::-1] if image.ndim == 3 else image, flags)
    assert encoded, f"a picture of shape {image.shape} and type {image.dtype} cannot be written as {form}"
    return data.tobytes()


def decode_image(data: bytes) -> np.ndarray:
    """What `encode_image` wrote: RGB height x width x 3, or grey height x width."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError("a stored picture cannot be decoded; delete the folder that holds it and run `dvc repro`.")
    return np.ascontiguousarray(image[..., ::-1]) if image.ndim == 3 else image


def write_shards(folder: Path, rows: Iterable[Mapping[str, Any]], columns: Mapping[str, type]) -> int:
    """Write rows, which come in the order of `shard_order`, one shard in memory at a time; returns how many.

    `columns` are those beside photo, width, height, image. The folder appears whole under its name, or not at all.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = build_schema(columns)
    total, last = 0, -1
    with replace_folder(folder) as part:
        for shard, shard_rows in groupby(rows, key=lambda row: shard_of(row["photo"])):
            assert shard > last, "rows are not in the order of shard_order"
            table = pa.Table.from_pylist(list(shard_rows), schema=schema)
            pq.write_table(table, part / f"{shard:02d}.parquet", compression="none", store_schema=False)
            total, last = total + len(table), shard
        if not total:  # an empty set still says what its columns are
            pq.write_table(schema.empty_table(), part / "00.parquet", compression="none", store_schema=False)
    return total


def build_schema(columns: Mapping[str, type]) -> pa.Schema:
    import pyarrow as pa

    fixed = {"photo": str, "width": int, "height": int, "image": bytes}
    return pa.schema([(name, pa.type_for_alias(ARROW_TYPES[kind])) for name, kind in (fixed | dict(columns)).items()])


def read_shards(folder: Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The set's tables, one a shard, in order."""
    import pyarrow.parquet as pq

    shards = sorted(Path(folder).glob("*.parquet"))
    if not shards:
        raise ValueError(f"{folder} holds no pictures; `dvc repro` makes it.")
    for shard in shards:
        yield pq.read_table(shard, columns=columns)


def read_rows(folder: Path, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """The set's rows, one shard in memory at a time."""
    for table in read_shards(folder, columns):
        yield from table.to_pylist()


def count_pictures(folder: Path) -> int:
    """How many pictures a set holds, from the shards' footers."""
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(shard).num_rows for shard in sorted(Path(folder).glob("*.parquet")))


def join_mattes(tables: Iterator[Any], mattes: Path | None) -> Iterator[dict[str, Any]]:
    """Rows of the crops, each with the matte of the same photo: matched by key, never by place."""
    rows = (row for table in tables for row in table.to_pylist())
    if not mattes:
        yield from rows
        return
    matte_tables = read_shards(mattes, ["photo", "image"])
    matte_of: dict[str, bytes] = {}  # by photo, of the shard at hand
    for row in rows:
        while row["photo"] not in matte_of:
            table = next(matte_tables, None)
            if table is None:
                raise ValueError(
                    f"{mattes} has no matte of {row['photo']}; set keep: all, or a cut_out.model other than none."
                )
            matte_of = dict(zip(table["photo"].to_pylist(), table["image"].to_pylist(), strict=True))
        yield row | {"matte": matte_of[row["photo"]]}
