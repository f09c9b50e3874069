"""The whole pipeline on a handful of drawn people: photos in, a checked submission out, and nothing done twice."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from dvc.utils.hydra import apply_overrides

from tests.conftest import PROJECT

pytestmark = pytest.mark.slow

BACK = "git checkout -q HEAD -- . && dvc checkout -q"  # as the README says
DVC = [sys.executable, "-m", "dvc"]
SMALL = ["practice.train_people=24", "practice.eval_people=8", "split.folds=2", "train.epochs=1", "tasks.age.epochs=1",
         "explain.photos=6"]  # fmt: skip
CLASSIFIERS = {f"{task}-{member}" for task in ("mask", "gender", "age") for member in ("plain", "person")}
EARLY = {"data/dvc.yaml:practice", "index", "split", "explore", "detect", "crop", "cut_out", "transplant"}


def run(home: Path, *words: str) -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith("DVC_")}
    env |= {"PYTHONPATH": str(home / "src"), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"}
    done = subprocess.run(words, cwd=home, env=env, capture_output=True, text=True)
    assert done.returncode == 0, " ".join(words) + "\n" + done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def clone(home: Path) -> Path:
    """The project as git holds it, with less to do; nothing of this machine's runs comes along."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, files.split("\0")):
        if (PROJECT / name).is_file() and not name.endswith("dvc.lock"):
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, home / name)
    apply_overrides(home / "params.yaml", SMALL)
    (home / "data/manual/practice/boxes.csv").write_text("photo,x0,y0,x1,y1,note\n")
    for words in (["init", "-q"], ["config", "user.email", "a@b.c"], ["config", "user.name", "a"], ["add", "."]):
        run(home, "git", *words)
    run(home, "git", "commit", "-qm", "start")
    return home


def stages_run(output: str) -> set[str]:
    return set(re.findall(r"Running stage '([^']+)'", output))


@pytest.fixture(scope="module")
def road(tmp_path_factory) -> Path:
    """A finished run in a clone."""
    home = clone(tmp_path_factory.mktemp("road") / "clone")
    assert stages_run(run(home, *DVC, "repro")) > EARLY
    run(home, "git", "add", ".")
    run(home, "git", "commit", "-qm", "first run")
    return home


def go_back(home: Path) -> None:
    run(home, "bash", "-c", BACK)
    assert run(home, *DVC, "status", "-q") == ""


def computed(output: str) -> dict[str, int]:
    """How many rows (photos, folds ...) the stages with a memo computed, where they ran."""
    parts = [part for part in output.split("Running stage ")[1:] if " computed, " in part]
    return {part.split("'")[1]: int(re.search(r"([\d,]+) computed", part)[1].replace(",", "")) for part in parts}


def test_the_submission_is_in_the_competitions_form(road):
    info = pd.read_csv(road / "data/raw/practice/eval/info.csv")
    sent = pd.read_csv(road / "data/submission.csv")
    assert list(sent.columns) == ["ImageID", "ans"]
    assert sent["ImageID"].tolist() == info["ImageID"].tolist()
    assert sent["ans"].between(0, 17).all() and sent["ans"].dtype.kind == "i"


def test_the_bundle_writes_the_same_submission(road, tmp_path):
    boxes = ["--boxes", "data/manual/practice/boxes.csv"]
    photos = ["predict", "data/raw/practice/eval", *boxes, "--submission", str(tmp_path / "submission.csv")]
    run(road, sys.executable, "-m", "visage", *photos)
    assert (tmp_path / "submission.csv").read_bytes() == (road / "data/submission.csv").read_bytes()


def test_a_second_repro_runs_no_stage_and_status_is_clean(road):
    assert stages_run(run(road, *DVC, "repro")) == set()
    assert run(road, *DVC, "status").strip().endswith("up to date.")


def test_after_a_run_git_shows_results_only(road):
    """What a run changed is in the commit after it: metrics, lock files and what DVC told git to ignore."""
    changed = run(road, "git", "show", "--name-only", "--format=", "HEAD").split()
    results = ("dvc.lock", "data/dvc.lock", "metrics/", ".gitignore", "data/.gitignore", "data/raw/.gitignore",
               "data/second/.gitignore", "data/predictions/.gitignore", "models/classifiers/.gitignore")  # fmt: skip
    assert not [name for name in changed if not name.startswith(results) and not name.endswith(".gitignore")]


