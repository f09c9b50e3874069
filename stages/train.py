"""Train one task with one member's recipe, in all folds. A finished fold is remembered by what it was made of."""

from pathlib import Path

import pandas as pd

from visage.formats.tables import read_folds, read_photos, read_text_table
from visage.formats.tasks import read_tasks
from visage.learning.cross_validation import cross_validate
from visage.learning.curves import write_curves
from visage.learning.dataset import build_dataset
from visage.networks.checkpoints import write_checkpoints
from visage.networks.images import read_images, read_transplant_images
from visage.networks.recipe import read_recipe
from visage.runtime.memo import Memo
from visage.runtime.parallel import select_device
from visage.runtime.progress import Progress
from visage.runtime.stage import run


def main(recipe_file: Path, photos: Path, tasks: Path, folds: Path, *pictures_and_outs: Path) -> None:
    crops, mattes, transplants, *pseudo, models, curves, plots = pictures_and_outs
    (task, member, recipe), table = read_recipe(recipe_file), read_photos(photos)
    own_tasks = [entry for entry in read_tasks(tasks) if recipe.joint or entry.name == task]
    pseudo_labels = read_text_table(pseudo[0]).astype({"fold": int}) if pseudo else None
    keys = [*table.loc[table["split"] == "train", "photo"], *(pseudo_labels["photo"] if pseudo else [])]
    images = read_images(crops, mattes, recipe.preprocessing, photos=keys)
    grafts = read_transplant_images(transplants, recipe.preprocessing, own_tasks) if recipe.transplants else None
    dataset = build_dataset(table, read_folds(folds), own_tasks, images, grafts, pseudo_labels)
    with (
        Memo("train", code="visage.learning.cross_validation") as memo,
        Progress(f"train {task} {member}", len(dataset.folds) * recipe.epochs, "epochs") as progress,
    ):
        curve: list[dict] = []

        def show(row: dict) -> None:
            curve.append(row)
            write_curves(plots, curve)
            note = "fold {fold} {split} loss {loss:.3f} f1 {macro_f1:.3f}".format(**row)
            progress.update(int(row["split"] == "train"), note)

        rows = write_checkpoints(models, cross_validate(dataset, recipe, memo, device=select_device(), on_epoch=show))
    write_curves(plots, rows)
    curves.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(curves, index=False, float_format="%.5g")
    print(f"{memo}.")


if __name__ == "__main__":
    run(main)
