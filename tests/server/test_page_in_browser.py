"""The server's page in a real browser: photos dropped and chosen, the camera, what goes wrong."""

import base64
from pathlib import Path
from typing import Any

import cv2
import pytest
from PIL import Image

from tests.browser import foreign_requests, open_browser, start_chromium, wait_for  # noqa: F401 - two are fixtures
from tests.server.running import RedBundle, RunningServer, draw_photo, run_server
from tests.serving.tiny_bundle import group
from visage.formats.headers import ORIENTATION
from visage.serving.bundle import Bundle

pytestmark = pytest.mark.slow

WAIT = 30  # seconds, on busy machines
SECRET = "a-token-that-nobody-guesses"
DROP = """const [name, type, text] = arguments;
const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const dataTransfer = new DataTransfer();
dataTransfer.items.add(new File([bytes], name, { type }));
const drop = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
document.getElementById("drop").dispatchEvent(drop);"""
PLACES = """const photo = document.getElementById("picture").getBoundingClientRect();
return [...document.querySelectorAll(".box")].map((box) => {
  const place = box.getBoundingClientRect();
  return [place.left - photo.left, place.top - photo.top, place.right - photo.left, place.bottom - photo.top]
    .map((edge) => edge * document.getElementById("picture").naturalWidth / photo.width);
});"""


@pytest.fixture
def server():
    with run_server() as running:
        yield running


class Page:
    """One tab with the server's page."""

    def __init__(self, browser: Any, server: RunningServer, fragment: str = "") -> None:
        self.browser = browser
        browser.switch_to.new_window("tab")
        browser.get(f"http://127.0.0.1:{server.port}/{fragment}")

    def drop(self, data: bytes, name: str, kind: str) -> None:
        self.browser.execute_script(DROP, name, kind, base64.b64encode(data).decode())

    def text(self, name: str) -> str:
        return self.browser.execute_script("return document.getElementById(arguments[0]).innerText", name)

    def size(self) -> list[int]:
        """Pixels of the photo, upright; 0, 0 until it is loaded."""
        return self.browser.execute_script("const {naturalWidth: w, naturalHeight: h} = picture; return [w, h]")

    def shows(self, name: str, text: str) -> bool:
        return wait_for(lambda: text in self.text(name), WAIT)


def test_a_dropped_photo_shows_its_boxes_and_probabilities(browser, server):
    page = Page(browser, server)
    page.drop(draw_photo((10, 20, 40, 60), blue=51), "me.png", "image/png")
    assert page.shows("count", "1 face")
    assert wait_for(
        lambda: browser.execute_script("return document.getElementById('picture').naturalWidth") == 80, WAIT
    )
    (place,) = browser.execute_script(PLACES)
    assert place == pytest.approx([10, 20, 40, 60], abs=1)
    assert "1: not worn" in page.text("boxes") and "1: not worn" in page.text("faces")
    assert "80.0%" in page.text("faces") and "20.0%" in page.text("faces")
    assert foreign_requests(browser, f"http://127.0.0.1:{server.port}/") == []
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_two_people_on_a_photo_have_a_box_and_a_list_of_probabilities_each(browser, bundle_folder):
    bundle = Bundle.open(bundle_folder)
    [faces] = bundle.find_faces([group()])
    with run_server(bundle) as server:
        page = Page(browser, server)
        page.drop(cv2.imencode(".png", group()[..., ::-1])[1].tobytes(), "two.png", "image/png")
        assert page.shows("count", "2 faces")
        assert wait_for(lambda: page.size() == [group().shape[1], group().shape[0]], WAIT)
        for place, face in zip(browser.execute_script(PLACES), faces, strict=True):
            assert place == pytest.approx(face.box.tolist(), abs=2)
        for task in bundle.tasks:
            assert page.text("faces").count(f"{task.name}\n") == 2
        assert page.text("faces").count("%") == 2 * sum(len(task.classes) for task in bundle.tasks)


def test_the_box_of_a_photo_that_lies_on_its_side_is_where_the_browser_shows_the_face(browser, server):
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # shown after a quarter turn to the right: x, y lands at 100 - y, x
    page = Page(browser, server)
    page.drop(draw_photo((10, 20, 40, 60), kind="JPEG", quality=100, exif=exif.tobytes()), "me.jpg", "image/jpeg")
    assert page.shows("count", "1 face")
    assert wait_for(lambda: page.size() == [100, 80], WAIT)
    assert browser.execute_script(PLACES)[0] == pytest.approx([40, 10, 80, 40], abs=2)


def test_a_wrong_file_is_explained_and_the_next_photo_is_judged(browser, server):
    page = Page(browser, server)
    page.drop(b"Dear diary", "diary.txt", "text/plain")
    assert page.shows("error", "diary.txt: the file is not a picture that can be read; send a JPEG")
    page.drop(draw_photo(None), "empty.png", "image/png")
    assert page.shows("count", "No face found") and page.text("error") == ""


def test_a_photo_is_chosen_by_keyboard(browser, server, tmp_path: Path):
    from selenium.webdriver import ActionChains

    page = Page(browser, server)
    (tmp_path / "me.png").write_bytes(draw_photo())
    focused = set()
    for _ in range(4):
        ActionChains(browser).send_keys("\t").perform()
        focused.add(browser.switch_to.active_element.get_attribute("id"))
    assert {"file", "camera"} <= set(focused)
    browser.find_element("id", "file").send_keys(str(tmp_path / "me.png"))
    assert page.shows("count", "1 face") and page.shows("status", "me.png: 1 face.")


def test_the_camera_is_judged_until_it_is_closed(browser):
    class Watched(RedBundle):
        def find_red(self, image):
            return super().find_red(image * 0 + [[[255, 0, 0]]])

    with run_server(Watched()) as server:
        page = Page(browser, server)
        browser.find_element("id", "camera").click()
        assert page.shows("count", "1 face"), page.text("error")
        assert wait_for(lambda: len(server.bundle.calls) >= 3, WAIT)
        browser.find_element("id", "camera").click()
        assert page.shows("count", "No photo yet") and page.text("camera") == "Open the camera"


def test_a_server_with_a_token_asks_for_it(browser):
    with run_server(token=SECRET) as server:
        page = Page(browser, server)
        page.drop(draw_photo(), "me.png", "image/png")
        assert wait_for(lambda: browser.find_element("id", "token").is_displayed(), WAIT)
        browser.find_element("id", "token").send_keys(SECRET + "\n")
        assert page.shows("status", "choose the photo again")
        page.drop(draw_photo(), "me.png", "image/png")
        assert page.shows("count", "1 face")
        page = Page(browser, server, f"#{SECRET}")
        page.drop(draw_photo(), "me.png", "image/png")
        assert page.shows("count", "1 face")


def test_a_server_that_has_gone_is_noticed(browser):
    with run_server() as server:
        page = Page(browser, server)
    page.drop(draw_photo(), "me.png", "image/png")
    assert page.shows("error", "The server does not answer")


def test_the_description_of_the_api_is_readable_offline(browser, server):
    browser.switch_to.new_window("tab")
    browser.get(f"http://127.0.0.1:{server.port}/docs")
    assert wait_for(lambda: "POST /v1/faces" in browser.find_element("id", "docs").text, WAIT)
    assert "Retry-After" in browser.find_element("id", "docs").text
    assert foreign_requests(browser, f"http://127.0.0.1:{server.port}/") == []
