"""Frames out of a video file, a folder of pictures, a camera or a stream, and annotated frames into a video file."""

import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # what is broken is said here, as a sentence

import cv2
import numpy as np

from visage.formats.photos import SUFFIXES, is_photo, read_photo
from visage.runtime.problems import shorten

CODECS = {".mp4": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}  # those that every OpenCV writes
USUAL_FPS = 25.0  # where a source does not tell
SPARE = 16 << 20  # bytes of the disk that a video leaves free: OpenCV does not say when a disk is full
TOLERANCE = 0.02  # share of the frames that may be missing: some formats only estimate their number


@dataclass(frozen=True)
class Frame:
    """`image` is RGB, uint8, height x width x 3; `time` in seconds since the start."""

    number: int
    time: float
    image: np.ndarray


class Source:
    """Frames to iterate over, once. `problem` is a sentence if they ended too early, else empty."""

    fps: float  # of the frames that are yielded
    problem = ""

    def __iter__(self) -> Iterator[Frame]:
        raise NotImplementedError


def open_source(source: str, *, fps: float = USUAL_FPS, every: int = 1, realtime: bool = False) -> Source:
    """A camera (its number), a stream (an address with ://), a folder of pictures, or a video file.

    Every `every`-th frame; with `realtime` those are skipped for which there was no time. `fps` is that of a folder.
    """
    if every < 1 or not 0 < fps <= 1000:
        raise ValueError(f"every is {every} and fps {fps:g}: at least 1, and above 0 to 1000 are wanted.")
    path = Path(source)
    if path.is_dir():
        return PictureFolder(path, fps, every, realtime)
    live = source.isdigit() or "://" in source or (path.exists() and not path.is_file())  # /dev/video0, a pipe
    if not live and not path.exists():
        raise ValueError(f"{source} is not there; a video file, a folder of pictures or a camera's number is wanted.")
    if not live and path.stat().st_size == 0:
        raise ValueError(f"{source} is empty (0 bytes).")
    return Video(source, every, realtime, live)


