"""Do transplants help? The oldest class's F1 on people held out, with and without them, over several seeds.

    python -m tests.bench.transplant_ablation data --weights models/pretrained/mobilenet_v3_small.pth

`data` is what the pipeline leaves after `cut_out` (photos.csv, tasks.json, folds.csv, boxes.csv, crops, mattes). With
`--thin 0.08` people of the oldest class are left out of the training, at random by seed, until they are 8% of the
training people of each fold, as in the competition; they are still scored where their fold is held out. The network is
a frozen backbone with a small head, so that a table takes minutes: it shows whether the pictures help, not how good a
classifier can be. With `--member plain` it is that member of params.yaml, trained for age alone as the pipeline would.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from visage.formats.shards import write_shards
from visage.formats.tables import read_folds, read_photos
from visage.formats.tasks import Task, read_tasks
from visage.inference import predict_probabilities
from visage.learning.cross_validation import (
    build_training_data,
    channel_statistics,
    make_heads,
    to_device,
    train_fold,
)
from visage.learning.dataset import FoldDataset, build_dataset
from visage.learning.training import fit, frozen_features, predict_logits
from visage.networks.checkpoints import read_checkpoint
from visage.networks.images import ImageArray, read_images, read_transplant_images
from visage.networks.network import build_network
from visage.networks.recipe import TrainParams, load_recipe
from visage.networks.tensors import to_nchw
from visage.runtime.memo import Memo
from visage.runtime.params import FILE
from visage.transplants.pairing import TransplantParams, find_age_task, pair_faces
from visage.transplants.picture_set import (
    list_columns,
    make_transplants,
    measure_foreheads,
    read_face_table,
    read_stored_faces,
)

PROJECT = Path(__file__).parents[2]
NO_FOLD = -2  # as `only_fold` of a row: no fold's network learns from it
TRANSPLANT = TransplantParams(
    method="forehead", blend="feather", match=True, per_donor=4, target_share=0.25, max_tilt=15, max_turn=0.3,
    max_size=1.5, max_error=0.12, seed=0,
)  # fmt: skip
RECIPE = TrainParams(
    transplants=True, agreement=0,
    height=128, width=128, trim=0.0, keep="all", fill=(0, 0, 0), standardise="imagenet",
    backbone="mobilenet_v3_small", weights="imagenet", unfreeze="head", hidden=(64,), dropout=0.3, joint=False,
    head="classes", label_sigma=3.0, old_from=None, focal=0.0, smoothing=0.05, class_weights="none", f1_weight=0.0,
    sampling="balanced", flip=0.5, shift=0, scale=0, rotate=0, jitter=0, noise=0, blur=0, erase=0,
    mix_probability=0, mixup=0, cutmix=0, epochs=25, batch=64, optimizer="adamw", lr=0.001, backbone_lr_scale=1.0,
    weight_decay=0.01, warmup=0.05, clip=1.0, ema=0.0, early_stop="none", patience=5, validation_share=0.15,
    eval_every=0, precision="float32", compile=False, seed=0,
)  # fmt: skip


def choose_left_out(faces: pd.DataFrame, age: Task, share: float, seed: int) -> set[str]:
    """People of the oldest class to leave out, so that it is this share of each fold; nobody for a share of 0."""
    people, rng = faces.drop_duplicates("person").sort_values("person"), np.random.default_rng(seed)
    left_out: set[str] = set()
    for _, members in people.groupby("fold"):
        old = members.loc[members[age.name] == age.classes[-1], "person"].to_numpy()
        count = max(1, round(share / (1 - share) * (len(members) - len(old)))) if share else len(old)
        left_out |= set(rng.permutation(old)[count:])
    return left_out


class Experiment:
    """The photos of `data` with a frozen backbone; the features of the crops are computed once for all runs."""

    def __init__(self, data: Path, recipe: TrainParams) -> None:
        self.data, self.recipe = data, recipe
        self.tasks = read_tasks(data / "tasks.json")
        self.age = find_age_task(self.tasks)
        self.photos, self.folds = read_photos(data / "photos.csv"), read_folds(data / "folds.csv")
        self.crops = read_images(data / "crops", data / "mattes", recipe.preprocessing)
        if recipe.unfreeze != "head":
            return
        dataset, no_rows = self.build_dataset(None), np.arange(0)
        torch.manual_seed(0)
        self.network = build_network(recipe, make_heads(dataset, no_rows, recipe))
        self.network.set_channel_stats(*channel_statistics(dataset, no_rows, recipe))
        self.crop_features = self.extract_features(self.crops)

    def extract_features(self, images: ImageArray) -> torch.Tensor:
        return frozen_features(self.network, to_device(images.pixels, "cpu"), self.recipe)

    def build_dataset(self, transplants: ImageArray | None) -> FoldDataset:
        return build_dataset(self.photos, self.folds, [self.age], self.crops, transplants)

    def make_transplants(self, faces: pd.DataFrame, params: TransplantParams) -> ImageArray:
        """The transplants of these faces."""
        plan = pair_faces(faces, self.tasks, params)
        photos = {*plan["donor"], *plan["receiver"]}
        stored_faces = dict(read_stored_faces(self.data / "crops", self.data / "mattes", faces.loc[sorted(photos)]))
        with tempfile.TemporaryDirectory() as folder, Memo("ablation", folder=Path(folder) / "memo") as memo:
            rows = make_transplants(plan, faces, self.tasks, params, stored_faces, memo)
            write_shards(Path(folder) / "transplants", rows, list_columns(self.tasks))
            return read_transplant_images(Path(folder) / "transplants", self.recipe.preprocessing, self.tasks)

    def cross_validate(self, transplants: ImageArray, left_out: set[str], seed: int) -> dict[str, float]:
        """Scores of the held-out photos, none of which is a transplant; `left_out` are people not to learn from."""
        dataset, recipe = self.build_dataset(transplants), self.recipe.replace(seed=seed)
        dataset.rows.loc[dataset.rows["person"].isin(left_out), "only_fold"] = NO_FOLD
        is_frozen = recipe.unfreeze == "head"
        if is_frozen:
            features = self.crop_features
            if len(transplants.rows):
                features = torch.cat([features, self.extract_features(transplants)])
        probabilities = np.full((len(dataset.rows), len(self.age.classes)), np.nan)
        for fold in dataset.folds:
            answers = (
                self.predict_fold(dataset, fold, features, recipe) if is_frozen else learn_fold(dataset, fold, recipe)
            )
            probabilities[dataset.held_out_rows(fold)] = answers
        is_scored = ~np.isnan(probabilities[:, 0])
        rows = dataset.rows[is_scored]
        return score_oldest(rows[self.age.name].to_numpy(), probabilities[is_scored], rows["fold"].to_numpy())

    def predict_fold(self, dataset: FoldDataset, fold: int, features: torch.Tensor, recipe: TrainParams) -> np.ndarray:
        """Probabilities of the fold's held-out rows, from a head trained on the others."""
        rows, seed = dataset.train_rows(fold), recipe.seed * 100 + fold
        heads = make_heads(dataset, rows, recipe)
        torch.manual_seed(seed)
        network = build_network(recipe, heads, weights=False)
        no_pixels = replace(dataset.images, pixels=dataset.images.pixels[:0])  # the features stand in for them
        without_features = recipe.replace(unfreeze="all")  # or they would be computed again
        data = build_training_data(replace(dataset, images=no_pixels), network, heads, without_features, "cpu")
        data = replace(data, features=features)
        list(fit(network, data, torch.from_numpy(rows), recipe, seed=seed))
        held_out = torch.from_numpy(dataset.held_out_rows(fold))
        return predict_logits(network, data, held_out, recipe)[0].softmax(1).numpy()


