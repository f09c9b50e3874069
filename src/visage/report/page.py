"""The report: a run on one page that opens from disk, without scripts and without the network."""

from collections.abc import Callable
from html import escape

from visage.report import detail_sections as particulars
from visage.report import sections as chapters
from visage.report.figures import missing_note
from visage.report.run_results import RunResults
from visage.report.style import STYLE

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"  # the browser holds us to it


CHAPTERS: list[tuple[str, str, Callable[[RunResults, bool], str]]] = [
    ("road", "The road", chapters.pipeline_section),
    ("scores", "Scores on people nobody had seen", chapters.scores_section),
    ("confusion", "Who is taken for whom", chapters.confusion_section),
    ("curves", "How they learnt", chapters.curves_section),
    ("mistakes", "The worst mistakes", particulars.mistakes_section),
    ("doubts", "Labels in doubt", particulars.label_issues_section),
    ("attention", "Where they look", chapters.attention_section),
    ("transplants", "Transplants", particulars.transplants_section),
    ("missed", "Missed faces", particulars.missed_section),
    ("run", "What was run", particulars.run_section),
]


def render_page(run: RunResults, name: str, *, faces: bool) -> str:
    """The whole page. Single people are shown only with `faces`."""
    links = "".join(f'<a href="#{mark}">{escape(title)}</a>' for mark, title, _ in CHAPTERS)
    body = "".join(
        f'<section id="{mark}"><h2>{escape(title)}</h2>{write(run, faces)}</section>' for mark, title, write in CHAPTERS
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<title>visage: {escape(name)}</title><link rel="icon" href="data:,"><style>{STYLE}</style></head>'
        f'<body><a class="skip" href="#scores">To the scores</a><header><p>visage</p><h1>{escape(name)}</h1>'
        f'{lead_paragraph(run)}<nav aria-label="Chapters">{links}</nav></header><main>{body}</main></body></html>\n'
    )


def lead_paragraph(run: RunResults) -> str:
    """The run in a few sentences."""
    told = []
    if run.photos is not None:
        own = run.photos[run.photos["split"] == "train"]
        told.append(f"Learnt from {len(own):,} photos of {own['person'].nunique():,} people.")
    if run.scores:
        joint, tasks = run.scores["joint"], run.scores["tasks"]
        weakest = min(tasks, key=lambda task: tasks[task]["macro_f1"])
        told.append(
            f"On people that no model had seen, the joint answer ({len(joint['f1'])} classes) reaches a macro F1 of "
            f"<strong>{joint['macro_f1']:.3f}</strong>; with other people of the same kind it would be between "
            f"{joint['low']:.3f} and {joint['high']:.3f}, 95 times of 100. "
            f"The weakest task is {escape(weakest)} with {tasks[weakest]['macro_f1']:.3f}."
        )
    if run.key and "joint" in run.key:
        told.append(f"On the key of the photos to answer it is <strong>{run.key['joint']['macro_f1']:.3f}</strong>.")
    if run.doubts is not None and len(run.doubts):
        sure = run.doubts.loc[run.doubts["confidence"].astype(float) > 0.5, "source"].nunique()
        told.append(f"{sure:,} labels are more likely wrong than right.")
    return f'<p class="lead">{" ".join(told)}</p>' if told else missing_note("Nothing has been run yet: `dvc repro`.")
