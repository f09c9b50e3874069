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

from visage.formats.shards import write_shards
from visage.formats.tasks import Task, read_tasks
from visage.learning.cross_validation import build_training_data, channel_statistics, make_heads, to_device
from visage.learning.dataset import FoldDataset, build_dataset
from visage.learning.training import fit, frozen_features, predict_logits
from visage.networks.images import ImageArray, Preprocessing, read_images, read_transplant_images
from visage.networks.network import build_network
from visage.networks.recipe import TrainParams
from visage.runtime.memo import Memo
from visage.transplants.pairing import TransplantParams, find_age_task, pair_faces
from visage.transplants.picture_set import (
    list_columns,
    make_transplants,
    measure_foreheads,
    read_face_table,
    read_stored_faces,
)

NOBODY = -2  # in place of the fold that alone may learn from a row
MADE = TransplantParams(
    method="forehead", blend="feather", match=True, per_donor=4, target_share=0.25, max_tilt=15, max_turn=0.3, max_size=1.5,
    max_error=0.12, seed=0,
)  # fmt: skip
RECIPE = TrainParams(
    height=128, width=128, keep="all", fill=(0, 0, 0), standardise="imagenet",
    backbone="mobilenet_v3_small", weights="imagenet", unfreeze="head", hidden=(64,), dropout=0.3, joint=False,
    head="classes", label_sigma=3.0, old_from=None, focal=0.0, smoothing=0.05, class_weights="none", f1_weight=0.0,
    sampling="balanced", flip=0.5, shift=0, scale=0, rotate=0, jitter=0, noise=0, blur=0, erase=0, mix_probability=0, mixup=0,
    cutmix=0, epochs=25, batch=64, optimizer="adamw", lr=0.001, backbone_lr_scale=1.0, weight_decay=0.01, warmup=0.05,
    clip=1.0, ema=0.0, early_stop="none", patience=5, validation_share=0.15, eval_every=0, precision="float32", compile=False,
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


def synthetic(
    faces: pd.DataFrame, tasks: Sequence[Task], params: TransplantParams, data: Path, look: Preprocessing
) -> ImageArray:
    """The transplants that these faces give."""
    plan = pair_faces(faces, tasks, params)
    parts = dict(read_stored_faces(data / "crops", data / "mattes", {*plan["donor"], *plan["receiver"]}))
    with tempfile.TemporaryDirectory() as folder, Memo("ablation", folder=Path(folder) / "memo") as memo:
        rows = make_transplants(plan, faces, tasks, params, parts, memo)
        write_shards(Path(folder) / "made", rows, list_columns(tasks))
        return read_transplant_images(Path(folder) / "made", look, tasks)


class Examiner:
    """Learns and judges the same photos again and again; what the backbone sees in them is kept."""

    def __init__(self, data: Path, recipe: TrainParams) -> None:
        self.tasks, self.recipe = read_tasks(data / "tasks.json"), recipe
        self.age = find_age_task(self.tasks)
        self.photos = pd.read_csv(data / "photos.csv", dtype={"person": str})
        self.folds = pd.read_csv(data / "folds.csv", dtype={"person": str})
        self.look = Preprocessing(recipe.height, recipe.width)
        self.crops = read_images(data / "crops", data / "mattes", self.look)
        torch.manual_seed(0)
        self.network = build_network(recipe, make_heads(self.course(None), np.arange(0), recipe))
        self.network.standardise(*channel_statistics(self.course(None), np.arange(0), recipe))
        self.seen = self.sights(self.crops)

    def sights(self, album: ImageArray) -> torch.Tensor:
        return frozen_features(self.network, to_device(album.pixels, "cpu"), self.recipe)

    def course(self, made: ImageArray | None) -> FoldDataset:
        return build_dataset(self.photos, self.folds, [self.age], self.crops, made)

    def scores(self, made: ImageArray | None, left_out: set[str], seed: int) -> dict[str, float]:
        """Out of fold, on everybody's true photos."""
        both, recipe = self.course(made), replace(self.recipe, seed=seed)
        both.rows.loc[both.rows["person"].isin(left_out), "only"] = NOBODY
        features = self.seen
        if made is not None and len(made.rows):
            features = torch.cat([features, self.sights(made)])
        both = replace(both, album=replace(both.album, pixels=both.album.pixels[:0]))  # the features stand in for them
        chances = np.full((len(both.rows), len(self.age.classes)), np.nan)
        for fold in both.folds:
            rows, heads = both.seen(fold), make_heads(both, both.seen(fold), recipe)
            torch.manual_seed(seed * 100 + fold)
            network = build_network(recipe, heads, weights=False)
            taught = replace(
                build_training_data(both, network, heads, recipe.replace(unfreeze="all"), "cpu"), features=features
            )
            list(fit(network, taught, torch.from_numpy(rows), heads, recipe, seed=seed * 100 + fold))
            held = both.held_out(fold)
            chances[held] = predict_logits(network, taught, torch.from_numpy(held), recipe)[0].softmax(1).numpy()
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
    examiner = Examiner(asked.data, RECIPE.replace(weights=asked.weights, sampling=asked.sampling))
    faces = read_face_table(asked.data / "photos.csv", asked.data / "folds.csv", asked.data / "crops")
    with tempfile.TemporaryDirectory() as folder, Memo("ablation", folder=Path(folder)) as memo:
        faces = measure_foreheads(faces, asked.data / "crops", asked.data / "mattes", memo)
    changes = {key: json.loads(value) for key, value in (pair.split("=") for pair in asked.set)}
    rows = []
    for seed in range(asked.seeds):
        left_out = thinned(faces, examiner.age, asked.thin, seed)
        donors = faces[~faces["person"].isin(left_out)]
        for method in asked.methods:
            params = MADE.replace(method=method, seed=seed, **changes)
            made = synthetic(donors, examiner.tasks, params, asked.data, examiner.look)
            scores = examiner.scores(made, left_out, seed)
            rows.append({"method": method, "seed": seed, "made": len(made.rows)} | scores)
            print(json.dumps(rows[-1]), flush=True)
    table = pd.DataFrame(rows).drop(columns="seed").groupby("method", sort=False).agg(["mean", "std"])
    print(table.round(3).to_string())


if __name__ == "__main__":
    main()
