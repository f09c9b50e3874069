import numpy as np
import pyarrow.parquet as pq
import pytest

from visage.formats.shards import (
    count_pictures,
    decode_image,
    encode_image,
    read_shards,
    shard_of,
    shard_order,
    write_shards,
)


def rows(names):
    return [
        {"photo": name, "width": 1, "height": 1, "image": name.encode(), "score": 0.5} for name in shard_order(names)
    ]


def content(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*")}


def test_a_set_survives_its_files(tmp_path):
    names = [f"p{i}/normal.jpg" for i in range(300)]
    assert write_shards(tmp_path / "set", rows(names), {"score": float}) == 300
    back = [row for table in read_shards(tmp_path / "set") for row in table.to_pylist()]
    assert sorted(row["photo"] for row in back) == sorted(names)
    assert all(row["image"] == row["photo"].encode() for row in back)
    assert count_pictures(tmp_path / "set") == 300


def test_one_changed_picture_changes_one_shard(tmp_path):
    names = [f"p{i}" for i in range(500)]
    write_shards(tmp_path / "a", rows(names), {"score": float})
    changed = [row | ({"image": b"new"} if row["photo"] == "p7" else {}) for row in rows(names)]
    write_shards(tmp_path / "b", changed, {"score": float})
    before, after = content(tmp_path / "a"), content(tmp_path / "b")
    assert [name for name in before if before[name] != after[name]] == [f"{shard_of('p7'):02d}.parquet"]


def test_the_shards_are_filled_evenly():
    counts = np.bincount([shard_of(f"train/images/{i:06d}/normal.jpg") for i in range(6400)], minlength=64)
    assert counts.min() > 60 and counts.max() < 150


def test_an_error_half_way_leaves_the_old_set_alone(tmp_path):
    write_shards(tmp_path / "set", rows(["a", "b"]), {"score": float})
    before = content(tmp_path / "set")

    def failing():
        yield from rows(["a"])
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_shards(tmp_path / "set", failing(), {"score": float})
    assert content(tmp_path / "set") == before


def test_an_empty_set_still_says_what_its_columns_are(tmp_path):
    assert write_shards(tmp_path / "set", [], {"donor": str}) == 0
    assert pq.read_table(tmp_path / "set/00.parquet").column_names == ["photo", "width", "height", "image", "donor"]


def test_rows_out_of_order_are_a_programmers_error(tmp_path):
    with pytest.raises(AssertionError):
        write_shards(tmp_path / "set", rows([f"p{i}" for i in range(99)])[::-1], {"score": float})


def test_a_folder_without_pictures_is_told(tmp_path):
    with pytest.raises(ValueError, match="holds no pictures"):
        list(read_shards(tmp_path))


def test_pictures_survive_encoding(rng):
    grey = rng.integers(0, 256, (9, 7), np.uint8)
    colour = rng.integers(0, 256, (9, 7, 3), np.uint8)
    assert np.array_equal(decode_image(encode_image(grey, ".png")), grey)
    assert np.array_equal(decode_image(encode_image(colour, ".png")), colour)
    smooth = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    assert np.abs(decode_image(encode_image(smooth)).astype(int) - smooth).max() <= 3


def test_bytes_that_are_no_picture_are_told():
    with pytest.raises(ValueError, match="cannot be decoded"):
        decode_image(b"nothing")
