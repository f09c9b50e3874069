"""`visage predict` and `visage bundle show`: words of a command line in, lines and an exit code out."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from visage.runtime.progress import Progress
from visage.serving.bundle import Bundle
from visage.serving.card import read_card
from visage.serving.drawing import write_drawing
from visage.serving.labels import find_form, read_boxes, read_labels, score, score_lines, write_submission
from visage.serving.output import write_results
from visage.serving.predict import PhotoResult, Wanted, predict_photos
from visage.serving.show import describe_card
from visage.serving.sources import list_paths

ALL_READ, SOME_UNREAD, WRONG_CALL = 0, 1, 2  # exit codes


def predict(args: argparse.Namespace) -> int:
    """Exit code 0: all photos read; 1: some could not be; 2: the call is wrong."""
    try:
        paths = list_paths(args.photos, sys.stdin)
        bundle = Bundle.open(args.model, tasks=args.tasks.split(",") if args.tasks else None)
        wanted = read_wanted(args, bundle, paths)
        labels = read_labels(args.score, paths, bundle.tasks) if args.score else None
    except ValueError as error:
        print(f"visage predict: {error}", file=sys.stderr)
        return WRONG_CALL
    draw = partial(draw_copy, args.draw, bundle, common_folder(paths)) if args.draw else None
    results = report_errors(predict_photos(bundle, paths, wanted, draw), len(paths), args.quiet)
    form = "json" if args.json else "csv" if args.csv else "none" if args.submission or args.score else "text"
    kept, unread = {}, 0
    for result in write_results(results, form, bundle.tasks, sys.stdout):
        unread += bool(result.error)
        if args.submission or args.score:
            kept[result.path] = result
    try:
        if args.submission:
            rows = write_submission(
                args.submission, kept, bundle.tasks, args.form or find_form(args.photos), submission_root(args.photos)
            )
            print(f"{args.submission}: {rows} answers.", file=sys.stderr)
        if labels is not None:
            print("\n".join(score_lines(score(kept, labels, bundle.tasks))))
    except ValueError as error:
        print(f"visage predict: {error}", file=sys.stderr)
        return SOME_UNREAD
    return SOME_UNREAD if unread else ALL_READ


def read_wanted(args: argparse.Namespace, bundle: Bundle, paths: Sequence[Path]) -> Wanted:
    """Which faces are judged; a submission and a score are about one answer a photo, as the pipeline gives it."""
    one_answer = bool(args.submission or args.score)
    if one_answer and (args.faces == "all" or args.min_size):
        raise ValueError("--submission and --score take one answer a photo: leave out --faces all and --min-size.")
    if args.submission and len(bundle.tasks) < len(bundle.card["tasks"]):
        raise ValueError("--submission takes the answers of all tasks: leave out --tasks.")
    if args.min_size < 0:
        raise ValueError(f"--min-size is {args.min_size:g}, and should be 0 or more pixels.")
    boxes: dict[Path, np.ndarray] = read_boxes(args.boxes, paths) if args.boxes else {}
    return Wanted("largest" if one_answer else args.faces or "all", args.min_size, one_answer, boxes)


def report_errors(results: Iterable[PhotoResult], total: int, quiet: bool) -> Iterator[PhotoResult]:
    """The results, with progress, and a line on stderr for each photo that could not be read."""
    errors: list[str] = []
    with Progress("predict", 0 if quiet else total, "photos") as progress:
        for result in results:
            if result.error:
                errors.append(result.error)
                print(f"visage predict: {result.error}", file=sys.stderr)
            yield result
            if not quiet:
                progress.update()
    if errors:
        print(f"visage predict: {len(errors)} of {total} photos could not be read.", file=sys.stderr)


def draw_copy(folder: Path, bundle: Bundle, root: Path, image: np.ndarray, result: PhotoResult) -> None:
    path = result.path.absolute()
    write_drawing(folder, image, result, bundle.tasks, path.relative_to(root).as_posix())


def common_folder(paths: Sequence[Path]) -> Path:
    """The folder that all photos lie below."""
    return Path(os.path.commonpath([path.absolute().parent for path in paths]))


def submission_root(words: Sequence[str]) -> Path:
    """Where photo keys begin: the folder that was named, or for eval/ the one above it, as in data/raw."""
    folder = next((Path(word) for word in words if Path(word).is_dir()), Path())
    return folder.parent if folder.name == "eval" else folder


def show_bundle(args: argparse.Namespace) -> int:
    try:
        print(describe_card(read_card(args.model)))
    except ValueError as error:
        print(f"visage bundle: {error}", file=sys.stderr)
        return WRONG_CALL
    return ALL_READ
