"""Which photos a command line means: files, folders, patterns, and lists on standard input."""

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path

from visage.formats.photos import is_photo

MORE_SUFFIXES = (".gif",)  # of animations the first picture is judged


def list_paths(words: Sequence[str], lines: Iterable[str]) -> list[Path]:
    """The photos in the order of the words, each once; `-` stands for the lines, a path each.

    A file that is not there is kept, to be reported with those that cannot be read; a folder or pattern without any
    photo is an error, as the call is wrong.
    """
    paths: dict[Path, None] = {}
    for word in words:
        if word == "-":
            paths |= dict.fromkeys(Path(line.rstrip("\r\n")) for line in lines if line.strip())
        else:
            paths |= dict.fromkeys(expand(word))
    return list(paths)


def expand(word: str) -> list[Path]:
    """The photos that one word means, in order."""
    path = Path(word)
    if path.is_dir():
        photos = sorted(file for file in path.rglob("*") if is_source(file))
        if not photos:
            raise ValueError(f"{word} holds no photos.")
        return photos
    if glob.has_magic(word) and not path.exists():
        photos = sorted(file for file in map(Path, glob.glob(word, recursive=True)) if file.is_file())  # noqa: PTH207
        if not photos:
            raise ValueError(f"{word} matches no file.")
        return photos
    return [path]


def is_source(file: Path) -> bool:
    return (is_photo(file) or (file.suffix.lower() in MORE_SUFFIXES and file.name[0] != ".")) and file.is_file()
