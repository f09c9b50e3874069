"""What a task's answers rest on: attention by part of the face and class, and scores with a part blanked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pydantic import Field

from visage.explain.attributions import blank_regions, grad_cam, integrated_gradients, region_shares
from visage.explain.face_regions import REGIONS, region_map
from visage.formats.columns import LANDMARKS
from visage.formats.shards import decode_image, read_shards
from visage.formats.tasks import Task
from visage.networks.checkpoints import read_card, read_checkpoint
from visage.networks.images import ImageArray, Preprocessing, resize
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
    """Of N pictures: two maps each (N x H x W), and the class answered as they are and without each region."""

    grad_cam: np.ndarray
    gradients: np.ndarray
    answers: np.ndarray


def sample_photos(photos: pd.DataFrame, folds: pd.DataFrame, task: Task, count: int, seed: int) -> pd.DataFrame:
    """About `count` training photos (photo, person, fold, class code), as many of each class where there are enough."""
    rng = np.random.default_rng(seed)
    rows = photos[photos["split"] == "train"].merge(folds, on="person").sort_values("photo")
    parts = []
    for code, name in enumerate(task.classes):
        own = rows[rows[task.name] == name]
        taken = rng.permutation(len(own))[: max(1, count // len(task.classes))]
        parts.append(own.iloc[np.sort(taken)].assign(code=code))
    return pd.concat(parts, ignore_index=True)[["photo", "person", "fold", "code"]]


def read_regions(crops: Path, mattes: Path, wanted: set[str], look: Preprocessing) -> dict[str, np.ndarray]:
    """The region map of every wanted photo whose landmarks are known, as large as the networks see it."""
    marks = {
        row["photo"]: np.array([row[name] for name in LANDMARKS], float).reshape(5, 2) / (row["width"], row["height"])
        for table in read_shards(crops, ["photo", "width", "height", *LANDMARKS])
        for row in table.to_pylist()
        if row["photo"] in wanted and row[LANDMARKS[0]] is not None
    }
    marks = {photo: (points - look.trim) / (1 - 2 * look.trim) for photo, points in marks.items()}
    size = (look.width, look.height)
    found = {photo: region_map(points * size, size[::-1]) for photo, points in marks.items()}
    for table in read_shards(mattes, ["photo", "image"]) if has_shards(mattes) else ():
        for photo, data in zip(table["photo"].to_pylist(), table["image"].to_pylist(), strict=True):
            if photo in marks:
                found[photo] = region_map(marks[photo] * size, size[::-1], resize(decode_image(data), look))
    return found


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
    """Every picture (a row of `rows`: fold, class code) through the one network that never saw the person."""
    cards = {file: read_card(file) for file in files}
    if missing := set(rows["fold"]) - {card.fold for card in cards.values()}:
        raise ValueError(f"there is no network of fold {min(missing)} for {task}; run `dvc repro train`.")
    codes, folds = rows["code"].to_numpy(), rows["fold"].to_numpy()
    places = {file: np.flatnonzero(folds == card.fold) for file, card in cards.items()}

    def compute(some: Sequence[Path]) -> Iterator[dict[str, bytes]]:
        for file in some:
            own = places[file]
            parts = [
                explain_batch(file, task, images.pixels[part], regions[part], codes[part], steps, device)
                for part in np.array_split(own, -(-len(own) // BATCH))
            ]
            yield {
                name: np.concatenate(
                    [getattr(part, name) for part in parts], axis=-3 if name != "answers" else 1
                ).tobytes()
                for name in ("grad_cam", "gradients", "answers")
            }

    def key(file: Path) -> list[Any]:
        own = places[file]
        return [
            file_digest(file),
            task,
            images.digests[own].tolist(),
            regions[own].tobytes(),
            codes[own].tolist(),
            steps,
        ]

    used = [file for file in files if len(places[file])]
    result = Attributions(
        np.zeros(regions.shape, np.float32),
        np.zeros(regions.shape, np.float32),
        np.zeros((1 + len(REGIONS), len(rows)), np.int64),
    )
    for file, row in zip(used, memo.map(compute, used, key=key, chunk=1), strict=True):
        own = places[file]
        shape = (len(own), *regions.shape[1:])
        result.grad_cam[own] = np.frombuffer(row["grad_cam"], np.float32).reshape(shape)
        result.gradients[own] = np.frombuffer(row["gradients"], np.float32).reshape(shape)
        result.answers[:, own] = np.frombuffer(row["answers"], np.int64).reshape(-1, len(own))
    return result


def explain_batch(
    file: Path, task: str, pixels: np.ndarray, regions: np.ndarray, codes: np.ndarray, steps: int, device: str
) -> Attributions:
    """The attributions of a batch (N x H x W x 3) by one checkpoint."""
    network, card = read_checkpoint(file, device)
    network.requires_grad_(False)
    place = card.head(task)

    def logits(pictures: torch.Tensor) -> torch.Tensor:
        return card.heads[place].class_logits(network(pictures)[place])

    pictures = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float() / 255
    classes, maps = torch.from_numpy(codes).to(device), torch.from_numpy(regions).to(device)
    with torch.no_grad():
        views = [pictures, *blank_regions(pictures, maps, len(REGIONS))]
        answers = np.stack([logits(view).argmax(1).numpy(force=True) for view in views])
    return Attributions(
        grad_cam(network, logits, pictures, classes).numpy(force=True),
        integrated_gradients(logits, pictures, classes, steps=steps).numpy(force=True),
        answers,
    )


def summarise(seen: Attributions, regions: np.ndarray, codes: np.ndarray, task: Task) -> dict:
    """A task's part of `metrics/attention.json`: shares by class and region, and macro F1 with each region blanked."""
    maps = torch.from_numpy(regions)
    area = np.stack([(regions == i).mean((1, 2)) for i in range(len(REGIONS))], 1)
    scores = [macro_f1(codes, answer) for answer in seen.answers]
    return {
        "photos": len(codes),
        "attention": mean_by_class(region_shares(torch.from_numpy(seen.gradients), maps, len(REGIONS)), codes, task),
        "grad_cam": mean_by_class(region_shares(torch.from_numpy(seen.grad_cam), maps, len(REGIONS)), codes, task),
        "area": by_region(area.mean(0)),
        "macro_f1": {"whole": round(float(scores[0]), 4)}
        | {f"without {name}": round(float(score), 4) for name, score in zip(REGIONS, scores[1:], strict=True)},
    }


def mean_by_class(parts: np.ndarray, codes: np.ndarray, task: Task) -> dict[str, dict[str, float]]:
    """Mean shares of all photos and of each class; pictures without any attention do not count."""
    looked = parts.sum(1) > 0
    rows = {"all": looked} | {name: looked & (codes == code) for code, name in enumerate(task.classes)}
    return {name: by_region(parts[chosen].mean(0)) for name, chosen in rows.items() if chosen.any()}


def by_region(values: np.ndarray) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in zip(REGIONS, values, strict=True)}
