"""What the sections of the page show, as numbers and texts for the templates. None or empty: nothing to show yet."""

from typing import Any

import numpy as np
import pandas as pd

from visage.formats.tasks import class_codes, joint_class_names
from visage.report.card import describe_card, list_scores
from visage.report.figures import Confusion, HeatTable, build_confusion, build_heat_table, draw_curves
from visage.report.groups import FEWEST_PEOPLE, compare_groups
from visage.report.parts import describe_parts
from visage.report.run_results import RunResults

MISTAKE_ROWS = 24  # in equal parts for each task
LABEL_ISSUE_ROWS = 30


def collect_sections(run: RunResults) -> dict[str, Any]:
    """The variables of the templates that come from the run's tables."""
    return {
        "train": count_train_photos(run.photos),
        "steps": count_steps(run),
        "scores": join_scores(run.scores),
        "key_scores": join_scores(run.key),
        "card": describe_card(run.card) if run.card else [],
        "card_scores": list_scores(run.card) if run.card else [],
        "fewest_people": FEWEST_PEOPLE,
        "groups": compare_groups(run.photos, run.answers, run.groups, run.tasks),
        "confusions": count_confusions(run),
        "parts": describe_parts(run.ablation),
        "charts": [draw_curves(rows, name) for name, rows in run.curves.items() if len(rows)],
        "splits": sorted({split for rows in run.curves.values() for split in rows["split"]}),
        "mistakes": worst_mistakes(run).to_dict("records"),
        "label_issues": describe_label_issues(run.label_issues),
        "attention": tabulate_attention(run.attention or {}),
        "missed": None if run.missed is None else run.missed["photo"].tolist(),
    }


def count_train_photos(photos: pd.DataFrame | None) -> dict[str, int] | None:
    if photos is None:
        return None
    train = photos[photos["split"] == "train"]
    return {"photos": len(train), "people": train["person"].nunique()}


def count_steps(run: RunResults) -> list[tuple[int, str, str]]:
    """What the pipeline makes, in its order: how many, of what, and a note."""
    steps = []
    if train := count_train_photos(run.photos):
        others = len(run.photos) - train["photos"]
        steps.append((len(run.photos), "photos", f"{train['photos']:,} to learn from, {others:,} to answer"))
        steps.append((train["people"], "people", "each in one fold, never in two"))
    if run.box_sources:
        notes = {"detector": "found", "hand": "drawn by hand", "whole": "whole photo"}
        parts = [f"{run.box_sources[source]:,} {note}" for source, note in notes.items() if source in run.box_sources]
        steps.append((sum(run.box_sources.values()), "crops", ", ".join(parts)))
    steps.append((run.mattes, "mattes", "person against background"))
    steps.append((run.transplants, "transplants", "for training only"))
    networks = sum(rows["fold"].nunique() for rows in run.curves.values())
    steps.append((networks, "networks", f"{len(run.curves)} recipes by task, one for each fold"))
    if run.answers is not None:
        held_out = int((run.answers["split"] == "train").sum())
        steps.append((held_out, "held-out answers", "by networks that never saw the person"))
    if run.submission is not None:
        steps.append((run.submission, "lines of submission.csv", "checked against the form"))
    return steps


def join_scores(scores: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    """The scores by task, those of the joint class first; a key that is not there has none, only a reason."""
    return {"joint": scores["joint"], **scores["tasks"]} if scores and "joint" in scores else {}


def count_confusions(run: RunResults) -> dict[str, Confusion]:
    classes = {task.name: list(task.classes) for task in run.tasks}
    if run.tasks:
        classes["joint"] = joint_class_names(run.tasks)
    return {name: build_confusion(run.confusions[name], own) for name, own in classes.items() if name in run.confusions}


def worst_mistakes(run: RunResults) -> pd.DataFrame:
    """Held-out answers that were confident and wrong: photo, task, label, answer, probability of the label."""
    columns = ["photo", "task", "label", "answer", "probability"]
    if run.answers is None or run.photos is None or not run.tasks:
        return pd.DataFrame(columns=columns)
    rows = run.photos.merge(run.answers, on="photo", suffixes=("_label", ""))
    rows = rows[rows["split"] == "train"]
    tables = []
    for task in run.tasks:
        wrong = rows[rows[f"{task.name}_label"] != rows[task.name]]
        labels, answers = wrong[f"{task.name}_label"], wrong[task.name]
        probabilities = wrong[[f"{task.name}/{name}" for name in task.classes]].to_numpy(float)
        of_label = probabilities[np.arange(len(wrong)), class_codes(labels, task)]
        cells = zip(wrong["photo"], labels, answers, of_label, strict=True)
        tables.append(pd.DataFrame([(photo, task.name, *rest) for photo, *rest in cells], columns=columns))
    worst_first = pd.concat(tables).sort_values(["probability", "photo"], kind="stable")
    return worst_first.groupby("task", sort=False).head(MISTAKE_ROWS // len(run.tasks))


def describe_label_issues(issues: pd.DataFrame | None) -> dict[str, Any] | None:
    """The first rows, the count of all, and the count of labels (a source each) more likely wrong than right."""
    if issues is None:
        return None
    likely = issues.loc[issues["confidence"].astype(float) > 0.5, "source"].nunique()
    return {"rows": issues.head(LABEL_ISSUE_ROWS).to_dict("records"), "count": len(issues), "likely": likely}


def tabulate_attention(attention: dict[str, Any]) -> dict[str, HeatTable]:
    """The share of attention by part of the face, and the scores with one part blanked."""
    shares, macro_f1 = {}, {}
    for task, results in attention.items():
        for name, row in (results["attention"] | {"(size of the part)": results["area"]}).items():
            shares[f"{task}: {name}"] = row
        macro_f1[task] = results["macro_f1"]
    return {"shares": build_heat_table(shares), "macro_f1": build_heat_table(macro_f1)} if attention else {}
