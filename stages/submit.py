"""Write the answers in the competition's form, checked; score them where the key is there."""

import json
from pathlib import Path

import pandas as pd

from visage.labels import read_tasks
from visage.stage import run
from visage.submissions import compare_counts, fill_in, read_form, score_key, write_submission


def main(answers: Path, photos: Path, tasks: Path, raw: Path, submission: Path, key: Path) -> None:
    known, table = read_tasks(tasks), pd.read_csv(photos, dtype=str, keep_default_na=False)
    wanted, form = read_form(raw, table)
    filled = fill_in(pd.read_csv(answers, dtype=str, keep_default_na=False), wanted, known, form=form)
    scores = score_key(raw, filled, known)
    write_submission(submission, filled)
    key.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    print(compare_counts(filled, table, known))
    print(f"joint macro F1 on the key: {scores['joint']['macro_f1']:.4f}" if "joint" in scores else scores["reason"])


if __name__ == "__main__":
    run(main)
