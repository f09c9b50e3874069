"""Labels that the held-out models contradict, likeliest mistakes first, each with the value that would correct it.

Confident learning (Northcutt 2021): a label is suspect where models that never saw the person are surer of another
class than they usually are of that class; how often that happens for each pair of classes says how labels go wrong.
Bayes' rule then weighs each label against it. What is one fact about a person is one issue, weighed from all of the
person's photos; two photos of a person whose labels changed places are one mistake and not two.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import Field
from scipy.special import softmax

from visage.ensemble.answers import log_probs
from visage.ensemble.people import mean_by_person
from visage.formats.columns import CORRECTION_COLUMNS
from visage.formats.tasks import Task, class_codes, is_about_people
from visage.runtime.params import Params

PRIOR_NOISE = 0.01  # the share of wrong labels that is assumed before any model is asked
MAX_NOISE = 0.1  # the largest share of wrong labels in one class, whatever the models predict
CALIBRATION_STEPS = 60  # ten would mostly do
TINY = 1e-12  # keeps logarithms and quotients finite


class AuditParams(Params):
    """Section `audit`."""

    share: float = Field(gt=0, le=1)


@dataclass(frozen=True)
class Evidence:
    """One task, a row for each person or photo: its label as a class code and calibrated class probabilities.

    `keys` are names of people or photos, `values` the labels as the field has them (a number where the task has bins),
    `photo_counts` how many photos a row speaks for.
    """

    task: Task
    keys: np.ndarray
    labels: np.ndarray
    values: np.ndarray
    probabilities: np.ndarray
    photo_counts: np.ndarray


@dataclass(frozen=True)
class LabelIssue:
    """The probability that a label is wrong, the kind of mistake (person, photo or swap), and its corrections."""

    probability: float
    kind: str
    corrections: list[dict[str, str]]

    @property
    def sort_key(self) -> tuple:
        first = self.corrections[0]
        return -self.probability, first["person"], first["photo"], first["field"]


def find_label_issues(photos: pd.DataFrame, answers: pd.DataFrame, tasks: Sequence[Task], share: float) -> pd.DataFrame:
    """Rows in the format of `labels.csv`, likeliest mistakes first; rows of one issue share their `source`.

    `photos` are the labelled ones, `answers` hold `<task>/<class>` probabilities of models that never saw the person.
    The list is as long as `share` of people times tasks.
    """
    table = photos.merge(answers.drop(columns=[task.name for task in tasks]), on="photo", validate="one_to_one")
    if len(table) < len(photos):
        raise ValueError(f"{len(photos) - len(table)} labelled photos have no answer; run `dvc repro ensemble`.")
    issues = sorted((issue for task in tasks for issue in find_task_issues(table, task)), key=lambda i: i.sort_key)
    count = round(share * table["person"].nunique() * len(tasks))
    rows = []
    for rank, issue in enumerate(issues[:count], 1):
        shared = {"confidence": f"{issue.probability:.3f}", "source": f"audit: {issue.kind} {rank}"}
        rows += [correction | shared for correction in issue.corrections]
    return pd.DataFrame(rows, columns=CORRECTION_COLUMNS)


def find_task_issues(table: pd.DataFrame, task: Task) -> Iterator[LabelIssue]:
    """Every label of one task, in no order: what is unlikely to be wrong goes to the end of the list."""
    if is_about_people(table["person"].to_numpy(str), class_codes(table[task.name], task)):
        yield from find_person_issues(build_person_evidence(table, task))
    else:
        yield from find_photo_issues(build_photo_evidence(table, task), table["person"].to_numpy())


def find_person_issues(evidence: Evidence) -> Iterator[LabelIssue]:
    wrong, best = issue_probabilities(evidence)
    for i, count in enumerate(evidence.photo_counts):
        remark = f"{count} photo{'s' if count > 1 else ''}"
        yield LabelIssue(wrong[i], "person", [correction_row(evidence, i, best[i], remark, person=evidence.keys[i])])


def find_photo_issues(evidence: Evidence, people: np.ndarray) -> Iterator[LabelIssue]:
    """Swaps first; a photo that is part of a swap is no issue of its own."""
    wrong, best = issue_probabilities(evidence)
    keys, swapped = evidence.keys, set()
    for i, j, probability in find_swaps(evidence, best, people):
        swapped |= {i, j}
        pair = [
            correction_row(evidence, a, best[a], f"as {file_name(keys[b])} the other way round", photo=keys[a])
            for a, b in ((i, j), (j, i))
        ]
        yield LabelIssue(max(probability, wrong[i], wrong[j]), "swap", pair)
    for i in set(range(len(keys))) - swapped:
        yield LabelIssue(wrong[i], "photo", [correction_row(evidence, i, best[i], "", photo=keys[i])])


def build_person_evidence(table: pd.DataFrame, task: Task) -> Evidence:
    """Mean log probabilities over a person's photos; how much more they say together is left to the calibration."""
    log_p = log_probs(class_probabilities(table, task))
    codes = class_codes(table[task.name], task)
    people, first, person = np.unique(table["person"].to_numpy(str), return_index=True, return_inverse=True)
    counts, means = np.bincount(person), mean_by_person(log_p, person)
    votes = np.zeros((len(people), len(task.classes)), int)
    np.add.at(votes, (person, codes), 1)
    labels = votes.argmax(1)
    return Evidence(task, people, labels, label_values(table, task)[first], calibrate(means, labels), counts)


def build_photo_evidence(table: pd.DataFrame, task: Task) -> Evidence:
    labels = class_codes(table[task.name], task)
    probabilities = calibrate(log_probs(class_probabilities(table, task)), labels)
    photos, ones = table["photo"].to_numpy(str), np.ones(len(table), int)
    return Evidence(task, photos, labels, label_values(table, task), probabilities, ones)


