"""Write the answers in the competition's form, checked; score them where the key is there."""

import json
from pathlib import Path

from visage.ensemble.submission import (
    NOTHING_TO_ANSWER,
    compare_counts,
    fill_form,
    read_form,
    score_key,
    write_submission,
)
from visage.formats.tables import read_answers, read_photos
from visage.formats.tasks import read_tasks
from visage.runtime.stage import run


def main(answers: Path, photos: Path, tasks_file: Path, raw: Path, submission: Path, key: Path) -> None:
    tasks, table = read_tasks(tasks_file), read_photos(photos)
    form, form_file = read_form(raw, table)
    rows = fill_form(read_answers(answers), form, tasks, file=form_file)
    scores = score_key(raw, rows, tasks)
    write_submission(submission, rows)
    key.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    if rows.empty:
        print(NOTHING_TO_ANSWER)
        return
    print(compare_counts(rows, table, tasks))
    print(f"joint macro F1 on the key: {scores['joint']['macro_f1']:.4f}" if "joint" in scores else scores["reason"])


if __name__ == "__main__":
    run(main)
