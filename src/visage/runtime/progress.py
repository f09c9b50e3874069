"""Progress of long work: a line that is kept up to date in a terminal; elsewhere (CI, nohup) one every ten seconds.

Rate and time left count from where the work begins: make the bar when everything is loaded.
"""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

Item = TypeVar("Item")
EVERY, IN_TERMINAL = 10.0, 0.2  # seconds between two lines
ERASE = "\x1b[K"  # what is left of a longer line before


class Progress:
    """with Progress("train age", total=66, unit="epochs") as progress: progress.update(1, "loss 0.31")"""

    def __init__(self, name: str, total: int, unit: str, stream: TextIO | None = None) -> None:
        self.name, self.total, self.unit = name, total, unit
        self.stream = stream or sys.stderr
        self.done, self.note = 0, ""
        self.started = self.printed = time.monotonic()
        self.in_terminal = self.stream.isatty()

    def update(self, count: int = 1, note: str = "") -> None:
        """`count` more items are done; `note` stands behind the rate."""
        now = time.monotonic()
        self.done, self.note = self.done + count, note or self.note
        if now - self.printed >= (IN_TERMINAL if self.in_terminal else EVERY):
            self.print_line(now, "" if self.in_terminal else "\n")

    def print_line(self, now: float, end: str = "\n") -> None:
        """`train age: 12 of 66 epochs, 1.7 epochs/s, 32 s left; loss 0.31`; in a terminal over the line before."""
        self.printed, elapsed = now, now - self.started
        text = f"{self.name}: {self.done:,} of {self.total:,} {self.unit}"
        if self.done and elapsed > 0:
            rate = self.done / elapsed
            text += f", {rate:.3g} {self.unit}/s"
            if self.done < self.total:
                text += f", {(self.total - self.done) / rate:.0f} s left"
        text += f"; {self.note}" if self.note else ""
        print(f"\r{text}{ERASE}" if self.in_terminal else text, end=end, file=self.stream, flush=True)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self.total:
            self.print_line(time.monotonic())


def track(items: Iterable[Item], name: str, total: int, unit: str) -> Iterator[Item]:
    """The items, with progress: an item counts as done when the next one is asked for."""
    with Progress(name, total, unit) as progress:
        for item in items:
            yield item
            progress.update()
