"""Drawn people to learn from: each has a colour of their own, and bars in the picture show the classes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from visage.formats.shards import encode_image, shard_order, write_shards
from visage.formats.tasks import Task
from visage.learning.dataset import FoldDataset, build_dataset
from visage.networks.images import ImageArray, Preprocessing, read_images
from visage.networks.recipe import TrainParams

MASK = Task("mask", ("worn", "incorrect", "not worn"), "mask")
GENDER = Task("gender", ("male", "female"), "gender")
AGE = Task("age", ("<30", "30-59", ">=60"), "age", (30.0, 60.0))
TASKS = (MASK, GENDER, AGE)
PLAIN = {
    "height": 32, "width": 24, "trim": 0.0, "keep": "all", "fill": (0, 0, 0), "standardise": "fold",
    "transplants": False,
    "backbone": "cnn", "weights": "none", "unfreeze": "all", "hidden": (), "dropout": 0.0, "joint": False,
    "head": "classes", "label_sigma": 3.0, "old_from": None,
    "focal": 0.0, "smoothing": 0.0, "class_weights": "none", "f1_weight": 0.0, "sampling": "shuffled",
    "agreement": 0.0,
    "flip": 0.0, "shift": 0.0, "scale": 0.0, "rotate": 0.0, "jitter": 0.0, "noise": 0.0, "blur": 0.0, "erase": 0.0,
    "mix_probability": 0.0, "mixup": 0.0, "cutmix": 0.0,
    "epochs": 1, "batch": 16, "optimizer": "adamw", "lr": 0.002, "backbone_lr_scale": 1.0, "weight_decay": 0.01,
    "warmup": 0.1, "clip": 0.0, "ema": 0.0, "early_stop": "none", "patience": 3, "validation_share": 0.25,
    "eval_every": 0,
    "precision": "float32", "compile": False, "seed": 0,
}  # fmt: skip


def recipe(**changes: object) -> TrainParams:
    """The plainest recipe, tiny, with some keys changed."""
    return TrainParams(**(PLAIN | changes))


def colour_of(person: int) -> tuple[int, int, int]:
    return 40 + 53 * person % 83, 30 + 97 * person % 89, 20 + 31 * person % 79


def people(count: int) -> pd.DataFrame:
    """A table like data/photos.csv: two photos of each person, and two to answer."""
    rows = []
    for person in range(count):
        for shot in range(2):
            six, age = person // 6, (person + person // 12) % 3  # 36 people fill every fold with every class
            mask, gender = MASK.classes[(person + six + shot) % 3], GENDER.classes[six % 2]
            name, years = f"p{person:02d}", (20.0, 45.0, 60.0)[age]
            rows.append((f"{name}/{shot}.jpg", "train", name, mask, gender, AGE.classes[age], years))
    rows += [(f"eval/{i}.jpg", "eval", f"e{i}", "", "", "", np.nan) for i in range(2)]
    return pd.DataFrame(rows, columns=["photo", "split", "person", "mask", "gender", "age", "age_value"])


def folds_of(table: pd.DataFrame, count: int = 3) -> pd.DataFrame:
    """A table like data/folds.csv."""
    names = sorted(table.loc[table["split"] == "train", "person"].unique())
    return pd.DataFrame({"person": names, "fold": np.arange(len(names)) // 2 % count})


def draw_picture(row: pd.Series, height: int = 32, width: int = 24) -> np.ndarray:
    """The person's colour, with a bar for each task, as far right as the class is in its order."""
    picture = np.full((height, width, 3), colour_of(int(row["person"][1:])), np.uint8)
    for index, task in enumerate(TASKS):
        if row[task.name]:
            x = task.classes.index(row[task.name]) * (width // 3)
            y = index * height // 3
            picture[y : y + height // 4, x : x + width // 3] = 255
    return picture


def write_set(folder: Path, pictures: dict[str, np.ndarray], **columns: dict[str, object]) -> Path:
    """A picture set of PNGs, with more columns by photo."""
    rows = (
        {"photo": photo, "width": pictures[photo].shape[1], "height": pictures[photo].shape[0]}
        | {"image": encode_image(pictures[photo], ".png")}
        | {name: values[photo] for name, values in columns.items()}
        for photo in shard_order(pictures)
    )
    kinds = {name: type(next(iter(values.values()))) for name, values in columns.items()}
    write_shards(folder, rows, kinds)
    return folder


def write_crops(folder: Path, table: pd.DataFrame) -> Path:
    """The people's pictures as a picture set."""
    return write_set(folder, {row["photo"]: draw_picture(row) for _, row in table.iterrows()})


def drawn_images(folder: Path, table: pd.DataFrame) -> ImageArray:
    return read_images(write_crops(folder, table), folder, Preprocessing(32, 24))


def drawn_dataset(folder: Path, count: int = 12, tasks: Sequence[Task] = (MASK,)) -> FoldDataset:
    table = people(count)
    return build_dataset(table, folds_of(table), tasks, drawn_images(folder, table))
