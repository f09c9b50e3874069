"""What a task's answers rest on: attention by part of the face and class, and scores with a part blanked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from visage.albums import Look, resized
from visage.attention import blanked, grad_cam, integrated_gradients, shares
from visage.boxes import LANDMARKS
from visage.checkpoints import read_card, read_checkpoint
from visage.labels import Task
from visage.pictures import decode, read_pictures
from visage.regions import REGIONS, region_map
from visage.scores import macro_f1

BATCH = 24  # integrated gradients keep every step's graph of so many pictures


@dataclass(frozen=True)
class ExplainParams:
    """Section `explain`."""

    member: str
    photos: int
    steps: int
    seed: int

    def __post_init__(self) -> None:
        if self.photos < 6 or self.steps < 4:
            raise ValueError(f"photos is {self.photos} and steps {self.steps}; take 6 photos and 4 steps or more.")


@dataclass(frozen=True)
class Gaze:
    """Of N pictures: two maps each (N x H x W), and the class answered as they are and without each region."""

    cam: np.ndarray
    fine: np.ndarray
    answers: np.ndarray


def choose(photos: pd.DataFrame, folds: pd.DataFrame, task: Task, count: int, seed: int) -> pd.DataFrame:
    """About `count` training photos (photo, person, fold, class code), as many of each class where there are enough."""
    rng = np.random.default_rng(seed)
    rows = photos[photos["split"] == "train"].merge(folds, on="person").sort_values("photo")
    parts = []
    for code, name in enumerate(task.classes):
        own = rows[rows[task.name] == name]
        taken = rng.permutation(len(own))[: max(1, count // len(task.classes))]
        parts.append(own.iloc[np.sort(taken)].assign(code=code))
    return pd.concat(parts, ignore_index=True)[["photo", "person", "fold", "code"]]


def read_regions(crops: Path, mattes: Path, wanted: set[str], look: Look) -> dict[str, np.ndarray]:
    """The region map of every wanted photo whose landmarks are known, as large as the networks see it."""
    marks = {
        row["photo"]: np.array([row[name] for name in LANDMARKS], float).reshape(5, 2) / (row["width"], row["height"])
        for table in read_pictures(crops, ["photo", "width", "height", *LANDMARKS])
        for row in table.to_pylist()
        if row["photo"] in wanted and row[LANDMARKS[0]] is not None
    }
    marks = {photo: (points - look.trim) / (1 - 2 * look.trim) for photo, points in marks.items()}
    size = (look.width, look.height)
    found = {photo: region_map(points * size, size[::-1]) for photo, points in marks.items()}
    for table in read_pictures(mattes, ["photo", "image"]) if has_pictures(mattes) else ():
        for photo, data in zip(table["photo"].to_pylist(), table["image"].to_pylist(), strict=True):
            if photo in marks:
                found[photo] = region_map(marks[photo] * size, size[::-1], resized(decode(data), look))
    return found


def has_pictures(folder: Path) -> bool:
    return any(Path(folder).glob("*.parquet"))


def gaze(
    files: Sequence[Path],
    task: str,
    pixels: np.ndarray,
    regions: np.ndarray,
    rows: pd.DataFrame,
    steps: int,
    device: str,
) -> Gaze:
    """Every picture through the one network that never saw the person."""
    if lost := set(rows["fold"]) - {read_card(file).fold for file in files}:
        raise ValueError(f"there is no network of fold {min(lost)} for {task}; run `dvc repro train`.")
    cam, fine = (np.zeros(regions.shape, np.float32) for _ in "ab")
    answers = np.zeros((1 + len(REGIONS), len(rows)), int)
    for file in files:
        network, card = read_checkpoint(file, device)
        network.requires_grad_(False)
        place = card.head(task)

        def answer(pictures: torch.Tensor, network=network, place=place, head=card.heads[place]) -> torch.Tensor:
            return head.class_logits(network(pictures)[place])

        own = np.flatnonzero(rows["fold"].to_numpy() == card.fold)
        for part in np.array_split(own, -(-len(own) // BATCH)) if len(own) else ():
            pictures = torch.from_numpy(pixels[part]).to(device).permute(0, 3, 1, 2).float() / 255
            classes = torch.from_numpy(rows["code"].to_numpy()[part]).to(device)
            cam[part] = grad_cam(network, answer, pictures, classes).numpy(force=True)
            fine[part] = integrated_gradients(answer, pictures, classes, steps=steps).numpy(force=True)
            maps = torch.from_numpy(regions[part]).to(device)
            with torch.no_grad():
                views = [pictures, *blanked(pictures, maps, len(REGIONS))]
                answers[:, part] = [answer(view).argmax(1).numpy(force=True) for view in views]
    return Gaze(cam, fine, answers)


def summary(seen: Gaze, regions: np.ndarray, codes: np.ndarray, task: Task) -> dict:
    """A task's part of `metrics/attention.json`: shares by class and region, and macro F1 with each region blanked."""
    maps = torch.from_numpy(regions)
    area = np.stack([(regions == i).mean((1, 2)) for i in range(len(REGIONS))], 1)
    scores = [macro_f1(codes, answer) for answer in seen.answers]
    return {
        "photos": len(codes),
        "attention": by_class(shares(torch.from_numpy(seen.fine), maps, len(REGIONS)), codes, task),
        "grad_cam": by_class(shares(torch.from_numpy(seen.cam), maps, len(REGIONS)), codes, task),
        "area": named(area.mean(0)),
        "macro_f1": {"whole": round(float(scores[0]), 4)}
        | {f"without {name}": round(float(score), 4) for name, score in zip(REGIONS, scores[1:], strict=True)},
    }


def by_class(parts: np.ndarray, codes: np.ndarray, task: Task) -> dict[str, dict[str, float]]:
    """Mean shares of all photos and of each class; pictures without any attention do not count."""
    looked = parts.sum(1) > 0
    rows = {"all": looked} | {name: looked & (codes == code) for code, name in enumerate(task.classes)}
    return {name: named(parts[chosen].mean(0)) for name, chosen in rows.items() if chosen.any()}


def named(values: np.ndarray) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in zip(REGIONS, values, strict=True)}
