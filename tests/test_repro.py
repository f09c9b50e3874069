"""The real `dvc`, on small projects: what is done again after a change, and what is not."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.conftest import PROJECT
from visage.formats.shards import decode_image, read_shards

pytestmark = pytest.mark.slow

DVC = [sys.executable, "-m", "dvc"]


def colour(number: int) -> tuple[int, int, int]:
    """A colour that only this photo has, far enough from all others to survive JPEG."""
    return (number % 13 * 20, number // 13 % 13 * 20, number // 169 * 20)


def tiny_matting(path: Path) -> Path:
    """A network in rembg's contract that calls bright pixels person; thousands of photos take seconds."""
    import onnx
    from onnx import TensorProto, helper

    shape = [1, 3, 320, 320]
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["x"], ["y"], axes=[1], keepdims=1)],
        "brightness",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 320, 320])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def small_project(home: Path, photos: int) -> None:
    """The first stages, as a project of their own, with as many one-coloured photos as asked for."""
    for folder in ("stages", "src"):
        shutil.copytree(PROJECT / folder, home / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / ".dvcignore", home)  # a new __pycache__ is no change of a package
    shutil.copytree(PROJECT / "models/bundled", home / "models/bundled", ignore=shutil.ignore_patterns("*.yaml"))
    raw, manual = home / "data/raw/mini", home / "data/manual/mini"
    raw.mkdir(parents=True)
    manual.mkdir(parents=True)
    for number in range(photos):
        image = np.full((32, 24, 3), colour(number), np.uint8)
        image[:8] = 255 - image[:8] // 2  # so that a matte has something to tell apart
        Image.fromarray(image).save(raw / f"{number:05d}.png")
    rows = [f"{number:05d}.png,{('f', 'm')[number % 2]}" for number in range(photos)]
    (raw / "faces.csv").write_text("\n".join(["photo,sex", *rows]) + "\n")
    (manual / "boxes.csv").write_text("photo,x0,y0,x1,y1,note\n")
    (manual / "labels.csv").write_text("person,photo,field,value,confidence,source,note\n")
    params = yaml.safe_load((PROJECT / "params.yaml").read_text())
    params["data"]["name"] = "mini"
    params["index"] |= {"layout": "table", "table": "faces.csv"}
    params["labels"] = {"sex": {"field": "sex", "classes": ["f", "m"]}}
    params["detect"] |= {"detector": "centre"}
    params["crop"] |= {"size": 32, "margin": 0.0, "align": False}
    params["cut_out"]["model"] = str(tiny_matting(home / "tiny.onnx"))
    (home / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    whole = yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"]
    kept = ("index", "detect", "crop", "cut_out")
    (home / "dvc.yaml").write_text(yaml.safe_dump({"stages": {name: whole[name] for name in kept}}))
    (home / "metrics").mkdir()


@pytest.fixture
def build_project(tmp_path, monkeypatch):
    """A small project with as many photos as asked for; dvc is at home in it."""

    def build(photos: int) -> Path:
        home = tmp_path / "project"
        small_project(home, photos)
        enter(home, monkeypatch)
        return home

    return build


def enter(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("PYTHONPATH", str(home / "src"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    subprocess.run([*DVC, "init", "--no-scm", "-q"], check=True)


def repro(stage: str) -> str:
    done = subprocess.run([*DVC, "repro", stage], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def row_counts(output: str) -> dict[str, tuple[int, int]]:
    """How many rows each stage computed and remembered."""
    found = {}
    for part in output.split("Running stage ")[1:]:
        if counts := re.search(r"([\d,]+) computed, ([\d,]+) remembered", part):
            found[part.split("'")[1]] = tuple(int(count.replace(",", "")) for count in counts.groups())
    return found


def row_count(memo: Path) -> int:
    """How many rows a stage has committed to its memo; a row still being written does not count."""
    if not memo.exists():
        return 0
    with closing(sqlite3.connect(memo, timeout=60)) as base:
        exists = base.execute("select count(*) from sqlite_master where name = 'rows'").fetchone()[0]
        return base.execute("select count(*) from rows").fetchone()[0] if exists else 0


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*"))}


def test_one_corrected_box_among_2000_photos_recuts_one_face_and_one_shard(build_project):
    home = build_project(2000)
    assert row_counts(repro("cut_out")) == dict.fromkeys(["detect", "crop", "cut_out"], (2000, 0))
    before = [content(home / "data" / name) for name in ("crops", "mattes")]
    with (home / "data/manual/mini/boxes.csv").open("a") as file:
        file.write("01234.png,2,3,14,17,drawn\n")
    start = time.monotonic()
    assert row_counts(repro("cut_out")) == {"crop": (1, 1999), "cut_out": (1, 1999)}
    assert time.monotonic() - start < 60
    for old, name in zip(before, ("crops", "mattes"), strict=True):
        new = content(home / "data" / name)
        assert sum(old[shard] != new[shard] for shard in old) == 1
    assert row_counts(repro("cut_out")) == {}

    # going back is free, and so is a lost memo but for time
    (home / "data/manual/mini/boxes.csv").write_text("photo,x0,y0,x1,y1,note\n")
    assert row_counts(repro("cut_out")).get("crop", (0, 0))[0] == 0
    assert content(home / "data/crops") == before[0]

    # a change in the code that cuts, cuts everything again
    source = home / "src/visage/faces/crops.py"
    source.write_text(source.read_text() + "\nCHANGED = True\n")
    assert row_counts(repro("crop"))["crop"] == (2000, 0)


def test_every_crop_shows_its_own_photo_even_when_the_boxes_are_shuffled(build_project):
    home = build_project(300)
    repro("detect")
    lines = (home / "data/boxes.csv").read_text().splitlines()
    (home / "data/boxes.csv").write_text("\n".join([lines[0], *lines[:0:-1]]) + "\n")
    args = ["data/raw/mini", "data/photos.csv", "data/boxes.csv", "data/manual/mini/boxes.csv", "data/crops", "sheets"]
    subprocess.run([sys.executable, "stages/crop.py", *args], check=True, capture_output=True)
    seen = 0
    for table in read_shards(home / "data/crops", ["photo", "image"]):
        for row in table.to_pylist():
            middle = decode_image(row["image"])[16, 12].astype(int)
            assert np.abs(middle - colour(int(row["photo"][:5]))).max() < 10
            seen += 1
    assert seen == 300

    (home / "data/boxes.csv").write_text("\n".join(lines[:-1]) + "\n")
    result = subprocess.run([sys.executable, "stages/crop.py", *args], capture_output=True, text=True)
    assert result.returncode == 1
    assert "the boxes lack 1 photos, such as 00299.png" in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize("stage", ["detect", "crop"])
def test_a_killed_stage_goes_on_where_it_was_and_the_result_is_the_same(build_project, stage):
    home = build_project(1500)
    out = home / {"detect": "data/boxes.csv", "crop": "data/crops"}[stage]
    whole = yaml.safe_load((home / "dvc.yaml").read_text())["stages"]
    words = whole[stage]["cmd"].replace("${data.name}", "mini").split()[1:]
    repro({"detect": "index", "crop": "detect"}[stage])
    if out.exists():
        out.unlink()
    memo = home / f".dvc/cache/memo/{stage}.sqlite"
    running = subprocess.Popen([sys.executable, *words], stderr=subprocess.DEVNULL)
    while not row_count(memo):
        assert running.poll() is None, "the stage ended before it could be killed"
        time.sleep(0.005)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert not out.exists()

    done, known = row_counts(repro(stage))[stage]
    assert done + known == 1500 and 0 < known < 1500
    resumed = out.read_bytes() if out.is_file() else content(out)
    shutil.rmtree(home / ".dvc/cache/memo")
    shutil.rmtree(out) if out.is_dir() else out.unlink()
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    assert (out.read_bytes() if out.is_file() else content(out)) == resumed


def test_a_killed_dvc_takes_its_stage_with_it(build_project):
    home = build_project(1)
    (home / "stages/sleep.py").write_text(
        "import os, pathlib, time\nfrom visage.runtime.stage import run\n"
        "def main(): pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(60)\n"
        "if __name__ == '__main__': run(main)\n"
    )
    (home / "dvc.yaml").write_text("stages:\n  sleep:\n    cmd: python stages/sleep.py\n")
    dvc = subprocess.Popen([*DVC, "repro"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (home / "pid").exists():
        assert dvc.poll() is None
        time.sleep(0.05)
    time.sleep(0.2)
    sleeper = int((home / "pid").read_text())
    dvc.kill()
    dvc.wait()
    for _ in range(200):
        if not Path(f"/proc/{sleeper}").exists() or "Z" in Path(f"/proc/{sleeper}/stat").read_text().split()[2]:
            return
        time.sleep(0.05)
    os.kill(sleeper, signal.SIGKILL)
    raise AssertionError("the stage went on without its dvc")
