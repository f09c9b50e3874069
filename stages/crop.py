"""Cut one face out of every photo; a hand-drawn box beats the detected one."""

from functools import partial
from pathlib import Path

from visage.faces.boxes import choose_boxes, read_boxes, read_manual_boxes
from visage.faces.crops import COLUMNS, CropParams, make_crop_row
from visage.formats.photos import photo_digest
from visage.formats.shards import shard_order, write_shards
from visage.formats.tables import read_photos
from visage.runtime.memo import Memo
from visage.runtime.parallel import map_threads
from visage.runtime.params import load
from visage.runtime.progress import track
from visage.runtime.stage import run


def main(raw: Path, photos: Path, detected: Path, manual: Path, crops: Path) -> None:
    params, table = load(CropParams, "crop"), read_photos(photos)
    faces = choose_boxes(table, read_boxes(detected), read_manual_boxes(manual, table), params.missing)
    ordered = faces.loc[shard_order(faces.index)].reset_index()
    with Memo("crop", params, code="visage.faces.crops") as memo:
        rows = memo.map(
            partial(map_threads, partial(make_crop_row, raw, params)),
            (face._asdict() for face in ordered.itertuples(index=False)),
            key=lambda face: [face, photo_digest(raw, face["photo"])],
        )
        write_shards(crops, track(rows, "crop", len(ordered), "photos"), COLUMNS)
    counts = faces["by"].value_counts()
    print(f"{memo}. Boxes: {', '.join(f'{count:,} by {by}' for by, count in counts.items())}.")


if __name__ == "__main__":
    run(main)
