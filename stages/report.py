"""All that was made and measured, on one page that opens from disk. What is missing is said in a sentence."""

import dataclasses
from pathlib import Path

from visage.report.detail_sections import worst_mistakes
from visage.report.page import render_page
from visage.report.run_results import ReportParams, read_faces, read_run_results
from visage.runtime.params import find_section, load, read_params
from visage.runtime.stage import run

WORDS = (
    "photos", "tasks", "missed", "crops", "mattes", "transplants", "transplant_sheets", "curves", "answers", "scores",
    "plots", "submission", "key", "doubts", "attention", "sheets", "single_sheets",
)  # fmt: skip
FACTS = {  # not inputs: how this run came about
    "params": Path("params.yaml"),
    "bundled": Path("models/bundled"),
    "pretrained": Path("models/pretrained"),
    "seconds": Path(".dvc/tmp/seconds"),
}


def main(*paths: Path) -> None:
    """One path for each of WORDS, in their order, then the page's."""
    *sources, target = paths
    params, named = load(ReportParams, "report"), dict(zip(WORDS, sources, strict=True))
    told = read_run_results(named | FACTS)
    if params.faces and named["crops"].is_dir():
        told = dataclasses.replace(told, faces=read_faces(named["crops"], set(worst_mistakes(told)["photo"])))
    target.write_text(
        render_page(told, find_section(read_params(), "data")["name"], faces=params.faces), encoding="utf-8"
    )


if __name__ == "__main__":
    run(main)
