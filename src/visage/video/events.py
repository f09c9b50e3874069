"""What happens in a video, as sentences, JSON lines and rows of CSV, each on disk as soon as it is known."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

WORDINGS = {  # of the tasks and classes that are known here; any other is "<task> is now <class>"
    ("mask", "worn"): "mask put on",
    ("mask", "incorrect"): "mask worn wrongly",
    ("mask", "not worn"): "mask taken off",
}


@dataclass(frozen=True)
class Event:
    """`event` is appears, changes (then `task` says what), leaves, or at the end (the face was there to the last)."""

    time: float  # s; when it happened, which may be a little before it was sure
    face: int
    event: str
    task: str  # empty unless a task's answer changes
    answers: Mapping[str, str]  # task: class, as of the event; empty for a face that was never seen well enough
    years: float | None
    box: tuple[float, ...]  # x0 y0 x1 y1, pixels, where the face was last found

    @property
    def text(self) -> str:
        if self.event == "changes":
            answer = self.answers[self.task]
            return WORDINGS.get((self.task, answer), f"{self.task} is now {answer}")
        known = [f"{task} {answer}" for task, answer in self.answers.items()]
        return f"{self.event} ({', '.join(known)})" if known else self.event

    @property
    def sentence(self) -> str:
        """Such as "00:12.4 face 3: mask taken off"."""
        return f"{format_clock(self.time)} face {self.face}: {self.text}"


def format_clock(time: float) -> str:
    """Minutes, seconds and tenths, with hours where there are any: 00:12.4, 1:00:00.0."""
    tenths = round(time * 10)
    minutes, hours = tenths // 600 % 60, tenths // 36000
    return f"{f'{hours}:' if hours else ''}{minutes:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"


class EventFiles:
    """`<name>.jsonl` and `<name>.csv`; a context manager. A line is on disk when `write` returns."""

    def __init__(self, jsonl: Path, table: Path, tasks: Sequence[str]) -> None:
        self.jsonl_path, self.csv_path, self.tasks = jsonl, table, tasks
        self.files = []

    def __enter__(self) -> "EventFiles":
        columns = ["time", "face", "event", "task", "text", *self.tasks, "years", "x0", "y0", "x1", "y1"]
        for path in (self.jsonl_path, self.csv_path):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self.files.append(path.open("w", encoding="utf-8", newline=""))
            except OSError as error:
                raise ValueError(f"{path} cannot be written: {error.strerror}.") from None
        self.append(1, ",".join(columns) + "\n")
        return self

    def __exit__(self, *problem: object) -> None:
        for file in self.files:
            with suppress(OSError):  # `append` has reported it
                file.close()

    def write(self, event: Event) -> None:
        row = {"time": round(event.time, 3), "face": event.face, "event": event.event, "task": event.task}
        row |= {"text": event.text}
        years = None if event.years is None else round(event.years, 1)
        box = [round(float(corner), 1) for corner in event.box]
        record = row | {"answers": dict(event.answers), "years": years, "box": box}
        self.append(0, json.dumps(record, ensure_ascii=False) + "\n")
        cells = [*row.values(), *(event.answers.get(task, "") for task in self.tasks), years, *box]
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(cells)
        self.append(1, line.getvalue())

    def append(self, file: int, text: str) -> None:
        try:
            self.files[file].write(text)
            self.files[file].flush()
        except OSError as error:
            path = (self.jsonl_path, self.csv_path)[file]
            raise ValueError(
                f"{path} cannot be written any more: {error.strerror}. What came before is there."
            ) from None
