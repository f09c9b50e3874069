"""Tell how much of each pixel of a crop is person. The crop itself stays as it is."""

from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from visage.crew import spread
from visage.mattes import CutOutParams, Matter, matte_row
from visage.memo import Memo, digest, remembering, source_digest
from visage.params import load
from visage.pictures import count_pictures, read_pictures, write_pictures
from visage.stage import run


def main(crops: Path, mattes: Path) -> None:
    model = load(CutOutParams, "cut_out").model
    rows = [] if model == "none" else matted(crops, model)
    total = 0 if model == "none" else count_pictures(crops)
    write_pictures(mattes, tqdm(rows, "cut_out", total, unit=" photos"), {})


def matted(crops: Path, model: str) -> Iterator[dict]:
    """The mattes of one shard of crops after another."""
    matter = Matter(model)
    same = digest(model, matter.digest, source_digest("mattes"))
    with Memo("cut_out") as memo:
        for table in read_pictures(crops, ["photo", "image"]):
            yield from remembering(
                memo,
                table.to_pylist(),
                lambda some: [digest(same, crop["photo"], crop["image"]) for crop in some],
                lambda new: spread(lambda crop: matte_row(matter, crop), new),
            )
    print(f"\n{memo}.")


if __name__ == "__main__":
    run(main)
