"""Train one task with one member's recipe, in all folds. A finished fold is remembered by what it was made of."""

from pathlib import Path

import pandas as pd
from tqdm import tqdm

from visage.formats.tables import read_folds, read_photos, read_text_table
from visage.formats.tasks import read_tasks
from visage.learning.cross_validation import cross_validate
from visage.learning.dataset import build_dataset
from visage.networks.checkpoints import write_checkpoints
from visage.networks.images import read_images, read_transplant_images
from visage.networks.recipe import load_recipe
from visage.runtime.memo import Memo
from visage.runtime.parallel import select_device
from visage.runtime.stage import run


def main(task: Path, member: Path, photos: Path, tasks: Path, folds: Path, *pictures_and_outs: Path) -> None:
    crops, mattes, transplants, *pseudo, models, curve = pictures_and_outs
    recipe, table = load_recipe(str(task), str(member)), read_photos(photos)
    learnt = [one for one in read_tasks(tasks) if recipe.joint or one.name == str(task)]
    extra = read_text_table(pseudo[0]).astype({"fold": int}) if pseudo else None
    wanted = [*table.loc[table["split"] == "train", "photo"], *(extra["photo"] if pseudo else [])]
    images = read_images(crops, mattes, recipe.preprocessing, wanted=wanted)
    made = read_transplant_images(transplants, recipe.preprocessing, learnt)
    dataset = build_dataset(table, read_folds(folds), learnt, images, made, extra)
    with (
        Memo("train", code="visage.learning.cross_validation") as memo,
        tqdm(None, f"{task} {member}", len(dataset.folds) * recipe.epochs, unit=" epochs") as bar,
    ):

        def show(row: dict) -> None:
            bar.update(row["split"] == "train")
            bar.set_postfix_str("fold {fold} {split} loss {loss:.3f} f1 {macro_f1:.3f}".format(**row))

        rows = write_checkpoints(models, cross_validate(dataset, recipe, memo, device=select_device(), on_epoch=show))
    curve.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(curve, index=False, float_format="%.5g")


if __name__ == "__main__":
    run(main)
