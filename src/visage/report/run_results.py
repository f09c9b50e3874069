"""All that files tell about a run. Any of them may be missing: then what it would tell is None or empty."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from visage.formats.tasks import Task, read_tasks
from visage.runtime.params import Params

WEIGHTS = (".onnx", ".pth", ".pt", ".safetensors")


class ReportParams(Params):
    """Section `report`."""

    faces: bool  # whether single people may be shown


@dataclass(frozen=True)
class RunResults:
    """One run; tables as their stages wrote them."""

    photos: pd.DataFrame | None = None
    tasks: list[Task] = field(default_factory=list)
    missed: pd.DataFrame | None = None
    cut_by: dict[str, int] = field(default_factory=dict)
    mattes: int = 0
    transplants: int = 0
    curves: dict[str, pd.DataFrame] = field(default_factory=dict)
    answers: pd.DataFrame | None = None
    scores: dict[str, Any] | None = None
    confusions: dict[str, pd.DataFrame] = field(default_factory=dict)
    doubts: pd.DataFrame | None = None
    attention: dict[str, Any] | None = None
    sheets: dict[str, bytes] = field(default_factory=dict)
    single_sheets: dict[str, bytes] = field(default_factory=dict)
    transplant_sheets: dict[str, bytes] = field(default_factory=dict)
    submission: int | None = None
    key: dict[str, Any] | None = None
    params: str = ""
    revision: str = ""
    weights: list[tuple[str, int, str]] = field(default_factory=list)
    hardware: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    faces: dict[str, bytes] = field(default_factory=dict)


def read_run_results(paths: Mapping[str, Path]) -> RunResults:
    """`paths` names a file or folder for each word below; a word that is not named counts as missing."""

    def told(word: str, read: Callable[[Path], Any], nothing: Any = None) -> Any:
        path = paths.get(word)
        return read(path) if path and Path(path).exists() else nothing

    return RunResults(
        photos=told("photos", read_table),
        tasks=told("tasks", read_tasks, []),
        missed=told("missed", read_table),
        cut_by=told("crops", count_box_sources, {}),
        mattes=told("mattes", count_rows, 0),
        transplants=told("transplants", count_rows, 0),
        curves=told("curves", read_tables, {}),
        answers=told("answers", read_table),
        scores=told("scores", read_json),
        confusions=told("plots", lambda folder: read_tables(folder / "confusion"), {}),
        doubts=told("doubts", read_table),
        attention=told("attention", read_json),
        sheets=told("sheets", read_pngs, {}),
        single_sheets=told("single_sheets", read_pngs, {}),
        transplant_sheets=told("transplant_sheets", read_pngs, {}),
        submission=told("submission", lambda path: len(read_table(path))),
        key=told("key", read_json),
        params=told("params", lambda path: path.read_text(encoding="utf-8"), ""),
        revision=describe_revision(),
        weights=[weight for folder in ("bundled", "pretrained") for weight in told(folder, list_weights, [])],
        hardware=describe_hardware(),
        seconds=told("seconds", read_seconds, {}),
    )


def read_table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"person": str, "photo": str}, keep_default_na=False)


def read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    return {path.stem: pd.read_csv(path, keep_default_na=False) for path in sorted(folder.glob("*.csv"))}


def read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def read_pngs(folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in sorted(folder.glob("*.png"))}


def count_rows(folder: Path) -> int:
    return sum(pq.read_metadata(shard).num_rows for shard in sorted(folder.glob("*.parquet")))


def count_box_sources(folder: Path) -> dict[str, int]:
    """How many crops there are by where their box came from."""
    said = [value for shard in sorted(folder.glob("*.parquet")) for value in pq.read_table(shard, columns=["by"])["by"]]
    return pd.Series([str(value) for value in said], dtype=str).value_counts().to_dict()


def read_faces(crops: Path, wanted: set[str]) -> dict[str, bytes]:
    """The stored picture of some photos."""
    found = {}
    for shard in sorted(Path(crops).glob("*.parquet")):
        table = pq.read_table(shard, columns=["photo", "image"], filters=[("photo", "in", sorted(wanted))])
        found |= dict(zip(table["photo"].to_pylist(), table["image"].to_pylist(), strict=True))
    return found


def read_seconds(folder: Path) -> dict[str, float]:
    """How long each stage took when it last ran here: a file a stage, in the order in which they ended."""
    files = sorted((path for path in folder.iterdir() if path.is_file()), key=lambda path: path.stat().st_mtime)
    return {path.name: float(path.read_text()) for path in files}


def list_weights(folder: Path) -> list[tuple[str, int, str]]:
    """Name, bytes and SHA-256 of the networks that were not trained here."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in WEIGHTS)
    return [(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]


def describe_revision() -> str:
    """The commit, and whether the code has changed since."""
    head = command_output("git", "rev-parse", "--short=12", "HEAD")
    changed = command_output(
        "git", "status", "--porcelain", "--untracked-files=no", "--", "src", "stages", "params.yaml"
    )
    return head + (", with changes that are not committed" if head and changed else "")


def describe_hardware() -> str:
    """Processor, cores, graphics card and Python of this machine; without asking torch, which takes seconds to load."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    card = command_output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").replace("\n", ", ")
    parts = [f"{cores} cores ({platform.machine()}, {platform.system()})", card or "no NVIDIA card"]
    return "; ".join([*parts, f"Python {platform.python_version()}"])


def command_output(*command: str) -> str:
    """What a program says, or nothing where there is no such program or it fails."""
    if not shutil.which(command[0]):
        return ""
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20).stdout.strip()
