"""Put the upper faces of the oldest class onto younger people of the same fold: more pictures to learn from."""

from pathlib import Path

import pandas as pd
from tqdm import tqdm

from visage.labels import read_tasks
from visage.memo import Memo
from visage.pairings import TransplantParams, pair
from visage.params import load
from visage.pictures import encode, read_pictures, write_pictures
from visage.stage import run
from visage.transplants import columns, contact_sheet, read_faces, read_parts, summary, transplants, with_looks


def main(photos: Path, tasks_file: Path, folds: Path, crops: Path, mattes: Path, made: Path, sheets: Path) -> None:
    params, tasks = load(TransplantParams, "transplant"), read_tasks(tasks_file)
    faces = read_faces(photos, folds, crops)
    with Memo("transplant") as memo:
        if params.method != "none":
            faces = with_looks(faces, crops, mattes, memo)
        plan = pair(faces, tasks, params)
        parts = dict(read_parts(crops, mattes, {*plan["donor"], *plan["receiver"]}))
        rows = transplants(plan, faces, tasks, params, parts, memo)
        write_pictures(made, tqdm(rows, "transplant", len(plan), unit=" pictures"), columns(tasks))
    sheets.mkdir(parents=True, exist_ok=True)
    (sheets / "transplants.png").write_bytes(encode(contact_sheet(made, crops), ".png"))
    done = pd.concat([shard.to_pandas() for shard in read_pictures(made, ["fold"])])
    print(*summary(faces, done, tasks, params), sep="\n")


if __name__ == "__main__":
    run(main)
