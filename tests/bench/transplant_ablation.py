"""Do transplants help? The oldest class's F1 on people held out, with and without them, over several seeds.

    python -m tests.bench.transplant_ablation data --weights models/pretrained/mobilenet_v3_small.pth

`data` is what the pipeline leaves after `cut_out` (photos.csv, tasks.json, folds.csv, crops, mattes). With
`--thin 0.08` the oldest people of each fold are cut down, at random by seed, until they are 8% of the people learnt
from, as in the competition; those cut out still count where their fold is held out. The network is a frozen backbone
with a small head, so that a table takes minutes: it says whether the pictures carry something, not how good a
classifier can be.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from visage.albums import Album, Look, read_album, read_transplants
from visage.courses import Course, course
from visage.labels import Task, read_tasks
from visage.lessons import heads_of, lesson, placed, standard
from visage.memo import Memo
from visage.networks import build
from visage.pairings import TransplantParams, age_task, pair
from visage.pictures import write_pictures
from visage.recipes import TrainParams
from visage.training import answers, fit, views
from visage.transplants import columns, read_faces, read_parts, transplants, with_looks

NOBODY = -2  # in place of the fold that alone may learn from a row
MADE = TransplantParams("forehead", "feather", True, 4, 0.25, 15, 0.3, 1.5, 0.12, 0)
RECIPE = TrainParams(
    height=128, width=128, keep="all", fill=(0, 0, 0), standardise="imagenet",
    backbone="mobilenet_v3_small", weights="imagenet", unfreeze="head", hidden=(64,), dropout=0.3, joint=False,
    head="classes", spread=3.0, old_from=None, focal=0.0, smoothing=0.05, class_weights="none", f1_weight=0.0,
    sampling="balanced", flip=0.5, shift=0, scale=0, rotate=0, jitter=0, noise=0, blur=0, erase=0, mix=0, mixup=0,
    cutmix=0, epochs=25, batch=64, optimiser="adamw", lr=0.001, backbone_lr=1.0, weight_decay=0.01, warmup=0.05,
    clip=1.0, ema=0.0, early_stop="none", patience=5, inner_share=0.15, watch=0, precision="float32", compile=False,
    seed=0,
)  # fmt: skip


def thinned(faces: pd.DataFrame, age: Task, share: float, seed: int) -> set[str]:
    """People of the oldest class whom nobody learns from, so that in each fold they are this share of the rest."""
    people, rng, out = faces.drop_duplicates("person").sort_values("person"), np.random.default_rng(seed), set()
    for _, members in people.groupby("fold"):
        old = members.loc[members[age.name] == age.classes[-1], "person"].to_numpy()
        kept = max(1, round(share / (1 - share) * (len(members) - len(old)))) if share else len(old)
        out |= set(rng.permutation(old)[kept:])
    return out


def synthetic(faces: pd.DataFrame, tasks: Sequence[Task], params: TransplantParams, data: Path, look: Look) -> Album:
    """The transplants that these faces give."""
    plan = pair(faces, tasks, params)
    parts = dict(read_parts(data / "crops", data / "mattes", {*plan["donor"], *plan["receiver"]}))
    with tempfile.TemporaryDirectory() as folder, Memo("ablation", folder=Path(folder) / "memo") as memo:
        rows = transplants(plan, faces, tasks, params, parts, memo)
        write_pictures(Path(folder) / "made", rows, columns(tasks))
        return read_transplants(Path(folder) / "made", look, tasks)


class Examiner:
    """Learns and judges the same photos again and again; what the backbone sees in them is kept."""

    def __init__(self, data: Path, recipe: TrainParams) -> None:
        self.tasks, self.recipe = read_tasks(data / "tasks.json"), recipe
        self.age = age_task(self.tasks)
        self.photos = pd.read_csv(data / "photos.csv", dtype={"person": str})
        self.folds = pd.read_csv(data / "folds.csv", dtype={"person": str})
        self.look = Look(recipe.height, recipe.width)
        self.crops = read_album(data / "crops", data / "mattes", self.look)
        torch.manual_seed(0)
        self.network = build(recipe, heads_of(self.course(None), np.arange(0), recipe))
        self.network.standardise(*standard(self.course(None), np.arange(0), recipe))
        self.seen = self.sights(self.crops)

    def sights(self, album: Album) -> torch.Tensor:
        return views(self.network, placed(album.pixels, "cpu"), self.recipe)

    def course(self, made: Album | None) -> Course:
        return course(self.photos, self.folds, [self.age], self.crops, made)

    def scores(self, made: Album | None, left_out: set[str], seed: int) -> dict[str, float]:
        """Out of fold, on everybody's true photos."""
        both, recipe = self.course(made), replace(self.recipe, seed=seed)
        both.rows.loc[both.rows["person"].isin(left_out), "only"] = NOBODY
        features = self.seen
        if made is not None and len(made.rows):
            features = torch.cat([features, self.sights(made)])
        both = replace(both, album=replace(both.album, pixels=both.album.pixels[:0]))  # the features stand in for them
        chances = np.full((len(both.rows), len(self.age.classes)), np.nan)
        for fold in both.folds:
            rows, heads = both.seen(fold), heads_of(both, both.seen(fold), recipe)
            torch.manual_seed(seed * 100 + fold)
            network = build(recipe, heads, weights=False)
            taught = replace(lesson(both, network, heads, replace(recipe, unfreeze="all"), "cpu"), features=features)
            list(fit(network, taught, torch.from_numpy(rows), heads, recipe, seed=seed * 100 + fold))
            held = both.held_out(fold)
            chances[held] = answers(network, taught, torch.from_numpy(held), recipe)[0].softmax(1).numpy()
        judged = ~np.isnan(chances[:, 0])
        rows = both.rows[judged]
        return figures(rows[self.age.name].to_numpy(), chances[judged], rows["fold"].to_numpy())