def learn_fold(dataset: FoldDataset, fold: int, recipe: TrainParams) -> np.ndarray:
    """Probabilities of the fold's held-out rows, mirrored too, from a network trained as in the pipeline."""
    row = train_fold(dataset, fold, recipe, device="cpu", on_epoch=lambda row: None)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "fold.safetensors"
        file.write_bytes(row["checkpoint"])
        network, card = read_checkpoint(file)
    network.to(memory_format=torch.channels_last)
    pictures = dataset.rows["picture"].to_numpy()[dataset.held_out_rows(fold)]
    return predict_probabilities(network, card, to_nchw(dataset.images.pixels[pictures]), tta="flip")[0]


def score_oldest(truth: np.ndarray, probabilities: np.ndarray, folds: np.ndarray) -> dict[str, float]:
    """Of the oldest class: F1, recall and precision of the likeliest class; F1 where its threshold was tuned on the
    other folds; average precision, which needs no threshold. Of all classes: macro F1 and log loss."""
    classes, answers = probabilities.shape[1], probabilities.argmax(1)
    hits = np.array([((truth == c) & (answers == c)).sum() for c in range(classes)])
    support, answer_counts = (np.maximum(np.bincount(codes, minlength=classes), 1) for codes in (truth, answers))
    old, score = truth == classes - 1, probabilities[:, -1]
    tuned = np.zeros(len(old), bool)
    for fold in np.unique(folds):
        held_out = folds == fold
        tuned[held_out] = score[held_out] >= best_threshold(old[~held_out], score[~held_out])
    ranked = old[np.argsort(-score, kind="stable")]
    scores = {
        "f1": (2 * hits / (support + answer_counts))[-1],
        "recall": (hits / support)[-1],
        "precision": (hits / answer_counts)[-1],
        "f1_tuned": 2 * (old & tuned).sum() / (old.sum() + tuned.sum()),
        "ap": (ranked * np.cumsum(ranked) / np.arange(1, len(ranked) + 1)).sum() / ranked.sum(),
        "macro_f1": (2 * hits / (support + answer_counts)).mean(),
        "log_loss": -np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-7)).mean(),
    }
    return {name: round(float(value), 4) for name, value in scores.items()}


