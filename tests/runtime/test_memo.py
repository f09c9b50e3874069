import pytest

from visage.runtime.memo import Memo, cache_folder, digest, imported_modules, pack, reachable, source_digest, unpack


def test_the_parts_of_a_digest_cannot_run_into_each_other():
    assert digest("ab", "c") != digest("a", "bc")
    assert digest(b"ab", b"c") != digest(b"a", b"bc")
    assert digest("a") == digest("a")
    assert digest({"x": 1, "y": 2}) == digest({"y": 2, "x": 1})


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
