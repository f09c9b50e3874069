"""Predict with every fold's network: the people it never saw, and the photos to answer."""

from pathlib import Path

import pandas as pd
from tqdm import tqdm

from visage.formats.tables import read_folds, read_photos
from visage.inference import PredictParams, list_checkpoints, predict
from visage.networks.checkpoints import read_card
from visage.networks.images import read_images
from visage.runtime.memo import Memo
from visage.runtime.parallel import select_device
from visage.runtime.params import load
from visage.runtime.stage import run


def main(
    task: Path, member: Path, photos: Path, folds: Path, crops: Path, mattes: Path, models: Path, out: Path
) -> None:
    params, files = load(PredictParams, "predict"), list_checkpoints(models)
    images = read_images(crops, mattes, read_card(files[0]).recipe.preprocessing)
    with Memo("predict", params, code="visage.inference") as memo:
        tables = predict(
            files,
            str(task),
            images,
            read_photos(photos),
            read_folds(folds),
            memo,
            tta=params.tta,
            device=select_device(),
        )
        rows = pd.concat(tqdm(tables, f"{task} {member}", len(files), unit=" folds"))
    out.parent.mkdir(parents=True, exist_ok=True)
    rows.to_parquet(out, index=False)
    print(f"{memo}.")


if __name__ == "__main__":
    run(main)
