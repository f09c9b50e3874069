"""A video, watched: the right events at the right time, whatever the source is, and a clean end whatever happens."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.drawn_people import TASKS, people
from tests.serving.test_predict import BLOCKER
from tests.video.coloured_people import ColourBundle, ColouredPerson, draw_coloured, write_video
from tests.video.drawn_video import crossing_roles, draw_frames
from visage.bundling.build import card_of_tasks
from visage.serving.bundle import Bundle
from visage.video.events import Event, format_clock
from visage.video.frames import Frame, VideoFile, fit, natural_key, open_source
from visage.video.judgements import FLOOR, Judgement
from visage.video.recording import catch_signals, draw_sights, record
from visage.video.watch import Sight, is_clear, watch

STANDS = ColouredPerson(1, (70, 0), 10, [(0, "worn"), (2.0, "not worn"), (4.0, "incorrect")])
CROSS = [
    STANDS,
    ColouredPerson(8, (170, -40), 75, [(0, "not worn")]),
    ColouredPerson(15, (-40, 40), 77, [(0, "worn")]),
]
STORY = [  # time, who, what; those who walk are there while half of them is in the picture
    (0.0, 1, "appears (mask worn, gender male)"),
    (0.52, 8, "appears (mask not worn, gender female)"),
    (0.76, 15, "appears (mask worn, gender male)"),
    (2.0, 1, "mask taken off"),
    (4.0, 1, "mask worn wrongly"),
    (4.48, 8, "leaves (mask not worn, gender female)"),
    (4.72, 15, "leaves (mask worn, gender male)"),
    (5.96, 1, "at the end (mask incorrect, gender male)"),
]


def story_of(people: list[ColouredPerson], seconds: float, every: int = 1) -> list[Event]:
    frames = draw_coloured(people, seconds, size=(160, 120))[::every]
    return sorted(
        (event for _, _, events in watch(frames, ColourBundle()) for event in events), key=lambda event: event.time
    )


@pytest.mark.parametrize("every", [1, 4])
def test_the_events_of_three_who_cross_are_exactly_right_within_half_a_second(every):
    events = story_of(CROSS, 6.0, every)
    assert len(events) == len(STORY)
    numbers = {person: events[i].face for i, (_, person, what) in enumerate(STORY) if what.startswith("appears")}
    for event, (time, person, what) in zip(events, STORY, strict=True):
        assert (event.face, event.text) == (numbers[person], what)
        assert abs(event.time - time) <= 0.5


def test_a_task_that_this_package_does_not_know_is_named_with_its_class():
    event = Event(72.44, 3, "changes", "helmet", {"helmet": "off", "mask": "worn"}, None, (0, 0, 1, 1))
    assert event.sentence == "01:12.4 face 3: helmet is now off"


@pytest.mark.parametrize(
    ("time", "clock"), [(0, "00:00.0"), (12.36, "00:12.4"), (59.97, "01:00.0"), (3600, "1:00:00.0")]
)
def test_the_clock(time, clock):
    assert format_clock(time) == clock


def test_single_wrong_judgements_change_no_answer():
    judgement, rng = Judgement(np.zeros(2), changes=True), np.random.default_rng(1)
    wrong = rng.random(300) < 0.15
    changes = [judgement.add(i / 25, np.array([0.1, 0.9] if wrong[i] else [0.9, 0.1])) for i in range(300)]
    assert [change for change in changes if change is not None] == [0.0]


def test_a_lasting_change_is_an_answer_soon_and_its_time_is_when_it_began():
    judgement = Judgement(np.zeros(2), changes=True)
    changes = [judgement.add(i / 25, np.array([0.9, 0.1] if i < 100 else [0.1, 0.9])) for i in range(125)]
    late = [(i / 25, change) for i, change in enumerate(changes) if change is not None][1]
    assert late[1] == 4.0
    assert late[0] < 4.75


def test_what_belongs_to_the_person_is_the_mean_over_all_frames():
    judgement = Judgement(np.zeros(2), changes=False)
    for i in range(100):
        judgement.add(i / 25, np.array([0.8, 0.2] if i < 60 else [0.2, 0.8]))
    assert judgement.answer == 0
    assert np.isclose(judgement.log_sum[0] - judgement.log_sum[1], 20 * np.log(4))


def test_the_offsets_of_the_decision_rule_decide():
    judgement = Judgement(np.array([1.0, 0.0]), changes=True)
    for i in range(20):
        judgement.add(i / 25, np.array([0.4, 0.6]))
    assert judgement.answer == 0


def test_a_probability_of_zero_decides_nothing_alone():
    judgement = Judgement(np.zeros(2), changes=False)
    judgement.add(0, np.array([0.0, 1.0]))
    assert np.isclose(judgement.log_sum[0], np.log(FLOOR))


def test_a_task_of_which_nobody_has_two_classes_is_about_the_person():
    about = {row["name"]: row["about"] for row in card_of_tasks(TASKS, people(12))}
    assert about == {"mask": "photo", "gender": "person", "age": "person"}


def test_a_face_whose_answers_are_sure_is_judged_five_times_a_second():
    bundle = ColourBundle(errs_every=1000)
    list(watch(draw_coloured([ColouredPerson(2, (70, 0), 20, [(0, "worn")])], 10.0), bundle))
    assert 50 <= bundle.judged <= 60


def test_faces_at_the_edge_and_faces_that_another_head_covers_are_not_clear():
    far, near, alone, cut = [60, 10, 80, 40], [70, 45, 95, 80], [10, 10, 30, 40], [120, 60, 140, 90]
    boxes = np.array([far, near, alone, cut], float)
    assert is_clear(boxes, (90, 160)).tolist() == [False, True, True, False]  # the hair of the near one covers the far
    assert is_clear(boxes[[0, 2]], (90, 160)).tolist() == [True, True]
    assert is_clear(np.empty((0, 4)), (90, 160)).tolist() == []


def write_folder(folder: Path, seconds: float = 1.0) -> Path:
    folder.mkdir()
    for frame in draw_coloured([STANDS], seconds):
        cv2.imwrite(str(folder / f"frame{frame.number}.png"), frame.image[..., ::-1])
    return folder


def test_a_folder_of_frames_is_read_in_the_order_of_its_numbers(tmp_path):
    frames = list(open_source(str(write_folder(tmp_path / "frames", 0.6)), fps=10))
    expected = draw_coloured([STANDS], 0.6)
    assert [frame.time for frame in frames] == [i / 10 for i in range(15)]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(frames, expected, strict=True))


def test_frame2_comes_before_frame10():
    names = ["frame10.png", "frame2.png", "a.png", "frame2b.png", "7.png"]
    assert sorted(names, key=natural_key) == ["7.png", "a.png", "frame2.png", "frame2b.png", "frame10.png"]


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv", ".mov"])
def test_a_video_is_written_and_read_again(tmp_path, suffix):
    frames = list(open_source(str(write_video(tmp_path / f"v{suffix}"))))
    assert len(frames) == 50
    assert np.allclose([frame.time for frame in frames], np.arange(50) / 25, atol=0.003)
    assert abs(float(frames[30].image[70:].mean()) - 100) < 6


def test_every_nth_frame_keeps_its_time(tmp_path):
    frames = list(open_source(str(write_video(tmp_path / "v.mp4")), every=10))
    assert [frame.number for frame in frames] == [0, 10, 20, 30, 40]
    assert np.isclose(frames[-1].time, 1.6, atol=0.003)


def test_in_realtime_frames_are_skipped_when_the_watcher_is_slow(tmp_path):
    numbers, now = [], threading.Event()
    for frame in open_source(str(write_video(tmp_path / "v.mp4")), realtime=True):
        numbers.append(frame.number)
        now.wait(0.2)
    assert len(numbers) <= 11


def test_a_video_lasts_as_long_as_its_source_when_frames_were_skipped(tmp_path):
    with VideoFile(tmp_path / "v.avi", 25) as video:
        for time in (0, 0.04, 0.4, 1.0):
            video.write(np.full((90, 160, 3), 90, np.uint8), time)
    assert len(list(open_source(str(tmp_path / "v.avi")))) == 26


def test_a_frame_of_another_size_is_fitted_into_the_video():
    tall = fit(np.full((100, 50, 3), 200, np.uint8), (160, 90))
    assert tall.shape == (90, 160, 3)
    assert tall[45, 80].tolist() == [200, 200, 200]
    assert tall[45, 10].tolist() == [0, 0, 0]


def test_events_and_video_of_a_folder(tmp_path):
    lines: list[str] = []
    source = open_source(str(write_folder(tmp_path / "frames", 3.0)))
    summary = record(source, ColourBundle(), tmp_path / "out.avi", say=lines.append)
    assert summary.startswith("75 frames")
    assert lines[1].endswith("face 1: mask taken off")
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    rows = list(csv.DictReader((tmp_path / "out.csv").open()))
    assert [row["text"] for row in rows] == [record["text"] for record in records]
    assert [record["event"] for record in records] == ["appears", "changes", "at the end"]
    assert abs(records[1]["time"] - 2.0) <= 0.5
    assert records[1]["answers"] == {"mask": "not worn", "gender": "male"}
    assert (rows[1]["mask"], rows[1]["x0"], rows[1]["task"]) == ("not worn", "70.0", "mask")
    assert len(list(open_source(str(tmp_path / "out.avi")))) == 75
    assert {path.name for path in tmp_path.iterdir()} == {"frames", "out.avi", "out.csv", "out.jsonl"}


def test_the_annotated_video_shows_box_and_label(tmp_path):
    folder = write_folder(tmp_path / "frames", 1.0)
    record(open_source(str(folder)), ColourBundle(), tmp_path / "out.avi", say=lambda _: None)
    last = list(open_source(str(tmp_path / "out.avi")))[-1].image.astype(int)
    plain = draw_coloured([STANDS], 1.0)[-1].image.astype(int)
    changed = np.abs(last - plain).max(axis=2) > 60
    assert changed[10:50, 68:73].mean() > 0.5  # the box's left side
    assert changed.mean() > 0.05  # the label


def test_watching_ends_after_the_wanted_seconds(tmp_path):
    lines: list[str] = []
    source = open_source(str(write_folder(tmp_path / "frames", 3.0)))
    assert record(source, ColourBundle(), None, seconds=1.0, say=lines.append).startswith("25 frames")
    assert lines[-1].startswith("00:01.0 face 1: at the end")


def test_a_signal_ends_watching_with_all_files_complete(tmp_path):
    lines: list[str] = []
    with catch_signals() as stopped:
        source = open_source(str(write_folder(tmp_path / "frames", 3.0)))

        def say(line: str) -> None:
            lines.append(line)
            if len(lines) == 1:
                os.kill(os.getpid(), signal.SIGTERM)

        record(source, ColourBundle(), tmp_path / "out.mp4", stopped=stopped, say=say)
    assert [json.loads(line)["event"] for line in (tmp_path / "out.jsonl").open()] == ["appears", "at the end"]
    assert 5 < len(list(open_source(str(tmp_path / "out.mp4")))) < 20


def test_a_video_cut_short_is_watched_to_its_break_and_named(tmp_path):
    path = write_video(tmp_path / "v.avi", 100)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"v.avi is broken: it ended after \d+ of 100 frames"):
        record(open_source(str(path)), ColourBundle(), tmp_path / "out.avi", say=lambda _: None)
    assert 20 < len(list(open_source(str(tmp_path / "out.avi")))) < 80
    assert (tmp_path / "out.csv").read_text().startswith("time,face,event")


def test_a_broken_picture_in_a_folder_is_left_out_and_named(tmp_path):
    folder = write_folder(tmp_path / "frames", 1.0)
    (folder / "frame3.png").write_bytes(b"")
    (folder / "frame5.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"2 pictures are left out.\nframe3.png: .*\nframe5.png: "):
        record(open_source(str(folder)), ColourBundle(), tmp_path / "out.jsonl", say=lambda _: None)
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: None, "is not there"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"no video at all" * 99), "cannot be opened as a video"),
        (lambda path: path.mkdir(), "holds no pictures"),
    ],
)
def test_what_is_no_video_is_refused_with_a_sentence(tmp_path, make, problem):
    path = tmp_path / "in.mp4"
    make(path)
    with pytest.raises(ValueError, match=problem):
        open_source(str(path))


def test_a_video_of_an_unknown_kind_is_refused_before_anything_is_read(tmp_path):
    source = open_source(str(write_folder(tmp_path / "frames", 0.2)))
    with pytest.raises(ValueError, match="should end in one of .mp4"):
        record(source, ColourBundle(), tmp_path / "out.gif")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_events_that_cannot_be_written_any_more_end_with_a_sentence(tmp_path):
    (tmp_path / "out.jsonl").symlink_to("/dev/full")
    source = open_source(str(write_folder(tmp_path / "frames", 1.0)))
    with pytest.raises(ValueError, match=r"out.jsonl cannot be written any more: No space left"):
        record(source, ColourBundle(), tmp_path / "out.avi", say=lambda _: None)
    assert len(list(open_source(str(tmp_path / "out.avi")))) > 5


def test_a_full_disk_stops_the_video_and_what_was_seen_is_written(tmp_path, monkeypatch):
    usage = iter([1 << 40] * 20)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": next(usage, 0)}))
    source = open_source(str(write_folder(tmp_path / "frames", 3.0)))
    with pytest.raises(ValueError, match=r"out.avi: its disk is full. The video ends at 0.8 s"):
        record(source, ColourBundle(), tmp_path / "out.avi", say=lambda _: None)
    assert len(list(open_source(str(tmp_path / "out.avi")))) == 20
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2


def test_a_video_of_which_the_disk_took_only_a_part_is_reported(tmp_path):
    """A limit on the size of files stands in for the full disk: OpenCV does not report either."""
    code = f"""
