"""Put the upper faces of the oldest class onto younger people of the same fold: more training pictures."""

import json
from pathlib import Path

import pandas as pd

from visage.formats.shards import encode_image, read_shards, write_shards
from visage.formats.tasks import read_tasks
from visage.runtime.memo import Memo
from visage.runtime.params import load
from visage.runtime.progress import track
from visage.runtime.stage import run
from visage.transplants.pairing import TransplantParams, pair_faces
from visage.transplants.picture_set import (
    describe_folds,
    draw_contact_sheet,
    list_columns,
    make_transplants,
    measure_foreheads,
    read_face_table,
    read_stored_faces,
)
from visage.transplants.refusals import count_refusals, describe_refusals


def main(
    photos: Path, original: Path, tasks_file: Path, folds: Path, boxes: Path, crops: Path, mattes: Path,
    out: Path, counts_file: Path, sheets: Path,
) -> None:  # fmt: skip
    params, tasks = load(TransplantParams, "transplant"), read_tasks(tasks_file)
    faces = read_face_table(photos, folds, boxes, crops, original)
    with Memo("transplant", code="visage.transplants.grafting") as memo:
        if params.method != "none":
            faces = measure_foreheads(faces, crops, mattes, memo)
        plan = pair_faces(faces, tasks, params)
        stored_faces = dict(read_stored_faces(crops, mattes, faces.loc[sorted({*plan["donor"], *plan["receiver"]})]))
        rows = make_transplants(plan, faces, tasks, params, stored_faces, memo)
        write_shards(out, track(rows, "transplant", len(plan), "pictures"), list_columns(tasks))
    sheets.mkdir(parents=True, exist_ok=True)
    (sheets / "transplants.png").write_bytes(encode_image(draw_contact_sheet(out, crops), ".png"))
    transplants = pd.concat([shard.to_pandas() for shard in read_shards(out, ["fold"])])
    counts = count_refusals(faces, tasks, params, plan, len(transplants))
    counts_file.write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")
    print(*describe_folds(faces, transplants, tasks, params), *describe_refusals(counts, params), sep="\n")


if __name__ == "__main__":
    run(main)
