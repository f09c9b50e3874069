"""The commands of `visage` (`python -m visage`): each reads its own arguments and calls one function.

A function returns the exit code, or nothing for 0. What it needs is imported in it: `visage predict` runs where only
a bundle's few packages are installed.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

DEFAULT_TABLES = {
    "photos": "data/photos.csv",
    "tasks": "data/tasks.json",
    "boxes": "data/boxes.csv",
    "missed": "metrics/missed.csv",
    "doubts": "metrics/doubts.csv",
}


def main(argv: Sequence[str] | None = None) -> None:
    args = build_parser().parse_args(argv)
    try:
        sys.exit(args.command(args))
    except ValueError as error:
        sys.exit(f"visage: {error}")
    except KeyboardInterrupt:
        sys.exit(130)  # as shells say it
    except BrokenPipeError:  # who reads has had enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="visage", description="What a person does with visage, beside dvc.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_adopt(commands)
    add_annotate(commands)
    add_recipe(commands)
    add_predict(commands)
    add_bundle(commands)
    add_serve(commands)
    add_watch(commands)
    return parser


def add_adopt(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    summary = "take in a folder of your own photos: link it below data/raw and begin its files of corrections"
    parser = commands.add_parser("adopt", help=summary, description=summary.capitalize() + ".")
    parser.add_argument("name", help="what data.name in params.yaml shall call it")
    parser.add_argument("folder", type=Path, help="where the photos are")
    parser.set_defaults(command=adopt)


def adopt(args: argparse.Namespace) -> None:
    from visage.annotator.adoption import adopt_folder

    for path in adopt_folder(args.name, args.folder, Path("data/raw"), Path("data/manual")):
        print(f"new: {path}")
    print(f"Now set data.name to {args.name} in params.yaml, or try: dvc exp run -S data.name={args.name}")


def add_annotate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    summary = "draw the boxes that detection missed, answer the labels that audit doubts, in a browser"
    parser = commands.add_parser("annotate", help=summary, description=summary.capitalize() + ".")
    parser.add_argument("name", nargs="?", help="the data set (default: data.name of params.yaml)")
    parser.add_argument("--root", type=Path, help="its folder, where photo keys start (default: data/raw/NAME)")
    parser.add_argument("--manual", type=Path, help="where corrections are kept (default: data/manual/NAME)")
    parser.add_argument("--port", type=int, default=8765, help="0 takes any free one (default: %(default)s)")
    parser.add_argument("--quiet", action="store_true", help="print the address and open no browser")
    for name, path in DEFAULT_TABLES.items():
        parser.add_argument(f"--{name}", type=Path, default=Path(path), help="(default: %(default)s)")
    parser.set_defaults(command=annotate)


def annotate(args: argparse.Namespace) -> None:
    from visage.annotator.server import serve_until_interrupted
    from visage.annotator.session import read_session, read_set_name

    name = args.name or read_set_name()
    root, manual = args.root or Path("data/raw") / name, args.manual or Path("data/manual") / name
    if not root.is_dir():
        raise ValueError(f"{root} is not a folder; name the data set, such as practice, or its folder with --root.")
    tables = {table: getattr(args, table) for table in DEFAULT_TABLES}
    serve_until_interrupted(read_session(name, root, tables, manual), args.port, show=not args.quiet)


def add_recipe(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    summary = "print the recipe by which a member learns a task, and which section of params.yaml says each key"
    parser = commands.add_parser("recipe", help=summary, description=summary.capitalize() + ".")
    parser.add_argument("task", help="such as age")
    parser.add_argument("member", help="such as plain")
    parser.set_defaults(command=recipe)


def recipe(args: argparse.Namespace) -> None:
    from visage.networks.recipe import describe_recipe

    print(describe_recipe(args.task, args.member))


def add_predict(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    summary = "judge the faces on photos with a bundle: mask, gender, age"
    parser = commands.add_parser("predict", help=summary, description=summary.capitalize() + ".")
    parser.add_argument("photos", nargs="+", metavar="PATH", help="photos, folders, patterns; - is a list on stdin")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="a line of JSON for each photo")
    form.add_argument("--csv", action="store_true", help="a row for each face")
    parser.add_argument("--submission", type=Path, metavar="FILE", help="the answers in the competition's form")
    parser.add_argument("--form", type=Path, metavar="FILE", help="rows to answer (default: info.csv of the folder)")
    parser.add_argument("--score", type=Path, metavar="FILE", help="a table of photos with labels to score by")
    parser.add_argument("--boxes", type=Path, metavar="FILE", help="a table of boxes that win over the detector's")
    parser.add_argument("--draw", type=Path, metavar="DIR", help="annotated copies of the photos")
    parser.add_argument("--faces", choices=["all", "largest"], help="(default: all; largest to submit or score)")
    parser.add_argument("--min-size", type=float, default=0, metavar="PX", help="least shorter side of a box")
    parser.add_argument("--tasks", metavar="A,B", help="only these; only their networks run")
    add_model(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.set_defaults(command=predict)


def predict(args: argparse.Namespace) -> int:
    from visage.serving.command import predict

    return predict(args)


def add_bundle(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    summary = "read a bundle's card: what it answers, how well, and what it was made from"
    parser = commands.add_parser("bundle", help=summary, description=summary.capitalize() + ".")
    parser.add_argument("action", choices=["show"])
    add_model(parser)
    parser.set_defaults(command=show_bundle)


def show_bundle(args: argparse.Namespace) -> int:
    from visage.serving.command import show_bundle

    return show_bundle(args)


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", type=Path, default=Path("models/bundle"), metavar="DIR", help="(default: %(default)s)"
    )


def add_serve(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    summary = "serve a bundle: photos in by HTTP, faces out as JSON, and a page to try it"
    parser = commands.add_parser("serve", help=summary, description=summary.capitalize() + ".")
    add_model(parser)
    parser.add_argument("--host", default="127.0.0.1", help="others need VISAGE_TOKEN (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="0 takes any free one (default: %(default)s)")
    parser.set_defaults(command=serve)


def serve(args: argparse.Namespace) -> None:
    try:
        from visage.server import server
    except ModuleNotFoundError as error:
        raise ValueError(f"serve needs {error.name}; install the extra: pip install 'visage[serve]'.") from None
    server.serve(args.model, args.host, args.port)


def add_watch(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    summary = "follow and judge the faces of a video, and tell what happens"
    parser = commands.add_parser("watch", help=summary, description=summary.capitalize() + ".")
    parser.add_argument("source", help="a video file, a folder of pictures, a camera's number, a stream's address")
    parser.add_argument(
        "out", nargs="?", type=Path, help="annotated video, with events beside it; x.jsonl or x.csv: events only"
    )
    add_model(parser)
    parser.add_argument("--every", type=int, default=1, help="every N-th frame only")
    parser.add_argument("--realtime", action="store_true", help="skip frames to keep up with the clock")
    parser.add_argument("--seconds", type=float, help="end after so much of the video")
    parser.add_argument("--fps", type=float, default=25.0, help="frames a second of a folder (default: %(default)s)")
    parser.add_argument(
        "--side", type=int, default=640, help="px of a frame's longer side for the detector (default: %(default)s)"
    )
    parser.set_defaults(command=watch)


def watch(args: argparse.Namespace) -> None:
    from visage.video.recording import watch_source

    watch_source(args)