def test_two_clones_answer_alike(road, tmp_path):
    other = clone(tmp_path / "clone")
    run(other, *DVC, "repro", "submit")
    for name in ("data/submission.csv", "data/photos.csv", "data/folds.csv", "data/boxes.csv", "data/answers.csv"):
        assert (other / name).read_bytes() == (road / name).read_bytes(), name


def test_an_experiment_with_the_shared_recipe_retrains_the_three_tasks_and_going_back_computes_nothing(road):
    ran = stages_run(run(road, *DVC, "exp", "run", "-S", "train.lr=0.001"))
    assert {"resolve", "ensemble", *(f"train@{name}" for name in CLASSIFIERS)} <= ran
    assert not ran & EARLY
    assert stages_run(run(road, *DVC, "exp", "run", "-S", "train.lr=0.004")) == set()
    go_back(road)


def test_an_experiment_with_one_task_retrains_that_task_alone_and_changes_one_line(road):
    ran = stages_run(run(road, *DVC, "exp", "run", "-n", "longer", "-S", "tasks.age.epochs=2"))
    assert {name for name in ran if name.startswith("train@")} == {"train@age-plain", "train@age-person"}
    assert not ran & EARLY
    go_back(road)
    run(road, *DVC, "exp", "apply", "longer")
    assert "1 insertion(+), 1 deletion(-)" in run(road, "git", "diff", "--stat", "HEAD", "--", "params.yaml")
    go_back(road)


def test_another_threshold_does_not_run_the_detector_again(road):
    output = run(road, *DVC, "exp", "run", "-S", "detect.threshold=0.31")
    assert "detect" in stages_run(output) and computed(output)["detect"] == 0
    assert not any(name.startswith("train") for name in stages_run(output))
    go_back(road)


def test_faces_in_the_report_and_the_comparison_of_detectors_rerun_nothing_long(road):
    assert stages_run(run(road, *DVC, "exp", "run", "-S", "report.faces=true")) == {"report"}
    assert stages_run(run(road, *DVC, "exp", "run", "-S", "compare_detectors.side=320")) == set()
    go_back(road)


def test_a_corrected_gender_trains_gender_again_where_it_is_learnt_and_nothing_else(road):
    photos = pd.read_csv(road / "data/photos.csv", dtype=str)
    person = photos.loc[photos["gender"] == "male", "person"].iloc[0]
    folds = (road / "data/folds.csv").read_bytes()
    labels = road / "data/manual/practice/labels.csv"
    labels.write_text(labels.read_text() + f"{person},,gender,female,1,test,\n")
    output = run(road, *DVC, "repro")
    assert (road / "data/folds.csv").read_bytes() == folds
    rows = computed(output)
    stages = [f"{stage}@gender-{member}" for stage in ("train", "predict") for member in ("plain", "person")]
    assert [rows[name] for name in stages[:2]] == [1, 1]  # of two folds, the one that holds the person out stays
    assert {name for name, count in rows.items() if count} <= {*stages, "explain"}
    go_back(road)


def test_a_corrected_box_recuts_one_face(road):
    photo = pd.read_csv(road / "data/photos.csv", dtype=str).query("split == 'train'")["photo"].iloc[0]
    boxes = road / "data/manual/practice/boxes.csv"
    boxes.write_text(boxes.read_text() + f"{photo},100,100,250,300,test\n")
    rows = computed(run(road, *DVC, "repro", "cut_out"))
    assert (rows["crop"], rows["cut_out"]) == (1, 1)
    go_back(road)


def test_a_comment_in_the_code_computes_nothing(road):
    for name in ("faces/crops.py", "learning/losses.py", "inference.py"):
        source = road / "src/visage" / name
        source.write_text(source.read_text() + "# a comment\n")
    rows = computed(run(road, *DVC, "repro"))
    assert {"crop", "train@age-plain", "predict@age-plain"} <= set(rows) and set(rows.values()) == {0}
    go_back(road)