def figures(true: np.ndarray, chances: np.ndarray, folds: np.ndarray) -> dict[str, float]:
    """Of the oldest class: F1, recall and precision of the likeliest class; F1 where its threshold was tuned on the
    other folds; average precision, which knows no threshold. Of all classes: macro F1."""
    classes, said = chances.shape[1], chances.argmax(1)
    hits = np.array([((true == c) & (said == c)).sum() for c in range(classes)])
    asked, given = (np.maximum(np.bincount(codes, minlength=classes), 1) for codes in (true, said))
    old, score = true == classes - 1, chances[:, -1]
    tuned = np.concatenate([[old[folds == k], score[folds == k] >= best(old[folds != k], score[folds != k])]
                            for k in np.unique(folds)], axis=1)  # fmt: skip
    right = old[np.argsort(-score, kind="stable")]
    told = {
        "f1": (2 * hits / (asked + given))[-1],
        "recall": (hits / asked)[-1],
        "precision": (hits / given)[-1],
        "f1_tuned": 2 * tuned.all(0).sum() / tuned.sum(),
        "ap": (right * np.cumsum(right) / np.arange(1, len(right) + 1)).sum() / right.sum(),
        "macro_f1": (2 * hits / (asked + given)).mean(),
    }
    return {name: round(float(value), 4) for name, value in told.items()}


def best(old: np.ndarray, score: np.ndarray) -> float:
    """The threshold of the highest F1."""
    order = np.argsort(-score, kind="stable")
    f1 = 2 * np.cumsum(old[order]) / (np.arange(1, len(old) + 1) + old.sum())
    return float(score[order][f1.argmax()])


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("data", type=Path)
    words.add_argument("--weights", default="imagenet", help="as train.weights")
    words.add_argument("--thin", type=float, default=0.0, help="the oldest people's share; 0: as they are")
    words.add_argument("--seeds", type=int, default=5)
    words.add_argument("--methods", nargs="+", default=["none", "forehead", "half_face"])
    words.add_argument("--sampling", default="balanced", choices=["balanced", "shuffled"])
    words.add_argument("--set", nargs="*", default=[], help="transplant keys, such as per_donor=8")
    asked = words.parse_args()
    examiner = Examiner(asked.data, replace(RECIPE, weights=asked.weights, sampling=asked.sampling))
    faces = read_faces(asked.data / "photos.csv", asked.data / "folds.csv", asked.data / "crops")
    with tempfile.TemporaryDirectory() as folder, Memo("ablation", folder=Path(folder)) as memo:
        faces = with_looks(faces, asked.data / "crops", asked.data / "mattes", memo)
    changes = {key: json.loads(value) for key, value in (pair.split("=") for pair in asked.set)}
    rows = []
    for seed in range(asked.seeds):
        left_out = thinned(faces, examiner.age, asked.thin, seed)
        donors = faces[~faces["person"].isin(left_out)]
        for method in asked.methods:
            params = replace(MADE, method=method, seed=seed, **changes)
            made = synthetic(donors, examiner.tasks, params, asked.data, examiner.look)
            scores = examiner.scores(made, left_out, seed)
            rows.append({"method": method, "seed": seed, "made": len(made.rows)} | scores)
            print(json.dumps(rows[-1]), flush=True)
    table = pd.DataFrame(rows).drop(columns="seed").groupby("method", sort=False).agg(["mean", "std"])
    print(table.round(3).to_string())


if __name__ == "__main__":
    main()
