import multiprocessing
import os
import signal
import sqlite3
import time

import pytest

from visage.runtime.memo import Memo, cache_folder, digest, imported_modules, pack, reachable, source_digest, unpack


def test_what_is_remembered_is_recalled_by_another_process_later(tmp_path):
    with Memo("bake", folder=tmp_path) as memo:
        memo.remember({"a": b"bread", "b": b"cake"})
    with Memo("bake", folder=tmp_path) as memo:
        assert memo.recall(["b", "c", "a"]) == {"a": b"bread", "b": b"cake"}


def test_the_parts_of_a_digest_cannot_run_into_each_other():
    assert digest("ab", "c") != digest("a", "bc")
    assert digest(b"ab", b"c") != digest(b"a", b"bc")
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


def test_the_memo_keeps_what_fits_exactly_and_not_a_byte_more(tmp_path):
    for limit, kept in ((200, {"a", "b"}), (199, {"b"})):
        with Memo(f"bake{limit}", folder=tmp_path, limit=limit) as memo:
            memo.remember({"a": b"x" * 100})
            time.sleep(0.01)
            memo.remember({"b": b"x" * 100})
        with Memo(f"bake{limit}", folder=tmp_path) as memo:
            assert set(memo.recall(["a", "b"])) == kept


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


def test_only_what_is_unknown_is_computed_and_the_order_stays(tmp_path):
    computed = []

    def compute(items):
        computed.extend(items)
        return [{"item": item, "data": item.encode()} for item in items]

    def run(items):
        with Memo("bake", folder=tmp_path) as memo:
            rows = list(memo.map(compute, iter(items), key=lambda item: [item], chunk=2))
            return [row["item"] for row in rows], (memo.computed, memo.known)

    assert run("cab") == (["c", "a", "b"], (3, 0))
    assert run("dbaec") == (["d", "b", "a", "e", "c"], (2, 3))
    assert computed == ["c", "a", "b", "d", "e"]


def test_rows_of_other_parameters_or_other_code_are_not_recalled(tmp_path):
    def computed(*inputs, **more):
        with Memo("bake", *inputs, folder=tmp_path, **more) as memo:
            list(memo.map(lambda items: [{"item": item} for item in items], "ab", key=lambda item: [item]))
            return memo.computed

    assert [computed("rye"), computed("rye"), computed("wheat")] == [2, 0, 2]
    assert [computed("rye", code="visage.scores"), computed("rye", code="visage.scores")] == [2, 0]


def test_a_row_survives_packing():
    row = {"photo": "ä/1.jpg", "width": 3, "error": None, "image": b"\n\x00{", "share": 0.1, "matte": b""}
    assert unpack(pack(row)) == row
    assert unpack(b"\x00 nonsense") is None


@pytest.fixture
def package(tmp_path):
    """A package of three rooms: oven.bread imports mill.flour, which imports field.grain."""
    sources = {
        "oven/bread": "from visage.mill.flour import grind\n",
        "mill/flour": "def grind():\n    from visage.field import grain\n    return grain.grow()\n",
        "field/grain": "def grow():\n    return 1\n",
        "field/weeds": "def grow():\n    return 1\n",
    }
    for name, source in sources.items():
        file = tmp_path / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(source)
        (file.parent / "__init__.py").touch()
    (tmp_path / "__init__.py").touch()
    source_digest.cache_clear()
    return tmp_path


def changed_digest(package, name, source):
    """Whether the digest of oven.bread differs after this change."""
    before = source_digest("visage.oven.bread", package=package)
    (package / f"{name}.py").write_text(source)
    source_digest.cache_clear()
    return source_digest("visage.oven.bread", package=package) != before


def test_a_changed_line_three_imports_away_in_another_room_changes_the_digest(package):
    assert changed_digest(package, "field/grain", "def grow():\n    return 2\n")


def test_a_changed_comment_does_not_change_the_digest(package):
    assert not changed_digest(package, "field/grain", "def grow():\n    return 1  # in spring\n")


def test_a_changed_module_that_is_not_imported_does_not_change_the_digest(package):
    assert not changed_digest(package, "field/weeds", "def grow():\n    return 2\n")


def test_a_changed_package_file_on_the_way_changes_the_digest(package):
    assert changed_digest(package, "mill/__init__", "x = 1\n")


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("from visage.formats.photos import read_photo", {"visage.formats.photos", "visage.formats", "visage"}),
        ("def f():\n    import visage.faces.crops", {"visage.faces.crops", "visage.faces", "visage"}),
        (
            "from visage.faces import boxes, crops as c",
            {"visage.faces.boxes", "visage.faces.crops", "visage.faces", "visage"},
        ),
        ("from visage import scores", {"visage.scores", "visage"}),
        ("import numpy", set()),
    ],
)
def test_imports_of_the_package_are_found_wherever_they_stand(source, names):
    assert imported_modules(source) == names


def test_the_real_training_code_reaches_the_memo_the_shards_and_the_recipe():
    found = reachable(["visage.learning.cross_validation"])
    assert {"visage.runtime.memo", "visage.formats.shards", "visage.networks.recipe"} <= found
    assert not any(name.startswith(("visage.report", "visage.annotator")) for name in found)


def test_the_memo_lies_in_the_cache_that_dvc_uses(project):
    assert cache_folder().resolve() == project / ".dvc/cache"
    with Memo("bake") as memo:
        assert memo.path.resolve() == project / ".dvc/cache/memo/bake.sqlite"
    (project / ".dvc/config.local").write_text("[cache]\n    dir = ../elsewhere\n")
    assert cache_folder().resolve() == project / "elsewhere"
    (project / ".dvc/config.local").write_text(f"[cache]\n    dir = {project}/there\n")
    assert cache_folder() == project / "there"
