"""Labels that the held-out models doubt, likeliest mistakes first, each with the value that would mend it.

Confident learning (Northcutt 2021): a label is suspect where models that never saw the person are surer of another
class than they usually are of that class; how often that happens for each pair of classes says how labels go wrong.
Bayes' rule then weighs each label against it. What is one fact about a person is judged once, from all of the person's
photos; two photos of a person whose labels changed places are one mistake and not two.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import Field

from visage.ensemble.blend import log_probs, softmax
from visage.formats.columns import CORRECTION_COLUMNS
from visage.formats.tasks import Task, class_codes
from visage.runtime.params import Params

PRIOR_NOISE = 0.01  # how many labels are taken to be wrong before anything is seen
MAX_NOISE = 0.1  # and how many of one class at most, whatever the models say
PERSON_SHARE = 0.95  # a field that is the same on all photos of so many people is a fact about people
STEPS = 60  # of the calibration; ten would mostly do


class AuditParams(Params):
    """Section `audit`."""

    share: float = Field(gt=0, le=1)


@dataclass(frozen=True)
class Evidence:
    """One task: what each case (a person or a photo) is labelled, and how likely each class is, calibrated."""

    task: Task
    names: np.ndarray
    given: np.ndarray
    values: np.ndarray
    said: np.ndarray
    photos: np.ndarray


def find_label_issues(photos: pd.DataFrame, answers: pd.DataFrame, tasks: Sequence[Task], share: float) -> pd.DataFrame:
    """Rows as `labels.csv` wants them, likeliest mistakes first; rows of one doubt share their `source`.

    `photos` are the labelled ones, `answers` hold `<task>/<class>` probabilities of models that never saw the person.
    The list is as long as `share` of people times tasks.
    """
    known = photos.merge(answers.drop(columns=[task.name for task in tasks]), on="photo", validate="one_to_one")
    if len(known) < len(photos):
        raise ValueError(f"{len(photos) - len(known)} labelled photos have no answer; run `dvc repro ensemble`.")
    found = [doubt for task in tasks for doubt in find_task_issues(known, task)]
    found.sort(key=lambda doubt: (-doubt[0], doubt[2][0]["person"], doubt[2][0]["photo"], doubt[2][0]["field"]))
    rows = []
    for place, (score, kind, fixes) in enumerate(found[: round(share * known["person"].nunique() * len(tasks))], 1):
        rows += [
            correction_row | {"confidence": f"{score:.3f}", "source": f"audit: {kind} {place}"}
            for correction_row in fixes
        ]
    return pd.DataFrame(rows, columns=CORRECTION_COLUMNS)


def find_task_issues(known: pd.DataFrame, task: Task) -> Iterator[tuple[float, str, list[dict[str, str]]]]:
    """Each doubt of a task: how likely the label is wrong, its kind, and the corrections that would mend it."""
    if is_person_task(known, task):
        seen = person_evidence(known, task)
        chance, best = issue_probabilities(seen)
        for i in np.flatnonzero(best != seen.given):
            agree = f"{seen.photos[i]} photo{'s' if seen.photos[i] > 1 else ''}"
            yield chance[i], "person", [correction_row(seen, i, best[i], agree, person=seen.names[i])]
        return
    seen, people = photo_evidence(known, task), known["person"].to_numpy()
    chance, best = issue_probabilities(seen)
    swaps = find_swaps(seen, best, people)
    for i, j, odds in swaps:
        pair = [correction_row(seen, a, best[a], f"as {file_name(seen.names[b])} the other way round", photo=seen.names[a])
                for a, b in ((i, j), (j, i))]  # fmt: skip
        yield max(odds, chance[i], chance[j]), "swap", pair
    paired = {case for i, j, _ in swaps for case in (i, j)}
    for i in np.flatnonzero(best != seen.given):
        if i not in paired:
            yield chance[i], "photo", [correction_row(seen, i, best[i], "", photo=seen.names[i])]


def is_person_task(known: pd.DataFrame, task: Task) -> bool:
    several = known.groupby("person")[task.name].agg(["size", "nunique"]).query("size > 1")
    return len(several) > 0 and (several["nunique"] == 1).mean() >= PERSON_SHARE


def person_evidence(known: pd.DataFrame, task: Task) -> Evidence:
    """Mean log probabilities over a person's photos; how much more they say together is left to the calibration."""
    heights = log_probs(class_probabilities(known, task))
    labels = class_codes(known[task.name], task)
    names, member = np.unique(known["person"].to_numpy(str), return_inverse=True)
    counts = np.bincount(member)
    means = np.stack([np.bincount(member, column) for column in heights.T], axis=1) / counts[:, None]
    votes = np.zeros((len(names), len(task.classes)), int)
    np.add.at(votes, (member, labels), 1)
    first = np.unique(member, return_index=True)[1]
    given = votes.argmax(1)
    return Evidence(task, names, given, label_values(known, task)[first], calibrate(means, given), counts)


def photo_evidence(known: pd.DataFrame, task: Task) -> Evidence:
    labels = class_codes(known[task.name], task)
    said = calibrate(log_probs(class_probabilities(known, task)), labels)
    return Evidence(
        task, known["photo"].to_numpy(str), labels, label_values(known, task), said, np.ones(len(known), int)
    )


