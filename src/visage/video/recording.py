"""The command `watch`: a source is watched, events are printed and written, the annotated video is made."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from visage.serving.bundle import Bundle
from visage.serving.drawing import COLOURS, draw_face, draw_label
from visage.video.events import EventFiles
from visage.video.frames import CODECS, Frame, Source, VideoFile, open_source
from visage.video.watch import Sight, watch

EVENTS_ONLY = (".jsonl", ".csv")
LEAST_TEXT, TEXT_SHARE = 9, 1 / 48  # height of a line of text in a frame: px, and share of its longer side
GREY, UNKNOWN = (160, 160, 160), np.full((5, 2), np.nan)


def watch_source(args: argparse.Namespace) -> None:
    """The command `watch`, with the arguments of `visage.cli`."""
    source = open_source(args.source, fps=args.fps, every=args.every, realtime=args.realtime)
    bundle = Bundle.open(args.model)
    bundle.detector.side = args.side

    def say(line: str) -> None:
        print(line, flush=True)

    with catch_signals() as stopped:
        try:
            say(record(source, bundle, args.out, seconds=args.seconds, stopped=stopped, say=say))
        except BrokenPipeError:  # whoever reads the lines has gone, as in `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
    """A copy of the frame with its numbered faces: number and answers of each, the first task's class as colour."""
    image, first = frame.image.copy(), bundle.tasks[0]
    text = max(LEAST_TEXT, round(max(image.shape[:2]) * TEXT_SHARE))
    for sight in sights:
        if sight.number:
            answer = sight.answers.get(first.name)
            colour = GREY if answer is None else COLOURS[first.classes.index(answer) % len(COLOURS)]
            years = [] if sight.years is None else [f"{sight.years:.0f} years"]
            draw_face(image, sight.box, UNKNOWN, colour, max(1, text // 8))
            draw_label(image, sight.box, [f"face {sight.number}", *sight.answers.values(), *years], colour, text)
    return image


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
