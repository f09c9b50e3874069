"""The lines of docs/own-data.md do what the page says: its YAML goes into params.yaml, small drawn sets are read."""

import re
import runpy
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import yaml

from tests.conftest import PROJECT
from visage.annotator.adoption import adopt_folder
from visage.formats.shards import read_rows
from visage.practice.people import sample_population
from visage.practice.portraits import Portrait, draw_portrait

PAGE = (PROJECT / "docs/own-data.md").read_text(encoding="utf-8")
KINDS = PAGE.partition("## Five kinds of photos, line by line")[2].partition("\n## ")[0].split("\n### ")[1:]
BLOCKS = {kind.splitlines()[0]: yaml.safe_load(re.search("```yaml\n(.*?)```", kind, re.S)[1]) for kind in KINDS}
TABLE = "A table with ages and genders"
PEOPLE = sample_population(4, 8)


def draw(number: int) -> Portrait:
    return draw_portrait(PEOPLE[number], "normal", np.random.default_rng(number))


def whole(portrait: Portrait) -> np.ndarray:
    return portrait.image


def close_up(portrait: Portrait) -> np.ndarray:
    """The face alone, 200 pixels square."""
    x0, y0, x1, y1 = np.round(portrait.box).astype(int)
    return cv2.resize(portrait.image[y0:y1, x0:x1], (200, 200), interpolation=cv2.INTER_AREA)


def whole_body(portrait: Portrait) -> np.ndarray:
    """The portrait small in a large photo: a face of about 50 pixels in 1,280."""
    photo = np.full((1280, 960, 3), 150, np.uint8)
    photo[100:300, 400:550] = cv2.resize(portrait.image, (150, 200), interpolation=cv2.INTER_AREA)
    return photo


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """An empty project with the bundled detector, as the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    shutil.copytree(PROJECT / "models/bundled", tmp_path / "models/bundled")
    return tmp_path


def write_params(*kinds: str) -> None:
    """params.yaml with the lines of the page, as it says: labels and tasks whole, of the other sections their keys."""
    params = yaml.safe_load((PROJECT / "params.yaml").read_text(encoding="utf-8"))
    for kind in kinds:
        for section, values in BLOCKS[kind].items():
            params[section] = values if section in ("labels", "tasks") else params[section] | values
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def write_photo(name: str, image: np.ndarray) -> None:
    Path("photos", name).parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(Path("photos", name)), image[..., ::-1])


def write_table(name: str, change: Callable[[Portrait], np.ndarray], train: int) -> None:
    """Two photos of each person; those after the first `train` people have no labels."""
    rows = []
    for number, person in enumerate(PEOPLE):
        for shot in range(2):
            photo, known = f"{number}/{shot}.jpg", number < train
            write_photo(photo, change(draw(number)))
            labels = (f"p{number}", person.age, person.gender) if known else ("", "", "")
            rows.append((photo, "train" if known else "eval", *labels))
    table = pd.DataFrame(rows, columns=["photo", "split", "person", "age", "gender"])
    table.to_csv(Path("photos", name), index=False)


def run(*stages: str) -> pd.DataFrame:
    """Adopt the folder `photos` and run stages as dvc.yaml calls them; data/photos.csv as a table of texts."""
    adopt_folder("mine", Path("photos"), Path("data/raw"), Path("data/manual"))
    pipeline = yaml.safe_load((PROJECT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for stage in stages:
        _, script, *paths = shlex.split(pipeline[stage]["cmd"].replace("${data.name}", "mine"))
        for path in map(Path, paths):
            path.parent.mkdir(parents=True, exist_ok=True)  # DVC makes the folders of outputs
        runpy.run_path(str(PROJECT / script))["main"](*map(Path, paths))
    return pd.read_csv("data/photos.csv", dtype=str, keep_default_na=False)


def test_every_kind_of_photos_on_the_page_is_tried_here():
    assert list(BLOCKS) == [TABLE, "Folders as classes", "Close-ups", "Whole bodies", "Photos without labels"]


def test_a_table_with_ages_and_genders(project):
    write_table("people.csv", whole, train=8)
    write_params(TABLE)
    photos = run("index", "split", "resolve")
    assert (photos["gender"] == [PEOPLE[int(name[0])].gender for name in photos["photo"]]).all()
    folds = pd.read_csv("data/folds.csv").set_index("person")["fold"]
    assert sorted(folds.index) == [f"p{number}" for number in range(8)] and folds.nunique() == 3


def test_folders_as_classes(project):
    for number in range(6):
        write_photo(f"{('serious', 'smiling')[number % 2]}/{number}.jpg", draw(number).image)
    write_photo("eval/7.jpg", draw(7).image)
    write_params("Folders as classes")
    photos = run("index", "split", "resolve").set_index("photo")
    assert photos.loc["smiling/1.jpg", "mood"] == "smiling" and photos.loc["serious/0.jpg", "split"] == "train"
    assert photos.loc["eval/7.jpg", ["split", "mood"]].tolist() == ["eval", ""]


def test_close_ups_are_cropped_without_what_lies_outside_of_them(project):
    write_table("people.csv", close_up, train=8)
    write_params(TABLE, "Close-ups")
    run("index", "split", "detect", "crop")
    crops = pd.DataFrame(read_rows(Path("data/crops")))
    assert len(crops) == 16
    assert crops["outside"].median() < 0.02 and set(crops["width"] / crops["height"]) == {1}


def test_faces_of_whole_bodies_are_found(project):
    write_table("people.csv", whole_body, train=8)
    write_params(TABLE, "Whole bodies")
    run("index", "split", "detect", "crop")
    crops = pd.DataFrame(read_rows(Path("data/crops")))
    assert len(crops) >= 15 and set(crops["by"]) == {"detector"}
    assert ((crops["y1"] - crops["y0"]) < 200).all()


def test_photos_without_labels_are_answered_beside_others(project):
    write_table("all.csv", whole, train=6)
    write_params("Photos without labels")
    photos = run("index", "split", "resolve")
    assert (photos["split"] == "eval").sum() == 4
    assert photos.loc[photos["split"] == "eval", ["gender", "age"]].eq("").all(axis=None)
