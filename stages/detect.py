"""Find the face in every photo."""

from pathlib import Path

import pandas as pd

from visage.faces.detectors import COLUMNS, DetectParams, choose_box, detect_faces, find_weights, network_params
from visage.formats.photos import photo_digest
from visage.formats.tables import read_photos
from visage.runtime.memo import Memo, file_digest
from visage.runtime.params import load
from visage.runtime.progress import track
from visage.runtime.stage import run


def main(raw: Path, photos: Path, boxes: Path, missed: Path) -> None:
    params, keys = load(DetectParams, "detect"), read_photos(photos)["photo"].tolist()
    network, weights = network_params(params), find_weights(params)
    with Memo("detect", network, file_digest(weights) if weights else "", code="visage.faces.detectors") as memo:
        found = memo.map(
            lambda unknown: detect_faces(raw, unknown, network),
            keys,
            key=lambda photo: [photo, photo_digest(raw, photo)],
            chunk=512,
        )
        rows = (choose_box(photo, faces, params) for photo, faces in zip(keys, found, strict=True))
        table = pd.DataFrame(track(rows, "detect", len(keys), "photos"), columns=list(COLUMNS))
    table.to_csv(boxes, index=False)
    faceless = table.loc[table["source"] == "none", ["photo"]]
    faceless.to_csv(missed, index=False)
    print(f"{memo}. {len(faceless)} of {len(keys)} photos have no face; {missed} names them.")


if __name__ == "__main__":
    run(main)
