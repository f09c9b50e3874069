"""The report in a real browser: it opens from disk, fits phone and desk, and can be walked by keyboard."""

import base64
import dataclasses
import os
import re
from pathlib import Path

import pytest

from tests.browser import foreign_requests, open_browser, start_chromium  # noqa: F401 - two are fixtures
from tests.report.example_run import write_example_run
from visage.report.page import render_page
from visage.report.run_results import read_crops, read_run_results
from visage.report.sections import worst_mistakes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    results = read_run_results(write_example_run(folder))
    crops = read_crops(folder / "crops", set(worst_mistakes(results)["photo"]))
    text = render_page(dataclasses.replace(results, crops=crops), "practice", faces=True)
    (folder / "report.html").write_text(text, encoding="utf-8")
    return folder / "report.html"


@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_opens_from_disk_whole_and_alone(browser, page, width, scheme):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    browser.get(page.as_uri())
    assert browser.get_log("browser") == [] and foreign_requests(browser, page.as_uri()) == []
    broken = "return [...document.images].filter((image) => !image.complete || !image.naturalWidth).length"
    assert browser.execute_script(broken) == 0 < browser.execute_script("return document.images.length")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width  # nothing sticks out
    colours = "const style = getComputedStyle(document.body); return [style.color, style.backgroundColor]"
    text, background = map(brightness, browser.execute_script(colours))
    assert (text > background) == (scheme == "dark") and abs(text - background) > 0.6
    if folder := os.environ.get("SHOTS"):
        data = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})["data"]
        Path(folder, f"report-{width}-{scheme}.png").write_bytes(base64.b64decode(data))


def brightness(colour: str) -> float:
    """Mean of red, green and blue, from 0 to 1, of a CSS colour such as rgb(1, 2, 3)."""
    return sum(float(part) for part in re.findall(r"[\d.]+", colour)[:3]) / 765


def test_the_report_is_walked_by_keyboard(browser, page):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser.get(page.as_uri())
    focus = (
        "const e = document.activeElement; return e.getAttribute('href') || e.getAttribute('aria-label') || e.tagName"
    )
    stops = []
    for _ in range(60):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        stops.append(browser.execute_script(focus))
    assert stops[0] == "#scores" and "#run" in stops and "all scores" in stops and "SUMMARY" in stops
    browser.execute_script("document.querySelector('summary').focus()")
    ActionChains(browser).send_keys(Keys.ENTER).perform()
    assert browser.execute_script("return document.querySelector('details').open")
