"""Tables about photos for `predict`: a form to fill in, boxes that were drawn by hand, and true labels to score by."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from visage.formats.columns import CORNERS
from visage.formats.tasks import Task, joint_class_names, joint_codes, split_joint_codes
from visage.runtime.files import replace_file
from visage.runtime.problems import describe_problem, raise_problems
from visage.scores import class_scores, percentile_interval, resampled_f1
from visage.serving.predict import PhotoResult

FORM_FILE = "info.csv"
RESAMPLES = 1000


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV file, which has these columns."""
    if not Path(path).is_file():
        raise ValueError(f"{path} is missing; wanted is a CSV file with the columns {', '.join(columns)}.")
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a CSV file in UTF-8 ({error}).") from None
    if absent := [name for name in columns if name not in (reader.fieldnames or [])]:
        raise ValueError(f"{path} lacks the column {absent[0]}; it has {', '.join(reader.fieldnames or [])}.")
    return rows


def match_paths(names: Sequence[str], paths: Sequence[Path]) -> dict[str, Path]:
    """For each name the path that ends in it (`images/a.jpg` is the end of `eval/images/a.jpg`), where there is one."""
    by_end: dict[tuple[str, ...], Path] = {}
    for path in paths:
        parts = path.absolute().parts
        for start in range(1, len(parts)):
            by_end.setdefault(parts[start:], path)
    return {name: by_end[Path(name).parts] for name in names if Path(name).parts in by_end}


def read_boxes(path: Path, paths: Sequence[Path]) -> dict[Path, np.ndarray]:
    """Boxes that win over the detector's, by photo: photo, x0, y0, x1, y1. Those of other photos are passed over."""
    rows = read_table(path, ["photo", *CORNERS])
    matches = match_paths([row["photo"] for row in rows], paths)
    boxes: dict[Path, np.ndarray] = {}
    for row in rows:
        try:
            box = np.array([float(row[name]) for name in CORNERS])
        except (TypeError, ValueError):
            raise ValueError(f"{path}: the box of {row['photo']} should be four numbers: x0, y0, x1, y1.") from None
        if not np.isfinite(box).all() or (box[2:] <= box[:2]).any():
            raise ValueError(f"{path}: the box of {row['photo']} is empty or reversed; x0 < x1 and y0 < y1 are wanted.")
        if row["photo"] in matches:
            boxes[matches[row["photo"]]] = box
    return boxes


def find_form(words: Sequence[str]) -> Path | None:
    """The form beside or in the folder of photos that a person named: `info.csv`."""
    for folder in map(Path, words):
        for place in (folder, folder / "eval", folder.parent):
            if folder.is_dir() and (place / FORM_FILE).is_file():
                return place / FORM_FILE
    return None