def test_a_run_in_a_copy_of_the_project_finds_its_data(road):
    output = run(road, *DVC, "exp", "run", "--temp", "-S", "ensemble.seed=5")
    assert "Ran experiment" in output
    assert not stages_run(output) & {"detect", "train@age-plain"}


def test_a_teammate_pulls_and_has_nothing_to_do(road, tmp_path):
    """Push with the run cache, a fresh clone, pull: nothing to run, and no known experiment either."""
    run(road, *DVC, "exp", "run", "-S", "ensemble.rule=argmax")
    go_back(road)
    run(road, *DVC, "remote", "add", "-f", "-d", "store", str(tmp_path / "store"))
    run(road, "git", "add", ".dvc/config")
    run(road, "git", "commit", "-qm", "a remote")
    run(road, "git", "tag", "-a", "classifiers@v1.0.0", "-m", "first")
    run(road, *DVC, "push", "-q", "--run-cache")
    run(tmp_path, "git", "clone", "-q", str(road), "mate")
    mate = tmp_path / "mate"
    run(mate, *DVC, "pull", "-q", "--run-cache")
    assert stages_run(run(mate, *DVC, "repro")) == set()
    assert stages_run(run(mate, *DVC, "exp", "run", "-S", "ensemble.rule=argmax")) == set()
    run(mate, *DVC, "artifacts", "get", ".", "classifiers", "-o", str(tmp_path / "networks"))
    assert {path.name for path in (tmp_path / "networks").iterdir()} == CLASSIFIERS


def rerun_rows() -> list[tuple[str, str]]:
    """The first two columns of the table in docs/reruns.md."""
    lines = (PROJECT / "docs/reruns.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [(change, first) for change, first, *_ in rows[2:] if "the value before" not in change]


def apply_change(home: Path, change: str) -> None:
    """Make the change of a row: a parameter, a line in a table of corrections, or a comment in the code."""
    [what] = re.findall("`(.+?)`", change) or [""]
    if what.startswith("-S "):
        apply_overrides(home / "params.yaml", [what.removeprefix("-S ")])
    elif what.endswith(".csv"):
        photo = pd.read_csv(home / "data/photos.csv", dtype=str).query("split == 'train'").iloc[0]
        line = {"labels.csv": f"{photo['person']},,gender,other,1,,", "boxes.csv": f"{photo['photo']},100,100,250,300,"}
        path = home / "data/manual/practice" / what
        path.write_text(path.read_text() + line[what] + "\n")
    elif what:
        path = home / what
        path.write_text(path.read_text() + "# a comment\n")


@pytest.mark.parametrize(("change", "first"), rerun_rows())
def test_the_table_of_reruns_is_what_dvc_says(road, change, first):
    apply_change(road, change)
    changed = json.loads(run(road, *DVC, "status", "--json"))
    every = set(yaml.safe_load((road / "dvc.lock").read_text())["stages"])
    expected = every | {"data/dvc.yaml:practice"} if first == "every stage" else set(filter(None, first.split(", ")))
    direct = {name for name, reasons in changed.items() if not only_outputs(reasons)}
    go_back(road)
    assert direct == expected


def only_outputs(reasons: list) -> bool:
    """Whether a stage counts as changed only since an output of it, or of a stage before it, is not as recorded."""
    return all(list(reason) == ["changed outs"] for reason in reasons)


WITHOUT_TORCH = ("index", "split", "explore", "detect", "crop", "cut_out", "transplant", "pseudo", "ensemble", "ablate",
                 "submit", "audit", "score", "report")  # fmt: skip


@pytest.mark.parametrize("stage", WITHOUT_TORCH)
def test_a_stage_that_does_not_learn_runs_without_torch(road, stage):
    cmd = yaml.safe_load((road / "dvc.yaml").read_text())["stages"][stage]["cmd"].replace("${data.name}", "practice")
    words = cmd.split()[1:]
    code = (
        f"import runpy, sys; sys.argv = {words}; sys.path.insert(0, 'stages'); "
        f"runpy.run_path({words[0]!r}, run_name='__main__'); assert 'torch' not in sys.modules"
    )
    run(road, sys.executable, "-c", code)
    run(road, *DVC, "checkout", "-q", "--force")  # the page of the report tells how long stages took
