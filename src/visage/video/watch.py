"""A video, watched: faces found in every frame, followed, judged now and then, and what happens to them as events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from visage.faces.retina import Faces
from visage.serving.bundle import Bundle, Face
from visage.video.events import Event
from visage.video.frames import Frame
from visage.video.judgements import Judgement
from visage.video.tracking import Track, Tracker

JUDGE_EVERY = 0.2  # s between two judgements of a face whose answers are sure; others are judged in every frame
PATIENCE = 1.0  # s that a new face waits to be neither cut nor covered
LONG_PATIENCE = 3.0  # s that a face waits for it whose answers are sure
EDGE = 0.02  # a face this near to the picture's edge (share of its size) is cut
COVERED = 0.05  # share of a face that another head may overlap
HAIR = (0.25, 0.5)  # how far a head reaches beyond its face: to each side, and up, shares of the box


@dataclass(frozen=True)
class Sight:
    """A face in a frame: its number (0 = not yet sure that it is one), its box and its answers so far."""

    number: int
    box: np.ndarray  # x0 y0 x1 y1
    answers: dict[str, str]
    years: float | None


class Visit:
    """What is known of one face from its appearance to its end."""

    def __init__(self, bundle: Bundle) -> None:
        changing = changing_tasks(bundle)
        self.classes = {task.name: task.classes for task in bundle.tasks}
        self.judgements = {
            task.name: Judgement(offsets, task.name in changing)
            for task, offsets in zip(bundle.tasks, bundle.rule.offsets, strict=True)
        }
        self.years: list[float] = []
        self.box = np.full(4, np.nan)
        self.judged = -np.inf  # s; when it was last judged
        self.announced = False

    def add(self, time: float, face: Face) -> list[tuple[float, str]]:
        """Take in a judgement; returns (since when, task) of each changed answer."""
        changes = []
        for task, judgement in self.judgements.items():
            since = judgement.add(time, face.probabilities[task])
            if since is not None and judgement.changes:
                changes.append((since, task))
        self.years += [] if face.years is None else [face.years]
        self.judged = time
        return changes

    @property
    def is_sure(self) -> bool:
        return all(judgement.answer is not None for judgement in self.judgements.values())

    @property
    def in_doubt(self) -> bool:
        return not self.is_sure or any(
            judgement.in_doubt for judgement in self.judgements.values() if judgement.changes
        )

    @property
    def answers(self) -> dict[str, str]:
        """The class of each task, the most probable one where no answer is sure; empty before the first judgement."""
        return {
            task: self.classes[task][judgement.best] for task, judgement in self.judgements.items() if judgement.count
        }

    def describe(self, number: int) -> Sight:
        return Sight(number, self.box, self.answers, float(np.mean(self.years)) if self.years else None)


def watch(frames: Iterable[Frame], bundle: Bundle) -> Iterator[tuple[Frame | None, list[Sight], list[Event]]]:
    """Each frame with its faces and the events that have become known; last, None and the events of the end.

    The next frame is searched for faces while this one is judged and the caller is busy with it.
    """
    watcher = Watcher(bundle)
    with ThreadPoolExecutor(1) as pool:
        waiting = None
        for frame in frames:
            search = pool.submit(bundle.detect, [frame.image])
            if waiting:
                yield waiting[0], *watcher.add(waiting[0], waiting[1].result()[0])
            waiting = frame, search
        if waiting:
            yield waiting[0], *watcher.add(waiting[0], waiting[1].result()[0])
    yield None, [], watcher.end()


class Watcher:
    def __init__(self, bundle: Bundle) -> None:
        self.bundle, self.tracker = bundle, Tracker()
        self.visits: dict[Track, Visit] = {}
        self.time = 0.0  # s; of the last frame

    def add(self, frame: Frame, faces: Faces) -> tuple[list[Sight], list[Event]]:
        """The faces of a frame, as the detector found them, and the events that are known by now."""
        self.time = frame.time
        tracks, ended = self.tracker.update(frame.time, frame.image, faces.boxes, faces.scores)
        events = [event for track in ended for event in self.close(track, "leaves")]
        known = [i for i, track in enumerate(tracks) if track]
        for i in known:
            if tracks[i] not in self.visits:
                self.visits[tracks[i]] = Visit(self.bundle)
            self.visits[tracks[i]].box = faces.boxes[i]
        clear = is_clear(faces.boxes, frame.image.shape)
        if due := [i for i in known if self.is_due(tracks[i], clear[i])]:
            chosen = Faces(faces.boxes[due], faces.scores[due], faces.landmarks[due])
            for i, face in zip(due, self.bundle.classify([frame.image], [chosen])[0], strict=True):
                events += self.judge(tracks[i], face)
        tracks = [tracks[i] for i in known]
        for track in tracks:
            events += self.announce(track)
        self.visits = {track: visit for track, visit in self.visits.items() if track in self.tracker.tracks}
        return [self.visits[track].describe(track.number) for track in tracks], events

    def end(self) -> list[Event]:
        """Those who were there to the last, and those who left so late that they might have come back."""
        tracks = sorted((track for track in self.visits if track.number), key=lambda track: track.number)
        stays = {track: track.last == self.time for track in tracks}
        return [event for track in tracks for event in self.close(track, "at the end" if stays[track] else "leaves")]

    def is_due(self, track: Track, clear: bool) -> bool:
        """Whether a face is to be judged in this frame."""
        visit = self.visits[track]
        waited = self.time - max(visit.judged, track.first)
        if not clear and waited < (LONG_PATIENCE if visit.is_sure else PATIENCE):
            return False
        return visit.in_doubt or self.time - visit.judged >= JUDGE_EVERY - 1e-6

    def judge(self, track: Track, face: Face) -> list[Event]:
        """Take in a judgement; a changed answer is an event of a face that has appeared."""
        visit = self.visits[track]
        changes = visit.add(self.time, face)
        return [self.event(track, since, "changes", task) for since, task in changes if visit.announced]

    def announce(self, track: Track) -> list[Event]:
        """That a face appears, as soon as it has all answers; without them after PATIENCE."""
        visit = self.visits[track]
        late = self.time - track.first > 2 * PATIENCE
        if visit.announced or not track.number or not (visit.is_sure or late):
            return []
        visit.announced = True
        return [self.event(track, track.first, "appears")]

    def close(self, track: Track, how: str) -> list[Event]:
        visit = self.visits.pop(track)
        appears = [] if visit.announced else [self.event(track, track.first, "appears", visit=visit)]
        return [*appears, self.event(track, track.last, how, visit=visit)]

    def event(self, track: Track, time: float, kind: str, task: str = "", visit: Visit | None = None) -> Event:
        sight = (visit or self.visits[track]).describe(track.number)
        return Event(time, track.number, kind, task, sight.answers, sight.years, tuple(sight.box.tolist()))


def is_clear(boxes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Which faces (n x 4) are not cut by the edge of a picture of `shape` and not covered by another head.

    Of two that overlap, the one that reaches further down is taken to be nearer: it covers the other.
    """
    low, high = boxes[:, :2], boxes[:, 2:]
    size = high - low
    inside = np.all((low > EDGE * size) & (high < np.array(shape[1::-1]) - 1 - EDGE * size), axis=1)
    head_low, head_high = low - size * HAIR, high + size * [HAIR[0], 0]
    common = np.minimum(high[:, None], head_high[None]) - np.maximum(low[:, None], head_low[None])
    overlap = common.clip(0).prod(axis=2) / np.maximum(size.prod(axis=1), 1e-6)[:, None]
    overlap[high[:, None, 1] > high[None, :, 1]] = 0
    np.fill_diagonal(overlap, 0)
    return inside & (overlap <= COVERED).all(axis=1)


def changing_tasks(bundle: Bundle) -> set[str]:
    """The tasks about the photo, such as a mask, whose answers may change while a face is seen."""
    return {task["name"] for task in bundle.card["tasks"] if task["about"] == "photo"}
