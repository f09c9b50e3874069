"""What `predict` prints of a photo: a line to read, a line of JSON, or rows of CSV."""

import csv
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

import numpy as np

from visage.formats.columns import CORNERS, LANDMARKS
from visage.formats.tasks import Task
from visage.serving.bundle import Face
from visage.serving.predict import PhotoResult


def describe_face(face: Face, tasks: Sequence[Task]) -> str:
    """`worn 0.99, female 0.97, 30-59 0.80 (41 years)`: the answers, each with its probability."""
    words = []
    for task in tasks:
        answer = face.answers[task.name]
        probability = face.probabilities[task.name][task.classes.index(answer)]
        words.append(f"{answer} {probability:.2f}")
    return ", ".join(words) + ("" if face.years is None else f" ({face.years:.0f} years)")


def text_lines(result: PhotoResult, tasks: Sequence[Task]) -> Iterator[str]:
    """A line for each face."""
    for face in result.faces:
        x0, y0, x1, y1 = face.box
        yield f"{result.path}  {x0:.0f} {y0:.0f} {x1:.0f} {y1:.0f}  {describe_face(face, tasks)}"
    if not result.faces:
        yield f"{result.path}  no face"


def json_line(result: PhotoResult) -> str:
    """One photo; what is not known is null."""
    row = {"photo": str(result.path)}
    if result.error:
        return json.dumps(row | {"error": result.error}, ensure_ascii=False)
    faces = [face_values(face) for face in result.faces]
    return json.dumps(row | {"width": result.width, "height": result.height, "faces": faces}, ensure_ascii=False)


def face_values(face: Face) -> dict[str, Any]:
    """A face as plain values: pixels to a hundredth, probabilities to six digits."""
    values = {
        "box": [round_known(value, 2) for value in face.box],
        "landmarks": [[round_known(x, 2), round_known(y, 2)] for x, y in face.landmarks],
        "score": round_known(face.score, 4),
        "by": face.by,
        "answers": face.answers,
        "probabilities": {task: [round_known(p, 6) for p in own] for task, own in face.probabilities.items()},
    }
    return values if face.years is None else values | {"years": round_known(face.years, 1)}


def round_known(value: float, digits: int) -> float | None:
    """The rounded number; None, JSON's null, where it is not known (NaN)."""
    return None if math.isnan(value) else round(float(value), digits)


def csv_columns(tasks: Sequence[Task]) -> list[str]:
    by_class = [f"{task.name}/{name}" for task in tasks for name in task.classes]
    return ["photo", "face", *CORNERS, "score", *LANDMARKS, "by", *(t.name for t in tasks), "years", *by_class, "error"]


def csv_rows(result: PhotoResult, tasks: Sequence[Task]) -> Iterator[list[Any]]:
    """A row for each face; a photo without any, or that could not be read, has one row with empty cells."""
    width = len(csv_columns(tasks))
    for number, face in enumerate(result.faces):
        numbers = [*np.round(face.box, 2), round(face.score, 4), *np.round(face.landmarks.ravel(), 2)]
        answers = [face.answers[task.name] for task in tasks]
        probabilities = [f"{p:.6f}" for task in tasks for p in face.probabilities[task.name]]
        years = "" if face.years is None else f"{face.years:.1f}"
        cells = ["" if math.isnan(value) else f"{value:g}" for value in map(float, numbers)]
        yield [result.path, number, *cells, face.by, *answers, years, *probabilities, ""]
    if not result.faces:
        yield [result.path, *[""] * (width - 2), result.error]


def write_results(
    results: Iterable[PhotoResult], form: str, tasks: Sequence[Task], out: TextIO
) -> Iterator[PhotoResult]:
    """Write each result as it comes, as `text`, `json`, `csv` or not at all (`none`), and pass it on."""
    writer = csv.writer(out, lineterminator="\n")
    if form == "csv":
        writer.writerow(csv_columns(tasks))
    for result in results:
        if form == "csv":
            writer.writerows(csv_rows(result, tasks))
        elif form == "json":
            out.write(json_line(result) + "\n")
        elif form == "text" and not result.error:
            out.writelines(line + "\n" for line in text_lines(result, tasks))
        yield result
