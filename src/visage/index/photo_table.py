"""The roll of photos: what was listed, measured, corrected and classified, or rejected with a reason."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from visage.formats.photos import read_size
from visage.formats.tasks import Task, classify
from visage.index.corrections import apply_corrections
from visage.index.layouts import PROBLEM, IndexParams, Problems

MAX_SHOWN = 50  # problems spelled out in an error; the rest are counted


@dataclass(frozen=True)
class PhotoTable:
    """The three things that `index` writes."""

    photos: pd.DataFrame
    rejected: pd.DataFrame
    counts: dict


def size_reader(root: Path) -> Callable[[str], tuple[int, int] | str]:
    """A function from a photo key to its upright width and height, or to what is wrong with it."""

    def size(photo: str) -> tuple[int, int] | str:
        try:
            return read_size(root, photo)
        except ValueError as error:
            return str(error).removeprefix(f"{photo}: ")
        except OSError as error:
            return f"the file cannot be read ({error.strerror})."

    return size


def build_photo_table(
    listed: pd.DataFrame,
    sizes: Sequence[tuple[int, int] | str],
    problems: Problems,
    tasks: Sequence[Task],
    fixes: pd.DataFrame,
    params: IndexParams,
    *,
    fixes_file: Path,
) -> PhotoTable:
    """Join everything; stop with all problems at once, or reject what has one, as `index.on_bad` says."""
    check_sources(listed, tasks)
    photos = apply_corrections(listed, fixes, tasks, confidence=params.label_confidence, file=str(fixes_file))
    corrected = int((photos != listed).any(axis=1).sum())
    photos["width"], photos["height"] = [[s[i] if not isinstance(s, str) else 0 for s in sizes] for i in (0, 1)]
    check_sizes(photos, sizes, problems)
    photos = add_classes(photos, tasks, problems)
    if problems and params.on_bad == "stop":
        raise ValueError(describe_problems(problems))
    rejected = pd.DataFrame(problems, columns=PROBLEM).astype({"row": "Int64"})
    kept = photos[~photos["photo"].isin(rejected["photo"]) & ~photos["person"].isin(set(rejected["person"]) - {""})]
    if not (kept["split"] == "train").any():
        raise ValueError(f"no photo to train on is left.\n{describe_problems(problems)}")
    kept = kept.sort_values("photo", ignore_index=True)
    values = {f"{task.name}_value": kept[task.source] for task in tasks if task.bins}
    named = {task.name: kept[f"class of {task.name}"] for task in tasks}
    table = pd.DataFrame({name: kept[name] for name in ("photo", "split", "person")} | named | values)
    table = table.assign(width=kept["width"], height=kept["height"])
    return PhotoTable(table, rejected, count_classes(table, tasks, rejected, corrected))


def check_sources(listed: pd.DataFrame, tasks: Sequence[Task]) -> None:
    """Every task's label must be a field that the layout gives."""
    fields = [name for name in listed if name not in ("photo", "split", "person", "row", "shot", "id_shot")]
    for task in tasks:
        if task.source not in fields:
            raise ValueError(
                f"params.yaml: tasks.{task.name}.label is {task.source!r}, which the photos do not have; "
                f"they have {', '.join(fields)}."
            )


def check_sizes(photos: pd.DataFrame, sizes: Sequence[tuple[int, int] | str], problems: Problems) -> None:
    for photo, size in zip(photos["photo"], sizes, strict=True):
        if isinstance(size, str):
            problems.add(photo, size, photo=photo)


def add_classes(photos: pd.DataFrame, tasks: Sequence[Task], problems: Problems) -> pd.DataFrame:
    """One column of class names per task, empty for photos to answer; a bad label is named once per CSV line."""
    train, told = photos["split"] == "train", set()
    for task in tasks:
        names, wrong = classify(photos[task.source], task)
        photos = photos.assign(**{f"class of {task.name}": names.where(train, "")})
        for i in photos.index[train & (wrong != "")]:
            where = photos.loc[i]
            if (key := (where["person"], where["row"], task.source)) not in told:
                told.add(key)
                file = "train/train.csv" if "shot" in photos else "labels"
                problems.add(file, wrong[i], row=where["row"] or None, person=where["person"])
    return photos


def describe_problems(problems: Problems) -> str:
    """All problems as sentences, one a line."""
    ordered = sorted(problems, key=lambda one: (one["file"], one["row"] or 0, one["problem"]))
    rows = [f", row {one['row']}" if one["row"] else "" for one in ordered]
    lines = [f"{one['file']}{row}: {one['problem']}" for one, row in zip(ordered, rows, strict=True)]
    more = [f"... and {len(lines) - MAX_SHOWN} more."] if len(lines) > MAX_SHOWN else []
    head = f"{len(lines)} problem{'s' * (len(lines) > 1)} with the photos (index.on_bad: skip leaves them out):"
    return "\n".join([head, *lines[:MAX_SHOWN], *more])


def count_classes(photos: pd.DataFrame, tasks: Sequence[Task], rejected: pd.DataFrame, corrected: int) -> dict:
    """What is in the table, for `dvc metrics diff`."""
    train = photos[photos["split"] == "train"]
    classes = {task.name: {name: int((train[task.name] == name).sum()) for name in task.classes} for task in tasks}
    return {
        "photos": {"train": len(train), "eval": int((photos["split"] == "eval").sum())},
        "people": int(train["person"].nunique()),
        "rejected": len(rejected),
        "corrected": corrected,
        "classes": classes,
    }