def class_probabilities(known: pd.DataFrame, task: Task) -> np.ndarray:
    return known[[f"{task.name}/{name}" for name in task.classes]].to_numpy(float)


def label_values(known: pd.DataFrame, task: Task) -> np.ndarray:
    return (pd.to_numeric(known[f"{task.name}_value"]) if task.bins else known[task.name]).to_numpy()


def calibrate(heights: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Probabilities that come true as often as they say, by one power and an offset a class.

    Labels that look wrong count less, or a few confident mistakes of the labels would pass for doubts of the models.
    """
    marks, power, offset = np.eye(heights.shape[1])[given], 1.0, np.zeros(heights.shape[1])
    for _ in range(STEPS):
        said = softmax(power * heights + offset)
        own = said[np.arange(len(given)), given]
        trust = (
            (1 - PRIOR_NOISE)
            * own
            / ((1 - PRIOR_NOISE) * own + PRIOR_NOISE * (1 - own) / (heights.shape[1] - 1) + 1e-12)
        )
        offset += np.log(trust @ marks + 1) - np.log(trust @ said + 1)
        tried = np.array([0.93, 1.0, 1.07]) * power
        losses = [-(trust * np.log((softmax(p * heights + offset) * marks).sum(1) + 1e-12)).sum() for p in tried]
        power = float(np.clip(tried[int(np.argmin(losses))], 0.05, 20))
    return softmax(power * heights + offset)


def issue_probabilities(seen: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """For each case the chance that its label is wrong, and the class that it most likely is."""
    beliefs = seen.said * noise_matrix(seen.said, seen.given)[seen.given]
    beliefs /= beliefs.sum(1, keepdims=True)
    own = beliefs[np.arange(len(beliefs)), seen.given]
    other = beliefs.copy()
    other[np.arange(len(beliefs)), seen.given] = -1
    return 1 - own, other.argmax(1)


def noise_matrix(said: np.ndarray, given: np.ndarray) -> np.ndarray:
    """[g, k]: how often what is k is labelled g, from the confident joint, and never more than `MOST`."""
    size = said.shape[1]
    marks = np.eye(size)[given]
    usual = (marks * said).sum(0) / np.maximum(marks.sum(0), 1)  # how sure models are of a class, on its own photos
    sure = np.where(said >= usual - 1e-9, said, -1)
    confident, meant = sure.max(1) > 0, sure.argmax(1)
    joint = np.zeros((size, size))
    np.add.at(joint, (given[confident], meant[confident]), 1)
    wrong = (joint + PRIOR_NOISE * joint.sum(0) / size + 1e-9) / (joint.sum(0) * (1 + PRIOR_NOISE) + 1e-9)
    wrong = np.minimum(wrong, MAX_NOISE / max(size - 1, 1))
    np.fill_diagonal(wrong, 0)
    np.fill_diagonal(wrong, 1 - wrong.sum(0))
    return wrong


def find_swaps(seen: Evidence, best: np.ndarray, people: np.ndarray) -> list[tuple[int, int, float]]:
    """Pairs of a person's photos, each taken for what the other is labelled, and the chance that they were swapped.

    One mistake explains both, so it pays the price of a mistake once.
    """
    rows = np.arange(len(best))
    pull = np.log(seen.said[rows, best] + 1e-12) - np.log(seen.said[rows, seen.given] + 1e-12)
    lured = np.flatnonzero(pull > 0)
    pairs, taken = [], set()
    for _, group in pd.Series(lured).groupby(people[lured]):
        cases = group.to_numpy()
        crossed = (best[cases][:, None] == seen.given[cases]) & (best[cases] == seen.given[cases][:, None])
        couples = cases[np.argwhere(np.triu(crossed))].tolist()
        for i, j in sorted(couples, key=lambda couple: -pull[couple].sum()):
            if taken.isdisjoint((i, j)):
                taken |= {i, j}
                pairs.append((i, j, float(1 / (1 + np.exp(-pull[i] - pull[j] - np.log(PRIOR_NOISE))))))
    return pairs


def correction_row(
    seen: Evidence, case: int, meant: int, more: str, *, person: str = "", photo: str = ""
) -> dict[str, str]:
    """The correction, all but its confidence and source."""
    task = seen.task
    given, said = seen.values[case], seen.said[case, meant]
    note = f"given {given:g}" if task.bins else f"given {given}"
    note += f"; models say {task.classes[meant]} ({said:.2f}{', ' * bool(more)}{more})"
    value = nearest_legal_value(float(given), meant, task.bins) if task.bins else task.classes[meant]
    return {"person": person, "photo": photo, "field": task.source, "value": value, "note": note}


def nearest_legal_value(given: float, meant: int, bins: Sequence[float]) -> str:
    """The number closest to the given one that lies in the class: beyond 60, a 58 becomes 60, a 70 becomes 59."""
    low = bins[meant - 1] if meant else -np.inf
    return f"{low if given < low else bins[meant] - 1:g}"


def file_name(photo: str) -> str:
    return photo.rpartition("/")[2]
