"""Draw the practice set: portraits of people who do not exist, in the competition's layout, traps included."""

from pathlib import Path

from tqdm import tqdm

from visage.practice.practice_set import PracticeParams, write_practice
from visage.runtime.parallel import count_workers
from visage.runtime.params import load
from visage.runtime.stage import run


def main(raw: Path) -> None:
    params = load(PracticeParams, "practice")
    write_practice(raw, params, count_workers(), lambda chunks, total: tqdm(chunks, "practice", total, unit=" people"))


if __name__ == "__main__":
    run(main)
