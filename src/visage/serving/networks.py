"""The classifiers of a bundle: crops in, every task's probabilities out, blended and calibrated."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from visage.ensemble.answers import Blend, average_folds
from visage.faces.sessions import open_onnx
from visage.faces.u2net import run_u2net
from visage.networks.images import Preprocessing, prepare

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

VALUE = "value"  # of an output's name: `age.value` is the expected number, `age` are the probabilities


@dataclass(frozen=True)
class Crop:
    """A face as the road stores it: RGB, uint8, after JPEG; `landmarks` are FACE_LANDMARKS in its pixels."""

    image: np.ndarray
    landmarks: list[float | None]


@dataclass(frozen=True)
class Classifier:
    """One exported network: prepared pictures (uint8, N x 3 x H x W) to an array for each output."""

    session: InferenceSession
    member: str
    fold: int
    tasks: tuple[str, ...]
    preprocessing: Preprocessing

    def run(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        names = [output.name for output in self.session.get_outputs()]
        return dict(zip(names, self.session.run(names, {"pictures": pictures}), strict=True))


class Ensemble:
    """The networks of these tasks, and how they are blended. Several threads may use one."""

    def __init__(self, folder: Path, card: Mapping[str, Any], tasks: Collection[str]) -> None:
        self.blends = {task: card["blend"][task] for task in tasks}
        self.classifiers = [
            Classifier(
                open_onnx(folder / row["file"]),
                row["member"],
                row["fold"],
                tuple(row["tasks"]),
                Preprocessing(**row["preprocessing"] | {"fill": tuple(row["preprocessing"]["fill"])}),
            )
            for row in card["networks"]
            if set(row["tasks"]) & set(tasks)
        ]
        needs_matte = any(classifier.preprocessing.keep != "all" for classifier in self.classifiers)
        self.matting = open_onnx(folder / card["matting"]["file"]) if needs_matte else None

    def predict(self, crops: Sequence[Crop]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Probabilities (N x classes) of each task, and the expected number (N) of those whose heads are over numbers.

        A member's folds are averaged, then the members blended; both as products of probabilities.
        """
        pictures = self.prepare_all(crops)
        outputs = [(own, own.run(pictures[own.preprocessing])) for own in self.classifiers]
        probabilities, values = {}, {}
        for task, exponents in self.blends.items():
            by_member = [
                np.stack([out[task] for own, out in outputs if own.member == member and task in own.tasks])
                for member in exponents
            ]
            blend = Blend(np.array(list(exponents.values()), float))
            weights = dict(zip(exponents, blend.weights, strict=True))
            probabilities[task] = blend(average_folds(np.stack(by_member).astype(float)))
            name = f"{task}.{VALUE}"
            numbers = [(weights[own.member], out[name]) for own, out in outputs if name in out and task in own.tasks]
            if numbers:
                values[task] = np.average([n for _, n in numbers], axis=0, weights=[w for w, _ in numbers])
        return probabilities, values

    def prepare_all(self, crops: Sequence[Crop]) -> dict[Preprocessing, np.ndarray]:
        """The crops for each way of preparing them, once: N x 3 x height x width, uint8."""
        mattes = [run_u2net(self.matting, crop.image) if self.matting else None for crop in crops]
        ways = {classifier.preprocessing for classifier in self.classifiers}
        prepared = {
            way: [prepare(crop.image, matte, crop.landmarks, way) for crop, matte in zip(crops, mattes, strict=True)]
            for way in ways
        }
        return {way: np.ascontiguousarray(np.stack(rows).transpose(0, 3, 1, 2)) for way, rows in prepared.items()}
