"""`scenes/dvc.yaml` tells the truth, and the main pipeline does not see it."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from common.drawing import DrawParams
from common.evaluation import EvaluateParams
from common.street_scenes import ScenesParams
from detector.training import TrainDetectorParams
from matting.training import TrainMattingParams
from tests.conftest import PROJECT
from visage.runtime.memo import imported_modules, reachable
from visage.runtime.params import load

SCENES = PROJECT / "scenes"
STAGES = yaml.safe_load((SCENES / "dvc.yaml").read_text())["stages"]
PARAMS_TEXT = (SCENES / "params.yaml").read_text()
MODELS = {
    "scenes": ScenesParams,
    "draw": DrawParams,
    "train_detector": TrainDetectorParams,
    "train_matting": TrainMattingParams,
    "evaluate": EvaluateParams,
}


def paths(entries):
    """Paths of deps, outs or metrics, with or without options."""
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries or []]


def script_of(stage) -> str:
    """stages/draw.py of `python -m stages.draw`."""
    return stage["cmd"].split()[2].replace(".", "/") + ".py"


def local_files(file: Path) -> set[Path]:
    """A file and all files of scenes/ that it imports, directly or through others."""
    files, pending = set(), [file]
    while pending:
        files.add(current := pending.pop())
        imports = [node for node in ast.walk(ast.parse(current.read_text())) if isinstance(node, ast.ImportFrom)]
        targets = {SCENES / f"{node.module.replace('.', '/')}.py" for node in imports}
        pending += [target for target in targets - files if target.is_file()]
    return files


def reached_folders(script: str) -> set[str]:
    """The script, and the packages of scenes/ and of src/visage that it reaches."""
    files = local_files(SCENES / script)
    modules = reachable({module for file in files for module in imported_modules(file.read_text())})
    packages = {f"src/visage/{module.split('.')[1]}" for module in modules if "." in module}
    own = {file.relative_to(SCENES).parts[0] for file in files} - {"stages"}
    return {script} | own | packages


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_its_script_and_on_every_package_that_it_reaches(name):
    code = {dep for dep in paths(STAGES[name]["deps"]) if not dep.startswith(("../", "data/", "models/"))}
    assert code == reached_folders(script_of(STAGES[name]))


@pytest.mark.parametrize("name", STAGES)
def test_a_command_names_what_it_reads_then_what_it_writes(name):
    stage = STAGES[name]
    data = [dep for dep in paths(stage["deps"]) if dep.startswith(("../", "data/", "models/"))]
    assert stage["cmd"].split()[3:] == data + paths(stage.get("outs")) + paths(stage.get("metrics"))


def test_every_section_of_the_params_is_read_strictly_and_belongs_to_a_stage():
    assert set(yaml.safe_load(PARAMS_TEXT)) == set(MODELS)
    for section, model in MODELS.items():
        load(model, section, path=SCENES / "params.yaml")
        assert any(section in stage.get("params", []) for stage in STAGES.values())


def test_every_value_is_commented():
    for line in PARAMS_TEXT.splitlines():
        if re.match(r"\s*[a-z_]+:\s*[^\s#]", line):
            assert re.search(r"#\s*\S+", line), line


def test_the_main_pipeline_lists_no_stage_of_this_one():
    from dvc.repo import Repo

    files = {Path(stage.path).resolve() for stage in Repo(str(PROJECT)).index.stages}
    assert PROJECT / "dvc.yaml" in files
    assert not [file for file in files if SCENES in file.parents]


def test_caches_of_the_packages_are_no_dependency():
    """DVC applies .dvcignore below its own root only, so the packages are reached through a link there."""
    from dvc.repo import Repo

    assert (SCENES / "src").resolve() == PROJECT / "src"
    assert Repo(str(SCENES)).dvcignore.is_ignored_dir(str(SCENES / "src/visage/faces/__pycache__"))
