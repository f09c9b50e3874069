"""The JSON that the server sends, and what it says about it in OpenAPI."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, Field

from visage.formats.tasks import Task
from visage.serving.bundle import Face
from visage.serving.output import face_values
from visage.serving.predict import PhotoResult


class FaceAnswer(BaseModel):
    """One face; pixels are of the upright photo (EXIF applied)."""

    box: tuple[float, float, float, float] = Field(description="x0, y0, x1, y1, pixels")
    landmarks: list[tuple[float, float]] | None = Field(
        description="x, y of the right eye, the left eye, the nose, the right and the left corner of the mouth; "
        "right and left are the person's own; null where unknown"
    )
    score: float | None = Field(description="how sure the detector is, 0 to 1")
    answers: dict[str, str] = Field(description="the class of each task, by the bundle's decision rule")
    probabilities: dict[str, dict[str, float]] = Field(description="of each task, for each class")
    years: float | None = Field(description="the expected age, where the bundle estimates one")


class PhotoAnswer(BaseModel):
    width: int = Field(description="pixels, upright")
    height: int = Field(description="pixels, upright")
    faces: list[FaceAnswer] = Field(description="best detector's score first; empty where no face was found")


class Answer(BaseModel):
    photos: list[PhotoAnswer] = Field(description="in the order in which they were sent")


class Refusal(BaseModel):
    error: str = Field(description="a sentence that says what was wrong")


class Health(BaseModel):
    status: str = "ok"
    tasks: dict[str, list[str]] = Field(description="the classes of each task")


BINARY = {"schema": {"type": "string", "format": "binary"}}
PHOTOS = {"type": "object", "properties": {"photo": {"type": "array", "items": BINARY["schema"]}}}
REQUEST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "One photo as the body, or each part of a form a photo.",
        "content": {
            "image/jpeg": BINARY,
            "image/png": BINARY,
            "image/webp": BINARY,
            "image/bmp": BINARY,
            "image/tiff": BINARY,
            "application/octet-stream": BINARY,
            "multipart/form-data": {"schema": PHOTOS},
        },
    }
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refusal, "description": description}
    for status, description in {
        400: "the form is damaged",
        401: "no token, or a wrong one",
        403: "a foreign Host or Origin",
        408: "the body did not arrive in time",
        411: "no Content-Length",
        413: "too many bytes or photos",
        415: "a Content-Type that is not taken",
        422: "not a picture, damaged, or too many pixels",
        429: "too many photos are waiting; Retry-After says for how many seconds",
        503: "the answer was not ready in time",
    }.items()
}


def build_photo_answer(result: PhotoResult, tasks: Sequence[Task]) -> PhotoAnswer:
    faces = [build_face_answer(face, tasks) for face in result.faces]
    return PhotoAnswer(width=result.width, height=result.height, faces=faces)


def build_face_answer(face: Face, tasks: Sequence[Task]) -> FaceAnswer:
    """The numbers that `visage predict --json` writes, with the names of the classes beside the probabilities."""
    values = face_values(face)
    by_task = values["probabilities"]
    return FaceAnswer(
        box=values["box"],
        landmarks=values["landmarks"] if np.isfinite(face.landmarks).all() else None,
        score=values["score"],
        answers=face.answers,
        probabilities={task.name: dict(zip(task.classes, by_task[task.name], strict=True)) for task in tasks},
        years=values.get("years"),
    )
