"""Put people, never photos, into stratified folds."""

from pathlib import Path

import pandas as pd

from visage.folds import SplitParams, split_people
from visage.labels import codes, joint_code, read_tasks
from visage.params import load
from visage.stage import run


def main(photos: Path, tasks: Path, folds: Path) -> None:
    params = load(SplitParams, "split")
    tasks = read_tasks(tasks)
    table = pd.read_csv(photos, dtype=str, keep_default_na=False).query("split == 'train'")
    joint = joint_code([codes(table[task.name], task) for task in tasks], tasks)
    people = split_people(table["person"], joint, params)
    people.to_frame().to_csv(folds)
    sizes = people.value_counts()
    print(f"{len(people)} people in {params.folds} folds of {sizes.min()} to {sizes.max()}")


if __name__ == "__main__":
    run(main)
