"""What a task's answers rest on: attributions by region of the face and class, and scores with a region blanked."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from visage.explain.attributions import Logits, blank_regions, grad_cam, integrated_gradients, region_shares
from visage.explain.face_regions import REGIONS, region_map
from visage.formats.columns import LANDMARKS
from visage.formats.shards import decode_image, read_rows
from visage.formats.tasks import Task
from visage.networks.checkpoints import read_card, read_checkpoint
from visage.networks.images import ImageArray, Preprocessing, resize
from visage.networks.network import Network
from visage.networks.tensors import to_float, to_nchw
from visage.runtime.memo import Memo, file_digest
from visage.runtime.params import Params
from visage.scores import macro_f1

BATCH = 24  # integrated gradients keep every step's graph of so many pictures


class ExplainParams(Params):
    """Section `explain`."""

    member: str
    photos: int = Field(ge=6)
    steps: int = Field(ge=4)
    seed: int


@dataclass(frozen=True)
class Attributions:
    """Of N pictures: two maps each (N x H x W, float32), and the predicted class codes ((1 + regions) x N): of the
    pictures as they are, then without each region."""

    grad_cam: np.ndarray
    gradients: np.ndarray
    answers: np.ndarray


def sample_photos(photos: pd.DataFrame, folds: pd.DataFrame, task: Task, count: int, seed: int) -> pd.DataFrame:
    """About `count` training photos (photo, person, fold, class code), as many of each class where there are enough."""
    rng = np.random.default_rng(seed)
    rows = photos[photos["split"] == "train"].merge(folds, on="person").sort_values("photo")
    parts = []
    for code, name in enumerate(task.classes):
        candidates = rows[rows[task.name] == name]
        indices = rng.permutation(len(candidates))[: max(1, count // len(task.classes))]
        parts.append(candidates.iloc[np.sort(indices)].assign(code=code))
    return pd.concat(parts, ignore_index=True)[["photo", "person", "fold", "code"]]


def read_regions(
    crops: Path, mattes: Path, photos: Collection[str], preprocessing: Preprocessing
) -> dict[str, np.ndarray]:
    """The region map of each of the photos whose landmarks are known, as large as the networks see it."""
    landmarks = read_landmarks(crops, photos, preprocessing)
    size = (preprocessing.height, preprocessing.width)
    regions = {photo: region_map(points, size) for photo, points in landmarks.items()}
    for row in read_rows(mattes, ["photo", "image"]) if has_shards(mattes) else ():
        if row["photo"] in landmarks:
            matte = resize(decode_image(row["image"]), preprocessing)
            regions[row["photo"]] = region_map(landmarks[row["photo"]], size, matte)
    return regions


def read_landmarks(crops: Path, photos: Collection[str], preprocessing: Preprocessing) -> dict[str, np.ndarray]:
    """Five landmarks (x, y) in pixels of the preprocessed picture, of each of the photos where they are known."""
    landmarks = {}
    for row in read_rows(crops, ["photo", "width", "height", *LANDMARKS]):
        if row["photo"] in photos and row[LANDMARKS[0]] is not None:
            points = np.array([row[name] for name in LANDMARKS], float).reshape(5, 2) / (row["width"], row["height"])
            points = (points - preprocessing.trim) / (1 - 2 * preprocessing.trim)
            landmarks[row["photo"]] = points * (preprocessing.width, preprocessing.height)
    return landmarks


def has_shards(folder: Path) -> bool:
    return any(Path(folder).glob("*.parquet"))


def compute_attributions(
    files: Sequence[Path],
    task: str,
    images: ImageArray,
    regions: np.ndarray,
    rows: pd.DataFrame,
    steps: int,
    memo: Memo,
    *,
    device: str,
) -> Attributions:
    """Every picture (a row of `rows`: fold, class code) through the one network that never saw the person.

    `files` are the checkpoints of all folds; the regions (N x H x W) and images are in the order of the rows.
    """
    cards = {file: read_card(file) for file in files}
    if missing := set(rows["fold"]) - {card.fold for card in cards.values()}:
        raise ValueError(f"there is no network of fold {min(missing)} for {task}; run `dvc repro train`.")
    codes, folds = rows["code"].to_numpy(), rows["fold"].to_numpy()
    indices = {file: np.flatnonzero(folds == card.fold) for file, card in cards.items()}
    files = [file for file in files if len(indices[file])]

    def compute(files: Sequence[Path]) -> Iterator[dict[str, bytes]]:
        for file in files:
            own = indices[file]
            part = explain_checkpoint(file, task, images.pixels[own], regions[own], codes[own], steps, device)
            yield {name: array.tobytes() for name, array in vars(part).items()}

    def list_inputs(file: Path) -> list[Any]:
        own = indices[file]
        digests = images.digests[own].tolist()
        return [file_digest(file), task, digests, regions[own].tobytes(), codes[own].tolist(), steps]

    grad_cam, gradients = np.zeros(regions.shape, np.float32), np.zeros(regions.shape, np.float32)
    answers = np.zeros((1 + len(REGIONS), len(rows)), np.int64)
    for file, part in zip(files, memo.map(compute, files, key=list_inputs, chunk=1), strict=True):
        own = indices[file]
        shape = (len(own), *regions.shape[1:])
        grad_cam[own] = np.frombuffer(part["grad_cam"], np.float32).reshape(shape)
        gradients[own] = np.frombuffer(part["gradients"], np.float32).reshape(shape)
        answers[:, own] = np.frombuffer(part["answers"], np.int64).reshape(-1, len(own))
    return Attributions(grad_cam, gradients, answers)


def explain_checkpoint(
    file: Path, task: str, pixels: np.ndarray, regions: np.ndarray, codes: np.ndarray, steps: int, device: str
) -> Attributions:
    """The attributions of pictures (uint8, N x H x W x 3) by one checkpoint, in batches."""
    network, card = read_checkpoint(file, device)
    network.requires_grad_(False)
    index = card.head_index(task)

    def compute_logits(pictures: Tensor) -> Tensor:
        return card.heads[index].class_logits(network(pictures)[index])

    parts = []
    for batch in np.array_split(np.arange(len(pixels)), -(-len(pixels) // BATCH)):
        pictures = to_float(to_nchw(pixels[batch]).to(device))
        classes, maps = torch.from_numpy(codes[batch]).to(device), torch.from_numpy(regions[batch]).to(device)
        parts.append(explain_batch(network, compute_logits, pictures, maps, classes, steps))
    return Attributions(
        np.concatenate([part.grad_cam for part in parts]),
        np.concatenate([part.gradients for part in parts]),
        np.concatenate([part.answers for part in parts], axis=1),
    )


def explain_batch(
    network: Network, compute_logits: Logits, pictures: Tensor, regions: Tensor, classes: Tensor, steps: int
) -> Attributions:
    """The attributions of a batch (N x 3 x H x W, 0 to 1)."""
    with torch.no_grad():
        views = [pictures, *blank_regions(pictures, regions, len(REGIONS))]
        answers = np.stack([compute_logits(view).argmax(1).numpy(force=True) for view in views])
    return Attributions(
        grad_cam(network, compute_logits, pictures, classes).numpy(force=True),
        integrated_gradients(compute_logits, pictures, classes, steps=steps).numpy(force=True),
        answers,
    )


def summarise(attributions: Attributions, regions: np.ndarray, codes: np.ndarray, task: Task) -> dict:
    """A task's part of `metrics/attention.json`: shares by class and region, and macro F1 with each region blanked."""
    maps = torch.from_numpy(regions)
    gradients = region_shares(torch.from_numpy(attributions.gradients), maps, len(REGIONS))
    grad_cam = region_shares(torch.from_numpy(attributions.grad_cam), maps, len(REGIONS))
    area = np.stack([(regions == region).mean((1, 2)) for region in range(len(REGIONS))], 1)
    scores = [round(float(macro_f1(codes, answers)), 4) for answers in attributions.answers]
    names = ["whole", *(f"without {name}" for name in REGIONS)]
    return {
        "photos": len(codes),
        "attention": mean_by_class(gradients, codes, task),
        "grad_cam": mean_by_class(grad_cam, codes, task),
        "area": label_regions(area.mean(0)),
        "macro_f1": dict(zip(names, scores, strict=True)),
    }


def mean_by_class(shares: np.ndarray, codes: np.ndarray, task: Task) -> dict[str, dict[str, float]]:
    """Mean shares (N x regions) of all photos and of each class; pictures without any attention do not count."""
    has_map = shares.sum(1) > 0
    groups = {"all": has_map} | {name: has_map & (codes == code) for code, name in enumerate(task.classes)}
    return {name: label_regions(shares[group].mean(0)) for name, group in groups.items() if group.any()}


def label_regions(values: np.ndarray) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in zip(REGIONS, values, strict=True)}