def write_submission(
    path: Path, results: Mapping[Path, PhotoResult], tasks: Sequence[Task], form: Path | None, root: Path
) -> int:
    """`ImageID,ans` in the order of the form; without one photo (below `root`), tasks and ans. Returns the rows.

    Refused, and nothing written, unless every photo has its answer.
    """
    unread = [str(photo) for photo, result in results.items() if not result.faces]
    raise_problems(describe_problem("the submission", "photos have no answer", unread, "Nothing is written."))
    names = form and [row["ImageID"] for row in read_table(form, ["ImageID"])]
    if names:
        matches = match_paths(names, list(results))
        absent = [name for name in names if name not in matches]
        raise_problems(describe_problem(str(form), "photos are not among those read", absent, "Nothing is written."))
        header = ["ImageID", "ans"]
        rows = [[name, joint_answer(results[matches[name]], tasks)] for name in names]
    else:
        header = ["photo", *(task.name for task in tasks), "ans"]
        rows = [
            [photo_key(photo, root), *answers_of(result, tasks), joint_answer(result, tasks)]
            for photo, result in results.items()
        ]
        rows.sort(key=lambda row: row[0])
    with replace_file(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    return len(rows)


def photo_key(photo: Path, root: Path) -> str:
    return (photo.relative_to(root) if photo.is_relative_to(root) else photo).as_posix()


def answers_of(result: PhotoResult, tasks: Sequence[Task]) -> list[str]:
    return [result.faces[0].answers[task.name] for task in tasks]


def joint_answer(result: PhotoResult, tasks: Sequence[Task]) -> int:
    """The joint code of the photo's (first) face."""
    codes = [np.array([task.classes.index(name)]) for task, name in zip(tasks, answers_of(result, tasks), strict=True)]
    return int(joint_codes(codes, tasks)[0])


def read_labels(path: Path, paths: Sequence[Path], tasks: Sequence[Task]) -> dict[Path, list[int]]:
    """Class codes by photo, of a table with `photo` (or `ImageID`) and a column for each task, or `ans`.

    A cell is a class's name, or the number that its bins are made of. Photos that the table does not name are left out.
    """
    header = set(read_table(path, [])[0]) if read_table(path, []) else set()
    key = "ImageID" if "ImageID" in header and "photo" not in header else "photo"
    by_task = all(task.name in header for task in tasks)
    rows = read_table(path, [key, *([task.name for task in tasks] if by_task else ["ans"])])
    matches = match_paths([row[key] for row in rows], paths)
    labels, problems = {}, []
    for row in rows:
        if row[key] in matches:
            try:
                cells = [row[task.name] for task in tasks] if by_task else split_answer(row["ans"], tasks)
                labels[matches[row[key]]] = [class_code(cell, task) for cell, task in zip(cells, tasks, strict=True)]
            except ValueError as error:
                problems.append(f"{path}: {row[key]}: {error}")
    raise_problems(problems)
    if not labels:
        raise ValueError(f"{path} names none of the photos; its column {key} should hold their names or paths.")
    return labels


def split_answer(cell: str, tasks: Sequence[Task]) -> list[str]:
    """The classes' names of a joint code."""
    count = len(joint_class_names(tasks))
    if not cell.isdigit() or int(cell) >= count:
        raise ValueError(f"ans is {cell!r}, and should be a whole number from 0 to {count - 1}.")
    codes = split_joint_codes(np.array([int(cell)]), tasks)
    return [task.classes[code[0]] for task, code in zip(tasks, codes, strict=True)]


def class_code(cell: str, task: Task) -> int:
    if cell in task.classes:
        return task.classes.index(cell)
    try:
        number = float(cell) if task.bins else float("nan")
    except ValueError:
        number = float("nan")
    if not np.isfinite(number):
        wanted = ", ".join(task.classes) + (", or a number" if task.bins else "")
        raise ValueError(f"{task.name} is {cell!r}, and should be one of {wanted}.")
    return int(np.digitize(number, task.bins))


def score(
    results: Mapping[Path, PhotoResult], labels: Mapping[Path, Sequence[int]], tasks: Sequence[Task]
) -> dict[str, Any]:
    """Macro F1 with its 95% interval over photos, and accuracy: joint and by task. A photo without a face is wrong.

    Photos that could not be read are left out.
    """
    photos = [photo for photo in labels if photo in results and not results[photo].error]
    if not photos:
        raise ValueError("none of the labelled photos could be read.")
    truth = [np.array([labels[photo][i] for photo in photos]) for i in range(len(tasks))]
    answers = [
        np.array([task.classes.index(results[photo].faces[0].answers[task.name]) for photo in photos]) for task in tasks
    ]
    sets = {"joint": (joint_codes(truth, tasks), joint_codes(answers, tasks), joint_class_names(tasks))}
    sets |= {task.name: (t, a, list(task.classes)) for task, t, a in zip(tasks, truth, answers, strict=True)}
    scores: dict[str, Any] = {"photos": len(photos)}
    for name, (own, given, classes) in sets.items():
        samples = resampled_f1(own, given, np.arange(len(photos)), resamples=RESAMPLES, seed=0)
        low, high = percentile_interval(samples)
        card = class_scores(own, given, classes)
        scores[name] = {"macro_f1": card["macro_f1"], "low": low, "high": high, "accuracy": card["accuracy"]}
    return scores


def score_lines(scores: Mapping[str, Any]) -> list[str]:
    lines = [f"{scores['photos']} labelled photos; macro F1 with 95% over photos"]
    for name, row in scores.items():
        if name != "photos":
            interval = f"[{row['low']:.4f}, {row['high']:.4f}]"
            lines.append(f"{name:>8}  {row['macro_f1']:.4f}  {interval}  accuracy {row['accuracy']:.4f}")
    return lines
