"""A bundle at work: pictures in; out come faces, each with its probabilities and its answer for every task."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from visage.faces.retina import Faces
from visage.formats.tasks import Task


@dataclass(frozen=True)
class Face:
    """One judged face; pixels of the photo.

    `score` is the detector's; NaN for a box that was given and for a whole photo. `probabilities` has one array for
    each task, one number for each class, blended and calibrated; `answers` the class by the bundle's decision rule.
    `years` is the expected number of a task whose heads are distributions (age), if there is one.
    """

    box: np.ndarray  # x0 y0 x1 y1
    landmarks: np.ndarray  # 5 x 2, NaN = unknown
    score: float
    by: str  # detector | hand (a box that was given) | whole (no face: the whole photo was judged)
    probabilities: dict[str, np.ndarray]
    answers: dict[str, str]
    years: float | None


class Bundle:
    """`Bundle.open(folder)`; several threads may use one.

    `card` is card.json as read; `tasks` are those that are answered, in the card's order.
    """

    card: dict[str, Any]
    tasks: list[Task]

    @classmethod
    def open(cls, folder: Path, *, tasks: Collection[str] | None = None) -> Bundle:
        """Only the networks that these tasks need are loaded (all by default). ValueError where it is no bundle."""
        raise NotImplementedError

    def detect(self, images: Sequence[np.ndarray]) -> list[Faces]:
        """Boxes, scores and landmarks of each RGB picture (uint8, height x width x 3, any sizes), best score first."""
        raise NotImplementedError

    def classify(self, images: Sequence[np.ndarray], faces: Sequence[Faces]) -> list[list[Face]]:
        """Judge known boxes: one `Faces` a picture, one list of judged faces a picture, in the order of the boxes."""
        raise NotImplementedError

    def find_faces(
        self, images: Sequence[np.ndarray], *, faces: Literal["all", "largest"] = "all", min_size: float = 0
    ) -> list[list[Face]]:
        """Detect and classify: the faces of each picture, best score first; `min_size` (px) of a box's shorter side."""
        raise NotImplementedError