def best_threshold(old: np.ndarray, score: np.ndarray) -> float:
    """The threshold of the highest F1."""
    order = np.argsort(-score, kind="stable")
    f1 = 2 * np.cumsum(old[order]) / (np.arange(1, len(old) + 1) + old.sum())
    return float(score[order][f1.argmax()])


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", default="imagenet", help="as train.weights")
    parser.add_argument("--member", help="of params.yaml, in place of the frozen backbone")
    parser.add_argument("--thin", type=float, default=0.0, help="the oldest people's share; 0: leave nobody out")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--methods", nargs="+", default=["none", "forehead", "half_face"])
    parser.add_argument("--sampling", default="balanced", choices=["balanced", "shuffled"])
    parser.add_argument("--set", nargs="*", default=[], help="transplant keys, such as per_donor=8")
    return parser.parse_args()


def choose_recipe(arguments: argparse.Namespace) -> TrainParams:
    if not arguments.member:
        return RECIPE.replace(weights=arguments.weights, sampling=arguments.sampling)
    age = find_age_task(read_tasks(arguments.data / "tasks.json"))
    recipe = load_recipe(age.name, arguments.member, PROJECT / FILE).replace(joint=False)
    return recipe.replace(weights=arguments.weights) if recipe.weights != "none" else recipe


def main() -> None:
    arguments = parse_arguments()
    data, pairs = arguments.data, [pair.split("=") for pair in arguments.set]
    changes = {key: json.loads(value) for key, value in pairs}
    experiment = Experiment(data, choose_recipe(arguments))
    faces = read_face_table(data / "photos.csv", data / "folds.csv", data / "boxes.csv", data / "crops")
    with tempfile.TemporaryDirectory() as folder, Memo("ablation", folder=Path(folder)) as memo:
        faces = measure_foreheads(faces, data / "crops", data / "mattes", memo)
    rows = []
    for seed in range(arguments.seeds):
        left_out = choose_left_out(faces, experiment.age, arguments.thin, seed)
        for method in arguments.methods:
            params = TRANSPLANT.replace(method=method, seed=seed, **changes)
            transplants = experiment.make_transplants(faces[~faces["person"].isin(left_out)], params)
            scores = experiment.cross_validate(transplants, left_out, seed)
            rows.append({"method": method, "seed": seed, "made": len(transplants.rows)} | scores)
            print(json.dumps(rows[-1]), flush=True)
    table = pd.DataFrame(rows).drop(columns="seed").groupby("method", sort=False).agg(["mean", "std"])
    print(table.round(3).to_string())


if __name__ == "__main__":
    main()
