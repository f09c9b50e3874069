"""People who are two coloured squares, and a bundle that reads the colours: every answer is known and costs nothing.

The upper square's green says who it is (10 x number) and the lower square's blue what is worn. The bundle errs in
every 7th judgement, as a network does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from visage.ensemble.answers import DecisionRule
from visage.faces.retina import Faces
from visage.formats.tasks import Task
from visage.serving.bundle import Face
from visage.video.frames import Frame, VideoFile

MASK, GENDER = Task("mask", ("worn", "incorrect", "not worn"), "mask"), Task("gender", ("male", "female"), "gender")
SIDE, GROUND = 20, 128


@dataclass(frozen=True)
class ColouredPerson:
    number: int  # 1 to 20; even ones are female
    x: tuple[float, float]  # of the left edge: at the start, and its change a second
    y: float
    masks: Sequence[tuple[float, str]]  # from when (s) on, which class


def draw_frame(people: Sequence[ColouredPerson], time: float, size: tuple[int, int] = (160, 90)) -> np.ndarray:
    """The first person is the furthest back."""
    image = np.full((size[1], size[0], 3), GROUND, np.uint8)
    for person in people:
        mask = MASK.classes.index([name for start, name in person.masks if start <= time][-1])
        left, top = round(person.x[0] + person.x[1] * time), round(person.y)
        columns = slice(max(0, left), max(0, left + SIDE))
        image[top : top + SIDE, columns] = (200, 10 * person.number, 0)
        image[top + SIDE : top + 2 * SIDE, columns] = (100, 10 * person.number, 50 * (mask + 1))
    return image


def draw_coloured(people: Sequence[ColouredPerson], seconds: float, fps: float = 25, **size: tuple) -> list[Frame]:
    return [Frame(i, i / fps, draw_frame(people, i / fps, **size)) for i in range(round(seconds * fps))]


def write_video(path: Path, frames: int = 50, fps: float = 25) -> Path:
    """A grey level for each second and a moving square, so that every frame differs."""
    with VideoFile(path, fps) as video:
        for i in range(frames):
            image = np.full((90, 160, 3), 40 + i // 25 % 4 * 60, np.uint8)
            image[20:60, i % 130 : i % 130 + 30] = np.random.default_rng(i).integers(0, 255, (40, 30, 3))
            video.write(image, i / fps)
    return path


class ColourBundle:
    def __init__(self, errs_every: int = 7) -> None:
        self.errs_every = errs_every
        self.tasks = [MASK, GENDER]
        self.card = {"tasks": [{"name": "mask", "about": "photo"}, {"name": "gender", "about": "person"}]}
        self.rule = DecisionRule((np.zeros(3), np.zeros(2)), (np.arange(3), np.arange(2)))
        self.judged = 0

    def detect(self, images: Sequence[np.ndarray]) -> list[Faces]:
        return [self.detect_image(image) for image in images]

    def detect_image(self, image: np.ndarray) -> Faces:
        """Whoever shows at least half of both squares."""
        boxes = []
        for number in range(1, 21):
            rows, columns = np.nonzero((image[..., 1] == 10 * number) & (image[..., 0] != GROUND))
            if len(rows) >= SIDE * SIDE:
                boxes.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
        boxes = np.array(boxes, np.float32).reshape(-1, 4)
        return Faces(boxes, np.full(len(boxes), 0.9), np.full((len(boxes), 5, 2), np.nan))

    def classify(self, images: Sequence[np.ndarray], faces: Sequence[Faces]) -> list[list[Face]]:
        return [
            [self.judge(image, box) for box in faces_of.boxes] for image, faces_of in zip(images, faces, strict=True)
        ]

    def judge(self, image: np.ndarray, box: np.ndarray) -> Face:
        self.judged += 1
        x, y0, y1 = int(box[[0, 2]].mean()), int(box[1]), int(box[3])
        mask = int(image[y1 - 2, x, 2]) // 50 - 1
        if self.judged % self.errs_every == 0:
            mask = (mask + 1) % 3
        gender = int(image[y0 + 1, x, 1]) // 10 % 2 == 0
        shares = {"mask": np.full(3, 0.05), "gender": np.full(2, 0.2)}
        shares["mask"][mask], shares["gender"][int(gender)] = 0.9, 0.8
        answers = {"mask": MASK.classes[mask], "gender": GENDER.classes[int(gender)]}
        return Face(box, np.full((5, 2), np.nan), 0.9, "detector", shares, answers, None)
