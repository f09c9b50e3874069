"""The transplants as a picture set: who can take part, the pictures made on all cores and remembered, their labels."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from visage.formats.columns import CORNERS, LANDMARKS
from visage.formats.shards import decode_image, join_mattes, read_shards, shard_order
from visage.formats.tables import read_folds, read_train_photos
from visage.formats.tasks import Task
from visage.runtime.memo import Memo
from visage.runtime.parallel import map_threads
from visage.transplants.grafting import GraftJob, StoredFace, make_graft, measure_forehead
from visage.transplants.pairing import TransplantParams, find_age_task

GAP = 12  # pixels between the triples of a contact sheet
CHUNK = 256  # faces in memory while they are looked at


def list_columns(tasks: Sequence[Task]) -> dict[str, type]:
    """The columns of the picture set beside photo, width, height and image."""
    texts = ["donor", "receiver", "donor_person", "receiver_person", "method", *(task.name for task in tasks)]
    numbers = ["error", *LANDMARKS, *(f"{task.name}_value" for task in tasks if task.bins)]
    return {"matte": bytes, "fold": int} | dict.fromkeys(texts, str) | dict.fromkeys(numbers, float)


def read_face_table(photos: Path, folds: Path, crops: Path) -> pd.DataFrame:
    """The training photos by key: person, fold, classes and numbers, and where the face lies in photo and crop."""
    table = read_train_photos(photos).rename(columns={"width": "photo_width", "height": "photo_height"})
    shards = read_shards(crops, ["photo", "width", "height", *CORNERS, *LANDMARKS])
    places = pd.concat([shard.to_pandas() for shard in shards])
    return table.merge(read_folds(folds), on="person").merge(places, on="photo").set_index("photo").sort_index()


def read_stored_faces(crops: Path, mattes: Path, photos: Collection[str]) -> Iterator[tuple[str, StoredFace]]:
    """Key, and picture, matte and landmarks of these photos, as they are stored."""
    if not photos:
        return
    for row in join_mattes(read_shards(crops, ["photo", "image", *LANDMARKS]), mattes):
        if row["photo"] in photos:
            marks = np.array([row[name] for name in LANDMARKS], float).reshape(5, 2)
            yield row["photo"], StoredFace(row["image"], row["matte"], marks)


def measure_foreheads(faces: pd.DataFrame, crops: Path, mattes: Path, memo: Memo) -> pd.DataFrame:
    """The faces with the columns that `looks` adds; without landmarks there are none."""
    known = set(faces.index[faces[LANDMARKS].notna().all(axis=1)])
    stored, found = read_stored_faces(crops, mattes, known), {}
    while some := dict(islice(stored, CHUNK)):
        rows = memo.map(partial(map_threads, measure_forehead), some.values(), key=StoredFace.parts)
        found |= dict(zip(some, rows, strict=True))
    return faces.join(pd.DataFrame.from_dict(found, orient="index", columns=["bare", "tone_l", "tone_a", "tone_b"]))


def make_transplants(
    plan: pd.DataFrame, faces: pd.DataFrame, tasks: Sequence[Task], params: TransplantParams,
    parts: Mapping[str, StoredFace], memo: Memo,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """The rows of the picture set, in its order. A pair of which too little turns out to be person is left out."""
    keyed = {f"transplant/{row.donor}+{row.receiver}": row for row in plan.itertuples()}
    order = shard_order(keyed)

    def job(photo: str) -> GraftJob:
        row = keyed[photo]
        return GraftJob(parts[row.donor], parts[row.receiver], row.part, params.blend, params.match)

    made = memo.map(
        lambda photos: map_threads(make_graft, map(job, photos)), order, key=lambda photo: job(photo).parts()
    )
    for photo, pictures in zip(order, made, strict=True):
        if pictures:
            row = keyed[photo]
            donor, receiver = faces.loc[row.donor], faces.loc[row.receiver]
            yield pictures | {
                "photo": photo, "donor": row.donor, "receiver": row.receiver,
                "donor_person": donor["person"], "receiver_person": receiver["person"],
                "fold": row.fold, "method": params.method, "error": row.error,
                **receiver[["width", "height", *LANDMARKS]], **transplant_labels(donor, receiver, tasks),
            }  # fmt: skip


def transplant_labels(donor: Mapping[str, Any], receiver: Mapping[str, Any], tasks: Sequence[Task]) -> dict[str, Any]:
    """The donor's class and number in the age task, the receiver's in all others; a personal one is the same."""
    told, age = {}, find_age_task(tasks)
    for task in tasks:
        for name in (task.name, f"{task.name}_value") if task.bins else (task.name,):
            told[name] = (donor if task == age else receiver)[name]
    return told


def describe_folds(
    faces: pd.DataFrame, made: pd.DataFrame, tasks: Sequence[Task], params: TransplantParams
) -> list[str]:
    """What became of each fold, a sentence each."""
    if params.method == "none":
        return ["transplant.method is none: training uses the photos as they are."]
    told, age = [], find_age_task(tasks)
    for fold, members in faces.groupby("fold"):
        old, new = (members[age.name] == age.classes[-1]).sum(), (made["fold"] == fold).sum()
        lifted = (old + new) / (len(members) + new)
        told.append(
            f"fold {fold}: {age.classes[-1]} was {old} of {len(members)} photos; with {new} transplants it is "
            f"{lifted:.0%} (transplant.target_share asks for {params.target_share:.0%})."
        )
    return told


def draw_contact_sheet(folder: Path, crops: Path, *, count: int = 12, across: int = 3, side: int = 112) -> np.ndarray:
    """Triples of donor, receiver and result, from the best to the worst alignment; blank where nothing was made."""
    shards = [shard.to_pandas() for shard in read_shards(folder, ["donor", "receiver", "error", "image"])]
    made = pd.concat(shards).sort_values(["error", "donor", "receiver"])
    some = made.iloc[np.unique(np.linspace(0, len(made) - 1, count).astype(int))] if len(made) else made
    known, wanted = {}, {*some["donor"], *some["receiver"]}
    for shard in read_shards(crops, ["photo", "image"]):
        known |= {row["photo"]: row["image"] for row in shard.to_pylist() if row["photo"] in wanted}
    blank = np.full((side, 3 * side + GAP, 3), 255, np.uint8)
    strips = [blank] if made.empty else []
    for row in some.itertuples():
        triple = [thumbnail(data, side) for data in (known[row.donor], known[row.receiver], row.image)]
        strips.append(np.hstack([*triple, blank[:, :GAP]]))
    strips += [blank] * (-len(strips) % across)
    return np.vstack([np.hstack(strips[i : i + across]) for i in range(0, len(strips), across)])


def thumbnail(data: bytes, side: int) -> np.ndarray:
    """The picture in the middle of a white square."""
    image = decode_image(data)
    scale = side / max(image.shape[:2])
    width, height = (max(1, round(scale * length)) for length in image.shape[1::-1])
    square = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return square
