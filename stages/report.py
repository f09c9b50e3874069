"""All that was made and measured, on one page that opens from disk. What is missing is said in a sentence."""

import dataclasses
from pathlib import Path

from visage.report.page import render_page
from visage.report.run_results import ReportParams, read_crops, read_run_results
from visage.report.sections import worst_mistakes
from visage.runtime.params import find_section, load, read_params
from visage.runtime.stage import run

PROVENANCE = {  # shown, but no inputs: they do not make the page out of date
    "params": Path("params.yaml"),
    "bundled": Path("models/bundled"),
    "pretrained": Path("models/pretrained"),
    "seconds": Path(".dvc/tmp/seconds"),
}


def main(
    photos: Path, tasks: Path, missed: Path, crops: Path, crop_sheets: Path, mattes: Path, transplants: Path,
    transplant_sheets: Path, curves: Path, answers: Path, scores: Path, plots: Path, ablation: Path, submission: Path,
    key: Path, label_issues: Path, attention: Path, sheets: Path, single_sheets: Path, groups: Path,
    card: Path, page: Path,
) -> None:  # fmt: skip
    inputs = dict(locals())  # by the names that read_run_results knows
    params, results = load(ReportParams, "report"), read_run_results(inputs | PROVENANCE)
    name = find_section(read_params(), "data")["name"]
    faces = params.allow_faces(name)
    if faces and crops.is_dir():
        results = dataclasses.replace(results, crops=read_crops(crops, set(worst_mistakes(results)["photo"])))
    page.write_text(render_page(results, name, faces=faces), encoding="utf-8")


if __name__ == "__main__":
    run(main)
