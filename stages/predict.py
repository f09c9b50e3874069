"""Ask every fold's network about the people it never saw, and about the photos to answer."""

from pathlib import Path

import pandas as pd
from tqdm import tqdm

from visage.albums import read_album
from visage.checkpoints import read_card
from visage.crew import device
from visage.params import load
from visage.predictions import PredictParams, fold_files, look_of, predict
from visage.stage import run


def main(
    task: Path, member: Path, photos: Path, folds: Path, crops: Path, mattes: Path, models: Path, out: Path
) -> None:
    params, files = load(PredictParams, "predict"), fold_files(models)
    table, people = (pd.read_csv(file, dtype={"person": str}, keep_default_na=False) for file in (photos, folds))
    album = read_album(crops, mattes, look_of(read_card(files[0]).recipe))
    said = predict(files, str(task), album, table, people, tta=params.tta, device=device())
    rows = pd.concat(tqdm(said, f"{task} {member}", len(files), unit=" folds"))
    out.parent.mkdir(parents=True, exist_ok=True)
    rows.to_parquet(out, index=False)


if __name__ == "__main__":
    run(main)
