"""Photos of all requests in one queue; threads take them in batches, so that every core is busy and none waits."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from http import HTTPStatus

import numpy as np

from visage.formats.photos import decode_photo
from visage.serving.bundle import Face
from visage.serving.uploads import RequestRefused, Upload

FindFaces = Callable[[list[np.ndarray]], list[list[Face]]]
MAX_RETRY = 60  # seconds


@dataclass(frozen=True)
class PhotoResult:
    """What is known of one photo; width and height in pixels, upright."""

    width: int
    height: int
    faces: list[Face]


@dataclass(frozen=True)
class Job:
    """A photo in the queue; a cancelled future is passed over."""

    upload: Upload
    future: Future[PhotoResult] = field(default_factory=Future)


class QueueFull(Exception):
    """More photos than may wait; `seconds` until there is likely room again."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.seconds = seconds


class Batcher:
    """Judges photos in `threads` threads, up to `batch` photos and about `pixels` pixels a call.

    A thread without work takes what is there at once: batches grow only while all are busy. `capacity` is how many
    photos may wait, and they may not be expected to take longer than `seconds`.
    """

    def __init__(
        self, find_faces: FindFaces, *, threads: int, batch: int, pixels: int, capacity: int, seconds: float
    ) -> None:
        self.find_faces, self.batch, self.pixels = find_faces, batch, pixels
        self.capacity, self.seconds = capacity, seconds
        self.queue: deque[Job] = deque()
        self.changed = threading.Condition()
        self.unfinished = 0  # photos that wait or are being judged
        self.pace = 0.0  # seconds for each photo, all threads together; 0 = not known yet
        self.closed = False
        self.threads = [threading.Thread(target=self.work, name="judge", daemon=True) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def submit(self, uploads: Sequence[Upload]) -> list[Future[PhotoResult]]:
        """Queue the photos of a request: all of them or, with QueueFull, none."""
        jobs = [Job(upload) for upload in uploads]
        with self.changed:
            wait = (self.unfinished + len(jobs)) * self.pace
            if self.unfinished and (self.unfinished + len(jobs) > self.capacity or wait > self.seconds):
                raise QueueFull(self.retry_after())
            self.queue.extend(jobs)
            self.unfinished += len(jobs)
            self.changed.notify(len(jobs))
        return [job.future for job in jobs]

    def retry_after(self) -> int:
        """Seconds until about half of what waits is done."""
        return min(MAX_RETRY, max(1, math.ceil(self.unfinished * self.pace / 2)))

    def close(self) -> None:
        """Cancel what waits, and let the threads end with the batch that they are at."""
        with self.changed:
            self.closed = True
            for job in self.queue:
                job.future.cancel()
            self.changed.notify_all()
        for thread in self.threads:
            thread.join()

    def work(self) -> None:
        while jobs := self.take():
            start = time.monotonic()
            alive = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            if alive:
                self.judge(alive)
            with self.changed:
                self.unfinished -= len(jobs)
                if alive:
                    pace = (time.monotonic() - start) / len(alive) / len(self.threads)
                    self.pace = 0.8 * self.pace + 0.2 * pace if self.pace else pace

    def take(self) -> list[Job]:
        """The next batch, as soon as there is one; nothing when closed."""
        with self.changed:
            self.changed.wait_for(lambda: self.queue or self.closed)
            jobs: list[Job] = []
            pixels = 0
            while self.queue and not self.closed and len(jobs) < self.batch:
                pixels += self.queue[0].upload.pixels
                if jobs and pixels > self.pixels:
                    break
                jobs.append(self.queue.popleft())
            return jobs

    def judge(self, jobs: list[Job]) -> None:
        """Set the result or the error of each job."""
        images, readable = [], []
        for job in jobs:
            try:
                images.append(decode_photo(job.upload.data, job.upload.name))
                readable.append(job)
            except ValueError as error:
                job.future.set_exception(RequestRefused(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)))
            except Exception as error:
                job.future.set_exception(error)
        if readable:
            self.answer(readable, images)

    def answer(self, jobs: list[Job], images: list[np.ndarray]) -> None:
        """Where a batch fails, each photo is judged alone: what is wrong with one is no other's error."""
        try:
            results = self.find_faces(images)
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
                return
            for job, image in zip(jobs, images, strict=True):
                self.answer([job], [image])
            return
        for job, image, faces in zip(jobs, images, results, strict=True):
            job.future.set_result(PhotoResult(image.shape[1], image.shape[0], faces))
