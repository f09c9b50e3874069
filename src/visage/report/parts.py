"""What each part of the pipeline is worth, in words and as intervals on a line with nought in it."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Gain:
    """One task: the macro F1 without and with the part, the difference with its 95%, and what to make of it.

    `zero`, `from_share`, `to_share` and `at_share` are places along the line, from 0 to 1.
    """

    task: str
    f1_without: float
    f1_with: float
    text: str
    verdict: str  # better, worse, none (not told apart from noise), same (no difference)
    zero: float
    from_share: float
    to_share: float
    at_share: float


@dataclass(frozen=True)
class Part:
    """A part with its gains, or with the command that measures them."""

    name: str
    without: str
    with_part: str
    gains: list[Gain]
    command: str


@dataclass(frozen=True)
class Parts:
    """All parts, and how many people they were measured on."""

    parts: list[Part]
    people: int


def describe_parts(table: pd.DataFrame | None) -> Parts | None:
    """From the text of metrics/ablation.csv; all lines have the same scale, so that parts compare."""
    if table is None:
        return None
    measured = table["command"] == ""
    numbers = table[measured].astype(dict.fromkeys(("difference", "low", "high", "f1_without", "f1_with"), float))
    least, most = min(numbers["low"].min(), 0.0), max(numbers["high"].max(), 0.0)
    margin = max(0.04 * (most - least), 0.001)
    scale = (least - margin, most + margin)
    parts = [
        Part(*names, [describe_gain(row, scale) for _, row in rows.iterrows()], "")
        for names, rows in numbers.groupby(["part", "without", "with"], sort=False)
    ]
    parts += [Part(row["part"], "", "", [], row["command"]) for _, row in table[~measured].iterrows()]
    return Parts(parts, int(numbers["people"].iloc[0]) if len(numbers) else 0)


def describe_gain(row: pd.Series, scale: tuple[float, float]) -> Gain:
    def place(value: float) -> float:
        return (value - scale[0]) / (scale[1] - scale[0])

    low, difference, high = row["low"], row["difference"], row["high"]
    text = f"{format_signed(difference)} [{format_signed(low)}, {format_signed(high)}]"
    places = map(place, (0.0, low, high, difference))
    return Gain(row["task"], row["f1_without"], row["f1_with"], text, judge_interval(low, high), *places)


def judge_interval(low: float, high: float) -> str:
    """better or worse where the whole interval is on one side of nought."""
    if low == high == 0:
        return "same"
    return "better" if low > 0 else "worse" if high < 0 else "none"


def format_signed(value: float) -> str:
    """+.012, -.004, .000: three digits, a true minus sign, no nought before the point.

    Only what is exactly nought has no sign, so that -.000 is on its side of nought.
    """
    sign = "" if value == 0 else "+" if value > 0 else "\N{MINUS SIGN}"
    return sign + f"{abs(value):.3f}".removeprefix("0")
