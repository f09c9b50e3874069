"""Coordinates: from head units to pixels, the outline of the head, and the true box and landmarks.

Head units: the origin lies between the eyes, 1 is half the width of a face (about 7 cm), x to the right, y down.
Hairline y = -1, brows -0.3, mouth 1, chin 1.6. *Face* coordinates (x, y) turn with the head and place the features;
*flat* coordinates (u, v) do not and place the outline and the hair. `View.to_face` converts flat to face.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from visage.practice.paintbrush import Canvas, Light, catmull_rom, mix, smoothstep, stroke_lines
from visage.practice.people import Person
from visage.practice.windows import Region

# Points in face coordinates (n x 2, or m x n x 2 for m lines that are alike), width in head units, strength 0 to 1.
Line = tuple[np.ndarray, float, float]


@dataclass(frozen=True)
class View:
    """From head units to pixels: the origin (x, y) and the scale in pixels; roll, yaw and pitch in radians."""

    x: float
    y: float
    scale: float
    roll: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """Flat points (... x 2, head units) to pixels."""
        p = np.asarray(points, np.float32) * self.scale
        c, s = math.cos(self.roll), math.sin(self.roll)
        x, y = p[..., 0], p[..., 1]
        pixels = np.empty_like(p)
        pixels[..., 0] = self.x + x * c - y * s
        pixels[..., 1] = self.y + x * s + y * c
        return pixels

    def to_region(self, shape: tuple[int, int], corners: tuple[float, float, float, float]) -> Region:
        """The part of the picture that holds a flat rectangle (x0 y0 x1 y1, head units); at least 8 x 8 pixels."""
        x0, y0, x1, y1 = corners
        px = self.to_pixels(np.array([[x0, y0], [x1, y0], [x0, y1], [x1, y1]]))
        (left, top), (right, bottom) = np.floor(px.min(0)).tolist(), np.ceil(px.max(0)).astype(int).tolist()
        left, top = (min(max(int(a), 0), n - 8) for a, n in ((left, shape[1]), (top, shape[0])))
        return np.s_[top : max(top + 8, min(bottom, shape[0])), left : max(left + 8, min(right, shape[1]))]

    def pixel_grid(self, region: Region) -> tuple[np.ndarray, np.ndarray]:
        """Flat coordinates (u, v) of every pixel of the region."""
        dy = np.arange(region[0].start, region[0].stop, dtype=np.float32)[:, None] - np.float32(self.y)
        dx = np.arange(region[1].start, region[1].stop, dtype=np.float32)[None, :] - np.float32(self.x)
        c, s = math.cos(self.roll) / self.scale, math.sin(self.roll) / self.scale
        return dx * c + dy * s, dy * c - dx * s

    def to_face(self, u, v):
        """Flat to face coordinates: the further forward a point of the turned head lies, the further it has moved."""
        forward = np.sqrt(np.maximum(1 - np.square(u / 1.3) - np.square(v / 2.0), 0.02))
        return u - forward * math.sin(self.yaw), v - forward * math.sin(self.pitch)

    def face_to_pixels(self, points: np.ndarray) -> np.ndarray:
        """Face coordinates (... x 2) to pixels. The inverse of `to_face`, by six fixed-point steps."""
        target = np.moveaxis(np.asarray(points, np.float32), -1, 0)
        u, v = target
        for _ in range(6):
            x, y = self.to_face(u, v)
            u, v = u + (target[0] - x), v + (target[1] - y)
        return self.to_pixels(np.stack([u, v], -1))


@dataclass
class Scene:
    """One person being painted: the canvas, the pose of head and body, the light."""

    canvas: Canvas
    person: Person
    head: View
    body: View
    light: Light
    rng: np.random.Generator
    gaze: tuple[float, float]  # how far the irises have moved, head units

    def streaks(self, across: np.ndarray, along: np.ndarray) -> np.ndarray:
        """The person's own strands of hair: thin across, long along the growth; mean 0, deviation about 0.4."""
        return cv2.remap(
            _weave_strands(self.person.seed),
            across.astype(np.float32) + 256,
            along.astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_WRAP,
        )


