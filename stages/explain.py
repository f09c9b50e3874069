"""Where the networks look, on people they never saw, and what blanking a part of the face costs."""

import json
from pathlib import Path

import numpy as np

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
from visage.runtime.progress import track
from visage.runtime.stage import run


def main(
    photos: Path, tasks: Path, folds: Path, crops: Path, mattes: Path, models: Path,
    single: Path, metrics: Path, plots: Path,
) -> None:  # fmt: skip
    params, table, people = load(ExplainParams, "explain"), read_photos(photos), read_folds(folds)
    task_list, device, scores = read_tasks(tasks), select_device(), {}
    with (
        Memo("explain", code="visage.explain.explanations") as memo,
        replace_folder(plots) as mean_sheets,
        replace_folder(single) as single_sheets,
    ):
        for task in track(task_list, "explain", len(task_list), "tasks"):
            files = list_checkpoints(models / f"{task.name}-{params.member}")
            preprocessing = read_card(files[0]).recipe.preprocessing
            sample = sample_photos(table, people, task, params.photos, params.seed)
            region_maps = read_regions(crops, mattes, set(sample["photo"]), preprocessing)
            images = read_images(crops, mattes, preprocessing, photos=region_maps)
            rows = images.rows[["photo"]].merge(sample, on="photo")
            regions, codes = np.stack([region_maps[photo] for photo in rows["photo"]]), rows["code"].to_numpy()
            attributions = compute_attributions(
                files, task.name, images, regions, rows, params.steps, memo, device=device
            )
            scores[task.name] = summarise(attributions, regions, codes, task)
            for folder, single_people in ((mean_sheets, False), (single_sheets, True)):
                sheet = draw_attribution_sheet(
                    images.pixels, attributions, codes, task.classes, single_people=single_people
                )
                (folder / f"{task.name}.png").write_bytes(encode_image(sheet, ".png"))
    metrics.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    print(f"{memo}.")


if __name__ == "__main__":
    run(main)
