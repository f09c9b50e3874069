"""`dvc.yaml` tells the truth: what it says of a stage is what the stage's code does."""

import ast
import dataclasses
import re
from pathlib import Path

import pytest
import yaml

from tests.conftest import PROJECT
from visage.formats.tasks import TaskParams
from visage.runtime.memo import imported

DVC = yaml.safe_load((PROJECT / "dvc.yaml").read_text())
PARAMS_TEXT = (PROJECT / "params.yaml").read_text()
PARAMS = yaml.safe_load(PARAMS_TEXT)
STAGES = DVC["stages"]
LAYERS = [  # imports run downwards in this order only
    "params memo crew stage",
    "labels recipes photos boxes folds layouts roll adoption matching pairings",  # tables
    "scores ballots blend decisions answers findings submissions pseudo_labels doubts",
    "paintbrush traits people sittings backdrops skin features heads hair outfits masks portraits practice_set",
    "pictures crops mattes retina rivals detectors comparison albums grafts transplants regions sheets",  # pictures
    "pretrained backbones networks losses augment descent training checkpoints courses lessons predictions",  # learning
    "attention explanations",
    "charts overview detector_charts style figures dossier particulars chapters page",  # paper
    "ledger desk annotate cli __main__",  # a person's door
]
TABLES, LEARNING = 2, 5  # up to the former no cv2, from the latter on torch
RANK = {module: level for level, layer in enumerate(LAYERS) for module in layer.split()}


def names(entries):
    """Paths of deps, outs or metrics, with or without options."""
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries or []]


def reached(source):
    """The visage modules that a script imports, directly or through others."""
    found, open_ends = set(), list(imported(source))
    while open_ends:
        name = open_ends.pop()
        if name not in found:
            found.add(name)
            open_ends += imported((PROJECT / f"src/visage/{name}.py").read_text())
    return found


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_its_script_and_on_every_module_that_it_reaches(name):
    deps = names(STAGES[name]["deps"])
    script = STAGES[name]["cmd"].split()[1]
    wanted = {script} | {f"src/visage/{module}.py" for module in reached((PROJECT / script).read_text())}
    assert {dep for dep in deps if dep.endswith(".py")} == wanted


@pytest.mark.parametrize("name", STAGES)
def test_a_command_names_what_it_reads_then_what_it_writes_in_the_order_of_deps_and_outs(name):
    stage = STAGES[name]
    words = [word for word in stage["cmd"].split()[2:] if "/" in word]
    reads = [dep for dep in names(stage["deps"]) if not dep.endswith(".py") and dep in words]
    writes = [out for kind in ("outs", "metrics", "plots") for out in names(stage.get(kind)) if out in words]
    assert words == reads + writes
    unnamed = set(names(stage["deps"])) - set(words) - {d for d in names(stage["deps"]) if d.endswith((".py", ".onnx"))}
    assert not unnamed, "deps that the command does not name"


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_says_in_a_sentence_what_it_is_for(name):
    assert len(STAGES[name]["desc"].split()) >= 4


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_script_is_short_and_imported_by_nobody(name):
    script = PROJECT / STAGES[name]["cmd"].split()[1]
    assert len(script.read_text().splitlines()) <= 60
    assert not any(f"stages.{script.stem}" in path.read_text() for path in (PROJECT / "src").rglob("*.py"))


def test_every_stage_script_is_in_the_pipeline():
    used = {stage["cmd"].split()[1] for stage in STAGES.values()}
    assert {f"stages/{path.name}" for path in (PROJECT / "stages").glob("*.py")} - used == {
        "stages/compare_detectors.py"
    }


def test_imports_run_downwards_only():
    modules = sorted((PROJECT / "src/visage").glob("*.py"))
    assert {path.stem for path in modules} - {"__init__"} == set(RANK)
    for path in modules:
        for other in imported(path.read_text()):
            assert RANK[other] <= RANK[path.stem], f"{path.stem} imports {other}, which is above it"


def top_level_imports(path):
    tree = ast.parse(path.read_text())
    found = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_heavy_libraries_are_imported_only_where_they_are_at_home():
    for module, level in RANK.items():
        heavy = top_level_imports(PROJECT / f"src/visage/{module}.py")
        assert not heavy & {"rembg", "retinaface", "onnxruntime", "mtcnn", "tensorflow"}, module
        assert level >= LEARNING or not heavy & {"torch", "torchvision"}, module
        assert level > TABLES or "cv2" not in heavy, module


def sections():
    """Every frozen dataclass of parameters and its keys."""
    found = {}
    for path in sorted((PROJECT / "src/visage").glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and node.name.endswith("Params"):
                fields = [item.target.id for item in node.body if isinstance(item, ast.AnnAssign)]
                found[node.name] = fields
    return found


def section_of(class_name):
    words = re.findall(r"[A-Z][a-z]*", class_name.removesuffix("Params"))
    return "_".join(words).lower()


def test_every_section_is_read_by_exactly_one_dataclass_with_exactly_its_keys():
    by_section = {section_of(name): set(fields) for name, fields in sections().items()}
    assert len(by_section) == len(sections())
    for name in set(PARAMS) - {"data", "tasks", "members"}:
        assert set(PARAMS[name]) == by_section.get(name) or by_section[name.removesuffix("s")], name
    task_keys = {field.name for field in dataclasses.fields(TaskParams)}
    for override in [*PARAMS["tasks"].values(), *PARAMS["members"].values()]:
        assert set(override or {}) <= task_keys | by_section["train"]
    assert {name if name in PARAMS else name + "s" for name in by_section} <= {*PARAMS, "tasks", "rounds"}


def test_every_value_is_commented():
    for line in PARAMS_TEXT.splitlines():
        if re.match(r"\s*[a-z_0-9]+:\s*\S", line):
            assert re.search(r"#\s*\S+", line), line


def test_every_parameter_is_somebodys():
    """Each section is in the params of a stage (or in a path of dvc.yaml), so that a change of it has an effect."""
    text = (PROJECT / "dvc.yaml").read_text()
    for name in set(PARAMS) - {"compare_detectors"}:  # a call of its own, no part of the road
        assert re.search(rf"^\s+- {name}\b|\$\{{{name}\b", text, re.MULTILINE), name


def test_paths_of_the_data_live_in_dvc_yaml_only():
    """But for the commands of `python -m visage`, whose defaults a person may change."""
    for path in [*(PROJECT / "src/visage").glob("*.py"), *(PROJECT / "stages").glob("*.py")]:
        if path.name == "cli.py":
            continue
        for text in re.findall(r"Path\(\"([^\"]+)\"\)", Path(path).read_text()):
            assert not text.startswith(("data/", "metrics/")), f"{path.name}: {text}"
