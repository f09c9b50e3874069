"""Draw the practice set: portraits of people who do not exist, in the competition's layout, traps included."""

from pathlib import Path

from tqdm import tqdm

from visage.crew import workers
from visage.params import load
from visage.practice_set import PracticeParams, write_practice
from visage.stage import run


def main(raw: Path) -> None:
    params = load(PracticeParams, "practice")
    write_practice(raw, params, workers(), lambda done, total: tqdm(done, "practice", total, unit=" people"))


if __name__ == "__main__":
    run(main)
