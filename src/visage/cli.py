"""The commands of `python -m visage`: each reads its own arguments and calls one function."""

import argparse
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


def main(words: Sequence[str] | None = None) -> None:
    asked = parser().parse_args(words)
    try:
        asked.command(asked)
    except ValueError as error:
        sys.exit(f"visage: {error}")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m visage", description="What a person does with visage, beside dvc.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    add_adopt(commands)
    add_annotate(commands)
    return top


def add_adopt(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    told = "take in a folder of your own photos: link it below data/raw and begin its files of corrections"
    one = commands.add_parser("adopt", help=told, description=told.capitalize() + ".")
    one.add_argument("name", help="what data.name in params.yaml shall call it")
    one.add_argument("folder", type=Path, help="where the photos are")
    one.set_defaults(command=adopt)


def adopt(asked: argparse.Namespace) -> None:
    from visage.annotator.adoption import adopt_folder

    for path in adopt_folder(asked.name, asked.folder, Path("data/raw"), Path("data/manual")):
        print(f"new: {path}")
    print(f"Now set data.name to {asked.name} in params.yaml, or try: dvc exp run -S data.name={asked.name}")


def add_annotate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    told = "draw the boxes that detection missed, answer the labels that audit doubts, in a browser"
    one = commands.add_parser("annotate", help=told, description=told.capitalize() + ".")
    one.add_argument("name", nargs="?", help="the data set (default: data.name of params.yaml)")
    one.add_argument("--root", type=Path, help="its folder, where photo keys start (default: data/raw/NAME)")
    one.add_argument("--manual", type=Path, help="where corrections are kept (default: data/manual/NAME)")
    one.add_argument("--port", type=int, default=8765, help="0 takes any free one (default: %(default)s)")
    one.add_argument("--quiet", action="store_true", help="print the address and open no browser")
    for name, path in DEFAULT_TABLES.items():
        one.add_argument(f"--{name}", type=Path, default=Path(path), help="(default: %(default)s)")
    one.set_defaults(command=annotate)


def annotate(asked: argparse.Namespace) -> None:
    from visage.annotator.server import serve_until_interrupted
    from visage.annotator.session import read_session
    from visage.runtime.params import find_section, read_params

    name = asked.name or str(find_section(read_params(), "data")["name"])
    root, manual = asked.root or Path("data/raw") / name, asked.manual or Path("data/manual") / name
    if not root.is_dir():
        raise ValueError(f"{root} is not a folder; name the data set, such as practice, or its folder with --root.")
    desk = read_session(name, root, {table: getattr(asked, table) for table in DEFAULT_TABLES}, manual)
    serve_until_interrupted(desk, asked.port, show=not asked.quiet)
