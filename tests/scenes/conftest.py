"""scenes/ is a project of its own, whose stages run from its folder: its packages are imported from there."""

import sys

from tests.conftest import PROJECT

sys.path.append(str(PROJECT / "scenes"))
