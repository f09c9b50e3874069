"""Cut one face out of every photo; a box drawn by hand beats the detected one."""

from pathlib import Path

import pandas as pd
from tqdm import tqdm

from visage.boxes import chosen_boxes, read_boxes, read_hand_boxes
from visage.crew import spread
from visage.crops import COLUMNS, CropParams, cutter
from visage.memo import Memo, digest, remembering, source_digest
from visage.params import load
from visage.photos import photo_digest
from visage.pictures import in_shards, write_pictures
from visage.stage import run

PART = 1024  # faces in memory as dicts at a time, so that many photos need no more than few


def main(raw: Path, photos: Path, found: Path, drawn: Path, crops: Path) -> None:
    params, table = load(CropParams, "crop"), pd.read_csv(photos, dtype=str).astype({"width": int, "height": int})
    faces = chosen_boxes(table, read_boxes(found), read_hand_boxes(drawn, table), params.missing)
    ordered = faces.loc[in_shards(faces.index)].reset_index()
    same = digest(params, source_digest("crops"))

    def digests(some: list[dict]) -> list[str]:
        data = spread(lambda face: photo_digest(raw, face["photo"]), some)
        return [digest(same, repr(sorted(face.items())), one) for face, one in zip(some, data, strict=True)]

    with Memo("crop") as memo:
        parts = (ordered.iloc[start : start + PART].to_dict("records") for start in range(0, len(ordered), PART))
        make = cutter(raw, params)
        rows = (row for part in parts for row in remembering(memo, part, digests, lambda new: spread(make, new)))
        write_pictures(crops, tqdm(rows, "crop", len(ordered), unit=" photos"), COLUMNS)
    counts = faces["by"].value_counts()
    print(f"{memo}. Boxes: {', '.join(f'{count:,} by {by}' for by, count in counts.items())}.")


if __name__ == "__main__":
    run(main)
