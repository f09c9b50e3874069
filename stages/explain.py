"""Where the networks look, on people they never saw, and what blanking a part of the face costs."""

import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from visage.explain.contact_sheets import draw_attribution_sheet
from visage.explain.explanations import ExplainParams, compute_attributions, read_regions, sample_photos, summarise
from visage.formats.shards import encode_image
from visage.formats.tables import read_folds, read_photos
from visage.formats.tasks import read_tasks
from visage.inference import list_checkpoints
from visage.networks.checkpoints import read_card
from visage.networks.images import read_images
from visage.runtime.files import replace_folder
from visage.runtime.memo import Memo
from visage.runtime.parallel import select_device
from visage.runtime.params import load
from visage.runtime.stage import run


def main(
    photos: Path, tasks: Path, folds: Path, crops: Path, mattes: Path, models: Path,
    single: Path, plots: Path, metrics: Path,
) -> None:  # fmt: skip
    params, table, people, scores = load(ExplainParams, "explain"), read_photos(photos), read_folds(folds), {}
    with (
        Memo("explain", code="visage.explain.explanations") as memo,
        replace_folder(plots) as mean_sheets,
        replace_folder(single) as single_sheets,
    ):
        for task in tqdm(read_tasks(tasks), "explain", unit=" tasks"):
            files = list_checkpoints(models / f"{task.name}-{params.member}")
            preprocessing = read_card(files[0]).recipe.preprocessing
            rows = sample_photos(table, people, task, params.photos, params.seed)
            known = read_regions(crops, mattes, set(rows["photo"]), preprocessing)
            images = read_images(crops, mattes, preprocessing, wanted=known)
            rows = images.rows[["photo"]].merge(rows, on="photo")
            regions, codes = np.stack([known[photo] for photo in rows["photo"]]), rows["code"].to_numpy()
            found = compute_attributions(
                files, task.name, images, regions, rows, params.steps, memo, device=select_device()
            )
            scores[task.name] = summarise(found, regions, codes, task)
            for folder, people_too in ((mean_sheets, False), (single_sheets, True)):
                sheet = draw_attribution_sheet(images.pixels, found, codes, task.classes, single_people=people_too)
                (folder / f"{task.name}.png").write_bytes(encode_image(sheet, ".png"))
    metrics.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    print(f"{memo}.")


if __name__ == "__main__":
    run(main)
