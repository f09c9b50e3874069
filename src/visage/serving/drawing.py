"""Annotated copies of photos: a box for each face, and its answers in words."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from visage.formats.tasks import Task
from visage.serving.bundle import Face
from visage.serving.output import describe_face
from visage.serving.predict import PhotoResult

COLOURS = ((0, 158, 115), (230, 159, 0), (213, 94, 0), (86, 180, 233), (204, 121, 167), (0, 114, 178))
FONT = cv2.FONT_HERSHEY_SIMPLEX
TEXT_SHARE, MIN_TEXT = 1 / 40, 13  # height of a line of text: of the photo's longer side, and at least, in pixels
LINE = 21  # height in pixels of a capital letter of the font at scale 1


def draw_faces(image: np.ndarray, faces: Sequence[Face], tasks: Sequence[Task]) -> np.ndarray:
    """A copy of an RGB photo with every face's box, landmarks and answers; the first task's class gives the colour.

    Text is as large as the photo asks for, and small photos are enlarged until it fits.
    """
    factor = max(1, int(np.ceil(320 / max(image.shape[:2]))))
    copy = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC) if factor > 1 else image.copy()
    text = max(MIN_TEXT, round(max(copy.shape[:2]) * TEXT_SHARE))
    for face in faces:
        colour = COLOURS[tasks[0].classes.index(face.answers[tasks[0].name]) % len(COLOURS)]
        draw_face(copy, face.box * factor, face.landmarks * factor, colour, max(1, text // 8))
        draw_label(copy, face.box * factor, describe_face(face, tasks).split(", "), colour, text)
    return copy


def draw_face(
    image: np.ndarray, box: np.ndarray, landmarks: np.ndarray, colour: tuple[int, int, int], thickness: int
) -> None:
    """In place; on a white line below, so that the box is seen on every ground."""
    low, high = (tuple(int(value) for value in corner.round()) for corner in (box[:2], box[2:]))
    cv2.rectangle(image, low, high, (255, 255, 255), thickness + 2, cv2.LINE_AA)
    cv2.rectangle(image, low, high, colour, thickness, cv2.LINE_AA)
    for point in landmarks[~np.isnan(landmarks).any(1)]:
        cv2.circle(image, tuple(int(value) for value in point.round()), thickness + 1, colour, -1, cv2.LINE_AA)


def draw_label(
    image: np.ndarray, box: np.ndarray, lines: Sequence[str], colour: tuple[int, int, int], text: int
) -> None:
    """White words on black, an edge in the box's colour: below the box, or above or inside where there is no room."""
    scale, thickness = text / LINE * 0.7, max(1, text // 12)
    width = max(cv2.getTextSize(line, FONT, scale, thickness)[0][0] for line in lines) + text
    height = round(text * 1.25 * len(lines)) + text // 3
    left = int(np.clip(box[0], 0, max(0, image.shape[1] - width)))
    below, above = int(box[3]), int(box[1]) - height
    top = below if below + height <= image.shape[0] else above if above >= 0 else max(0, image.shape[0] - height)
    cv2.rectangle(image, (left, top), (left + width, top + height), (0, 0, 0), -1)
    cv2.rectangle(image, (left, top), (left + max(2, text // 4), top + height), colour, -1)
    for number, line in enumerate(lines):
        at = (left + text // 2, top + round(text * 1.25 * (number + 0.85)))
        cv2.putText(image, line, at, FONT, scale, (255, 255, 255), thickness, cv2.LINE_AA)


def write_drawing(folder: Path, image: np.ndarray, result: PhotoResult, tasks: Sequence[Task], name: str) -> Path:
    """The annotated copy as a JPEG below `folder`; photos without a face are copied without any mark."""
    path = folder / Path(name).with_suffix(".jpg")
    path.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode(".jpg", draw_faces(image, result.faces, tasks)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
    path.write_bytes(data.tobytes())
    return path
