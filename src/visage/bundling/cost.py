"""What a faster bundle costs: macro F1 beside that of the whole ensemble in full precision, on people not learnt."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from visage.ensemble.answers import Blend, average_folds, build_rule
from visage.ensemble.member_predictions import Examples, MemberPredictions
from visage.formats.tasks import Task, joint_codes, split_joint_codes
from visage.networks.images import ImageArray
from visage.scores import macro_f1, percentile_interval, resampled_f1
from visage.serving.networks import Classifier


def answer(
    probabilities: Sequence[np.ndarray], fitted: Mapping[str, Any], tasks: Sequence[Task]
) -> tuple[np.ndarray, ...]:
    """Class codes by task, of (members, photos, classes) for each task; members in the order of `fitted`."""
    names = [task.name for task in tasks]
    blends = [Blend(np.array(list(fitted[name]["exponents"].values()), float)) for name in names]
    blended = [blend(p) for blend, p in zip(blends, probabilities, strict=True)]
    return tuple(build_rule(fitted, names)(blended))


def compare(
    before: Sequence[np.ndarray],
    after: Sequence[np.ndarray],
    truth: Sequence[np.ndarray],
    tasks: Sequence[Task],
    people: np.ndarray,
    *,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Macro F1 before, after and its change, joint and by task; `low` and `high` hold 95% of the joint change."""
    joint = [joint_codes(codes, tasks) for codes in (truth, before, after)]
    samples = [
        resampled_f1(joint[0], codes, people, resamples=resamples, seed=seed) for codes in joint[1:]
    ]  # the same people in both
    low, high = percentile_interval(samples[1] - samples[0])
    named = [("joint", *joint), *((task.name, *own) for task, *own in zip(tasks, truth, before, after, strict=True))]
    scores = {name: {"before": macro_f1(own, old), "after": macro_f1(own, new)} for name, own, old, new in named}
    changes = {name: row | {"change": row["after"] - row["before"]} for name, row in scores.items()}
    changes["joint"] |= {"low": low, "high": high}
    return {"photos": len(people), "people": len(np.unique(people)), "scores": round_all(changes)}


def round_all(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: round_all(branch) for name, branch in tree.items()}
    return round(float(tree), 4)


def precision_cost(
    classifiers: Sequence[Classifier],
    images: Mapping[Any, ImageArray],
    predictions: Sequence[MemberPredictions],
    examples: Examples,
    fitted: Mapping[str, Any],
    **bootstrap: int,
) -> dict[str, Any]:
    """Held-out people, each predicted by the one network that never saw them: as PyTorch does, and as bundled.

    `classifiers` are the bundle's; people of folds that it lacks (networks: one_fold) are left out.
    """
    used = np.isin(examples.folds, sorted({own.fold for own in classifiers}))
    held_out = [own.held_out.copy() for own in predictions]
    for classifier in classifiers:
        rows = np.flatnonzero(examples.folds == classifier.fold)
        pixels = take(images[classifier.preprocessing], examples.train_photos[rows])
        parts = [classifier.run(batch) for batch in np.array_split(pixels, -(-len(pixels) // 64))]
        for own, target in zip(predictions, held_out, strict=True):
            if own.task.name in classifier.tasks:
                new = np.concatenate([part[own.task.name] for part in parts])
                target[own.members.index(classifier.member), rows] = new
    before, after = (
        answer([p[:, used] for p in parts], fitted, examples.tasks)
        for parts in ([own.held_out for own in predictions], held_out)
    )
    truth = [codes[used] for codes in examples.truth]
    return compare(before, after, truth, examples.tasks, examples.people[used], **bootstrap)


def take(images: ImageArray, photos: np.ndarray) -> np.ndarray:
    """N x 3 x H x W of these photos, in this order."""
    rows = pd.Index(images.rows["photo"]).get_indexer(photos)
    return np.ascontiguousarray(images.pixels[rows].transpose(0, 3, 1, 2))


def one_fold_cost(
    predictions: Sequence[MemberPredictions],
    examples: Examples,
    fitted: Mapping[str, Any],
    key: pd.Series | None,
    **bootstrap: int,
) -> dict[str, Any]:
    """What the first fold's networks alone score beside all folds' together.

    On training people that cannot be compared: all folds but one have learnt each of them. Where there is an answer
    key (`key`: joint codes by photo) its photos are compared; `held_out` is the score of the first fold's own people.
    """
    own = examples.folds == examples.folds.min()
    answers = answer([p.held_out[:, own] for p in predictions], fitted, examples.tasks)
    truth = [codes[own] for codes in examples.truth]
    joint = [joint_codes(codes, examples.tasks) for codes in (truth, answers)]
    held_out = {"people": len(np.unique(examples.people[own])), "joint": round(macro_f1(*joint), 4)}
    cost: dict[str, Any] = {"held_out": held_out}
    if key is not None and len(key):
        before, after = (
            answer([average_folds(p.test[:, folds]) for p in predictions], fitted, examples.tasks)
            for folds in (slice(None), slice(1))
        )
        codes = split_joint_codes(key.loc[examples.test_photos].to_numpy(), examples.tasks)
        people = np.arange(len(key))  # who is on these photos is not known
        cost["key"] = compare(before, after, codes, examples.tasks, people, **bootstrap)
    return cost
