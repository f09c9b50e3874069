"""Draw the practice set: portraits of people who do not exist, in the competition's layout, traps included."""

from pathlib import Path

from visage.practice.practice_set import PracticeParams, write_practice
from visage.runtime.parallel import count_workers
from visage.runtime.params import load
from visage.runtime.progress import track
from visage.runtime.stage import run


def main(raw: Path) -> None:
    params = load(PracticeParams, "practice")
    write_practice(raw, params, count_workers(), lambda chunks, total: track(chunks, "practice", total, "people"))


if __name__ == "__main__":
    run(main)
