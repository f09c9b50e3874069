"""What a bundle was made from and with: for its card."""

import platform
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from visage.bundling.build import Source
from visage.faces.detectors import DetectParams
from visage.faces.mattes import CutOutParams
from visage.runtime.memo import file_digest

PACKAGES = ("visage", "torch", "torchvision", "onnxruntime", "opencv-contrib-python-headless", "numpy")
DETECTOR_LICENCES = {
    "bundled": "detector: made by this project (MIT).",
    "retinaface": "detector: weights of the retina-face package (MIT), trained on WIDER FACE (research use).",
    "yunet": "detector: a YuNet file of your own; OpenCV's are MIT.",
    "centre": "detector: none; the centre of the photo.",
}


def describe_training(tables: Sequence[Path], sources: Sequence[Source], people: int, photos: int) -> dict[str, Any]:
    """How many people and photos, the digests of what they were read from, the revision, and every network's recipe."""
    recipes = {source.name.rpartition("-fold")[0]: source.card.recipe.model_dump() for source in sources}
    return {
        "people": people,
        "photos": photos,
        "sha256": {path.name: file_digest(path) for path in tables},
        "revision": read_revision(),
        "recipes": recipes,
    }


def read_revision() -> str:
    """The commit of the working folder, with `+` where files have changed since; 'unknown' outside of git."""
    try:
        commit, changes = (
            subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no", "src", "stages"])
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + "+" * bool(changes)


def read_versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "unknown"
    return versions


def licence_notes(detect: DetectParams, cut_out: CutOutParams | None, sources: Sequence[Source]) -> list[str]:
    """What someone who passes the bundle on should know of its parts."""
    notes = ["code: visage (MIT).", DETECTOR_LICENCES[detect.detector]]
    if cut_out:
        owner = "made by this project (MIT)" if cut_out.model == "bundled" else f"{cut_out.model}: see its publisher"
        notes.append(f"matte network: {owner}.")
    weights = sorted({source.card.recipe.weights for source in sources})
    if "imagenet" in weights:
        notes.append("classifiers: begun from torchvision's weights (BSD-3), learnt on ImageNet (research use).")
    notes += [f"classifiers: begun from the weights {name}." for name in weights if name not in ("imagenet", "none")]
    notes.append("classifiers: learnt from your photos; whether they may be passed on is for those who own these.")
    return notes
