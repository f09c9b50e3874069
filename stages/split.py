"""Put people, never photos, into stratified folds."""

from pathlib import Path

from visage.formats.tables import read_train_photos
from visage.formats.tasks import class_codes, joint_codes, read_tasks
from visage.index.folds import SplitParams, split_people
from visage.runtime.params import load
from visage.runtime.stage import run


def main(photos: Path, tasks_file: Path, folds: Path) -> None:
    params, tasks, table = load(SplitParams, "split"), read_tasks(tasks_file), read_train_photos(photos)
    joint = joint_codes([class_codes(table[task.name], task) for task in tasks], tasks)
    people = split_people(table["person"], joint, params)
    people.to_frame().to_csv(folds)
    sizes = people.value_counts()
    print(f"{len(people)} people in {params.folds} folds of {sizes.min()} to {sizes.max()}")


if __name__ == "__main__":
    run(main)
