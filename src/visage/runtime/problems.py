"""Problems with what a person wrote or brought: all of them at once, as one error."""

from collections.abc import Iterable


def describe_problem(file: str, what: str, names: Iterable[object], advice: str) -> list[str]:
    """One sentence with a count and the first three names; nothing where there are no names."""
    names = sorted(map(str, names))
    tail = ", ..." if len(names) > 3 else ""
    return [f"{file}: {len(names)} {what}: {', '.join(names[:3])}{tail}. {advice}"] if names else []


def raise_problems(*problems: Iterable[str]) -> None:
    """One ValueError with a line for each problem, if there are any."""
    lines = [problem for group in problems for problem in group]
    if lines:
        raise ValueError("\n".join(lines))
