"""What a run has left in its files. Any of them may be missing: then its field is None or empty."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from visage.formats.shards import count_pictures, read_rows
from visage.formats.tables import read_answers, read_photos, read_text_table
from visage.formats.tasks import Task, read_tasks
from visage.runtime.params import Params

PRACTICE = "practice"  # data.name of the drawn set
WEIGHT_FILES = (".onnx", ".pth", ".pt", ".safetensors")


class ReportParams(Params):
    """Section `report`."""

    faces: bool  # whether single people of one's own photos may be shown

    def allow_faces(self, data: str) -> bool:
        """Whether single people of this data set may be shown; those of the practice set do not exist."""
        return self.faces or data == PRACTICE


@dataclass(frozen=True)
class RunResults:
    """One run; tables as their stages wrote them, pictures as encoded bytes by name."""

    photos: pd.DataFrame | None = None
    tasks: list[Task] = field(default_factory=list)
    missed: pd.DataFrame | None = None  # photos without a detected face
    box_sources: Mapping[str, int] = field(default_factory=dict)  # where the box came from -> crops
    outside: float | None = None  # of the median crop, the share outside its photo
    mattes: int = 0
    transplants: int = 0
    curves: dict[str, pd.DataFrame] = field(default_factory=dict)
    answers: pd.DataFrame | None = None
    scores: dict[str, Any] | None = None
    confusions: dict[str, pd.DataFrame] = field(default_factory=dict)
    ablation: pd.DataFrame | None = None  # what each part is worth, text; see `tabulate_parts`
    label_issues: pd.DataFrame | None = None
    attention: dict[str, Any] | None = None
    sheets: dict[str, bytes] = field(default_factory=dict)
    single_sheets: dict[str, bytes] = field(default_factory=dict)  # with single people
    crop_sheets: dict[str, bytes] = field(default_factory=dict)  # with single people
    transplant_sheets: dict[str, bytes] = field(default_factory=dict)
    groups: pd.DataFrame | None = None  # photo, and what else the table says of its person, such as race
    card: dict[str, Any] | None = None  # of the bundle
    submission: int | None = None  # answered photos
    key: dict[str, Any] | None = None
    params: str = ""  # the text of params.yaml
    revision: str = ""
    weights: list[tuple[str, int, str]] = field(default_factory=list)  # file name, bytes, SHA-256
    hardware: str = ""
    seconds: dict[str, float] = field(default_factory=dict)  # by stage
    crops: dict[str, bytes] = field(default_factory=dict)  # of the worst mistakes, by photo


def read_run_results(paths: Mapping[str, Path]) -> RunResults:
    """`paths` has a file or folder for each name below; one without a path counts as missing."""

    def read(name: str, reader: Callable[[Path], Any], default: Any = None) -> Any:
        path = paths.get(name)
        return reader(path) if path and path.exists() else default

    return RunResults(
        photos=read("photos", read_photos),
        tasks=read("tasks", read_tasks, []),
        missed=read("missed", read_text_table),
        box_sources=read("crops", count_box_sources, {}),
        outside=read("crops", measure_median_outside),
        mattes=read("mattes", count_pictures, 0),
        transplants=read("transplants", count_pictures, 0),
        curves=read("curves", lambda folder: read_tables(folder, pd.read_csv), {}),
        answers=read("answers", read_answers),
        scores=read("scores", read_json),
        confusions=read("plots", lambda folder: read_tables(folder / "confusion", read_text_table), {}),
        ablation=read("ablation", read_text_table),
        label_issues=read("label_issues", read_text_table),
        attention=read("attention", read_json),
        sheets=read("sheets", read_pngs, {}),
        single_sheets=read("single_sheets", read_pngs, {}),
        crop_sheets=read("crop_sheets", read_pngs, {}),
        transplant_sheets=read("transplant_sheets", read_pngs, {}),
        groups=read("groups", read_text_table),
        card=read("card", read_card),
        submission=read("submission", lambda path: len(path.read_text(encoding="utf-8").splitlines()) - 1),
        key=read("key", read_json),
        params=read("params", lambda path: path.read_text(encoding="utf-8"), ""),
        revision=describe_revision(),
        weights=read("bundled", list_weights, []) + read("pretrained", list_weights, []),
        hardware=describe_hardware(),
        seconds=read("seconds", read_seconds, {}),
    )


def read_tables(folder: Path, reader: Callable[[Path], pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return {path.stem: reader(path) for path in sorted(folder.glob("*.csv"))}


def read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def read_card(path: Path) -> dict[str, Any] | None:
    """A bundle's card; None where the run could not be bundled."""
    card = read_json(path)
    return None if "absent" in card else card


def read_pngs(folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in sorted(folder.glob("*.png"))}


def count_box_sources(crops: Path) -> Counter[str]:
    return Counter(row["by"] for row in read_rows(crops, ["by"]))


def measure_median_outside(crops: Path) -> float | None:
    """The share of the median crop that lies outside its photo; None without crops."""
    shares = [row["outside"] for row in read_rows(crops, ["outside"])]
    return float(np.median(shares)) if shares else None


def read_crops(folder: Path, photos: set[str]) -> dict[str, bytes]:
    """The stored pictures of some photos."""
    return {row["photo"]: row["image"] for row in read_rows(folder, ["photo", "image"]) if row["photo"] in photos}


def read_seconds(folder: Path) -> dict[str, float]:
    """How long each stage took when it last ran here: a file for each, in the order in which they ended."""
    files = sorted((path for path in folder.iterdir() if path.is_file()), key=lambda path: path.stat().st_mtime)
    return {path.name: float(path.read_text()) for path in files}


def list_weights(folder: Path) -> list[tuple[str, int, str]]:
    """Name, bytes and SHA-256 of the networks that were not trained in this run."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in WEIGHT_FILES)
    return [(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]


def describe_revision() -> str:
    """The commit, and whether the code has changed since."""
    commit = run_command("git", "rev-parse", "--short=12", "HEAD")
    code = ("src", "stages", "params.yaml")
    changes = run_command("git", "status", "--porcelain", "--untracked-files=no", "--", *code)
    return commit + (", with changes that are not committed" if commit and changes else "")


def describe_hardware() -> str:
    """Cores, graphics card and Python of this machine; without asking torch, which takes seconds to load."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpu = run_command("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").replace("\n", ", ")
    system = f"{cores} cores ({platform.machine()}, {platform.system()})"
    return f"{system}; {gpu or 'no NVIDIA card'}; Python {platform.python_version()}"


def run_command(*command: str) -> str:
    """The standard output; nothing where there is no such program or it fails."""
    if not shutil.which(command[0]):
        return ""
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20).stdout.strip()
