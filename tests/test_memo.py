import multiprocessing
import os
import signal
import sqlite3
import time

import pytest

from visage.memo import Memo, cache_folder, digest, imported, pack, remembering, source_digest, unpack


def test_what_is_remembered_is_recalled_by_another_process_later(tmp_path):
    with Memo("bake", folder=tmp_path) as memo:
        memo.remember({"a": b"bread", "b": b"cake"})
    with Memo("bake", folder=tmp_path) as memo:
        assert memo.recall(["b", "c", "a"]) == {"a": b"bread", "b": b"cake"}


def test_the_parts_of_a_digest_cannot_run_into_each_other():
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("a") == digest("a")
    assert digest({"x": 1, "y": 2}) == digest({"y": 2, "x": 1})


def test_an_entry_that_rotted_is_not_believed(tmp_path):
    with Memo("bake", folder=tmp_path) as memo:
        memo.remember({"a": b"bread"})
    base = sqlite3.connect(tmp_path / "bake.sqlite")
    base.execute("update memo set value = x'00'")
    base.commit()
    base.close()
    with Memo("bake", folder=tmp_path) as memo:
        assert memo.recall(["a"]) == {}


def test_a_torn_file_is_begun_anew(tmp_path):
    (tmp_path / "bake.sqlite").write_bytes(b"not a data base at all" * 500)
    with Memo("bake", folder=tmp_path) as memo:
        assert memo.recall(["a"]) == {}
        memo.remember({"a": b"bread"})
        assert memo.recall(["a"]) == {"a": b"bread"}


def test_the_memo_keeps_what_was_used_last_when_it_grows_too_large(tmp_path):
    with Memo("bake", folder=tmp_path, limit=250) as memo:
        memo.remember({"old": b"x" * 100})
        memo.remember({"mid": b"x" * 100})
        time.sleep(0.01)
        memo.recall(["old"])
        time.sleep(0.01)
        memo.remember({"new": b"x" * 100})
    with Memo("bake", folder=tmp_path) as memo:
        assert set(memo.recall(["old", "mid", "new"])) == {"old", "new"}


def write_until_killed(folder):
    with Memo("bake", folder=folder) as memo:
        for i in range(10**6):
            memo.remember({f"{i}": b"%d" % i * 100})


def test_kill_9_loses_no_entry_that_was_written(tmp_path):
    writer = multiprocessing.get_context("spawn").Process(target=write_until_killed, args=(tmp_path,))
    writer.start()
    for _ in range(400):
        time.sleep(0.05)
        if (tmp_path / "bake.sqlite-wal").exists() and (tmp_path / "bake.sqlite-wal").stat().st_size > 50_000:
            break
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    with Memo("bake", folder=tmp_path) as memo:
        known = memo.recall([f"{i}" for i in range(20)])
    assert len(known) == 20
    assert all(value == key.encode() * 100 for key, value in known.items())


def test_only_what_is_unknown_is_made_and_the_order_stays(tmp_path):
    made = []

    def make(items):
        made.extend(items)
        return [{"item": item, "data": item.encode()} for item in items]

    def run(items):
        with Memo("bake", folder=tmp_path) as memo:
            return list(remembering(memo, items, lambda some: [digest(one) for one in some], make, chunk=2))

    first = run(["c", "a", "b"])
    assert [row["item"] for row in first] == ["c", "a", "b"]
    again = run(["d", "b", "a", "e", "c"])
    assert [row["item"] for row in again] == ["d", "b", "a", "e", "c"]
    assert made == ["c", "a", "b", "d", "e"]


def test_a_row_survives_packing():
    row = {"photo": "ä/1.jpg", "width": 3, "error": None, "image": b"\n\x00{", "share": 0.1, "matte": b""}
    assert unpack(pack(row)) == row
    assert unpack(b"\x00 nonsense") is None


def test_the_digest_of_a_source_follows_imports_and_ignores_comments(tmp_path, monkeypatch):
    package = tmp_path / "visage"
    package.mkdir()

    def told(upper, lower):
        (package / "upper.py").write_text(upper)
        (package / "lower.py").write_text(lower)
        source_digest.cache_clear()
        return source_digest("upper")

    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: type("S", (), {"origin": package / f"{name.split('.')[1]}.py"})
    )
    first = told("from visage.lower import f", "def f(): return 1")
    assert told("from visage.lower import f  # why", "def f():\n    return 1") == first
    assert told("from visage.lower import f", "def f(): return 2") != first
    source_digest.cache_clear()


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("from visage.photos import read_photo", {"photos"}),
        ("def f():\n    import visage.crops", {"crops"}),
        ("from visage import boxes, folds", {"boxes", "folds"}),
        ("import numpy", set()),
    ],
)
def test_imports_of_the_package_are_found_wherever_they_stand(source, names):
    assert imported(source) == names


def test_the_memo_lies_in_the_cache_that_dvc_uses(project):
    assert cache_folder().resolve() == project / ".dvc/cache"
    (project / ".dvc/config.local").write_text("[cache]\n    dir = ../elsewhere\n")
    assert cache_folder().resolve() == project / "elsewhere"
    (project / ".dvc/config.local").write_text(f"[cache]\n    dir = {project}/there\n")
    assert cache_folder() == project / "there"
