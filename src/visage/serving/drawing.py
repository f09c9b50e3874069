"""Boxes and labels painted into a picture, readable on any ground: colour says nothing that the text does not."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from visage.formats.tasks import Task
from visage.serving.bundle import Face
from visage.serving.output import describe_face

COLOURS = (  # Okabe and Ito's palette, which the colour-blind can tell apart; RGB
    (86, 180, 233),
    (230, 159, 0),
    (240, 228, 66),
    (0, 158, 115),
    (204, 121, 167),
    (213, 94, 0),
)
FONT = cv2.FONT_HERSHEY_SIMPLEX
TEXT_HEIGHT = 0.028  # of the picture's shorter side
LEAST_TEXT = 9  # px
LEAST_SIDE = 320  # px of an annotated photo's longer side: smaller ones are enlarged, so that the text fits


def draw_faces(
    image: np.ndarray, boxes: np.ndarray, labels: Sequence[Sequence[str]], colours: Sequence[int]
) -> np.ndarray:
    """A copy of an RGB picture with a box (x0 y0 x1 y1) around each face and the lines of its label beside it.

    `colours` are numbers of COLOURS, taken round and round.
    """
    image = np.ascontiguousarray(image).copy()
    width = max(2, round(min(image.shape[:2]) / 240))
    for box, lines, colour in zip(np.rint(boxes).astype(int).tolist(), labels, colours, strict=True):
        rgb = COLOURS[colour % len(COLOURS)]
        cv2.rectangle(image, box[:2], box[2:], (0, 0, 0), width + 2, cv2.LINE_AA)  # an edge on any ground
        cv2.rectangle(image, box[:2], box[2:], rgb, width, cv2.LINE_AA)
        draw_label(image, box, lines, rgb)
    return image


def draw_label(image: np.ndarray, box: Sequence[int], lines: Sequence[str], rgb: tuple[int, int, int]) -> None:
    """Dark text on a plate of the colour, above the box; below it or inside where there is no room."""
    height = max(LEAST_TEXT, round(TEXT_HEIGHT * min(image.shape[:2])))
    scale = height / cv2.getTextSize("X", FONT, 1, 1)[0][1]
    step, pad = round(1.6 * height), round(0.4 * height)
    lines = [line.encode("ascii", "replace").decode() for line in lines]  # the font has no other letters
    plate_width = max((cv2.getTextSize(line, FONT, scale, 1)[0][0] for line in lines), default=0) + 2 * pad
    plate_height = step * len(lines) + pad
    left = int(np.clip(box[0], 0, max(0, image.shape[1] - plate_width)))
    if box[1] >= plate_height:
        top = box[1] - plate_height
    elif box[3] + plate_height <= image.shape[0]:
        top = box[3]
    else:
        top = max(0, box[1])
    cv2.rectangle(image, (left, top), (left + plate_width, top + plate_height), rgb, cv2.FILLED)
    for number, line in enumerate(lines, start=1):
        spot = (left + pad, top + number * step - round(0.2 * height))
        cv2.putText(image, line, spot, FONT, scale, (0, 0, 0), max(1, round(height / 11)), cv2.LINE_AA)


def draw_answers(image: np.ndarray, faces: Sequence[Face], tasks: Sequence[Task]) -> np.ndarray:
    """A copy of an RGB photo with the answers of its faces; the first task's class gives the colour."""
    factor = max(1, int(np.ceil(LEAST_SIDE / max(image.shape[:2]))))
    if factor > 1:
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    boxes = np.array([face.box for face in faces]).reshape(-1, 4) * factor
    labels = [describe_face(face, tasks).split(", ") for face in faces]
    return draw_faces(image, boxes, labels, [tasks[0].classes.index(face.answers[tasks[0].name]) for face in faces])


def write_drawing(folder: Path, image: np.ndarray, faces: Sequence[Face], tasks: Sequence[Task], name: str) -> None:
    """The annotated copy as a JPEG below `folder`; a photo without a face is copied without any mark."""
    path = folder / Path(name).with_suffix(".jpg")
    path.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode(".jpg", draw_answers(image, faces, tasks)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
    path.write_bytes(data.tobytes())
