import multiprocessing
import os
import random
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from visage.runtime.store import Store


@contextmanager
def open_store(folder: Path, limit: int = 10**9) -> Iterator[Store]:
    folder.mkdir(exist_ok=True)
    store = Store(folder / "bake.sqlite")
    yield store
    store.shrink(limit)
    store.close()


def test_what_is_remembered_is_recalled_by_another_process_later(tmp_path):
    with open_store(tmp_path) as store:
        store.remember({"a": b"bread", "b": b"cake"})
    with open_store(tmp_path) as store:
        assert store.recall(["b", "c", "a"]) == {"a": b"bread", "b": b"cake"}


def test_an_entry_that_rotted_is_not_believed(tmp_path):
    with open_store(tmp_path) as store:
        store.remember({"a": b"bread"})
    base = sqlite3.connect(tmp_path / "bake.sqlite")
    base.execute("update rows set value = x'00'")
    base.commit()
    base.close()
    with open_store(tmp_path) as store:
        assert store.recall(["a"]) == {}


def test_a_torn_file_is_begun_anew(tmp_path):
    (tmp_path / "bake.sqlite").write_bytes(b"not a data base at all" * 500)
    with open_store(tmp_path) as store:
        assert store.recall(["a"]) == {}
        store.remember({"a": b"bread"})
        assert store.recall(["a"]) == {"a": b"bread"}


def fill_store(folder):
    """A store of 300 rows in one file, without its log."""
    with open_store(folder) as store:
        store.remember({f"{i}": b"%d" % i * 100 for i in range(300)})
    base = sqlite3.connect(folder / "bake.sqlite")
    base.execute("pragma wal_checkpoint(truncate)")
    base.close()
    return folder / "bake.sqlite"


@pytest.mark.parametrize("seed", range(20))
def test_flipped_bytes_anywhere_cost_time_and_never_give_a_wrong_row(tmp_path, seed):
    file, rng = fill_store(tmp_path), random.Random(seed)
    data = bytearray(file.read_bytes())
    for _ in range(rng.choice([1, 10, 1000])):
        data[rng.randrange(len(data) if seed % 2 else 4096)] = rng.randrange(256)
    file.write_bytes(data)
    with open_store(tmp_path) as store:
        known = store.recall([f"{i}" for i in range(300)])
        assert all(value == key.encode() * 100 for key, value in known.items())
        store.remember({"new": b"bread"})
    with open_store(tmp_path) as store:
        assert store.recall(["new"]) == {"new": b"bread"}


def test_a_folder_in_place_of_the_file_is_replaced(tmp_path):
    (tmp_path / "bake.sqlite/inside").mkdir(parents=True)
    with open_store(tmp_path) as store:
        store.remember({"a": b"bread"})
        assert store.recall(["a"]) == {"a": b"bread"}


def test_a_full_disk_throws_nothing_away(tmp_path):
    file = fill_store(tmp_path)
    with open_store(tmp_path) as store:
        store.base.execute(f"pragma max_page_count = {file.stat().st_size // 4096 + 5}")
        with pytest.raises(sqlite3.OperationalError, match="full"):
            store.remember({"large": b"x" * 10**6})
        assert len(store.recall([f"{i}" for i in range(300)])) == 300


def test_the_memo_keeps_what_was_used_last_when_it_grows_too_large(tmp_path):
    with open_store(tmp_path, 250) as store:
        store.remember({"old": b"x" * 100})
        store.remember({"mid": b"x" * 100})
        time.sleep(0.01)
        store.recall(["old"])
        time.sleep(0.01)
        store.remember({"new": b"x" * 100})
    with open_store(tmp_path) as store:
        assert set(store.recall(["old", "mid", "new"])) == {"old", "new"}


def test_the_memo_keeps_what_fits_exactly_and_not_a_byte_more(tmp_path):
    for limit, kept in ((200, {"a", "b"}), (199, {"b"})):
        with open_store(tmp_path / f"{limit}", limit) as store:
            store.remember({"a": b"x" * 100})
            time.sleep(0.01)
            store.remember({"b": b"x" * 100})
        with open_store(tmp_path / f"{limit}") as store:
            assert set(store.recall(["a", "b"])) == kept


def write_until_killed(folder):
    with open_store(folder) as store:
        for i in range(10**6):
            store.remember({f"{i}": b"%d" % i * 100})


def test_kill_9_loses_no_entry_that_was_written(tmp_path):
    writer = multiprocessing.get_context("spawn").Process(target=write_until_killed, args=(tmp_path,))
    writer.start()
    for _ in range(400):
        time.sleep(0.05)
        if (tmp_path / "bake.sqlite-wal").exists() and (tmp_path / "bake.sqlite-wal").stat().st_size > 50_000:
            break
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    with open_store(tmp_path) as store:
        known = store.recall([f"{i}" for i in range(20)])
    assert len(known) == 20
    assert all(value == key.encode() * 100 for key, value in known.items())