def class_probabilities(table: pd.DataFrame, task: Task) -> np.ndarray:
    return table[[f"{task.name}/{name}" for name in task.classes]].to_numpy(float)


def label_values(table: pd.DataFrame, task: Task) -> np.ndarray:
    """The numbers behind the classes of a task with bins, else the class names."""
    return (pd.to_numeric(table[f"{task.name}_value"]) if task.bins else table[task.name]).to_numpy()


def calibrate(log_p: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Probabilities that agree with the frequency of labels, by one exponent and an offset a class.

    Labels that look wrong weigh less, or a few wrong labels of sure models would make the models look unsure.
    """
    classes = log_p.shape[1]
    one_hot, exponent, offset = np.eye(classes)[labels], 1.0, np.zeros(classes)
    for _ in range(CALIBRATION_STEPS):
        probabilities = softmax(exponent * log_p + offset, axis=-1)
        weight = label_weights(probabilities, labels)
        offset += np.log(weight @ one_hot + 1) - np.log(weight @ probabilities + 1)
        exponents = np.array([0.93, 1.0, 1.07]) * exponent
        losses = []
        for candidate in exponents:
            of_label = (softmax(candidate * log_p + offset, axis=-1) * one_hot).sum(1)
            losses.append(-(weight * np.log(of_label + TINY)).sum())
        exponent = float(np.clip(exponents[int(np.argmin(losses))], 0.05, 20))
    return softmax(exponent * log_p + offset, axis=-1)


def label_weights(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The probability that each label is right, if PRIOR_NOISE of all labels are wrong and all mistakes are alike."""
    of_label = probabilities[np.arange(len(labels)), labels]
    right = (1 - PRIOR_NOISE) * of_label
    wrong = PRIOR_NOISE * (1 - of_label) / (probabilities.shape[1] - 1)
    return right / (right + wrong + TINY)


def issue_probabilities(evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """For each row the probability that its label is wrong, and the likeliest class other than the label."""
    rows, labels = np.arange(len(evidence.labels)), evidence.labels
    posterior = evidence.probabilities * noise_matrix(evidence.probabilities, labels)[labels]
    posterior /= posterior.sum(1, keepdims=True)
    wrong = 1 - posterior[rows, labels]
    posterior[rows, labels] = -1
    return wrong, posterior.argmax(1)


def noise_matrix(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """[g, k]: how often what is k is labelled g, from the confident joint; wrong labels of k stay below MAX_NOISE.

    A prediction is confident where it reaches the mean probability of its class on the photos labelled with it.
    """
    classes = probabilities.shape[1]
    one_hot = np.eye(classes)[labels]
    usual = (one_hot * probabilities).sum(0) / np.maximum(one_hot.sum(0), 1)
    candidates = np.where(probabilities >= usual - 1e-9, probabilities, -1)
    confident, predicted = candidates.max(1) > 0, candidates.argmax(1)
    joint = np.zeros((classes, classes))
    np.add.at(joint, (labels[confident], predicted[confident]), 1)
    noise = (joint + PRIOR_NOISE * joint.sum(0) / classes + 1e-9) / (joint.sum(0) * (1 + PRIOR_NOISE) + 1e-9)
    noise = np.minimum(noise, MAX_NOISE / max(classes - 1, 1))
    np.fill_diagonal(noise, 0)
    np.fill_diagonal(noise, 1 - noise.sum(0))
    return noise


def find_swaps(evidence: Evidence, best: np.ndarray, people: np.ndarray) -> list[tuple[int, int, float]]:
    """Pairs of a person's photos, each predicted as the other is labelled, and the probability of a swap.

    One mistake explains both, so the prior of a mistake counts once. The clearest pairs of a person come first, and
    no photo is in two pairs.
    """
    rows, labels = np.arange(len(best)), evidence.labels
    log_odds = np.log(evidence.probabilities[rows, best] + TINY) - np.log(evidence.probabilities[rows, labels] + TINY)
    suspects = np.flatnonzero(log_odds > 0)
    swaps, paired = [], set()
    for _, group in pd.Series(suspects).groupby(people[suspects]):
        own = group.to_numpy()
        crossed = (best[own][:, None] == labels[own]) & (best[own] == labels[own][:, None])
        pairs = own[np.argwhere(np.triu(crossed))].tolist()
        for i, j in sorted(pairs, key=lambda pair: -log_odds[pair].sum()):
            if paired.isdisjoint((i, j)):
                paired |= {i, j}
                swaps.append((i, j, float(1 / (1 + np.exp(-log_odds[i] - log_odds[j] - np.log(PRIOR_NOISE))))))
    return swaps


def correction_row(
    evidence: Evidence, row: int, best: int, remark: str, *, person: str = "", photo: str = ""
) -> dict[str, str]:
    """The correction of a label to class `best`, all but its confidence and source."""
    task, value, probability = evidence.task, evidence.values[row], evidence.probabilities[row, best]
    details = f"{probability:.2f}, {remark}" if remark else f"{probability:.2f}"
    given = f"{value:g}" if task.bins else value
    note = f"given {given}; models say {task.classes[best]} ({details})"
    corrected = nearest_legal_value(float(value), best, task.bins) if task.bins else task.classes[best]
    return {"person": person, "photo": photo, "field": task.source, "value": corrected, "note": note}


def nearest_legal_value(value: float, target: int, bins: Sequence[float]) -> str:
    """The number of class `target` closest to the value: in class >=60 a 58 becomes 60, in 30-59 a 70 becomes 59."""
    low = bins[target - 1] if target else -np.inf
    return f"{low if value < low else bins[target] - 1:g}"


def file_name(photo: str) -> str:
    return photo.rpartition("/")[2]
