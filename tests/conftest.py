"""What several tests share: a tiny set in the competition's layout, and the reference material where it is there."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

from visage.formats.columns import SHOTS

PROJECT = Path(__file__).parents[1]
SHARED = PROJECT.parent / "shared"

settings.register_profile("busy machines", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machines")


@pytest.fixture
def shared() -> Path:
    """Real photos and weights, which lie beside the project where they are at hand."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED.name}/ with real photos and weights is not beside the project")
    return SHARED


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny bundle, written once; tests read it only."""
    from tests.serving.tiny_bundle import write_tiny_bundle

    return write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "bundle")


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DVC_STAGE", "DVC_ROOT", "VISAGE_WORKERS"):
        monkeypatch.delenv(name, raising=False)


def picture(path: Path, colour: tuple[int, int, int] = (120, 90, 60), size: tuple[int, int] = (12, 16)) -> Path:
    """A small photo of one colour; size is width, height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


@pytest.fixture
def competition(tmp_path: Path) -> Callable[..., Path]:
    """Writes `train.csv`, the people's folders and `info.csv` for rows of (id, gender, age)."""

    def write(people: list[tuple[str, str, str]], answers: int = 2, root: Path = tmp_path / "raw") -> Path:
        lines = ["id,gender,race,age,path"]
        for n, (number, gender, age) in enumerate(people):
            name = f"{number}_{gender}_Asian_{age}"
            lines.append(f"{number},{gender},Asian,{age},{name}")
            for i, shot in enumerate(SHOTS):
                picture(
                    root / "train/images" / name / f"{shot}{('.jpg', '.png', '.jpeg')[i % 3]}", (n * 20, i * 30, 99)
                )
        (root / "train/train.csv").write_text("\n".join(lines) + "\n")
        names = [f"{n:040x}.jpg" for n in range(answers)]
        for name in names:
            picture(root / "eval/images" / name)
        (root / "eval/info.csv").write_text("\n".join(["ImageID,ans", *(f"{name},0" for name in names)]) + "\n")
        return root

    return write


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to run stages in, so that nothing they write touches the project."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc").mkdir()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(PROJECT / "src"), os.environ.get("PYTHONPATH", "")]))
    return tmp_path
