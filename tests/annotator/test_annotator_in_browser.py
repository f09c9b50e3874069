"""The annotator in a real browser, used by mouse and keyboard as a person does."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.browser import foreign_requests, open_browser, start_chromium, wait_for  # noqa: F401 - two are fixtures
from tests.test_repro import enter, repro, row_counts, small_project
from visage.faces.boxes import choose_boxes, read_manual_boxes
from visage.formats.columns import CORNERS, LANDMARKS

pytestmark = pytest.mark.slow

SIZES = {"a/1.jpg": (384, 512), "a/2.jpg": (384, 512), "b/1.jpg": (1000, 700), "b/2.jpg": (200, 300)}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Four photos of which three have no face yet; two labels are doubted."""
    rows = []
    for photo, (width, height) in SIZES.items():
        file = tmp_path / "data/raw/tiny" / photo
        file.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(0).integers(0, 255, (height // 20, width // 20, 3), np.uint8)
        Image.fromarray(noise).resize((width, height)).save(file)
        rows.append(f"{photo},{photo[0]},{width},{height},worn,male")
    write(tmp_path / "data/photos.csv", "photo,person,width,height,mask,gender", *rows)
    write(tmp_path / "metrics/missed.csv", "photo", *list(SIZES)[:3])
    write(
        tmp_path / "metrics/doubts.csv",
        "person,photo,field,value,confidence,source,note",
        "b,,gender,female,0.9,audit: person 1,given male; models female 0.97",
        ",a/1.jpg,mask,incorrect,0.8,audit: photo 2,given worn; models incorrect 0.80",
    )
    tasks = [{"name": "mask", "source": "mask", "classes": ["worn", "incorrect", "not worn"], "bins": []},
             {"name": "gender", "source": "gender", "classes": ["male", "female"], "bins": []}]  # fmt: skip
    (tmp_path / "data/tasks.json").write_text(json.dumps(tasks))
    return tmp_path


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


class Annotator:
    """`python -m visage annotate` as a person starts it."""

    def __init__(self, home: Path, port: int = 0, name: str = "tiny") -> None:
        command = [sys.executable, "-m", "visage", "annotate", name, "--quiet", "--port", str(port)]
        self.process = subprocess.Popen(command, cwd=home, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().split()[-1]
        self.port = int(self.address.split(":")[2].split("/")[0])

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def annotator(home: Path) -> Iterator[Annotator]:
    server = Annotator(home)
    yield server
    server.kill()


class Tab:
    """One tab of the annotator, used through mouse and keyboard."""

    def __init__(self, browser: Any, address: str | None = None) -> None:
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.keys import Keys

        self.browser, self.chains, self.keys = browser, ActionChains, Keys
        browser.switch_to.new_window("tab")
        self.handle = browser.current_window_handle
        if address:
            browser.get(address)
            self.ready()

    def run(self, script: str, *args: Any) -> Any:
        self.browser.switch_to.window(self.handle)
        return self.browser.execute_script(script, *args)

    def ready(self) -> "Tab":
        assert wait_for(lambda: self.run("return document.getElementById('stage').dataset.ready")), self.text("saved")
        return self

    def text(self, name: str) -> str:
        return self.run("return document.getElementById(arguments[0]).textContent", name)

    def click(self, name: str) -> None:
        self.run("")
        self.browser.find_element("id", name).click()

    def press(self, *keys: str) -> None:
        self.run("")
        self.chains(self.browser).send_keys(*keys).perform()

    def hold(self, key: str, press: str) -> None:
        self.run("")
        self.chains(self.browser).key_down(key).send_keys(press).key_up(key).perform()

    def zoom(self) -> float:
        return self.run("const i = document.querySelector('#stage img'); return i.clientWidth / i.naturalWidth")

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """From one point of the photo to another, both in its own pixels and scrolled into view."""
        scrolled = """const stage = document.getElementById('stage'); stage.scrollTo(arguments[0], arguments[1]);
            const at = stage.querySelector('img').getBoundingClientRect(); return [at.x, at.y]"""
        zoom = self.zoom()
        x, y = self.run(scrolled, start[0] * zoom - 30, start[1] * zoom - 30)
        points = [(round(x + px * zoom), round(y + py * zoom)) for px, py in (start, end)]
        mouse = self.chains(self.browser, duration=30)
        mouse.w3c_actions.pointer_action.move_to_location(*points[0]).pointer_down()
        mouse.w3c_actions.pointer_action.move_to_location(*[sum(p) // 2 for p in zip(*points, strict=True)])
        mouse.w3c_actions.pointer_action.move_to_location(*points[1]).pointer_up()
        mouse.perform()

    def type_box(self, *edges: float) -> None:
        for name, edge in zip(("x0", "y0", "x1", "y1"), edges, strict=True):
            self.run("const field = document.getElementById('box')[arguments[0]]; field.focus(); field.select()", name)
            self.press(str(edge))
        self.press(self.keys.ENTER)

    def saved(self) -> bool:
        return wait_for(lambda: self.text("saved") == "saved", 30)


def read_saved_boxes(home: Path) -> dict[str, list[float]]:
    file = home / "data/manual/tiny/boxes.csv"
    if not file.is_file():
        return {}
    with file.open(newline="") as rows:
        return {row["photo"]: [float(row[edge]) for edge in ("x0", "y0", "x1", "y1")] for row in csv.DictReader(rows)}


def wait_for_box(box: tuple[float, ...], photo: str, home: Path) -> bool:
    """Whether the file comes to hold that box, to within a pixel of the photo."""
    return wait_for(lambda: np.abs(np.subtract(read_saved_boxes(home).get(photo, [np.inf] * 4), box)).max() <= 1, 30)


@pytest.mark.parametrize("zoom, box", [(0.5, (40, 60, 300, 420)), (1, (51, 33, 251, 403)), (3, (100, 120, 210, 260))])
def test_a_box_drawn_with_the_mouse_lands_within_a_pixel_of_the_photo(browser, annotator, home, zoom, box):
    tab = Tab(browser, annotator.address)
    tab.run("fitted = false; scale(arguments[0])", zoom)
    tab.drag(box[:2], box[2:])
    assert wait_for_box(box, "a/1.jpg", home), read_saved_boxes(home)
    photos = pd.read_csv(home / "data/photos.csv")
    detected = pd.DataFrame(index=photos["photo"], columns=[*CORNERS, *LANDMARKS], dtype=float)
    chosen = choose_boxes(photos, detected, read_manual_boxes(home / "data/manual/tiny/boxes.csv", photos), "whole")
    assert chosen["by"].tolist() == ["hand", "whole", "whole", "whole"]  # as `crop` reads it


def test_a_drawn_box_is_moved_resized_drawn_anew_and_undone(browser, annotator, home):
    tab = Tab(browser, annotator.address)
    tab.run("fitted = false; scale(1)")
    tab.drag((100, 100), (200, 220))
    assert wait_for_box((100, 100, 200, 220), "a/1.jpg", home), read_saved_boxes(home)
    tab.drag((150, 150), (170, 140))  # begun inside: moves it
    assert wait_for_box((120, 90, 220, 210), "a/1.jpg", home), read_saved_boxes(home)
    tab.drag((220, 210), (250, 260))  # begun on a corner: resizes it
    assert wait_for_box((120, 90, 250, 260), "a/1.jpg", home), read_saved_boxes(home)
    tab.drag((20, 300), (90, 400))  # begun beside it: a new one takes its place
    assert wait_for_box((20, 300, 90, 400), "a/1.jpg", home), read_saved_boxes(home)
    tab.click("undo")
    assert wait_for_box((120, 90, 250, 260), "a/1.jpg", home), read_saved_boxes(home)
    tab.hold(tab.keys.CONTROL, "z")
    assert wait_for_box((120, 90, 220, 210), "a/1.jpg", home), read_saved_boxes(home)


def test_the_keyboard_alone_does_it(browser, annotator, home):
    tab = Tab(browser, annotator.address)
    tab.type_box(30, 40.5, 130, 140)
    assert wait_for_box((30, 40.5, 130, 140), "a/1.jpg", home) and tab.saved()
    assert "2 left" in tab.text("left")
    tab.run("document.activeElement.blur()")
    tab.press(tab.keys.ARROW_RIGHT)
    tab.hold(tab.keys.SHIFT, tab.keys.ARROW_DOWN)
    tab.hold(tab.keys.ALT, tab.keys.ARROW_LEFT)
    assert wait_for_box((31, 50.5, 130, 150), "a/1.jpg", home), read_saved_boxes(home)
    tab.press(tab.keys.PAGE_DOWN)
    assert wait_for(lambda: tab.run("return document.getElementById('stage').dataset.ready") == "a/2.jpg")
    tab.press("b")
    assert wait_for_box((96, 128, 288, 384), "a/2.jpg", home), read_saved_boxes(home)
    tab.run("document.activeElement.blur()")
    tab.press(tab.keys.DELETE)
    assert wait_for(lambda: "a/2.jpg" not in read_saved_boxes(home))
    tab.hold(tab.keys.CONTROL, "z")
    assert wait_for_box((96, 128, 288, 384), "a/2.jpg", home), read_saved_boxes(home)


def test_a_box_survives_reload_and_a_box_beyond_the_photo_is_cut_to_it(browser, annotator, home):
    tab = Tab(browser, annotator.address)
    tab.type_box(300, 40, 9999, 140)
    assert wait_for_box((300, 40, 384, 140), "a/1.jpg", home) and tab.saved()
    tab.browser.refresh()
    tab.ready()
    tab.press(tab.keys.PAGE_UP)
    assert wait_for(lambda: tab.run("return document.getElementById('box').x1.value") == "384")


def test_two_tabs_lose_nothing_and_the_later_one_is_asked(browser, annotator, home):
    first, second = Tab(browser, annotator.address), Tab(browser, annotator.address)
    first.type_box(10, 10, 50, 50)
    assert wait_for_box((10, 10, 50, 50), "a/1.jpg", home)
    second.run("setBox([20, 20, 90, 90])")  # has not seen what the first tab drew
    assert wait_for(lambda: not second.run("return document.getElementById('conflict').hidden"))
    assert read_saved_boxes(home)["a/1.jpg"] == [10, 10, 50, 50]
    second.press(second.keys.PAGE_DOWN)
    second.ready()
    assert wait_for(lambda: second.text("title") == "a/2.jpg")
    second.type_box(1, 2, 60, 70)
    assert wait_for_box((1, 2, 60, 70), "a/2.jpg", home) and read_saved_boxes(home)["a/1.jpg"] == [10, 10, 50, 50]
    first.run("setBox([11, 11, 55, 55])")
    assert wait_for_box((11, 11, 55, 55), "a/1.jpg", home) and set(read_saved_boxes(home)) == {"a/1.jpg", "a/2.jpg"}


def test_a_conflict_can_be_settled_for_mine(browser, annotator, home):
    tab = Tab(browser, annotator.address)
    write(home / "data/manual/tiny/boxes.csv", "photo,x0,y0,x1,y1,note", "a/1.jpg,1,1,9,9,by hand")
    tab.run("setBox([20, 20, 90, 90])")
    assert wait_for(lambda: not tab.run("return document.getElementById('conflict').hidden"))
    tab.click("mine")
    assert wait_for_box((20, 20, 90, 90), "a/1.jpg", home)


def test_a_server_killed_under_the_page_loses_nothing(browser, home):
    first = Annotator(home)
    tab = Tab(browser, first.address)
    tab.type_box(10, 10, 50, 50)
    assert wait_for_box((10, 10, 50, 50), "a/1.jpg", home)
    first.kill()
    tab.run("setBox([20, 20, 90, 90])")
    assert wait_for(lambda: "NOT saved" in tab.text("saved"))
    assert read_saved_boxes(home)["a/1.jpg"] == [10, 10, 50, 50]
    second = Annotator(home, first.port)
    try:
        assert wait_for(lambda: "started anew" in tab.text("saved"))
        Tab(browser, second.address)  # the new address, in a tab of its own, finds what waits
        assert wait_for_box((20, 20, 90, 90), "a/1.jpg", home)
    finally:
        second.kill()


def test_a_drawn_box_is_what_dvc_repro_crop_cuts_out(browser, tmp_path, monkeypatch):
    """Nobody is to be seen on these photos, so the whole of each is taken, until a box is drawn on one."""
    home = tmp_path / "project"
    small_project(home, 4)
    params = home / "params.yaml"
    params.write_text(params.read_text().replace("detector: centre", "detector: bundled"))
    enter(home, monkeypatch)
    assert "Boxes: 4 by whole" in repro("crop")
    server = Annotator(home, name="mini")
    tab = Tab(browser, server.address)
    tab.run("fitted = false; scale(arguments[0])", 8)
    tab.drag((3, 2), (15, 18))
    assert wait_for(lambda: "00000.png" in (home / "data/manual/mini/boxes.csv").read_text(), 30)
    server.kill()
    output = repro("crop")
    assert row_counts(output) == {"crop": (1, 3)} and "3 by whole, 1 by hand" in output


def test_a_photo_on_its_side_is_drawn_upright(browser, home):
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.new("RGB", (512, 384), "olive").save(home / "data/raw/tiny/a/1.jpg", exif=exif)
    annotator = Annotator(home)
    try:
        tab = Tab(browser, annotator.address)
        size = tab.run("const i = document.querySelector('#stage img'); return [i.naturalWidth, i.naturalHeight]")
        assert size == [384, 512]
        tab.run("fitted = false; scale(1)")
        tab.drag((30, 300), (300, 500))
        assert wait_for_box((30, 300, 300, 500), "a/1.jpg", home), read_saved_boxes(home)
    finally:
        annotator.kill()


def test_doubted_labels_are_answered_with_one_key(browser, annotator, home):
    tab = Tab(browser, annotator.address)
    tab.run("open('doubted')")
    tab.ready()
    assert tab.run("return document.querySelectorAll('#stage figure').length") == 2
    tab.press("1")
    assert tab.saved() and "1 left" in tab.text("left")
    tab.press(tab.keys.PAGE_DOWN)
    tab.ready()
    tab.press("2")
    assert tab.saved() and "0 left" in tab.text("left")
    lines = (home / "data/manual/tiny/labels.csv").read_text().splitlines()
    assert [line.split(",")[:4] for line in lines[1:]] == [
        ["b", "", "gender", "female"],
        ["", "a/1.jpg", "mask", "worn"],
    ]
    tab.click("undo")
    assert wait_for(lambda: len((home / "data/manual/tiny/labels.csv").read_text().splitlines()) == 2)


def test_the_annotator_says_no_error_and_asks_nobody_else(browser, annotator, home):
    tab = Tab(browser, annotator.address)
    tab.type_box(10, 10, 50, 50)
    assert tab.saved()
    assert browser.get_log("browser") == [] and foreign_requests(browser, annotator.address.split("/#")[0]) == []
    if folder := os.environ.get("SHOTS"):
        browser.save_screenshot(f"{folder}/annotator.png")
