"""The report's first chapters, on a run as a whole: each from what is known to HTML; what is missing is a sentence."""

from html import escape

from visage.formats.tasks import joint_class_names
from visage.report.figures import bar, bars, confusion, curves, heat, missing_note, picture, scroller, table
from visage.report.run_results import RunResults


def pipeline_section(run: RunResults, _: bool) -> str:
    """A station for each thing that is made, with how many there are."""
    photos = run.photos
    stations = []
    if photos is not None:
        train = photos[photos["split"] == "train"]
        stations.append(
            (len(photos), "photos", f"{len(train):,} to learn from, {len(photos) - len(train):,} to answer")
        )
        stations.append((train["person"].nunique(), "people", "each in one fold, never in two"))
    if run.cut_by:
        by = {"detector": "found", "hand": "drawn by hand", "whole": "whole photo"}
        parts = [f"{run.cut_by[key]:,} {text}" for key, text in by.items() if key in run.cut_by]
        stations.append((sum(run.cut_by.values()), "crops", ", ".join(parts)))
    stations.append((run.mattes, "mattes", "person against background"))
    stations.append((run.transplants, "transplants", "for training only"))
    folds = sum(frame["fold"].nunique() for frame in run.curves.values())
    stations.append((folds, "networks", f"{len(run.curves)} recipes by task, one for each fold"))
    if run.answers is not None:
        held = int((run.answers["split"] == "train").sum())
        stations.append((held, "held-out answers", "by networks that never saw the person"))
    if run.submission is not None:
        stations.append((run.submission, "lines of submission.csv", "checked against the form"))
    items = (
        f"<li><b>{n:,}</b><span>{escape(what)}</span><small>{escape(more)}</small></li>" for n, what, more in stations
    )
    return f'<ol class="road">{"".join(items)}</ol>'


def scores_section(run: RunResults, _: bool) -> str:
    if not run.scores:
        return missing_note("There are no scores yet: `dvc repro ensemble` makes metrics/ensemble.json.")
    cards = {"joint": run.scores["joint"], **run.scores["tasks"]}
    rows = [
        bar(name, card["macro_f1"], f"{card['macro_f1']:.3f}", low=card["low"], high=card["high"])
        for name, card in cards.items()
    ]
    head = ["", "macro F1", "95% from", "to", "accuracy", "log loss", "calibration error", "fold to fold ±"]
    keys = ["macro_f1", "low", "high", "accuracy", "log_loss", "ece", "fold_spread"]
    if key := (run.key or {}) if "joint" in (run.key or {}) else {}:
        head.append("on the key")
    lines = []
    for name, card in cards.items():
        onkey = key.get("joint") if name == "joint" else key.get("tasks", {}).get(name)
        lines.append([name, *(f"{card[k]:.3f}" for k in keys), *([f"{onkey['macro_f1']:.3f}"] if key else [])])
    classes = "".join(
        f"<div><h3>{escape(name)}</h3>{class_bars(card, name)}</div>" for name, card in run.scores["tasks"].items()
    )
    joint = run.scores["joint"]
    return (
        "<p>Macro F1; the line on each bar holds 95% of what other people of the same kind would have given.</p>"
        + bars(rows, "macro F1 by task")
        + table(head, lines, "all scores", numbers=range(1, len(head)))
        + f'<h3>F1 of each class</h3><div class="columns">{classes}</div>'
        + f"<details><summary>All {len(joint['f1'])} joint classes</summary>{class_bars(joint, 'joint')}</details>"
    )


def class_bars(card: dict, name: str) -> str:
    rows = [bar(one, f1, f"{f1:.3f}, {card['support'][one]:,} photos") for one, f1 in card["f1"].items()]
    return bars(rows, f"F1 by class, {name}")


def confusion_section(run: RunResults, _: bool) -> str:
    if not run.confusions:
        return missing_note("There are no confusion tables yet: `dvc repro ensemble` makes them.")
    parts = [
        f"<div><h3>{escape(task.name)}</h3>"
        f"{confusion(run.confusions[task.name], task.classes, f'confusion, {task.name}')}</div>"
        for task in run.tasks
        if task.name in run.confusions
    ]
    told = (
        "<p>Photos of held-out people: rows are what they are, columns what was answered, shade is the row's share.</p>"
    )
    if "joint" in run.confusions:
        whole = confusion(run.confusions["joint"], joint_class_names(run.tasks), "confusion, joint")
        parts.append(f'<details class="wide"><summary>All joint classes</summary>{whole}</details>')
    return f'{told}<div class="columns">{"".join(parts)}</div>'


def curves_section(run: RunResults, _: bool) -> str:
    if not run.curves:
        return missing_note("There are no learning curves yet: `dvc repro train` makes metrics/train.")
    drawn = "".join(curves(frame, name) for name, frame in run.curves.items() if len(frame))
    names = sorted({split for frame in run.curves.values() for split in frame["split"]})
    spoken_names = {name: escape(name.replace("_", " ")) for name in names}
    key = " ".join(f'<span class="key {escape(name)}">{told}</span>' for name, told in spoken_names.items())
    return f'<p>Macro F1 by epoch, thin for each fold, bold for their mean: {key}</p><div class="charts">{drawn}</div>'


def attention_section(run: RunResults, faces: bool) -> str:
    if not run.attention:
        return missing_note("Nobody has looked yet: `dvc repro explain` makes metrics/attention.json.")
    shares = {
        f"{task}: {name}": row
        for task, told in run.attention.items()
        for name, row in (told["attention"] | {"(size of the part)": told["area"]}).items()
    }
    blank = {task: told["macro_f1"] for task, told in run.attention.items()}
    pictures = "".join(
        scroller(picture(data, f"attention of {name}", name), name)
        for name, data in (run.single_sheets if faces else run.sheets).items()
    )
    return (
        "<p>On which part of the face the attention falls (energy of integrated gradients), on held-out photos.</p>"
        + heat(shares, "attention by part", corner="task: class")
        + "<p>Macro F1 of the same photos as they are, and with one part painted over in the picture's mean colour.</p>"
        + heat(blank, "scores with a part blanked", form="{:.2f}", corner="task")
        + f'<div class="sheets">{pictures}</div>'
    )
