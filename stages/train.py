"""Learn one task with one member's recipe, in all folds. A finished fold is remembered by what it was made of."""

from pathlib import Path

import pandas as pd
from tqdm import tqdm

from visage.albums import read_album, read_transplants
from visage.checkpoints import write_checkpoints
from visage.courses import course
from visage.crew import device
from visage.labels import read_tasks
from visage.lessons import learn_folds
from visage.memo import Memo
from visage.predictions import look_of
from visage.recipes import load_recipe
from visage.stage import run


def main(task: Path, member: Path, photos: Path, tasks: Path, folds: Path, *pictures_and_outs: Path) -> None:
    crops, mattes, made, *pseudo, models, curve = pictures_and_outs
    recipe = load_recipe(str(task), str(member))
    learnt = [one for one in read_tasks(tasks) if recipe.joint or one.name == str(task)]
    table, people = (pd.read_csv(file, dtype={"person": str}, keep_default_na=False) for file in (photos, folds))
    extra = pd.read_csv(pseudo[0], keep_default_na=False) if pseudo else None
    wanted = [*table.loc[table["split"] == "train", "photo"], *(extra["photo"] if pseudo else [])]
    album = read_album(crops, mattes, look_of(recipe), wanted=wanted)
    lessons = course(table, people, learnt, album, read_transplants(made, look_of(recipe), learnt), extra)
    with (
        Memo("train") as memo,
        tqdm(None, f"{task} {member}", len(lessons.folds) * recipe.epochs, unit=" epochs") as bar,
    ):

        def told(row: dict) -> None:
            bar.update(row["split"] == "train")
            bar.set_postfix_str("fold {fold} {split} loss {loss:.3f} f1 {macro_f1:.3f}".format(**row))

        rows = write_checkpoints(models, learn_folds(lessons, recipe, memo, device=device(), told=told))
    curve.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(curve, index=False, float_format="%.5g")


if __name__ == "__main__":
    run(main)
