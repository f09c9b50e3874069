import io

import pytest

from visage.runtime import progress
from visage.runtime.progress import Progress, track


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_without_a_terminal_a_line_comes_every_ten_seconds_and_one_at_the_end(clock):
    stream = io.StringIO()
    with Progress("crop", total=40, unit="photos", stream=stream) as bar:
        for _ in range(40):
            clock[0] += 0.5
            bar.update(1, "all well")
    lines = stream.getvalue().splitlines()
    assert lines == [
        "crop: 20 of 40 photos, 2 photos/s, 10 s left; all well",
        "crop: 40 of 40 photos, 2 photos/s; all well",
        "crop: 40 of 40 photos, 2 photos/s; all well",
    ]
    assert "\r" not in stream.getvalue()


def test_nothing_is_said_of_work_that_takes_no_items(clock):
    stream = io.StringIO()
    with Progress("train", total=0, unit="epochs", stream=stream):
        clock[0] += 60
    assert stream.getvalue() == ""


def test_in_a_terminal_one_line_is_kept_up_to_date(clock):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    with Progress("crop", total=2, unit="photos", stream=stream) as bar:
        for _ in range(2):
            clock[0] += 0.5
            bar.update()
    assert stream.getvalue().count("\n") == 1 and stream.getvalue().count("\r") == 3
    assert "1 of 2 photos, 2 photos/s, 0 s left" in stream.getvalue()


def test_tracked_items_pass_through_and_are_counted(capsys):
    assert list(track(iter("abc"), "bake", 3, "loaves")) == ["a", "b", "c"]
    assert capsys.readouterr().err.splitlines()[-1].startswith("bake: 3 of 3 loaves")
