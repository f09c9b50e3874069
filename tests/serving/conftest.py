from pathlib import Path

import pytest

from tests.serving.tiny_bundle import write_tiny_bundle


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny bundle, written once; tests read it only."""
    return write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "bundle")
