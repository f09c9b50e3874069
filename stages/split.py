"""Put people, never photos, into folds, stratified by the labels as they came: a correction moves nobody."""

from pathlib import Path

from visage.formats.tables import read_text_table
from visage.formats.tasks import class_codes, joint_codes, read_tasks
from visage.index.folds import SplitParams, split_people
from visage.runtime.params import load
from visage.runtime.stage import run


def main(original: Path, tasks_file: Path, folds: Path) -> None:
    params, tasks, table = load(SplitParams, "split"), read_tasks(tasks_file), read_text_table(original)
    joint = joint_codes([class_codes(table[task.name], task) for task in tasks], tasks)
    people = split_people(table["person"], joint, params)
    people.to_frame().to_csv(folds)
    sizes = people.value_counts()
    print(f"{len(people)} people in {params.folds} folds of {sizes.min()} to {sizes.max()}")


if __name__ == "__main__":
    run(main)
