"""Faces followed from frame to frame: a Kalman filter for each face, its colours, and one exact assignment a frame.

A face moves with constant velocity, disturbed at random, after the camera's own motion is taken off. Lengths are in
face heights, so that near and far faces follow the same rules, and times in seconds, so that frames may be skipped. Its
looks (mean colours of hair, forehead, clothes) decide where motion cannot: after one person passed behind another.
"""

from dataclasses import dataclass, field

import numpy as np

from visage.video.appearance import colour_distance, is_crowded, mean_colours
from visage.video.assignment import assign
from visage.video.camera import CameraMotion

KEEP = 2.0  # s that a face may be hidden and still be the same
UNSURE = 0.3  # s that a face of less than CONFIRMED frames may be hidden
START = 0.6  # least score of a new face; one that is known is followed by weaker ones
CONFIRMED = 3  # frames with a face until it gets a number: a detector errs in single frames
NOISE = np.array([0.1, 0.1, 0.15]) ** 2  # variance of a measured x and y (face heights) and log height
DRIFT = np.array([1.0, 1.0, 0.1])  # how fast the variance of velocity grows, per second
SPEED = np.array([4.0, 4.0, 0.5]) ** 2  # variance of a new face's velocity, per second
FARTHEST = 16.0  # squared distance in deviations beyond which a face is not the same: 1 in 1000 of 3 dimensions
NEW = 30.0  # the cost of a face that is none of those known


@dataclass(eq=False)
class Track:
    """One face over time. `state`: x, y (pixels) and log height, and the change of each a second; 2 x 3."""

    state: np.ndarray
    colours: np.ndarray
    first: float  # s; when it was first found
    last: float  # s; when it was last found
    time: float  # s; that the state is of
    covariance: np.ndarray = field(default_factory=lambda: np.stack([NOISE, 0 * NOISE, SPEED]))  # xx, xv, vv; 3 x 3
    frames: int = 1
    number: int = 0  # from 1, in the order of confirmation; 0 = not confirmed

    def predict(self, time: float, camera: np.ndarray) -> None:
        """Move the state to `time`; `camera` (2 x 3) is how the picture moved meanwhile."""
        self.state[0, :2] = camera[:, :2] @ self.state[0, :2] + camera[:, 2]
        self.state[1, :2] = camera[:, :2] @ self.state[1, :2]
        self.state[0, 2] += np.log(np.hypot(*camera[:, 0]))
        step = time - self.time
        xx, xv, vv = self.covariance
        xx = xx + 2 * step * xv + step**2 * vv + DRIFT * step**3 / 3
        self.covariance = np.stack([xx, xv + step * vv + DRIFT * step**2 / 2, vv + DRIFT * step])
        self.state[0] += step * self.state[1]
        self.time = time

    def cost(self, measured: np.ndarray, colours: np.ndarray) -> float:
        """Twice the negative log likelihood that these are the face, from 0 for the best; infinite = cannot be."""
        size = np.array([np.exp(self.state[0, 2])] * 2 + [1.0])
        variance = self.covariance[0] + NOISE
        distance = np.sum(((measured - self.state[0]) / size) ** 2 / variance)
        if distance > FARTHEST:
            return np.inf
        return distance + np.sum(np.log(variance / NOISE)) + colour_distance(self.colours, colours)

    def update(self, measured: np.ndarray, colours: np.ndarray | None) -> None:
        """Take in where the face is; `colours` of None are left as they were."""
        gain_x, gain_v = self.covariance[:2] / (self.covariance[0] + NOISE)
        difference = measured - self.state[0]
        xx, xv, vv = self.covariance
        self.covariance = np.stack([(1 - gain_x) * xx, (1 - gain_x) * xv, vv - gain_v * xv])
        self.state = self.state + np.stack([gain_x, gain_v]) * difference
        self.last, self.frames = self.time, self.frames + 1
        if colours is not None:
            share = max(0.1, 1 / self.frames)
            mixed = self.colours + share * (colours - self.colours)
            self.colours = np.where(np.isnan(mixed), np.where(np.isnan(colours), self.colours, colours), mixed)


class Tracker:
    def __init__(self) -> None:
        self.tracks: list[Track] = []
        self.count = 0  # of confirmed faces so far
        self.time = -np.inf  # s; of the last frame
        self.camera = CameraMotion()

    def update(
        self, time: float, image: np.ndarray, boxes: np.ndarray, scores: np.ndarray
    ) -> tuple[list[Track | None], list[Track]]:
        """The track of each box (n x 4, pixels; None = not a face) at `time` (s), and the tracks that have ended."""
        camera = self.camera.update(image)
        for track in self.tracks:
            track.predict(time, camera)
        ended = [track for track in self.tracks if self.is_over(track, time)]
        self.tracks = [track for track in self.tracks if track not in ended]
        measured = measure(boxes)
        colours = [mean_colours(image, box) for box in boxes]
        costs = np.full((len(boxes), len(self.tracks) + len(boxes)), float(NEW))
        for i in range(len(boxes)):
            costs[i, : len(self.tracks)] = [track.cost(measured[i], colours[i]) for track in self.tracks]
        chosen = assign(np.minimum(costs, 2 * NEW))
        found = []
        for i, column in enumerate(chosen):
            if column < len(self.tracks) and costs[i, column] < NEW:
                track = self.tracks[column]
                track.update(measured[i], None if is_crowded(i, boxes) else colours[i])
            elif scores[i] >= START:
                track = Track(np.stack([measured[i], np.zeros(3)]), colours[i], time, time, time)
            else:
                track = None
            if track and not track.number and track.frames >= CONFIRMED:
                self.count += 1
                track.number = self.count
            found.append(track)
        self.tracks += [track for track in found if track and track.frames == 1]
        self.time = time
        return found, [track for track in ended if track.number]

    def is_over(self, track: Track, time: float) -> bool:
        """Whether a face is hidden for too long; one without a number is so after a second frame without it."""
        hidden = time - track.last
        return hidden > KEEP if track.number else hidden > UNSURE and track.last < self.time


def measure(boxes: np.ndarray) -> np.ndarray:
    """Centre x, y (pixels) and log height (of pixels) of each box, n x 3. The edge cuts a face's width more often."""
    low, high = boxes[:, :2], boxes[:, 2:]
    return np.column_stack([(low + high) / 2, np.log(np.maximum(high - low, 1)[:, 1])])
