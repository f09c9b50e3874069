"""A real headless Chromium for tests; where there is none, the tests that ask for it are skipped."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

FLAGS = [
    "--headless=new",
    "--no-sandbox",  # tests may run as root, in a container
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1200,800",
    "--use-fake-device-for-media-stream",  # a camera that shows a test picture,
    "--use-fake-ui-for-media-stream",  # which pages may open unasked
]


@pytest.fixture(name="chromium", scope="module")
def start_chromium(tmp_path_factory) -> Iterator[Any]:
    """A selenium driver that lives as long as the tests of a module."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (it is in the dev extra)")
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not (binary and driver):
        pytest.skip("no chromium and chromedriver here (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chromium = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield chromium
    chromium.quit()


@pytest.fixture(name="browser")
def open_browser(chromium) -> Iterator[Any]:
    """The driver with one tab and empty logs; tabs that a test opens are closed after it."""
    for kind in ("browser", "performance"):
        chromium.get_log(kind)
    first = chromium.current_window_handle
    yield chromium
    for handle in set(chromium.window_handles) - {first}:
        chromium.switch_to.window(handle)
        chromium.execute_script("addEventListener('beforeunload', (event) => event.stopImmediatePropagation(), true)")
        chromium.close()
    chromium.switch_to.window(first)


def wait_for(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """The first true value of the condition; the last value where none comes in time."""
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return value


def foreign_requests(browser: Any, home: str) -> list[str]:
    """Addresses asked for since the logs were last read that lie outside `home`."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [entry["params"]["request"]["url"] for entry in messages if entry["method"] == "Network.requestWillBeSent"]
    return [url for url in urls if not url.startswith((home, "blob:", "data:", "about:", "chrome:"))]
