"""A video of people who do not exist, drawn frame by frame, of which everything is known.

A woman with a mask walks to the right and takes it off on the way; a man without one walks to the left, behind her, and
is hidden while they cross; a third person stands, takes the mask off, and puts it on wrongly.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from visage.practice.backdrops import draw_backdrop
from visage.practice.geometry import true_box
from visage.practice.masks import choose_mask
from visage.practice.paintbrush import Canvas, apply_camera
from visage.practice.people import Person, sample_person
from visage.practice.portraits import Pose, paint_person, sample_light

SIZE, FPS, SECONDS = (640, 360), 25, 12.0


class SteadyGenerator(np.random.Generator):
    """Planes of noise do not advance it, so that colours and shapes are the same at every place and size."""

    def standard_normal(self, size: object = None, dtype: type = np.float64, out: None = None) -> np.ndarray:
        return np.random.default_rng(5).standard_normal(size, dtype)


@dataclass(frozen=True)
class Role:
    """A person's way through the picture and what is worn when; the first role is the furthest back."""

    person: Person
    path: Sequence[tuple[float, float, float]]  # time (s), x and y of the point between the eyes, shares of the picture
    shots: Sequence[tuple[float, str]]  # from when (s) on, which shot
    size: float  # px of half a face's width, at 640 px of the picture's width

    def pose(self, time: float, size: tuple[int, int]) -> Pose:
        """Between the points of the path the person walks evenly; the head sways with the steps."""
        times, xs, ys = (np.array(column) for column in zip(*self.path, strict=True))
        x, y = np.interp(time, times, xs), np.interp(time, times, ys)
        phase = self.person.seed % 7
        sway = math.sin(2.2 * time + phase)
        scale = self.size * size[0] / 640
        bob = 0.05 * scale * math.sin(7 * time + phase)
        return Pose(float(x * size[0]), float(y * size[1] + bob), scale, 0.0, 0.04 * sway, 0.15 * sway, 0.03 * sway)

    def shot(self, time: float) -> str:
        return [shot for start, shot in self.shots if start <= time][-1]


def crossing_roles(seed: int = 3) -> list[Role]:
    """Who stands furthest back comes first: the one who stands, the man, the woman."""
    rng = np.random.default_rng(seed)
    third = sample_person(rng, "male", 66)
    man, woman = sample_person(rng, "male", 45), sample_person(rng, "female", 24)
    return [
        Role(third, [(0, 0.5, 0.34)], [(0, "mask1"), (4.0, "normal"), (8.0, "incorrect_mask")], 28),
        Role(man, [(0.5, 1.12, 0.5), (10.5, -0.12, 0.5)], [(0, "normal")], 31),
        Role(woman, [(1.0, -0.12, 0.55), (10.0, 1.12, 0.55)], [(0, "mask2"), (7.0, "normal")], 34),
    ]


def draw_frames(
    roles: Sequence[Role], size: tuple[int, int] = SIZE, fps: float = FPS, seconds: float = SECONDS, seed: int = 3
) -> Iterator[np.ndarray]:
    """RGB frames; light, backdrop and everybody's look stay the same from frame to frame, the grain does not."""
    rng = np.random.default_rng(seed)
    light, backdrop = sample_light(rng), draw_backdrop(rng, size)
    for number in range(round(seconds * fps)):
        time, canvas = number / fps, Canvas(backdrop.copy())
        for role in roles:
            pose, shot = role.pose(time, size), role.shot(time)
            if -2.5 * pose.scale < pose.x < size[0] + 2.5 * pose.scale:
                paint_rng = SteadyGenerator(np.random.PCG64([role.person.seed, len(shot)]))
                mask = choose_mask(role.person, shot, paint_rng)
                paint_person(canvas, role.person, pose.head, pose.body, light, paint_rng, mask)
        yield apply_camera(
            canvas.rgb, np.random.default_rng([seed, number]), exposure=1.15, white_balance=np.ones(3), blur=0.4,
            grain=0.01,
        )  # fmt: skip


def true_boxes(roles: Sequence[Role], time: float, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Each role's box (x0 y0 x1 y1, pixels), clipped to the picture: of no width where the person is outside."""
    return np.array([true_box(role.person, role.pose(time, size).head, size) for role in roles])


def true_events(roles: Sequence[Role], size: tuple[int, int] = SIZE, seconds: float = SECONDS) -> list[tuple]:
    """(time, event, mask) in the words of `watch`: a face is there while half of its width is in the picture."""
    masks = {"normal": "not worn", "incorrect_mask": "incorrect"}
    words = {"not worn": "mask taken off", "incorrect": "mask worn wrongly", "worn": "mask put on"}
    times = np.arange(round(seconds * FPS)) / FPS
    widths = np.array([true_boxes(roles, time, size) for time in times])
    widths = widths[:, :, 2] - widths[:, :, 0]
    events = []
    for role, width in zip(roles, widths.T, strict=True):
        there = times[width > width.max() / 2]
        worn = [(start, masks.get(shot, "worn")) for start, shot in role.shots]
        events += [(start, words[mask], mask) for start, mask in worn if there[0] < start < there[-1]]
        events.append((there[0], "appears", [mask for start, mask in worn if start <= there[0]][-1]))
        end = "at the end" if there[-1] == times[-1] else "leaves"
        events.append((there[-1], end, [mask for start, mask in worn if start <= there[-1]][-1]))
    return sorted(events)
