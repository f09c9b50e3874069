"""Compute the matte of every crop: how much of each pixel is person. The crops stay as they are."""

from functools import partial
from pathlib import Path

from visage.faces.mattes import CutOutParams, MattingModel, make_matte_row
from visage.formats.shards import count_pictures, read_rows, write_shards
from visage.runtime.memo import Memo
from visage.runtime.parallel import map_threads
from visage.runtime.params import load
from visage.runtime.progress import track
from visage.runtime.stage import run


def main(crops: Path, mattes: Path) -> None:
    params = load(CutOutParams, "cut_out")
    if params.model == "none":
        write_shards(mattes, [], {})
        return
    model = MattingModel(params.model)
    with Memo("cut_out", params, model.digest, code="visage.faces.mattes") as memo:
        rows = memo.map(
            partial(map_threads, partial(make_matte_row, model)),
            read_rows(crops, ["photo", "image"]),
            key=lambda crop: [crop["photo"], crop["image"]],
        )
        write_shards(mattes, track(rows, "cut_out", count_pictures(crops), "photos"), {})
    print(f"{memo}.")


if __name__ == "__main__":
    run(main)
