"""Photos of all requests in one queue; threads take them in batches, so that every core is busy and none waits."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from visage.server.uploads import Upload
from visage.serving.predict import PhotoResult

MAX_RETRY = 60  # seconds
Judge = Callable[[Sequence[Upload]], list[PhotoResult]]


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

    def __init__(self, judge: Judge, *, threads: int, batch: int, pixels: int, capacity: int, seconds: float) -> None:
        self.judge, self.batch, self.pixels = judge, batch, pixels
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
                self.answer(alive)
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

    def answer(self, jobs: Sequence[Job]) -> None:
        """Where a batch fails, each photo is judged alone: what is wrong with one is no other's error."""
        try:
            results = self.judge([job.upload for job in jobs])
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
                return
            for job in jobs:
                self.answer([job])
            return
        for job, result in zip(jobs, results, strict=True):
            job.future.set_result(result)
