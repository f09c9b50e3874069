"""The packages of src/visage: what each may import, and what stays private or light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from visage.runtime.memo import imported_modules

SOURCE = PROJECT / "src/visage"
MAY_IMPORT = {
    "runtime": "",
    "formats": "runtime",
    "scores": "",
    "charts": "",
    "practice": "formats runtime",
    "index": "formats runtime charts",
    "faces": "formats runtime charts",
    "transplants": "formats runtime",
    "networks": "formats runtime",
    "learning": "networks formats runtime scores",
    "inference": "networks formats runtime",
    "ensemble": "formats runtime scores",
    "explain": "networks formats runtime scores",
    "report": "formats runtime",
    "annotator": "formats runtime",
    "serving": "faces networks ensemble formats runtime scores",
    "bundling": "serving faces networks inference ensemble formats runtime scores",
    "video": "serving faces formats runtime",
    "server": "serving formats runtime",
    "cli": "annotator networks serving video server",
}
WITH_TORCH = {"networks", "learning", "inference", "explain", "bundling"}


def package_of(module: str) -> str:
    """`faces` for visage.faces.crops."""
    return module.split(".")[1] if "." in module else ""


def modules() -> dict[Path, str]:
    """Every source file with its package."""
    files = sorted(path for path in SOURCE.rglob("*.py") if path.stem not in ("__main__",))
    names = {path: path.relative_to(SOURCE).with_suffix("").parts[0] for path in files}
    return {path: name for path, name in names.items() if name != "__init__"}


def test_every_package_has_its_row_in_the_table():
    assert set(modules().values()) == set(MAY_IMPORT)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_the_table_allows(package):
    allowed = {package, "", *MAY_IMPORT[package].split()}
    for path in [path for path, name in modules().items() if name == package]:
        used = {package_of(module) for module in imported_modules(path.read_text())}
        assert used <= allowed, f"{path.relative_to(SOURCE)} imports {sorted(used - allowed)}"


def test_the_table_has_no_circle():
    done: set[str] = set()
    while len(done) < len(MAY_IMPORT):
        ready = {name for name, others in MAY_IMPORT.items() if name not in done and set(others.split()) <= done}
        assert ready, f"these import one another: {sorted(set(MAY_IMPORT) - done)}"
        done |= ready


def private_imports(path: Path) -> list[str]:
    """Names with a leading underscore that a file takes out of another visage module."""
    return [
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("visage")
        for alias in node.names
        if alias.name.startswith("_")
    ]


@pytest.mark.parametrize("folder", ["src", "stages", "scenes", "tests"])
def test_nobody_imports_a_private_name_of_another_module(folder):
    found = [name for path in sorted((PROJECT / folder).rglob("*.py")) for name in private_imports(path)]
    assert not found


def top_level_imports(path: Path) -> set[str]:
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_libraries_that_load_slowly_are_imported_where_they_are_used():
    for path, package in modules().items():
        slow = top_level_imports(path)
        assert not slow & {"rembg", "retinaface", "onnxruntime", "mtcnn", "tensorflow"}, path
        assert package in WITH_TORCH or not slow & {"torch", "torchvision"}, path


def test_images_are_prepared_without_torch():
    """The exported networks need the preprocessing, and no torch."""
    code = "import sys, visage.networks.images, visage.networks.recipe; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
