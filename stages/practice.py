"""Draw the practice set: portraits of people who do not exist, in the competition's layout, traps included."""

from pathlib import Path

from visage.practice.practice_set import PracticeParams, draw_people, write_practice
from visage.runtime.memo import Memo
from visage.runtime.parallel import count_workers
from visage.runtime.params import load
from visage.runtime.progress import track
from visage.runtime.stage import run


def main(raw: Path) -> None:
    params = load(PracticeParams, "practice")
    with Memo("practice", code="visage.practice.practice_set") as memo:
        people = draw_people(params, memo, count_workers())
        write_practice(raw, params, track(people, "practice", params.train_people + params.eval_people, "people"))
    print(f"{memo}.")


if __name__ == "__main__":
    run(main)
