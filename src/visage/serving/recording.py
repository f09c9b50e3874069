"""The command `watch`: a source is watched, events are printed and written, the annotated video is made."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from visage.serving.bundle import Bundle
from visage.serving.drawing import draw_faces
from visage.serving.events import EventFiles
from visage.serving.video import CODECS, Frame, Source, VideoFile
from visage.serving.watch import Sight, watch

EVENTS_ONLY = (".jsonl", ".csv")


def record(
    source: Source,
    bundle: Bundle,
    out: Path | None,
    *,
    seconds: float | None = None,
    stopped: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = print,
) -> str:
    """Watch until the source ends, `seconds` are over, or `stopped`; returns a summary.

    `out` is the annotated video, and events lie beside it as .jsonl and .csv; an `out` of .jsonl or .csv makes no
    video. ValueError where the source was broken or something could not be written; what was seen so far is written.
    """
    if out and out.suffix.lower() not in (*CODECS, *EVENTS_ONLY):
        raise ValueError(f"{out}: the name should end in one of {', '.join([*CODECS, *EVENTS_ONLY])}.")
    problems, frames, faces, start = [], 0, set(), time.monotonic()

    def is_over(frame: Frame) -> bool:
        return bool(problems) or stopped() or (seconds is not None and frame.time >= seconds)

    with ExitStack() as files:
        tasks = [task.name for task in bundle.tasks]
        events_out = out and files.enter_context(EventFiles(out.with_suffix(".jsonl"), out.with_suffix(".csv"), tasks))
        has_video = out and out.suffix.lower() in CODECS
        video = files.enter_context(VideoFile(out, source.fps)) if has_video else None
        for frame, sights, events in watch(take_until(source, is_over), bundle):
            for event in events:
                if events_out:
                    events_out.write(event)
                say(event.sentence)
                faces.add(event.face)
            if frame is None:
                continue
            frames += 1
            if video and not problems:
                try:
                    video.write(draw_sights(frame, sights, bundle), frame.time)
                except ValueError as error:
                    problems.append(str(error))
    problems += [source.problem] if source.problem else []
    took = time.monotonic() - start
    summary = f"{frames} frames in {took:.1f} s ({frames / max(took, 1e-9):.1f} a second), {len(faces)} faces"
    if problems:
        raise ValueError(f"{' '.join(problems)} ({summary}; what was seen until then is written.)")
    return summary


def take_until(source: Source, is_over: Callable[[Frame], bool]) -> Iterator[Frame]:
    for frame in source:
        if is_over(frame):
            return
        yield frame


def draw_sights(frame: Frame, sights: list[Sight], bundle: Bundle) -> np.ndarray:
    """The frame with its numbered faces: number and answers beside each, colour by the first task's class."""
    shown = [sight for sight in sights if sight.number]
    labels, colours = [], []
    for sight in shown:
        years = [] if sight.years is None else [f"about {sight.years:.0f}"]
        labels.append([f"face {sight.number}", *(f"{task} {answer}" for task, answer in sight.answers.items()), *years])
        first = bundle.tasks[0]
        colours.append(first.classes.index(sight.answers[first.name]) if first.name in sight.answers else 3)
    return draw_faces(frame.image, np.array([sight.box for sight in shown]).reshape(-1, 4), labels, colours)


@contextmanager
def catch_signals() -> Iterator[Callable[[], bool]]:
    """In the block, Ctrl-C and SIGTERM only set what the yielded function returns; a second one ends at once."""
    received = []

    def note(number: int, _: object) -> None:
        received.append(number)
        signal.signal(number, previous[number])

    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
