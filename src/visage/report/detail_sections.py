"""The report's other chapters, on single photos, people, labels and files."""

from html import escape

import numpy as np
import pandas as pd

from visage.formats.tasks import class_codes
from visage.report.figures import bar, bars, missing_note, picture, scroller, table
from visage.report.run_results import RunResults

MISTAKES = 24  # shown, in equal parts of each task
DOUBTS = 30  # rows shown


def worst_mistakes(run: RunResults) -> pd.DataFrame:
    """Held-out answers that were sure and wrong: photo, task, true class, answer, how likely the true one seemed."""
    if run.answers is None or run.photos is None or not run.tasks:
        return pd.DataFrame(columns=["photo", "task", "true", "said", "share"])
    both = run.photos.merge(run.answers, on="photo", suffixes=("_true", ""))
    both = both[both["split"] == "train"]
    found = []
    for task in run.tasks:
        wrong = both[both[f"{task.name}_true"] != both[task.name]]
        own = wrong[[f"{task.name}/{name}" for name in task.classes]].to_numpy(float)
        true = class_codes(wrong[f"{task.name}_true"], task)
        share = own[np.arange(len(wrong)), true] if len(wrong) else np.empty(0)
        named = {
            "photo": wrong["photo"],
            "task": task.name,
            "true": wrong[f"{task.name}_true"],
            "said": wrong[task.name],
        }
        found.append(pd.DataFrame(named | {"share": share}))
    worst_first = pd.concat(found).sort_values(["share", "photo"], kind="stable")
    return worst_first.groupby("task", sort=False).head(MISTAKES // max(len(run.tasks), 1))


def mistakes_section(run: RunResults, faces: bool) -> str:
    found = worst_mistakes(run)
    if found.empty:
        return missing_note("There are no held-out answers yet: `dvc repro ensemble` makes data/answers.csv.")
    told = "<p>Held-out photos with the least likely labels. A wrong label looks the same: see the next chapter.</p>"
    if not faces:
        rows = [[r.task, r.true, r.said, f"{r.share:.1%}", short_name(r.photo)] for r in found.itertuples()]
        hint = missing_note("Pictures of people are left out; `report.faces: true` in params.yaml shows them.")
        return (
            told
            + hint
            + table(["task", "label", "answer", "label seemed", "photo"], rows, "worst mistakes", numbers=[3])
        )
    tiles = [
        picture(run.faces[r.photo], r.photo, f"{r.task}: {r.true}, answered {r.said} ({r.share:.1%})")
        for r in found.itertuples()
        if r.photo in run.faces
    ]
    return f'{told}<div class="tiles">{"".join(tiles)}</div>'


def label_issues_section(run: RunResults, _: bool) -> str:
    if run.doubts is None:
        return missing_note("Labels have not been audited yet: `dvc repro audit` makes metrics/doubts.csv.")
    if run.doubts.empty:
        return "<p>No label is in doubt.</p>"
    first = run.doubts.head(DOUBTS)
    rows = [
        [
            r.source.removeprefix("audit: "),
            r.person or short_name(r.photo),
            r.field,
            r.value,
            f"{float(r.confidence):.0%}",
            r.note,
        ]
        for r in first.itertuples()
    ]
    told = (
        f"<p>The first {len(first)} of {len(run.doubts):,} rows of metrics/doubts.csv, likeliest mistakes first. "
        "Answer them with <code>python -m visage annotate</code>, or copy rows into data/manual/…/labels.csv.</p>"
    )
    return told + table(
        ["", "person or photo", "field", "likely", "chance", "why"], rows, "doubted labels", numbers=[4]
    )


def transplants_section(run: RunResults, faces: bool) -> str:
    if not run.transplants:
        return missing_note("There are no transplants in this run (transplant.method: none, or not yet made).")
    told = (
        f"<p>{run.transplants:,} composites of the oldest class, for training only, never on both sides of a fold.</p>"
    )
    if not faces:
        return told + missing_note("Pictures of people are left out; `report.faces: true` in params.yaml shows them.")
    pictures = "".join(
        scroller(picture(data, f"transplants: {name}"), name) for name, data in run.transplant_sheets.items()
    )
    return f'{told}<div class="sheets">{pictures}</div>'


def missed_section(run: RunResults, _: bool) -> str:
    if run.missed is None:
        return missing_note("Faces have not been looked for yet: `dvc repro detect` makes metrics/missed.csv.")
    if run.missed.empty:
        return "<p>A face was found in every photo.</p>"
    drawn = run.cut_by.get("hand", 0)
    told = (
        f"<p>No face was found in {len(run.missed):,} photos; {drawn:,} boxes are drawn by hand. Draw the others with "
    )
    told += "<code>python -m visage annotate</code>.</p>"
    lines = "".join(f"<li>{escape(photo)}</li>" for photo in run.missed["photo"][:200])
    return f"{told}<details><summary>Which photos</summary><ul class='plain'>{lines}</ul></details>"


def run_section(run: RunResults, _: bool) -> str:
    facts = [["revision", run.revision or "not in git"], ["machine", run.hardware]]
    weights = [[name, f"{size / 1e6:.1f} MB", digest[:16]] for name, size, digest in run.weights]
    parts = [table(["", ""], facts, "code and machine")]
    if weights:
        parts.append(
            "<h3>Networks that came with it</h3>" + table(["file", "size", "SHA-256"], weights, "weights", numbers=[1])
        )
    if run.seconds:
        longest = max(run.seconds.values()) or 1
        parts.append(
            "<h3>Time by stage</h3>"
            + bars([bar(s, t / longest, format_duration(t)) for s, t in run.seconds.items()], "time")
        )
    else:
        parts.append(missing_note("No stage has told yet how long it took."))
    return (
        "".join(parts)
        + f"<details><summary>params.yaml</summary><pre tabindex='0'>{escape(run.params)}</pre></details>"
    )


def format_duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def short_name(photo: str) -> str:
    """The person and the shot, without the folders that all photos share."""
    return "/".join(photo.split("/")[-2:])