import resource, sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
from pathlib import Path
from tests.video.coloured_people import write_video
try:
    write_video(Path({str(tmp_path)!r}) / "v.avi", 200)
except ValueError as error:
    print(error)
"""
    words = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert "is its disk full?" in words


def test_watching_needs_a_bundle_s_few_packages_only(bundle_folder, tmp_path):
    words = ["watch", write_folder(tmp_path / "frames", 0.2), tmp_path / "out.avi", "--model", bundle_folder]
    done = subprocess.run([sys.executable, "-c", BLOCKER, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5 frames")


def test_a_bundle_watches_drawn_people(bundle_folder, tmp_path):
    """Its networks are untrained: what it answers says nothing, but every answer is one."""
    with VideoFile(tmp_path / "in.avi", 5) as video:
        for i, image in enumerate(draw_frames(crossing_roles(), (320, 180), fps=5, seconds=3.0)):
            video.write(image, i / 5)
    bundle = Bundle.open(bundle_folder)
    record(open_source(str(tmp_path / "in.avi")), bundle, tmp_path / "out.mp4", say=lambda _: None)
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert {record["face"] for record in records if record["event"] == "at the end"} == {1, 2, 3}
    for task in bundle.tasks:
        assert {record["answers"][task.name] for record in records} <= set(task.classes)
    assert all(0 < record["years"] < 100 for record in records)


@pytest.mark.parametrize("size", [(80, 60), (160, 90), (1280, 720)])
def test_faces_without_a_number_are_not_drawn_and_the_others_are_on_a_copy(size):
    ground = np.full((size[1], size[0], 3), 128, np.uint8)
    frame, box = Frame(0, 0.0, ground.copy()), np.array([size[0] * 0.7, 1, size[0] - 2, size[1] * 0.5])
    sure, unsure = (Sight(number, box, {"mask": "worn", "gender": "male"}, 30.0) for number in (4, 0))
    assert np.array_equal(draw_sights(frame, [unsure], ColourBundle()), ground)
    image = draw_sights(frame, [sure, Sight(5, box, {}, None)], ColourBundle())
    assert image.shape == ground.shape
    assert (image != ground).any(axis=2).mean() > 0.02
    assert np.array_equal(frame.image, ground)
