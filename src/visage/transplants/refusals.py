"""Why there are as many transplants as there are: photos and pairs that were refused, counted by reason."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from visage.formats.tasks import Task
from visage.transplants.pairing import (
    TransplantParams,
    compare_faces,
    find_age_task,
    refuse_photos,
    shared_tasks,
    transplant_count,
)

ADVICE = {  # what may help against a reason
    "forehead out of the crop": "a larger crop.margin",
    "tilt": "transplant.max_tilt",
    "turn": "transplant.max_turn",
    "size": "transplant.max_size",
    "alignment": "transplant.max_error",
}


def count_refusals(
    faces: pd.DataFrame, tasks: Sequence[Task], params: TransplantParams, plan: pd.DataFrame, made: int
) -> dict[str, Any]:
    """Numbers of pictures, of photos that may give and receive, and of their pairs within the folds; {} without method.

    `refused` counts a photo or pair under its first reason, so that all add up; `for_this_alone` counts pairs that no
    other reason would refuse. A share of 1 asks for what donors may give.
    """
    if params.method == "none":
        return {}
    age, shared = find_age_task(tasks), shared_tasks(faces, tasks, params)
    reasons, is_old = refuse_photos(faces, [age.name, *shared], params), faces[age.name] == age.classes[-1]
    donors, receivers = (count_photos(faces[rows], reasons[rows]) for rows in (is_old, ~is_old))
    asked, pairs = 0.0, {"compared": 0, "possible": 0, "refused": {}, "for_this_alone": {}}
    donors["with_receiver"] = 0
    for _, members in faces.groupby("fold"):
        old, suitable = is_old[members.index], reasons[members.index] == ""
        asked += transplant_count(int(old.sum()), len(members), params.target_share)
        shares = compare_faces(members[old & suitable], members[~old & suitable], shared, params)
        above = {reason: values > 1 for reason, values in shares.items()}
        possible = ~np.any(list(above.values()), axis=0)
        donors["with_receiver"] += int(possible.any(axis=1).sum())
        count_pairs(above, pairs)
        pairs["compared"] += possible.size
        pairs["possible"] += int(possible.sum())
    limit = donors["with_receiver"] * params.per_donor
    return {
        "class": age.classes[-1],
        "asked": int(limit if np.isinf(asked) else asked),
        "planned": len(plan),
        "made": made,
        "donors": donors,
        "receivers": receivers,
        "pairs": pairs,
        "grafting": {"too little person": len(plan) - made},
    }


def count_photos(faces: pd.DataFrame, reasons: pd.Series) -> dict[str, Any]:
    """Photos, those that are suitable, those of them that show a part of the forehead only, and the refused."""
    suitable, refused = reasons == "", reasons[reasons != ""].value_counts()
    partial = int((suitable & (faces["in_picture"] < 1)).sum())
    counts = {"photos": len(faces), "suitable": int(suitable.sum()), "partial": partial}
    return counts | {"refused": {str(reason): int(count) for reason, count in refused.items()}}


def count_pairs(above: Mapping[str, np.ndarray], pairs: dict[str, Any]) -> None:
    """Add to `pairs` how many are above the limit of each reason (donors x receivers, boolean)."""
    reason_count, counted = np.sum(list(above.values()), axis=0), False
    for reason, rows in above.items():
        for name, count in (("refused", rows & ~counted), ("for_this_alone", rows & (reason_count == 1))):
            pairs[name][reason] = pairs[name].get(reason, 0) + int(count.sum())
        counted = counted | rows


def describe_refusals(counts: Mapping[str, Any], params: TransplantParams) -> list[str]:
    """A sentence each about pictures, donors, receivers and pairs: how many were refused, why, and what may help."""
    if not counts:
        return []
    donors, receivers, pairs = counts["donors"], counts["receivers"], counts["pairs"]
    limit = donors["with_receiver"] * params.per_donor
    sentences = [f"{counts['made']:,} pictures made of {counts['asked']:,} that transplant.target_share asks for."]
    if counts["made"] < counts["asked"]:
        sentences.append(
            f"At most {limit:,} were possible: {donors['with_receiver']:,} photos have a receiver, and each may give "
            f"{params.per_donor} (transplant.per_donor); {counts['grafting']['too little person']:,} had too little "
            "person where the forehead goes."
        )
    sentences.append(f"Photos of {counts['class']} that may give: " + describe_photos(donors))
    sentences.append("Photos of the others that may receive: " + describe_photos(receivers))
    refused = {
        reason: (count, f"{pairs['for_this_alone'][reason]:,} for this alone")
        for reason, count in pairs["refused"].items()
        if count
    }
    return [*sentences, f"Pairs: {pairs['possible']:,} of {pairs['compared']:,}" + describe_reasons(refused)]


def describe_photos(counts: Mapping[str, Any]) -> str:
    partial = f" ({counts['partial']:,} with a part of the forehead)" if counts["partial"] else ""
    refused = {reason: (count, "") for reason, count in counts["refused"].items()}
    return f"{counts['suitable']:,} of {counts['photos']:,}{partial}" + describe_reasons(refused)


def describe_reasons(refused: Mapping[str, tuple[int, str]]) -> str:
    """The rest of a sentence: counts by reason, the largest first, with a note and what may help."""
    parts = []
    for reason, (count, note) in sorted(refused.items(), key=lambda entry: -entry[1][0]):
        remarks = ", ".join(remark for remark in (note, ADVICE.get(reason, "")) if remark)
        parts.append(f"{reason} {count:,}" + f" ({remarks})" * bool(remarks))
    return f"; refused: {', '.join(parts)}." if parts else "; none refused."
