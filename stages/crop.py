"""Cut one face out of every photo; a hand-drawn box beats the detected one."""

from functools import partial
from pathlib import Path

import numpy as np

from visage.faces.boxes import choose_boxes, read_boxes, read_manual_boxes
from visage.faces.crop_params import CropParams
from visage.faces.crop_sheet import draw_contact_sheet
from visage.faces.crops import COLUMNS, make_crop_row
from visage.faces.margins import describe_outside, fit_margin
from visage.formats.photos import photo_digest
from visage.formats.shards import encode_image, read_rows, shard_order, write_shards
from visage.formats.tables import read_photos
from visage.runtime.memo import Memo
from visage.runtime.parallel import map_threads
from visage.runtime.params import load
from visage.runtime.progress import track
from visage.runtime.stage import run


def main(raw: Path, photos: Path, detected: Path, manual: Path, crops: Path, sheets: Path) -> None:
    asked, table = load(CropParams, "crop"), read_photos(photos)
    faces = choose_boxes(table, read_boxes(detected), read_manual_boxes(manual, table), asked.missing)
    faces = faces.loc[shard_order(faces.index)]
    sized = faces.join(table.set_index("photo")[["width", "height"]])
    params = fit_margin(sized, asked)
    with Memo("crop", params, code="visage.faces.crops") as memo:
        rows = memo.map(
            partial(map_threads, partial(make_crop_row, raw, params)),
            (face._asdict() for face in faces.reset_index().itertuples(index=False)),
            key=lambda face: [face, photo_digest(raw, face["photo"])],
        )
        write_shards(crops, track(rows, "crop", len(faces), "photos"), COLUMNS)
    counts = faces["by"].value_counts()
    print(f"{memo}. Boxes: {', '.join(f'{count:,} by {by}' for by, count in counts.items())}.")
    if asked.margin == "auto":
        print(f"crop.margin: auto is {params.margin:g}.")
    print(describe_outside(np.array([row["outside"] for row in read_rows(crops, ["outside"])]), sized, params))
    sheets.mkdir(parents=True, exist_ok=True)
    (sheets / "crops.png").write_bytes(encode_image(draw_contact_sheet(crops), ".png"))


if __name__ == "__main__":
    run(main)
