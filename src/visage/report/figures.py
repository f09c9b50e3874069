"""Small figures for a page without scripts: bars, intervals, heat tables and curves as HTML and inline SVG."""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape

import numpy as np
import pandas as pd

CHART = (320, 190)  # units of an SVG chart; its text is readable from 240 pixels of width on
EDGES = (34, 10, 8, 24)  # left, right, top, bottom


def missing_note(what: str) -> str:
    """A sentence about what is missing; `words` in it are commands."""
    told = re.sub("`(.+?)`", r"<code>\1</code>", escape(what))
    return f'<p class="absent">{told}</p>'


def bar(label: str, share: float, text: str, *, low: float | None = None, high: float | None = None) -> str:
    """A row with a bar from 0 to `share` of the track and, if asked, the interval from low to high upon it."""
    whisker = ""
    if low is not None and high is not None:
        whisker = f'<i style="left:{percent(low)};width:{percent(high - low)}"></i>'
    track = f'<span class="track"><b style="width:{percent(share)}"></b>{whisker}</span>'
    return f'<li><span class="label">{escape(label)}</span>{track}<span class="value">{escape(text)}</span></li>'


def bars(rows: Sequence[str], label: str) -> str:
    return f'<ul class="bars" aria-label="{escape(label)}">{"".join(rows)}</ul>'


def percent(share: float) -> str:
    return f"{100 * min(max(share, 0), 1):.1f}%"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], label: str, *, numbers: Sequence[int] = ()) -> str:
    """A table that scrolls within itself on a narrow screen; `numbers` are columns set to the right."""
    kinds = ['class="n"' if i in numbers else "" for i in range(len(head))]
    top = "".join(f'<th scope="col" {kind}>{escape(cell)}</th>' for cell, kind in zip(head, kinds, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f"<td {kind}>{escape(str(cell))}</td>" for cell, kind in zip(row, kinds, strict=True))
        + "</tr>"
        for row in rows
    )
    return scroller(f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>", label)


def heat(rows: Mapping[str, Mapping[str, float]], label: str, *, corner: str, form: str = "{:.0%}") -> str:
    """A table whose cells are shaded by their value from 0 to 1; what a row does not know stays empty."""
    columns = list(dict.fromkeys(name for values in rows.values() for name in values))

    def cell(value: float | None) -> str:
        return "<td></td>" if value is None else f'<td class="n" style="--heat:{value:.3f}">{form.format(value)}</td>'

    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in [corner, *columns])
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(cell(values.get(column)) for column in columns)}</tr>'
        for name, values in rows.items()
    )
    return scroller(f'<table class="heat"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>', label)


def confusion(pairs: pd.DataFrame, classes: Sequence[str], label: str) -> str:
    """How many of each class (rows) got each answer (columns), shaded by the share of the row."""
    counts = pd.crosstab(pairs["actual"], pairs["predicted"]).reindex(index=classes, columns=classes, fill_value=0)
    shares = counts.div(counts.sum(axis=1).clip(lower=1), axis=0)

    def cell(true: str, said: str) -> str:
        kind, share = "n own" if true == said else "n", shares.loc[true, said]
        told = escape(f"{true} answered {said}: {share:.1%}")
        return f'<td class="{kind}" style="--heat:{share:.3f}" title="{told}">{counts.loc[true, said]:,}</td>'

    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in classes)
    rows = (f'<th scope="row">{escape(true)}</th>{"".join(cell(true, said) for said in classes)}' for true in classes)
    head = f'<thead><tr><th scope="col">true \\ answered</th>{top}</tr></thead>'
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return scroller(f'<table class="heat">{head}<tbody>{body}</tbody></table>', label)


def scroller(inner: str, label: str) -> str:
    """Reachable by Tab, so that arrow keys scroll it."""
    return f'<div class="scroll" role="region" aria-label="{escape(label)}" tabindex="0">{inner}</div>'


def curves(rows: pd.DataFrame, title: str) -> str:
    """Macro F1 by epoch: a thin line per fold, a bold one for their mean, one colour per split."""
    width, height = CHART
    left, right, top, bottom = EDGES
    last = max(int(rows["epoch"].max()), 2)
    floor = np.floor(min(rows["macro_f1"].min(), 0.9) * 10) / 10

    def place(epoch: float, value: float) -> str:
        x = left + (epoch - 1) / (last - 1) * (width - left - right)
        y = top + (1 - value) / (1 - floor) * (height - top - bottom)
        return f"{x:.1f},{y:.1f}"

    def line(points: pd.DataFrame, name: str) -> str:
        where = " ".join(place(e, v) for e, v in zip(points["epoch"], points["macro_f1"], strict=True))
        return f'<polyline class="{name}" points="{where}"/>'

    drawn = grid(floor, last, place)
    for split, own in rows.groupby("split", sort=True):
        drawn += "".join(line(fold.sort_values("epoch"), f"thin {split}") for _, fold in own.groupby("fold"))
        drawn += line(own.groupby("epoch", as_index=False)["macro_f1"].mean(), f"bold {split}")
    return figure(drawn, f"{title}: macro F1 by epoch", title)


def grid(floor: float, last: int, place: Callable[[float, float], str]) -> str:
    parts = []
    for value in np.linspace(floor, 1, 3):
        y = place(1, value).split(",")[1]
        parts.append(f'<line class="grid" x1="{EDGES[0]}" x2="{CHART[0] - EDGES[1]}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{EDGES[0] - 4}" y="{float(y) + 4:.1f}" text-anchor="end">{value:.2g}</text>')
    for epoch in sorted({1, (1 + last) // 2, last}):
        x = place(epoch, floor).split(",")[0]
        parts.append(f'<text x="{x}" y="{CHART[1] - 8}" text-anchor="middle">{epoch}</text>')
    return "".join(parts)


def figure(drawn: str, told: str, caption: str) -> str:
    view = f'viewBox="0 0 {CHART[0]} {CHART[1]}" role="img" aria-label="{escape(told)}"'
    return f"<figure><svg {view}>{drawn}</svg><figcaption>{escape(caption)}</figcaption></figure>"


def picture(data: bytes, told: str, caption: str = "") -> str:
    """A PNG or JPEG within the page."""
    kind = "png" if data[:4] == b"\x89PNG" else "jpeg"
    image = f'<img src="data:image/{kind};base64,{base64.b64encode(data).decode()}" alt="{escape(told)}">'
    return f"<figure>{image}{f'<figcaption>{escape(caption)}</figcaption>' if caption else ''}</figure>"
