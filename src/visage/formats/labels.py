"""Section `labels` of params.yaml: which tasks there are, the field a label comes from, its classes or borders."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from pydantic import model_validator

from visage.formats.tasks import Task
from visage.runtime.params import FILE, Params, check_name, find_section, read_params, validate

RESERVED = ("photo", "split", "person", "fold", "kind", "width", "height", "ans", "confidence", "joint", "low", "high",
            "key", "log_loss")  # fmt: skip


class LabelParams(Params):
    """`labels.<task>`: the field that a task's label comes from, and its classes or the borders of a number."""

    field: str
    classes: tuple[str, ...] = ()
    bins: tuple[float, ...] = ()
    renamed: ClassVar = {"label": "field"}

    @model_validator(mode="after")
    def check(self) -> Self:
        if bool(self.classes) == bool(self.bins):
            raise ValueError("give either classes (a list of values) or bins (a list of borders), one of the two.")
        if len(set(self.classes)) != len(self.classes) or len(self.classes) == 1:
            raise ValueError(f"classes {list(self.classes)} should be two or more different values.")
        if bad := [name for name in self.classes if not name.strip() or not name.isprintable() or "/" in name]:
            raise ValueError(f"classes {bad} should be printable text without /, and not empty.")
        if list(self.bins) != sorted(set(self.bins)) or len({f"{border:g}" for border in self.bins}) < len(self.bins):
            raise ValueError(f"bins {list(self.bins)} should rise, by more than six digits can tell.")
        return self


def load_tasks(path: Path = FILE) -> list[Task]:
    """The tasks of section `labels` in `params.yaml`, in their order."""
    section = find_section(read_params(path), "labels", path)
    if not 1 <= len(section) <= 6:
        raise ValueError(f"{path}: labels names {len(section)} tasks; from one to six will do.")
    tasks = []
    for name, values in section.items():
        check_name(name, f"{path}: a task of labels", RESERVED)
        params = validate(LabelParams, values or {}, f"{path}: labels.{name}")
        tasks.append(Task(name, params.classes or bin_class_names(params.bins), params.field, params.bins))
    return tasks


def bin_class_names(bins: Sequence[float]) -> tuple[str, ...]:
    """[30, 60] as <30, 30-59, >=60; each border belongs to the class above it."""
    borders = [f"{border:g}" for border in bins]
    tops = [f"{border - 1:g}" if float(border).is_integer() else f"<{border:g}" for border in bins]
    middle = [f"{low}-{high}" for low, high in zip(borders, tops[1:], strict=False)]
    return (f"<{borders[0]}", *middle, f">={borders[-1]}")
