"""How stages are run from the command line."""

import os
import subprocess
import sys
import time

import pytest

from tests.conftest import PROJECT

BAKE = '''"""Bake bread."""
from pathlib import Path
from visage.runtime.stage import run

def main(flour: Path, bread: Path) -> None:
    if not flour.exists():
        raise ValueError(f"{flour} is not there; buy some.")
    bread.write_text(flour.read_text() + "!")

if __name__ == "__main__":
    run(main)
'''


@pytest.fixture
def bakery(project):
    """A project with one stage script."""
    (project / "stages").mkdir()
    (project / "stages/bake.py").write_text(BAKE)
    (project / "dvc.yaml").write_text("stages:\n  bake:\n    cmd: python stages/bake.py flour.txt bread.txt\n")
    (project / "flour.txt").write_text("rye")
    return project


def bake(*words, **environment):
    command = [sys.executable, "stages/bake.py", *words]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)


def test_a_stage_gets_its_words_as_paths(bakery):
    assert bake("flour.txt", "bread.txt").returncode == 0
    assert (bakery / "bread.txt").read_text() == "rye!"


def test_what_a_person_got_wrong_is_a_sentence_and_no_trace(bakery):
    done = bake("nowhere.txt", "bread.txt")
    assert done.returncode == 1 and "bake: nowhere.txt is not there; buy some." in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in bake("nowhere.txt", "bread.txt", VISAGE_TRACE="1").stderr


@pytest.mark.parametrize("words", [["--help"], ["flour.txt", "-h"]])
def test_help_says_what_the_stage_is_for_and_shows_the_command_of_dvc_yaml(bakery, words):
    done = bake(*words)
    assert done.returncode == 0
    assert "Bake bread." in done.stdout and "python stages/bake.py flour bread" in done.stdout
    assert "python stages/bake.py flour.txt bread.txt" in done.stdout


def test_too_few_paths_end_in_a_sentence_that_shows_the_command(bakery):
    done = bake("flour.txt")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "1 paths are given" in done.stderr and "python stages/bake.py flour.txt bread.txt" in done.stderr


def test_a_stage_waits_for_the_same_stage_in_another_process(bakery):
    from filelock import FileLock

    (bakery / ".dvc/tmp").mkdir()
    with FileLock(bakery / ".dvc/tmp/stage-bake.lock"):
        waiting = subprocess.Popen(
            [sys.executable, "stages/bake.py", "flour.txt", "bread.txt"], stderr=subprocess.PIPE, text=True
        )
        assert "waiting for it to end" in waiting.stderr.readline()
        assert not (bakery / "bread.txt").exists()
    assert waiting.wait(timeout=30) == 0
    assert (bakery / "bread.txt").exists()


NOT_LEARNING = ["audit", "compare_detectors", "crop", "cut_out", "detect", "ensemble", "explore", "index", "practice",
                "pseudo", "report", "split", "submit", "transplant"]  # fmt: skip


@pytest.mark.parametrize("stage", NOT_LEARNING)
def test_a_stage_that_does_not_learn_never_imports_torch(stage):
    code = f"import sys; sys.path.insert(0, 'stages'); import {stage}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT)
    assert done.stdout.strip() == "False", done.stderr


ORPHAN = """import os, subprocess, sys, time
way, *words = sys.argv[1:]
subprocess.Popen(" ".join(words) if way == "shell" else words, shell=way == "shell")
os._exit(0)
"""


@pytest.mark.parametrize("way", ["shell", "direct"])
def test_a_stage_whose_dvc_was_killed_while_it_imported_ends_at_once(bakery, way):
    """The starter is gone long before the stage's slow import is over."""
    script = bakery / "stages/bake.py"
    script.write_text(BAKE.replace("from pathlib", "import time; time.sleep(1)\nfrom pathlib"))
    (bakery / "starter.py").write_text(ORPHAN)
    words = [sys.executable, "stages/bake.py", "flour.txt", "bread.txt"]
    with (bakery / "said.txt").open("w") as said:
        subprocess.run(
            [sys.executable, "starter.py", way, *words], stderr=said, start_new_session=True,
            env=os.environ | {"DVC_STAGE": "bake"}, check=True,
        )  # fmt: skip
    for _ in range(600):
        if "is gone" in (bakery / "said.txt").read_text():
            break
        time.sleep(0.05)
    assert "the `dvc` that started this stage is gone" in (bakery / "said.txt").read_text()
    assert not (bakery / "bread.txt").exists()


def test_a_stage_of_a_living_dvc_runs(bakery):
    assert bake("flour.txt", "bread.txt", DVC_STAGE="bake").returncode == 0


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise OSError(28, 'No space left on device', 'data/mattes')", ["disk is full", "data/mattes", "MB are free"]),
        ("raise PermissionError(13, 'Permission denied', 'data/x')", ["data/x may not be read or written"]),
        ("open('data/boxes.csv')", ["data/boxes.csv is missing", "dvc repro"]),
        ("import os; os.symlink('loop', 'loop'); open('loop')", ["loop is a link that leads back to itself"]),
        ("open('stages')", ["stages is a folder where a file was wanted"]),
        ("raise KeyboardInterrupt", ["interrupted; what is finished is kept"]),
        (
            "import sqlite3; base = sqlite3.connect(':memory:'); base.execute('pragma max_page_count = 1');"
            "base.execute('create table a (b)')",
            ["disk is full", "memo"],
        ),
    ],
)
def test_what_the_system_refuses_is_a_sentence_and_no_trace(bakery, code, words):
    script = BAKE.replace("    if not flour.exists():", f"    {code}\n    if not flour.exists():")
    (bakery / "stages/bake.py").write_text(script)
    done = bake("flour.txt", "bread.txt")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert all(word in done.stderr for word in words), done.stderr
