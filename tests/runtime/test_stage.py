"""How stages are run from the command line."""

import os
import subprocess
import sys

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
