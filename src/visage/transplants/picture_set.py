"""The transplants as a picture set: the table of faces, the pictures (in parallel, with a memo), their labels."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from visage.formats.columns import CORNERS, LANDMARKS
from visage.formats.shards import decode_image, join_mattes, read_shards, shard_order
from visage.formats.tables import read_folds, read_text_table, read_train_photos
from visage.formats.tasks import Task
from visage.runtime.memo import Memo
from visage.runtime.parallel import map_threads
from visage.transplants.grafting import GraftJob, StoredFace, make_graft, measure_forehead
from visage.transplants.landmarks import forehead_shares, photo_frames
from visage.transplants.pairing import TONE, TransplantParams, find_age_task

GAP = 12  # pixels between the triples of a contact sheet
CHUNK = 256  # faces in memory while their foreheads are measured


def list_columns(tasks: Sequence[Task]) -> dict[str, type]:
    """The columns of the picture set beside photo, width, height and image."""
    texts = ["donor", "receiver", "donor_person", "receiver_person", "method", *(task.name for task in tasks)]
    numbers = ["error", *LANDMARKS, *(f"{task.name}_value" for task in tasks if task.bins)]
    return {"matte": bytes, "fold": int} | dict.fromkeys(texts, str) | dict.fromkeys(numbers, float)


def read_face_table(photos: Path, folds: Path, boxes: Path, crops: Path, original: Path | None = None) -> pd.DataFrame:
    """The training photos by key: person, fold, classes and numbers, the region that was cut (photo pixels), landmarks
    (crop pixels, and as `photo_...` photo pixels), and how much of the forehead shows: `in_photo`, `in_picture`.

    `original` has the classes before any correction, which become `original_<task>`.
    """
    table = read_train_photos(photos).rename(columns={"width": "photo_width", "height": "photo_height"})
    shards = read_shards(crops, ["photo", "width", "height", *CORNERS, *LANDMARKS])
    crop_table = pd.concat([shard.to_pandas() for shard in shards])
    detected = read_text_table(boxes, ["photo", *LANDMARKS]).set_index("photo")[LANDMARKS]
    detected = detected.apply(pd.to_numeric).add_prefix("photo_")
    faces = table.merge(read_folds(folds), on="person").merge(crop_table, on="photo").set_index("photo").sort_index()
    faces = faces.join(detected)
    if original:
        classes = read_text_table(original, ["photo", "person"]).set_index("photo").drop(columns="person")
        faces = faces.join(classes.add_prefix("original_"))
    return faces.join(forehead_shares(faces))


def read_stored_faces(crops: Path, mattes: Path, faces: pd.DataFrame) -> Iterator[tuple[str, StoredFace]]:
    """Key and face of each of these photos, in the order of the shards; all have landmarks."""
    frames = dict(zip(faces.index, photo_frames(faces), strict=True))
    if not frames:
        return
    for row in join_mattes(read_shards(crops, ["photo", "image", *LANDMARKS]), mattes):
        if row["photo"] in frames:
            landmarks = np.array([row[name] for name in LANDMARKS], float).reshape(5, 2)
            yield row["photo"], StoredFace(row["image"], row["matte"], landmarks, frames[row["photo"]])


def measure_foreheads(faces: pd.DataFrame, crops: Path, mattes: Path, memo: Memo) -> pd.DataFrame:
    """The faces with the columns of `measure_forehead`; NaN without landmarks."""
    known = faces[faces[LANDMARKS].notna().all(axis=1)]
    stored_faces, measurements = read_stored_faces(crops, mattes, known), {}
    while chunk := dict(islice(stored_faces, CHUNK)):
        rows = memo.map(partial(map_threads, measure_forehead), chunk.values(), key=StoredFace.memo_key)
        measurements |= dict(zip(chunk, rows, strict=True))
    return faces.join(pd.DataFrame.from_dict(measurements, orient="index", columns=["bare", *TONE]))


def make_transplants(
    plan: pd.DataFrame, faces: pd.DataFrame, tasks: Sequence[Task], params: TransplantParams,
    stored_faces: Mapping[str, StoredFace], memo: Memo,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """The rows of the picture set, in its order; without the pairs for which `make_graft` makes nothing."""
    pairs = {f"transplant/{pair.donor}+{pair.receiver}": pair for pair in plan.itertuples()}
    pairs = {photo: pairs[photo] for photo in shard_order(pairs)}
    jobs = [
        GraftJob(stored_faces[pair.donor], stored_faces[pair.receiver], pair.part, params.blend, params.match)
        for pair in pairs.values()
    ]
    grafts = memo.map(partial(map_threads, make_graft), jobs, key=GraftJob.memo_key)
    for (photo, pair), graft in zip(pairs.items(), grafts, strict=True):
        if graft:
            donor, receiver = faces.loc[pair.donor], faces.loc[pair.receiver]
            yield graft | {
                "photo": photo, "donor": pair.donor, "receiver": pair.receiver,
                "donor_person": donor["person"], "receiver_person": receiver["person"],
                "fold": pair.fold, "method": params.method, "error": pair.error,
                **receiver[["width", "height", *LANDMARKS]], **transplant_labels(donor, receiver, tasks),
            }  # fmt: skip


def transplant_labels(donor: Mapping[str, Any], receiver: Mapping[str, Any], tasks: Sequence[Task]) -> dict[str, Any]:
    """The donor's class and value in the age task, the receiver's in all others."""
    labels, age = {}, find_age_task(tasks)
    for task in tasks:
        face = donor if task == age else receiver
        labels[task.name] = face[task.name]
        if task.bins:
            labels[f"{task.name}_value"] = face[f"{task.name}_value"]
    return labels


def describe_folds(
    faces: pd.DataFrame, transplants: pd.DataFrame, tasks: Sequence[Task], params: TransplantParams
) -> list[str]:
    """One sentence per fold: the share of the oldest class before and after."""
    if params.method == "none":
        return ["transplant.method is none: training uses the photos as they are."]
    sentences, age = [], find_age_task(tasks)
    for fold, members in faces.groupby("fold"):
        old, new = (members[age.name] == age.classes[-1]).sum(), (transplants["fold"] == fold).sum()
        share = (old + new) / (len(members) + new)
        sentences.append(
            f"fold {fold}: {age.classes[-1]} was {old} of {len(members)} photos; with {new} transplants it is "
            f"{share:.0%} (transplant.target_share asks for {params.target_share:.0%})."
        )
    return sentences


def draw_contact_sheet(folder: Path, crops: Path, *, count: int = 12, across: int = 3, side: int = 112) -> np.ndarray:
    """Triples of donor, receiver and result, from the best to the worst alignment; blank where nothing was made."""
    shards = [shard.to_pandas() for shard in read_shards(folder, ["donor", "receiver", "error", "image"])]
    transplants = pd.concat(shards).sort_values(["error", "donor", "receiver"])
    ranks = np.unique(np.linspace(0, len(transplants) - 1, count).astype(int))
    examples = transplants.iloc[ranks] if len(transplants) else transplants
    photos, images = {*examples["donor"], *examples["receiver"]}, {}
    for shard in read_shards(crops, ["photo", "image"]):
        images |= {row["photo"]: row["image"] for row in shard.to_pylist() if row["photo"] in photos}
    blank = np.full((side, 3 * side + GAP, 3), 255, np.uint8)
    cells = [blank] if examples.empty else []
    for row in examples.itertuples():
        triple = [make_thumbnail(data, side) for data in (images[row.donor], images[row.receiver], row.image)]
        cells.append(np.hstack([*triple, blank[:, :GAP]]))
    cells += [blank] * (-len(cells) % across)
    return np.vstack([np.hstack(cells[i : i + across]) for i in range(0, len(cells), across)])


def make_thumbnail(data: bytes, side: int) -> np.ndarray:
    """The picture (encoded bytes) in the middle of a white square of `side` pixels."""
    image = decode_image(data)
    scale = side / max(image.shape[:2])
    width, height = (max(1, round(scale * length)) for length in image.shape[1::-1])
    square = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return square