class Video(Source):
    def __init__(self, source: str, every: int, realtime: bool, live: bool) -> None:
        self.source, self.every, self.realtime, self.live = source, every, realtime, live
        self.capture = cv2.VideoCapture(int(source) if source.isdigit() else source)
        if not self.capture.isOpened():
            kind = (
                "camera or a stream: is it connected and free?"
                if live
                else "video: it is none, or broken, or cut short."
            )
            raise ValueError(f"{source} cannot be opened as a {kind}")
        fps = self.capture.get(cv2.CAP_PROP_FPS)
        self.source_fps = fps if 1 <= fps <= 240 else USUAL_FPS
        self.fps = self.source_fps / every

    def __iter__(self) -> Iterator[Frame]:
        """The time is that of the file; of a camera or a stream, that of the clock."""
        count = 0 if self.live else self.capture.get(cv2.CAP_PROP_FRAME_COUNT)  # 0 or less = unknown
        number, used, moment, start = -1, -1, -1 / self.source_fps, time.monotonic()
        before = start
        while self.capture.grab():
            number, now = number + 1, time.monotonic()
            stamp = now - start if self.live else self.capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            moment = stamp if stamp > moment else moment + 1 / self.source_fps
            waited = now - before
            # A live frame that came without waiting has lain in a buffer while the one before it was watched.
            late = waited < 0.5 / self.source_fps if self.live else (number + 1) / self.source_fps < now - start
            before = time.monotonic()
            if number % self.every or (self.realtime and late and number - used < self.source_fps):
                continue
            used = number
            ok, image = self.capture.retrieve()
            if ok:
                yield Frame(number, moment, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
                before = time.monotonic()
        self.capture.release()
        if number < 0:
            self.problem = f"{self.source} holds no frame that can be read."
        elif number + 1 < (1 - TOLERANCE) * count - 1:
            self.problem = f"{self.source} is broken: it ended after {number + 1} of {count:.0f} frames."
        elif self.live:
            self.problem = f"{self.source} sent no more frames after {number + 1}."


class PictureFolder(Source):
    def __init__(self, folder: Path, fps: float, every: int, realtime: bool) -> None:
        self.source_fps, self.every, self.realtime, self.folder = fps, every, realtime, folder
        self.fps = fps / every
        self.names = sorted((path.name for path in folder.iterdir() if is_photo(path)), key=natural_key)
        if not self.names:
            raise ValueError(f"{folder} holds no pictures ({', '.join(SUFFIXES)}).")

    def __iter__(self) -> Iterator[Frame]:
        broken, start = [], time.monotonic()
        for number, name in enumerate(self.names):
            late = self.realtime and (number + 1) / self.source_fps < time.monotonic() - start
            if number % self.every or late:
                continue
            try:
                yield Frame(number, number / self.source_fps, read_photo(self.folder, name))
            except ValueError as error:
                broken.append(str(error))
        if broken:
            self.problem = "\n".join([f"{self.folder}: {len(broken)} pictures are left out.", *shorten(broken, 5)])


def natural_key(name: str) -> list[tuple[int, str]]:
    """So that frame2 comes before frame10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


class VideoFile:
    """A video that appears when it is complete; until then it lies beside, as `.NAME.part.SUFFIX`. Context manager.

    A frame is repeated until the time of the next, so that the video lasts as long as its source.
    """

    def __init__(self, path: Path, fps: float) -> None:
        if path.suffix.lower() not in CODECS:
            raise ValueError(f"{path}: a video can be written as {', '.join(CODECS)}.")
        self.path, self.fps = path, fps
        self.part = path.with_name(f".{path.stem}.part{path.suffix}")
        self.writer: cv2.VideoWriter | None = None
        self.frames = 0

    def __enter__(self) -> "VideoFile":
        return self

    def write(self, image: np.ndarray, time: float) -> None:
        """RGB; the first frame says the size, and others are fitted into it."""
        if self.writer is None:
            self.size = image.shape[1::-1]
            self.part.parent.mkdir(parents=True, exist_ok=True)
            codec = cv2.VideoWriter_fourcc(*CODECS[self.path.suffix.lower()])
            self.writer = cv2.VideoWriter(str(self.part), codec, self.fps, self.size)
            if not self.writer.isOpened():
                raise ValueError(f"{self.path} cannot be written; is its folder writable?")
        bgr = cv2.cvtColor(fit(image, self.size), cv2.COLOR_RGB2BGR)
        while self.frames == 0 or self.frames / self.fps <= time + 0.5 / self.fps:
            if shutil.disk_usage(self.part.parent).free < SPARE:
                raise ValueError(f"{self.path}: its disk is full. The video ends at {self.frames / self.fps:.1f} s.")
            self.writer.write(bgr)
            self.frames += 1

    def __exit__(self, *problem: object) -> None:
        if self.writer is None:
            return
        self.writer.release()
        written = cv2.VideoCapture(str(self.part)).get(cv2.CAP_PROP_FRAME_COUNT)
        if written < 1:
            self.part.unlink(missing_ok=True)
            raise ValueError(f"{self.path} could not be written: is its disk full?")
        self.part.replace(self.path)
        if written < self.frames * (1 - TOLERANCE) - 1:
            raise ValueError(f"{self.path} holds {written:.0f} of {self.frames} frames only: is its disk full?")


def fit(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture in a frame of `size` (width, height), as large as it can be, black around it."""
    if image.shape[1::-1] == size:
        return image
    scale = min(size[0] / image.shape[1], size[1] / image.shape[0])
    shrunk = cv2.resize(image, (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))))
    frame = np.zeros((size[1], size[0], 3), np.uint8)
    top, left = (size[1] - shrunk.shape[0]) // 2, (size[0] - shrunk.shape[1]) // 2
    frame[top : top + shrunk.shape[0], left : left + shrunk.shape[1]] = shrunk
    return frame
