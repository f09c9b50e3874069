"""Draw the portraits that both networks are trained on: alone and in crowds, with and without masks."""

from pathlib import Path

from common.drawing import DrawParams, draw_portraits
from common.portraits import write_portraits
from tqdm import tqdm

from visage.runtime.parallel import count_workers
from visage.runtime.params import load
from visage.runtime.stage import run


def main(portraits: Path) -> None:
    params = load(DrawParams, "draw")
    images = draw_portraits(params, count_workers())
    write_portraits(portraits, tqdm(images, "draw", params.people + params.crowds, unit=" portraits"))


if __name__ == "__main__":
    run(main)
