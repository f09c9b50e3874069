"""Where things are: a figure before the camera, the places on its face in pixels, and the truth about them.

Head units: the origin lies between the eyes, 1 is half the width of a face (about 7 cm), x to the right, y down.
Hairline y = -1, brows -0.3, mouth 1, chin 1.6. A feature's place on the face (x, y) turns with the head; the outline
and the hair are flat (u, v); `View.chart` leads from one to the other.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from visage.practice.paintbrush import Canvas, Light, Part, catmull_rom, mix, smoothstep, stroke_lines
from visage.practice.people import Person
from visage.practice.traits import Face


@dataclass(frozen=True)
class View:
    """From head units to pixels. `roll`, `yaw`, `pitch` in radians."""

    x: float
    y: float
    scale: float
    roll: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Flat points (head units, not turned) to pixels."""
        p = np.asarray(points, np.float32) * self.scale
        c, s = math.cos(self.roll), math.sin(self.roll)
        return np.stack([self.x + p[..., 0] * c - p[..., 1] * s, self.y + p[..., 0] * s + p[..., 1] * c], -1)

    def around(self, shape: tuple[int, int], corners: tuple[float, float, float, float]) -> Part:
        """The part of the picture that holds this rectangle of head units, at least a few pixels of it."""
        x0, y0, x1, y1 = corners
        px = self.pixels(np.array([[x0, y0], [x1, y0], [x0, y1], [x1, y1]]))
        (left, top), (right, bottom) = np.floor(px.min(0)).astype(int), np.ceil(px.max(0)).astype(int)
        left, top = (int(np.clip(a, 0, n - 8)) for a, n in ((left, shape[1]), (top, shape[0])))
        return np.s_[top : max(top + 8, min(bottom, shape[0])), left : max(left + 8, min(right, shape[1]))]

    def grid(self, at: Part) -> tuple[np.ndarray, np.ndarray]:
        """Flat head units of every pixel of that part."""
        dy = np.arange(at[0].start, at[0].stop, dtype=np.float32)[:, None] - np.float32(self.y)
        dx = np.arange(at[1].start, at[1].stop, dtype=np.float32)[None, :] - np.float32(self.x)
        c, s = math.cos(self.roll) / self.scale, math.sin(self.roll) / self.scale
        return dx * c + dy * s, dy * c - dx * s

    def chart(self, u, v):
        """Flat head units to places on the turned face: what lies further forward has moved further."""
        forward = np.sqrt(np.clip(1 - np.square(u / 1.3) - np.square(v / 2.0), 0.02, 1))
        return u - forward * math.sin(self.yaw), v - forward * math.sin(self.pitch)

    def on_face(self, points: np.ndarray) -> np.ndarray:
        """Places on the face to pixels: the inverse of `chart`."""
        place = np.asarray(points, np.float32)
        flat = place.copy()
        for _ in range(6):
            moved = np.stack(self.chart(flat[..., 0], flat[..., 1]), -1)
            flat += place - moved
        return self.pixels(flat)


@dataclass
class Scene:
    """One figure being painted: who, how turned, in which light."""

    canvas: Canvas
    person: Person
    head: View
    body: View
    light: Light
    rng: np.random.Generator
    gaze: tuple[float, float]  # how far the irises have moved, head units

    def streaks(self, across: np.ndarray, along: np.ndarray) -> np.ndarray:
        """The person's own strands: thin across, long in the direction of growth; mean 0, spread about 0.4."""
        noise_ = np.random.default_rng([self.person.seed, 7]).standard_normal((48, 512), np.float32)
        strands = cv2.GaussianBlur(noise_, (0, 0), sigmaX=0.6, sigmaY=5, borderType=cv2.BORDER_REFLECT) * 2.6
        return cv2.remap(
            strands,
            across.astype(np.float32) + 256,
            along.astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_WRAP,
        )