@lru_cache(maxsize=4)  # photos of one person are drawn one after another
def _weave_strands(seed: int) -> np.ndarray:
    """One person's texture of hair, 48 along the strands x 512 across."""
    noise = np.random.default_rng([seed, 7]).standard_normal((48, 512), np.float32)
    return cv2.GaussianBlur(noise, (0, 0), sigmaX=0.6, sigmaY=5, borderType=cv2.BORDER_REFLECT) * 2.6


def ink_lines(scene: Scene, region: Region, lines: Iterable[Line], soften: float = 0) -> np.ndarray:
    """How much of each pixel of the region (0 to 1) the lines cover; `soften` is a blur in pixels."""
    corner = (region[1].start, region[0].start)
    lines = [(points, width * scene.head.scale, strength) for points, width, strength in lines if strength > 0.02]
    shape = (region[0].stop - region[0].start, region[1].stop - region[1].start)
    if not lines:
        return np.zeros(shape, np.float32)
    pixels = scene.head.face_to_pixels(np.concatenate([points.reshape(-1, 2) for points, _, _ in lines])) - corner
    strokes, start = [], 0
    for points, width, strength in lines:
        end = start + points.size // 2
        strokes.append((pixels[start:end].reshape(points.shape), width, strength))
        start = end
    return stroke_lines(shape, strokes, soften)


@lru_cache(maxsize=4)
def _outline(person: Person) -> np.ndarray:
    """The edge of the head with the chin, flat coordinates, n x 2, clockwise from the crown."""
    face, sagging = person.face, person.age_signs.sagging
    right = [
        (0, -1.62),
        (0.56, -1.5),
        (0.94, -1.08),
        (1.05 * face.width, -0.5),
        (1.03 * face.width, 0.05),
        (0.98 * face.width, 0.48),
        (face.jaw + 0.02 + 0.05 * sagging, 1.0),
        (mix(face.jaw, face.chin, 0.5) + 0.09 * sagging, 1.33),
        (face.chin, face.length - 0.09),
        (0.1, face.length),
    ]
    left = [(-x, y) for x, y in right[:0:-1]]
    return catmull_rom(right + left, closed=True)


def _radius_by_angle(angles: np.ndarray, radii: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """The radius at each angle theta (-pi to pi) of a closed outline in polar coordinates, by table."""
    table = np.interp(np.linspace(-np.pi, np.pi, 1025), angles, radii, period=2 * np.pi).astype(np.float32)
    return table[((theta + np.pi) * (1024 / (2 * np.pi))).astype(np.int32)]


def skull_radius(person: Person, theta: np.ndarray, middle: float = 0.0) -> np.ndarray:
    """Distance from (0, middle) to the edge of the bare head at each angle from the crown (-pi to pi)."""
    edge = _outline(person)
    angle = np.arctan2(edge[:, 0], middle - edge[:, 1])
    order = np.argsort(angle)
    return _radius_by_angle(angle[order], np.hypot(edge[order, 0], edge[order, 1] - middle), theta)


def chin_shift(view: View, v):
    """How far the outline at height v moves sideways in a turned head: the chin does, the skull does not."""
    return 0.42 * math.sin(view.yaw) * smoothstep(-0.6, 1.6, v)


def true_box(person: Person, view: View, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """x0 y0 x1 y1 in pixels from hairline to chin, without the ears, clipped to a photo of `size` (width, height)."""
    edge = _outline(person)
    edge = edge[edge[:, 1] > person.hair.hairline]
    edge = edge + np.stack([chin_shift(view, edge[:, 1]), 0 * edge[:, 0]], -1)
    top = person.hair.hairline
    px = view.to_pixels(np.concatenate([edge, np.array([[0, top], [-0.5, top], [0.5, top]])]))
    (x0, y0), (x1, y1) = px.min(0), px.max(0)
    w, h = size
    return tuple(float(a) for a in (np.clip(x0, 0, w), np.clip(y0, 0, h), np.clip(x1, 0, w), np.clip(y1, 0, h)))


def true_landmarks(person: Person, view: View) -> np.ndarray:
    """Right eye, left eye, nose, mouth right, mouth left (the person's own right) in pixels; 5 x 2."""
    face = person.face
    x, m, y = face.eye_x, face.mouth_width, face.mouth_corner_y
    return view.face_to_pixels(np.array([[-x, 0.0], [x, 0.0], [0, face.nose_y], [-m, y], [m, y]])).astype(np.float32)
