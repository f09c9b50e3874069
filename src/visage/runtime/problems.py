"""Problems with what a person wrote or brought: all of them at once, as one error."""

import difflib
from collections.abc import Collection, Iterable, Sequence

MAX_LINES = 50  # problems spelled out in one error; the rest are counted
MAX_NAMES = 5  # names listed in one sentence
MAX_COMPARED = 50_000  # names among which the nearest is sought; more would take seconds for each wrong one


def describe_problem(file: str, what: str, names: Iterable[object], advice: str) -> list[str]:
    """One sentence with a count and the first names; nothing where there are no names."""
    names = sorted(map(str, names))
    return [f"{file}: {len(names)} {what}: {join_names(names)}. {advice}"] if names else []


def join_names(names: Sequence[str]) -> str:
    """The first names, with `...` where there are more."""
    return ", ".join([*names[:MAX_NAMES], *["..."] * (len(names) > MAX_NAMES)])


def shorten(lines: Sequence[str], most: int = MAX_LINES) -> list[str]:
    """The first lines, and how many more there are."""
    return [*lines[:most], *[f"... and {len(lines) - most} more."] * (len(lines) > most)]


def raise_problems(*problems: Iterable[str]) -> None:
    """One ValueError with a line for each problem, if there are any."""
    lines = [problem for group in problems for problem in group]
    if lines:
        raise ValueError("\n".join(shorten(lines)))


def suggest_nearest(name: str, known: Collection[str]) -> str:
    """' Did you mean ...?' for the nearest known name, or nothing."""
    nearest = difflib.get_close_matches(name, known, n=1) if len(known) < MAX_COMPARED else []
    return f" Did you mean {nearest[0]!r}?" if nearest else ""
