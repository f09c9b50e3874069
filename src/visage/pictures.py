"""Picture sets: many encoded pictures in a few Parquet shards, a photo always in the same shard."""

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SHARDS = 64
KINDS = {str: pa.string(), bytes: pa.binary(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def shard_of(photo: str) -> int:
    """The shard of a photo, from its key alone: correcting one picture changes one file."""
    return hashlib.blake2b(photo.encode(), digest_size=8).digest()[0] % SHARDS


def in_shards(photos: Iterable[str]) -> list[str]:
    """Photo keys in the order in which a picture set is written."""
    return sorted(photos, key=lambda photo: (shard_of(photo), photo))


def encode(image: np.ndarray, form: str = ".jpg", quality: int = 95) -> bytes:
    """RGB (or one grey channel) as JPEG or PNG bytes."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality] if form == ".jpg" else [cv2.IMWRITE_PNG_COMPRESSION, 3]
    done, data = cv2.imencode(form, image[..., ::-1] if image.ndim == 3 else image, flags)
    assert done, f"a picture of shape {image.shape} and type {image.dtype} cannot be written as {form}"
    return data.tobytes()


def decode(data: bytes) -> np.ndarray:
    """What `encode` wrote: RGB height x width x 3, or grey height x width."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError("a stored picture cannot be decoded; delete the folder that holds it and run `dvc repro`.")
    return np.ascontiguousarray(image[..., ::-1]) if image.ndim == 3 else image


def write_pictures(folder: Path, rows: Iterable[Mapping[str, Any]], columns: Mapping[str, type]) -> int:
    """Write rows, which come in the order of `in_shards`, one shard in memory at a time; returns how many.

    `columns` are those beside photo, width, height, image. The folder appears whole under its name, or not at all.
    """
    folder, total = Path(folder), 0
    schema = schema_of(columns)
    making = folder.with_name(folder.name + ".part")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    last = -1
    for shard, members in groupby(rows, key=lambda row: shard_of(row["photo"])):
        assert shard > last, "rows are not in the order of in_shards"
        last, table = shard, pa.Table.from_pylist(list(members), schema=schema)
        pq.write_table(table, making / f"{shard:02d}.parquet", compression="none", store_schema=False)
        total += len(table)
    if not total:  # an empty set still says what its columns are
        pq.write_table(schema.empty_table(), making / "00.parquet", compression="none", store_schema=False)
    shutil.rmtree(folder, ignore_errors=True)
    making.rename(folder)
    return total


def schema_of(columns: Mapping[str, type]) -> pa.Schema:
    fixed = {"photo": str, "width": int, "height": int, "image": bytes}
    return pa.schema([(name, KINDS[kind]) for name, kind in (fixed | dict(columns)).items()])


def read_pictures(folder: Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The set's tables, one a shard, in order."""
    shards = sorted(Path(folder).glob("*.parquet"))
    if not shards:
        raise ValueError(f"{folder} holds no pictures; `dvc repro` makes it.")
    for shard in shards:
        yield pq.read_table(shard, columns=columns)


def count_pictures(folder: Path) -> int:
    """How many pictures a set holds, from the shards' footers."""
    return sum(pq.read_metadata(shard).num_rows for shard in sorted(Path(folder).glob("*.parquet")))
