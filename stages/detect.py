"""Find the face in every photo."""

from pathlib import Path

import pandas as pd

from visage.faces.detectors import COLUMNS, DetectParams, detect_faces, find_weights
from visage.formats.photos import photo_digest
from visage.formats.tables import read_photos
from visage.runtime.memo import Memo, file_digest
from visage.runtime.params import load
from visage.runtime.progress import track
from visage.runtime.stage import run


def main(raw: Path, photos: Path, boxes: Path, missed: Path) -> None:
    params, keys = load(DetectParams, "detect"), read_photos(photos)["photo"].tolist()
    weights = find_weights(params)
    with Memo("detect", params, file_digest(weights) if weights else "", code="visage.faces.detectors") as memo:
        rows = memo.map(
            lambda unknown: detect_faces(raw, unknown, params),
            keys,
            key=lambda photo: [photo, photo_digest(raw, photo)],
            chunk=512,
        )
        table = pd.DataFrame(track(rows, "detect", len(keys), "photos"), columns=list(COLUMNS))
    table.to_csv(boxes, index=False)
    faceless = table.loc[table["source"] == "none", ["photo"]]
    faceless.to_csv(missed, index=False)
    print(f"{memo}. {len(faceless)} of {len(keys)} photos have no face; {missed} names them.")


if __name__ == "__main__":
    run(main)
