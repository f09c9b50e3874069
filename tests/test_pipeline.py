"""`dvc.yaml` tells the truth: what it says of a stage is what the stage's code does."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from tests.conftest import PROJECT
from visage.formats.labels import LabelParams
from visage.networks.recipe import TrainParams
from visage.runtime.memo import imported_modules, reachable

STAGES = yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"]
PRACTICE = yaml.safe_load((PROJECT / "data/dvc.yaml").read_text())["stages"]["practice"]
PARAMS_TEXT = (PROJECT / "params.yaml").read_text()
PARAMS = yaml.safe_load(PARAMS_TEXT)


def names(entries):
    """Paths of deps, outs or metrics, with or without options."""
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries or []]


def packages(script: str) -> set[str]:
    """Folders (or files) right below src/visage that a script imports from, directly or through others."""
    modules = reachable(imported_modules((PROJECT / script).read_text()))
    found = {PROJECT / "src/visage" / module.split(".")[1] for module in modules if "." in module}
    return {(path if path.is_dir() else path.with_suffix(".py")).relative_to(PROJECT).as_posix() for path in found}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_its_script_and_on_every_package_that_it_reaches(name):
    deps, script = names(STAGES[name]["deps"]), STAGES[name]["cmd"].split()[1]
    assert {dep for dep in deps if dep.startswith("src/")} == packages(script)
    assert [dep for dep in deps if dep.startswith("stages/")] == [script]


def test_the_practice_set_depends_on_what_draws_it():
    assert {dep for dep in PRACTICE["deps"] if dep.startswith("src/")} == packages("stages/practice.py")


def test_caches_are_no_part_of_a_package():
    assert "__pycache__" in (PROJECT / ".dvcignore").read_text().split()


def is_data(dep: str) -> bool:
    return not dep.startswith(("src/", "stages/"))


@pytest.mark.parametrize("name", STAGES)
def test_a_command_names_what_it_reads_then_what_it_writes_in_the_order_of_deps_and_outs(name):
    stage = STAGES[name]
    words = [word for word in stage["cmd"].split()[2:] if "/" in word]
    reads = [dep for dep in names(stage["deps"]) if is_data(dep) and dep in words]
    writes = [out for kind in ("outs", "metrics", "plots") for out in names(stage.get(kind)) if out in words]
    assert words == reads + writes
    unnamed = {dep for dep in names(stage["deps"]) if is_data(dep) and not dep.endswith(".onnx")} - set(words)
    assert not unnamed, f"deps that the command does not name: {unnamed}"


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_says_in_a_sentence_what_it_is_for(name):
    assert len(STAGES[name]["desc"].split()) >= 4


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_script_is_short_and_imported_by_nobody(name):
    script = PROJECT / STAGES[name]["cmd"].split()[1]
    assert len(script.read_text().splitlines()) <= 60
    assert not any(f"stages.{script.stem}" in path.read_text() for path in (PROJECT / "src").rglob("*.py"))


def test_every_stage_script_is_in_the_pipeline():
    used = {stage["cmd"].split()[1] for stage in [*STAGES.values(), PRACTICE]}
    scripts = {f"stages/{path.name}" for path in (PROJECT / "stages").glob("*.py")}
    assert scripts - used == {"stages/compare_detectors.py"}  # a call of its own: it needs true boxes


def params_models() -> dict[str, set[str]]:
    """The keys of every model of parameters, by the section that it reads: CutOutParams reads `cut_out`."""
    found = {}
    for path in sorted((PROJECT / "src/visage").rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and node.name.endswith("Params") and node.name != "Params":
                section = "_".join(re.findall(r"[A-Z][a-z]*", node.name.removesuffix("Params"))).lower()
                assert section not in found, f"two models read {section}"
                fields = [item.target.id for item in node.body if isinstance(item, ast.AnnAssign)]
                found[section] = set(fields) - {"renamed"}
    return found


def test_every_section_is_read_by_one_model_with_exactly_its_keys():
    models = params_models()
    assert models.pop("label") == set(LabelParams.model_fields)
    assert set(PARAMS["rounds"]) == models.pop("round")
    assert set(PARAMS) - {"data", "labels", "tasks", "members", "rounds"} == set(models)
    for section, keys in models.items():
        assert set(PARAMS[section]) == keys, section


def test_tasks_and_members_override_keys_of_the_recipe_and_every_task_has_its_entry():
    assert list(PARAMS["tasks"]) == list(PARAMS["labels"])
    for override in [*PARAMS["tasks"].values(), *PARAMS["members"].values()]:
        assert set(override) - {"like", "tasks"} <= set(TrainParams.model_fields)


def test_dvc_changes_one_line_of_params_yaml_when_it_sets_one_value(tmp_path):
    """The file is in the form in which DVC writes it."""
    from dvc.utils.hydra import apply_overrides

    path = tmp_path / "params.yaml"
    path.write_text(PARAMS_TEXT)
    apply_overrides(path, ["tasks.age.epochs=6", "members.photos.lr=0.003"])
    pairs = list(zip(PARAMS_TEXT.splitlines(), path.read_text().splitlines(), strict=True))
    assert [new.split("#")[0].strip() for old, new in pairs if old != new] == ["lr: 0.003", "epochs: 6"]


def test_every_value_is_commented():
    for line in PARAMS_TEXT.splitlines():
        if re.match(r"\s*[a-z_0-9]+:\s*\S", line):
            assert re.search(r"#\s*\S+", line), line


def test_every_parameter_is_somebodys():
    """Each section is in the params of a stage (or in a path of dvc.yaml), so that a change of it has an effect."""
    text = (PROJECT / "dvc.yaml").read_text() + (PROJECT / "data/dvc.yaml").read_text()
    for name in set(PARAMS) - {"compare_detectors"}:  # a call of its own
        assert re.search(rf"^\s+- {name}\b|\$\{{{name}\b", text, re.MULTILINE), name


def test_paths_of_the_data_live_in_dvc_yaml_only():
    """But for the commands of `python -m visage`, whose defaults a person may change."""
    for path in [*(PROJECT / "src/visage").rglob("*.py"), *(PROJECT / "stages").glob("*.py")]:
        if path.name == "cli.py":
            continue
        for text in re.findall(r"Path\(\"([^\"]+)\"\)", Path(path).read_text()):
            assert not text.startswith(("data/", "metrics/")), f"{path.name}: {text}"
