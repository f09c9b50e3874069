"""Draw the portraits that both networks are trained on: alone and in crowds, with and without masks."""

from pathlib import Path

from common.drawing import DrawParams, draw_portraits
from common.portraits import write_portraits
from visage.runtime.parallel import count_workers
from visage.runtime.params import load
from visage.runtime.progress import track
from visage.runtime.stage import run


def main(portraits: Path) -> None:
    params = load(DrawParams, "draw")
    images = draw_portraits(params, count_workers())
    write_portraits(portraits, track(images, "draw", params.people + params.crowds, "portraits"))


if __name__ == "__main__":
    run(main)
