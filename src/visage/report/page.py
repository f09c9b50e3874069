"""The report: a run on one page that opens from disk, without scripts and without the network."""

import base64
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from visage.report.run_results import RunResults
from visage.report.sections import collect_sections

HERE = Path(__file__).parent


def render_page(run: RunResults, name: str, *, faces: bool) -> str:
    """The whole page. Single people are shown only with `faces`."""
    style = (HERE / "style.css").read_text(encoding="utf-8")
    return load_template().render(run=run, name=name, faces=faces, style=style, **collect_sections(run))


def load_template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "score": "{:.3f}".format,
        "thousands": "{:,}".format,
        "percent": "{:.0%}".format,
        "css_percent": css_percent,
        "data_uri": data_uri,
        "duration": format_duration,
        "short_name": short_name,
    }
    return environment.get_template("page.html")


def css_percent(share: float) -> str:
    """A length within its parent, from 0 to 100%."""
    return f"{100 * min(max(share, 0), 1):.1f}%"


def data_uri(picture: bytes) -> str:
    """A PNG or JPEG as an address that holds the picture itself."""
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def format_duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def short_name(photo: str) -> str:
    """The person and the shot, without the folders that all photos share."""
    return "/".join(photo.split("/")[-2:])
