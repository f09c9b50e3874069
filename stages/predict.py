"""Predict with every fold's network: the people it never saw, and the photos to answer."""

from pathlib import Path

import pandas as pd

from visage.formats.tables import read_folds, read_photos
from visage.inference import PredictParams, list_checkpoints, predict
from visage.networks.checkpoints import read_card
from visage.networks.images import read_images
from visage.runtime.memo import Memo
from visage.runtime.parallel import select_device
from visage.runtime.params import load
from visage.runtime.progress import track
from visage.runtime.stage import run


def main(
    task: Path, member: Path, photos: Path, folds: Path, crops: Path, mattes: Path, models: Path, predictions: Path
) -> None:
    params, files = load(PredictParams, "predict"), list_checkpoints(models)
    images = read_images(crops, mattes, read_card(files[0]).recipe.preprocessing)
    table, people, device = read_photos(photos), read_folds(folds), select_device()
    with Memo("predict", params, code="visage.inference") as memo:
        tables = predict(files, str(task), images, table, people, memo, tta=params.tta, device=device)
        rows = pd.concat(track(tables, f"predict {task} {member}", len(files), "folds"))
    predictions.parent.mkdir(parents=True, exist_ok=True)
    rows.to_parquet(predictions, index=False)
    print(f"{memo}.")


if __name__ == "__main__":
    run(main)
