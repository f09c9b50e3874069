"""The stage `crop` on a few tight photos: what it says, and what it leaves."""

import runpy

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.conftest import PROJECT, picture
from visage.faces.crop_sheet import ACROSS, BAND, GAP, HEIGHT, choose_examples
from visage.formats.columns import CORNERS, LANDMARKS, MANUAL_BOX_COLUMNS
from visage.formats.photos import read_photo
from visage.formats.shards import read_rows

COUNT = 40


@pytest.fixture
def crop(project):
    """Runs the stage on photos of one colour, 60 x 60, whose faces are as large as they are."""
    for n in range(COUNT):
        picture(project / f"raw/{n:02d}.png", (6 * n, 90, 200 - 5 * n), (60, 60))
    keys = [f"{n:02d}.png" for n in range(COUNT)]
    photos = pd.DataFrame({"photo": keys, "split": "train", "person": "", "width": 60, "height": 60})
    photos.to_csv("photos.csv", index=False)
    values = dict.fromkeys(LANDMARKS) | {"score": 0.9, "faces": 1, "source": "detector"}
    for n, side in enumerate(np.linspace(50, 60, COUNT)):
        box = dict(zip(CORNERS, [0, 0, side, side], strict=True))
        photos.loc[n, ["photo", *box, *values]] = [keys[n], *box.values(), *values.values()]
    photos.drop(columns=["split", "person", "width", "height"]).to_csv("boxes.csv", index=False)
    (project / "manual.csv").write_text(",".join(MANUAL_BOX_COLUMNS) + "\n")
    main = runpy.run_path(str(PROJECT / "stages/crop.py"))["main"]

    def run(**changes):
        params = yaml.safe_load((PROJECT / "params.yaml").read_text())["crop"] | {"size": 32} | changes
        (project / "params.yaml").write_text(yaml.safe_dump({"crop": params}))
        main(*(project / name for name in ("raw", "photos.csv", "boxes.csv", "manual.csv", "crops", "sheets")))
        return list(read_rows(project / "crops"))

    return run


def test_the_shards_say_how_much_of_each_crop_is_outside(crop, capsys):
    rows = crop(margin=0.25, shape="square")
    shares = {row["photo"]: row["outside"] for row in rows}
    assert shares["00.png"] == pytest.approx(1 - (60 / 75) ** 2, abs=1e-3)
    assert shares["39.png"] == pytest.approx(1 - (60 / 90) ** 2, abs=1e-3)
    assert (
        f"{np.median(list(shares.values())):.0%} of its area outside its photo; it would be" in capsys.readouterr().out
    )


def test_auto_takes_one_margin_for_all_and_says_so(crop, capsys):
    rows = crop(margin="auto", shape="square")
    assert {row["margin"] for row in rows} == {0} and max(row["outside"] for row in rows) == 0
    assert "crop.margin: auto is 0." in capsys.readouterr().out


def test_the_contact_sheet_shows_the_worst_first_and_others_after_them(crop, project):
    crop(margin=0.25, shape="square")
    worst, others = choose_examples(project / "crops")
    assert worst == [f"{n:02d}.png" for n in range(39, 23, -1)]
    assert len(others) == 16 and not set(worst) & set(others)
    sheet = read_photo(project / "sheets", "crops.png")
    assert sheet.shape == (4 * (HEIGHT + BAND), ACROSS * (HEIGHT + GAP), 3)
    assert np.abs(sheet[HEIGHT // 2, HEIGHT // 2] - np.array([6 * 39, 90, 5])).max() < 12


def test_a_set_without_crops_gives_an_empty_sheet(crop, project):
    boxes = pd.read_csv("boxes.csv")
    boxes.assign(x0=np.nan, y0=np.nan, x1=np.nan, y1=np.nan).to_csv("boxes.csv", index=False)
    assert crop(missing="drop") == []
    assert (read_photo(project / "sheets", "crops.png") == 255).all()
