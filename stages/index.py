"""Read the raw folder and the hand-made label corrections into one checked table. No photo is ever rewritten."""

import json
from pathlib import Path

from tqdm import tqdm

from visage.crew import spread
from visage.labels import load_tasks, read_fixes, write_tasks
from visage.layouts import IndexParams, read_layout
from visage.params import load
from visage.recipes import TrainParams
from visage.roll import call_roll, measured
from visage.stage import run


def main(raw: Path, fixes: Path, photos: Path, tasks_file: Path, rejected: Path, counts: Path) -> None:
    params, tasks = load(IndexParams, "index"), load_tasks(TrainParams)
    listed, problems = read_layout(raw, params)
    sizes = tqdm(spread(measured(raw), listed["photo"], ahead=64), "index", len(listed), unit=" photos")
    roll = call_roll(listed, list(sizes), problems, tasks, read_fixes(fixes), params, fixes_file=fixes)
    for folder in {out.parent for out in (photos, tasks_file, rejected, counts)}:
        folder.mkdir(parents=True, exist_ok=True)  # a fresh clone has none yet
    write_tasks(tasks_file, tasks)
    roll.photos.to_csv(photos, index=False)
    roll.rejected.to_csv(rejected, index=False)
    counts.write_text(json.dumps(roll.counts, indent=1) + "\n")


if __name__ == "__main__":
    run(main)
