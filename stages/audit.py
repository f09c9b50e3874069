"""Rank the labels that the held-out models contradict; the rows can be pasted into labels.csv."""

from pathlib import Path

from visage.ensemble.label_issues import AuditParams, find_label_issues
from visage.formats.tables import read_answers, read_train_photos
from visage.formats.tasks import read_tasks
from visage.runtime.params import load
from visage.runtime.stage import run


def main(photos: Path, tasks: Path, answers: Path, issues: Path) -> None:
    params = load(AuditParams, "audit")
    rows = find_label_issues(read_train_photos(photos), read_answers(answers), read_tasks(tasks), params.share)
    rows.to_csv(issues, index=False)
    likely = rows[rows["confidence"].astype(float) > 0.5]
    print(f"{rows['source'].nunique()} doubted labels, of which {likely['source'].nunique()} are likely mistakes")


if __name__ == "__main__":
    run(main)
