"""Write a bundle: every network as ONNX, checked against PyTorch, with the detector and the matte network."""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from visage.bundling.export import CannotBundle, export_error, export_network
from visage.bundling.precision import Precision, convert
from visage.faces.crop_params import CropParams
from visage.faces.detectors import DetectParams, find_weights
from visage.faces.mattes import CutOutParams, MattingModel
from visage.formats.tasks import Task, class_codes, is_about_people
from visage.inference import list_checkpoints
from visage.networks.checkpoints import CheckpointCard, read_card, read_checkpoint
from visage.networks.images import Preprocessing
from visage.runtime.memo import file_digest
from visage.runtime.params import Params

TOLERANCE = 1e-4  # of a probability, between a network and its export


class BundleParams(Params):
    """Section `bundle`."""

    networks: Literal["all", "one_fold"]
    precision: Precision


@dataclass(frozen=True)
class Source:
    """One checkpoint to export, and the tasks that it answers; a joint network is there once for all of its tasks."""

    path: Path
    member: str
    card: CheckpointCard
    digest: str
    tasks: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{'-'.join(self.tasks)}-{self.member}-fold{self.card.fold}"


def list_sources(models: Path, fitted: Mapping[str, Any], networks: str) -> list[Source]:
    """The checkpoints that the answers are made of: of members that have a weight, of all folds or of the first."""
    sources: dict[tuple[str, str], Source] = {}
    for task, exponents in used_exponents(fitted).items():
        for member in exponents:
            files = list_checkpoints(models / f"{task}-{member}")
            for path in files[:1] if networks == "one_fold" else files:
                digest = file_digest(path)
                earlier = sources.get((member, digest))
                tasks = (*earlier.tasks, task) if earlier else (task,)
                sources[member, digest] = Source(path, member, read_card(path), digest, tasks)
    return list(sources.values())


def used_exponents(fitted: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """By task the exponents of the members that have any; where nothing was learnt and none has, of all."""
    used = {}
    for task, numbers in fitted.items():
        exponents = numbers["exponents"]
        used[task] = {member: value for member, value in exponents.items() if value > 0} or exponents
    return used


def export_sources(
    sources: Sequence[Source], pictures: Mapping[Preprocessing, np.ndarray], tta: str, precision: Precision
) -> Iterator[tuple[Source, bytes, float]]:
    """(source, ONNX bytes, largest difference of a probability); refused above TOLERANCE.

    `pictures` (NHWC, uint8) are what is compared on, and what int8 is calibrated on. The difference is that of the
    float32 export: what another precision costs is measured in answers.
    """
    for source in sources:
        network, card = read_checkpoint(source.path)
        pixels = pictures[card.recipe.preprocessing]
        data = export_network(network, card, tta)
        error = export_error(data, network, card, pixels, tta)
        if not error <= TOLERANCE:
            raise ValueError(
                f"{source.path}: as ONNX its probabilities differ by {error:.2g} from PyTorch's on {len(pixels)} "
                f"photos, more than {TOLERANCE:g}. The bundle is not written; try another torch or onnxruntime."
            )
        yield source, convert(data, pixels, precision), error


def write_networks(folder: Path, exports: Iterator[tuple[Source, bytes, float]]) -> tuple[list[dict[str, Any]], float]:
    """The files below `networks/`; their rows of the card, and the largest difference of them all."""
    (folder / "networks").mkdir()
    rows, worst = [], 0.0
    for source, data, error in exports:
        file = f"networks/{source.name}.onnx"
        (folder / file).write_bytes(data)
        preprocessing = asdict(source.card.recipe.preprocessing)
        preprocessing["fill"] = list(preprocessing["fill"])
        rows.append(
            {
                "file": file,
                "member": source.member,
                "fold": source.card.fold,
                "tasks": list(source.tasks),
                "preprocessing": preprocessing,
                "checkpoint": source.digest,
            }
        )
        worst = max(worst, error)
    return rows, worst


def write_detector(folder: Path, params: DetectParams) -> dict[str, Any]:
    """The detector's file, and its part of the card."""
    if params.detector == "mtcnn":
        raise CannotBundle("detect.detector is mtcnn, which needs TensorFlow: choose another one for a bundle.")
    weights, file = find_weights(params), None
    if weights:
        file = "detector.onnx"
        shutil.copyfile(weights, folder / file)
    return params.model_dump(exclude={"weights"}) | {"file": file}


def write_matting(folder: Path, params: CutOutParams, sources: Sequence[Source]) -> dict[str, Any] | None:
    """The matte network's file and its part of the card; None where no network asks what is person."""
    if all(source.card.recipe.keep == "all" for source in sources):
        return None
    model = MattingModel(params.model)
    if model.network is None:
        raise CannotBundle(f"cut_out.model is {params.model!r}: of mattes, bundled, u2net and u2netp can be bundled.")
    shutil.copyfile(model.weights, folder / "matting.onnx")
    return {"file": "matting.onnx", "model": params.model}


def card_of_tasks(tasks: Sequence[Task], photos: pd.DataFrame) -> list[dict[str, Any]]:
    """Each task with its classes, and what it is about: `photo`, as a mask, which a person takes off, or `person`."""
    train = photos[photos["split"] == "train"]
    people = train["person"].to_numpy(str)
    about = {task.name: is_about_people(people, class_codes(train[task.name], task)) for task in tasks}
    return [asdict(task) | {"about": "person" if about[task.name] else "photo"} for task in tasks]


def card_of_crop(params: CropParams, margins: Iterable[float]) -> dict[str, Any]:
    """The section `crop`, with the margin that the stored crops really have: `auto` was a number for them."""
    margin = next(iter(margins), params.margin)
    return params.model_dump() | {"width": params.width, "margin": margin}