def ink_lines(s: Scene, at: Part, lines: Iterable, soften: float = 0) -> np.ndarray:
    """Lines of (places on the face, width in head units, strength) as coverage of that part of the picture."""
    corner = (at[1].start, at[0].start)
    lines = [(p, w * s.head.scale, k) for p, w, k in lines if k > 0.02]
    shape = (at[0].stop - at[0].start, at[1].stop - at[1].start)
    if not lines:
        return np.zeros(shape, np.float32)
    ends = np.cumsum([len(p) for p, _, _ in lines])[:-1]
    places = np.split(s.head.on_face(np.concatenate([p for p, _, _ in lines])) - corner, ends)
    return stroke_lines(shape, [(px, w, k) for px, (_, w, k) in zip(places, lines, strict=True)], soften)


def eye_x(face: Face) -> float:
    return 0.46 * face.eye_gap


def mouth_y(face: Face) -> float:
    return 0.70 * face.nose_length + 0.32 * face.length / 1.6


def corner_y(face: Face) -> float:
    return mouth_y(face) - 0.075 * face.smile


def nose_y(face: Face) -> float:
    return 0.57 * face.nose_length


def _outline(person: Person) -> np.ndarray:
    """The edge of the head in flat head units, chin included, clockwise from the crown; n x 2."""
    f, sag = person.face, person.years.sagging
    right = [
        (0, -1.62),
        (0.56, -1.5),
        (0.94, -1.08),
        (1.05 * f.width, -0.5),
        (1.03 * f.width, 0.05),
        (0.98 * f.width, 0.48),
        (f.jaw + 0.02 + 0.05 * sag, 1.0),
        (mix(f.jaw, f.chin, 0.5) + 0.09 * sag, 1.33),
        (f.chin, f.length - 0.09),
        (0.1, f.length),
    ]
    left = [(-x, y) for x, y in right[:0:-1]]
    return catmull_rom(right + left, closed=True)


def _ring(angles: np.ndarray, radii: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Radius by angle (-pi to pi), by table."""
    table = np.interp(np.linspace(-np.pi, np.pi, 1025), angles, radii, period=2 * np.pi).astype(np.float32)
    return table[((theta + np.pi) * (1024 / (2 * np.pi))).astype(np.int32)]


def skull(person: Person, theta: np.ndarray, middle: float = 0.0) -> np.ndarray:
    """Distance from (0, middle) to the edge of the bare head, by angle from the crown (-pi to pi)."""
    edge = _outline(person)
    angle = np.arctan2(edge[:, 0], middle - edge[:, 1])
    order = np.argsort(angle)
    return _ring(angle[order], np.hypot(edge[order, 0], edge[order, 1] - middle), theta)


def chin_shift(view: View, v):
    """A chin swings out when the head turns, the skull does not."""
    return 0.42 * math.sin(view.yaw) * smoothstep(-0.6, 1.6, v)


def true_box(person: Person, view: View, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """x0 y0 x1 y1 in pixels from hairline to chin, without the ears, clipped to a photo of this width and height."""
    edge = _outline(person)
    edge = edge[edge[:, 1] > person.hair.hairline]
    edge = edge + np.stack([chin_shift(view, edge[:, 1]), 0 * edge[:, 0]], -1)
    brow = np.array([[0, person.hair.hairline], [-0.5, person.hair.hairline], [0.5, person.hair.hairline]])
    px = view.pixels(np.concatenate([edge, brow]))
    (x0, y0), (x1, y1) = px.min(0), px.max(0)
    w, h = size
    return tuple(float(a) for a in (np.clip(x0, 0, w), np.clip(y0, 0, h), np.clip(x1, 0, w), np.clip(y1, 0, h)))


def true_landmarks(person: Person, view: View) -> np.ndarray:
    """Right eye, left eye, nose, mouth right, mouth left (the person's own right) in pixels; 5 x 2."""
    f = person.face
    x, m, y = eye_x(f), f.mouth_width, corner_y(f)
    return view.on_face(np.array([[-x, 0.0], [x, 0.0], [0, nose_y(f)], [-m, y], [m, y]])).astype(np.float32)
