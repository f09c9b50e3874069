"""Read the raw folder and the label corrections into one checked table. No photo is ever rewritten."""

import json
from pathlib import Path

from visage.formats.labels import load_tasks
from visage.formats.tasks import write_tasks
from visage.index.corrections import read_corrections
from visage.index.layouts import IndexParams, read_layout
from visage.index.photo_table import build_photo_table, size_reader
from visage.runtime.parallel import map_threads
from visage.runtime.params import load
from visage.runtime.progress import track
from visage.runtime.stage import run


def main(
    raw: Path, labels: Path, photos: Path, original: Path, groups: Path, tasks_file: Path, rejected: Path, counts: Path
) -> None:  # fmt: skip
    params, tasks, corrections = load(IndexParams, "index"), load_tasks(), read_corrections(labels)
    listed_photos, problems = read_layout(raw, params)
    sizes = map_threads(size_reader(raw), listed_photos["photo"], ahead=64)
    sizes = list(track(sizes, "index", len(listed_photos), "photos"))
    table = build_photo_table(listed_photos, sizes, problems, tasks, corrections, params, corrections_file=labels)
    for folder in {out.parent for out in (photos, original, groups, tasks_file, rejected, counts)}:
        folder.mkdir(parents=True, exist_ok=True)  # a fresh clone has none yet
    write_tasks(tasks_file, tasks)
    table.photos.to_csv(photos, index=False)
    table.original.to_csv(original, index=False)
    table.groups.to_csv(groups, index=False)
    table.rejected.to_csv(rejected, index=False)
    counts.write_text(json.dumps(table.counts, indent=1) + "\n")


if __name__ == "__main__":
    run(main)
