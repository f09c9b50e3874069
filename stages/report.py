"""All that was made and measured, on one page that opens from disk. What is missing is said in a sentence."""

import dataclasses
from pathlib import Path

from visage.dossier import read_dossier, read_faces
from visage.page import page
from visage.params import find, load, read
from visage.particulars import worst
from visage.sheets import ReportParams
from visage.stage import run

WORDS = (
    "photos", "tasks", "missed", "crops", "mattes", "transplants", "transplant_sheets", "curves", "answers", "scores",
    "plots", "submission", "key", "doubts", "attention", "sheets",
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
    told = read_dossier(named | FACTS)
    if params.faces and named["crops"].is_dir():
        told = dataclasses.replace(told, faces=read_faces(named["crops"], set(worst(told)["photo"])))
    target.write_text(page(told, find(read(), "data")["name"], faces=params.faces), encoding="utf-8")


if __name__ == "__main__":
    run(main)
