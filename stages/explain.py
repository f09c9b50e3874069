"""Where the networks look, on people they never saw, and what blanking a part of the face costs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from visage.albums import read_album
from visage.checkpoints import read_card
from visage.crew import device
from visage.explanations import ExplainParams, choose, gaze, read_regions, summary
from visage.labels import read_tasks
from visage.params import load
from visage.pictures import encode
from visage.predictions import fold_files, look_of
from visage.sheets import ReportParams, sheet
from visage.stage import run


def main(
    photos: Path, tasks: Path, folds: Path, crops: Path, mattes: Path, models: Path, plots: Path, metrics: Path
) -> None:
    params, faces = load(ExplainParams, "explain"), load(ReportParams, "report").faces
    table, people = (pd.read_csv(file, dtype={"person": str}, keep_default_na=False) for file in (photos, folds))
    found = {}
    shutil.rmtree(plots, ignore_errors=True)
    plots.mkdir(parents=True)
    for task in tqdm(read_tasks(tasks), "explain", unit=" tasks"):
        files = fold_files(models / f"{task.name}-{params.member}")
        look = look_of(read_card(files[0]).recipe)
        rows = choose(table, people, task, params.photos, params.seed)
        known = read_regions(crops, mattes, set(rows["photo"]), look)
        album = read_album(crops, mattes, look, wanted=known)
        rows = album.rows[["photo"]].merge(rows, on="photo")
        regions = np.stack([known[photo] for photo in rows["photo"]])
        seen = gaze(files, task.name, album.pixels, regions, rows, params.steps, device())
        found[task.name] = summary(seen, regions, rows["code"].to_numpy(), task)
        picture = sheet(album.pixels, seen.cam, seen.fine, rows["code"].to_numpy(), task.classes, people=faces)
        (plots / f"{task.name}.png").write_bytes(encode(picture, ".png"))
    metrics.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(main)
