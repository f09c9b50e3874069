"""Rank the labels that the held-out models doubt; the rows can be pasted into labels.csv."""

from pathlib import Path

from visage.ensemble.label_issues import AuditParams, find_label_issues
from visage.formats.tables import read_answers, read_train_photos
from visage.formats.tasks import read_tasks
from visage.runtime.params import load
from visage.runtime.stage import run


def main(photos: Path, tasks: Path, answers: Path, doubts: Path) -> None:
    params = load(AuditParams, "audit")
    issues = find_label_issues(read_train_photos(photos), read_answers(answers), read_tasks(tasks), params.share)
    issues.to_csv(doubts, index=False)
    likely = issues[issues["confidence"].astype(float) > 0.5]
    print(f"{issues['source'].nunique()} doubts, of which {likely['source'].nunique()} are likely mistakes")


if __name__ == "__main__":
    run(main)
