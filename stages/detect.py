"""Find the face in every photo."""

from pathlib import Path

import pandas as pd
from tqdm import tqdm

from visage.crew import spread
from visage.detectors import COLUMNS, DetectParams, find_faces, weights_of
from visage.memo import Memo, digest, file_digest, remembering, source_digest
from visage.params import load
from visage.photos import photo_digest
from visage.stage import run


def main(raw: Path, photos: Path, boxes: Path, missed: Path) -> None:
    params, keys = load(DetectParams, "detect"), pd.read_csv(photos, dtype=str)["photo"].tolist()
    weights = weights_of(params)
    same = digest(params, source_digest("detectors"), file_digest(weights) if weights else "")

    def digests(some: list[str]) -> list[str]:
        return [
            digest(same, photo, data)
            for photo, data in zip(some, spread(lambda one: photo_digest(raw, one), some), strict=True)
        ]

    with Memo("detect") as memo:
        rows = remembering(memo, keys, digests, lambda new: find_faces(raw, new, params), chunk=512)
        found = pd.DataFrame(tqdm(rows, "detect", len(keys), unit=" photos"), columns=list(COLUMNS))
    found.to_csv(boxes, index=False)
    nobody = found.loc[found["source"] == "none", ["photo"]]
    nobody.to_csv(missed, index=False)
    print(f"{memo}. {len(nobody)} of {len(keys)} photos have no face; {missed} names them.")


if __name__ == "__main__":
    run(main)
