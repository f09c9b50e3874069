"""A bundle at work: pictures in; out come faces, each with its probabilities and its answer for every task."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np

from visage.ensemble.answers import build_rule
from visage.faces.baseline_detectors import Centre, YuNet
from visage.faces.choice import choose_face, round_pixels
from visage.faces.crops import crop_face
from visage.faces.retina import NO_FACES, Faces, RetinaFace
from visage.formats.columns import CORNERS, LANDMARKS
from visage.formats.shards import decode_image, encode_image
from visage.formats.tasks import Task
from visage.networks.images import FACE_LANDMARKS
from visage.runtime.problems import suggest_nearest
from visage.serving.card import card_tasks, read_card
from visage.serving.networks import Crop, Ensemble

CROPS = 32  # in a call of the classifiers; the faces of a crowd at once would take gigabytes
NOWHERE = np.full((5, 2), np.nan)  # landmarks that are not known


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


@dataclass(frozen=True)
class Place:
    """Where a face is, before it is judged; fields as of `Face`."""

    box: np.ndarray
    landmarks: np.ndarray
    score: float
    by: str


class Bundle:
    """`Bundle.open(folder)`; several threads may use one, and each call runs on one core.

    `card` is card.json as read; `tasks` are those that are answered, in the card's order.
    """

    def __init__(self, folder: Path, card: dict[str, Any], tasks: list[Task]) -> None:
        self.card, self.tasks = card, tasks
        self.detector = open_detector(folder, card["detect"])
        self.crop_params: Any = SimpleNamespace(**card["crop"])
        self.ensemble = Ensemble(folder, card, [task.name for task in tasks])
        self.rule = build_rule(card["rule"], [task.name for task in tasks])

    @classmethod
    def open(cls, folder: Path, *, tasks: Collection[str] | None = None) -> Bundle:
        """Only the networks that these tasks need are loaded (all by default). ValueError where it is no bundle."""
        card = read_card(folder)
        known = card_tasks(card)
        names = [task.name for task in known]
        for name in tasks or ():
            if name not in names:
                legal = f"{suggest_nearest(name, names)} It answers {', '.join(names)}."
                raise ValueError(f"{folder} knows no task {name!r}.{legal}")
        return cls(Path(folder), card, [task for task in known if tasks is None or task.name in tasks])

    def detect(self, images: Sequence[np.ndarray]) -> list[Faces]:
        """Boxes, scores and landmarks of each RGB picture (uint8, height x width x 3, any sizes), best score first."""
        return self.detector.detect(images)

    def classify(self, images: Sequence[np.ndarray], faces: Sequence[Faces]) -> list[list[Face]]:
        """Judge known boxes: one `Faces` a picture, one list of judged faces a picture, in the order of the boxes."""
        places = [[place_of(own, number) for number in range(len(own))] for own in faces]
        crops = [self.cut(image, place) for image, own in zip(images, places, strict=True) for place in own]
        judged = iter(self.judge([place for own in places for place in own], crops))
        return [[next(judged) for _ in own] for own in places]

    def find_faces(
        self, images: Sequence[np.ndarray], *, faces: Literal["all", "largest"] = "all", min_size: float = 0
    ) -> list[list[Face]]:
        """Detect and classify: the faces of each picture, best score first; `min_size` (px) of a box's shorter side.

        `largest` is one face at most: the one that the card's `choose` means.
        """
        chosen = [
            self.choose(own, image.shape, faces, min_size)
            for own, image in zip(self.detect(images), images, strict=True)
        ]
        return self.classify(images, chosen)

    def choose(self, faces: Faces, shape: Sequence[int], which: str = "all", min_size: float = 0) -> Faces:
        """The faces of a photo (height, width, ...) that are at least so large: all, or the one that counts."""
        if min_size:
            sides = faces.boxes[:, 2:] - faces.boxes[:, :2]
            faces = faces.select(sides.min(axis=1) >= min_size)
        if which == "all":
            return faces
        number = choose_face(faces, tuple(shape), self.card["detect"]["choose"])
        return NO_FACES if number is None else faces.select([number])

    def cut(self, image: np.ndarray, place: Place) -> Crop:
        """The crop of a face as the road stores it: the same steps, JPEG included, so that the answers are the same."""
        face = dict(zip([*CORNERS, *LANDMARKS], [*place.box, *place.landmarks.ravel()], strict=True)) | {"by": place.by}
        crop, _, points = crop_face(image, face, self.crop_params)
        values = {
            name: None if np.isnan(value) else round(float(value), 3)
            for name, value in zip(LANDMARKS, points.ravel(), strict=True)
        }
        stored = decode_image(encode_image(crop, quality=self.crop_params.quality))
        return Crop(stored, [values[name] for name in FACE_LANDMARKS])

    def judge(self, places: Sequence[Place], crops: Sequence[Crop]) -> list[Face]:
        """Judge crops that are cut already."""
        if len(crops) > CROPS:
            return [
                face
                for start in range(0, len(crops), CROPS)
                for face in self.judge(places[start : start + CROPS], crops[start : start + CROPS])
            ]
        if not crops:
            return []
        probabilities, values = self.ensemble.predict(crops)
        codes = self.rule([probabilities[task.name] for task in self.tasks])
        years = next(iter(values.values()), None)
        return [
            Face(
                place.box,
                place.landmarks,
                place.score,
                place.by,
                {task.name: probabilities[task.name][row] for task in self.tasks},
                {task.name: task.classes[own[row]] for task, own in zip(self.tasks, codes, strict=True)},
                None if years is None else float(years[row]),
            )
            for row, place in enumerate(places)
        ]


def place_of(faces: Faces, number: int) -> Place:
    """One of the detector's faces, to a hundredth of a pixel as the road stores it."""
    pixels = round_pixels(faces, number)
    return Place(pixels[:4], pixels[4:].reshape(5, 2), round(float(faces.scores[number]), 4), "detector")


def whole_photo(shape: Sequence[int]) -> Place:
    """What the road judges where no face was found."""
    return Place(np.array([0, 0, shape[1], shape[0]], float), NOWHERE, float("nan"), "whole")


def open_detector(folder: Path, params: dict[str, Any]) -> Any:
    """The detector that a card describes."""
    network_input = {"side": params["side"], "upscale": params["upscale"], "threshold": params["threshold"]}
    if params["detector"] == "centre":
        return Centre()
    if params["detector"] == "yunet":
        return YuNet(folder / params["file"], **network_input)
    return RetinaFace(folder / params["file"], **network_input, batch=params["batch"])
