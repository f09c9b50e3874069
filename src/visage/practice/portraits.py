"""Synthetic head-and-shoulder portraits, of which everything is known.

Nobody in these pictures exists. A *person* is a set of traits drawn once; a *photo* is that person, a shot (mask on,
worn wrongly, off), and a draw of pose, light, backdrop and camera. Other modules paint the parts; here they become
one picture, with what is true of it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from visage.formats.columns import SHOTS
from visage.practice.backdrops import backdrop
from visage.practice.geometry import Scene, View, true_box, true_landmarks
from visage.practice.hair import paint_hair_behind, paint_hair_front
from visage.practice.head_shape import paint_ears, paint_face, paint_neck
from visage.practice.masks import mask_of, paint_mask
from visage.practice.outfits import paint_clothes, paint_glasses
from visage.practice.paintbrush import Canvas, Light, take_photo
from visage.practice.people import Person

SIZE = (384, 512)  # width, height of a photo in pixels


@dataclass(frozen=True)
class Portrait:
    """One photo and everything that is true of it; places in pixels of the photo."""

    image: np.ndarray  # height x width x 3, RGB uint8
    alpha: np.ndarray  # height x width uint8, 255 = person
    box: tuple[float, float, float, float]  # x0 y0 x1 y1 from hairline to chin, without the ears, clipped to the photo
    landmarks: np.ndarray  # 5 x 2: right eye, left eye, nose, mouth right, mouth left; the person's own right


@dataclass(frozen=True)
class Pose:
    """Where a person stands in the frame and how the head is held; radians, pixels."""

    x: float  # of the point between the eyes, were the head upright
    y: float
    scale: float  # pixels per head unit: half the width of a face
    tilt: float  # of the camera
    lean: float  # of the head
    yaw: float
    pitch: float

    @property
    def body(self) -> View:
        return View(self.x, self.y, self.scale, self.tilt)

    @property
    def head(self) -> View:
        """The head leans about the base of the neck."""
        neck = np.array([0.0, 1.75])
        c, si = math.cos(self.lean), math.sin(self.lean)
        origin = self.body.pixels(neck - np.array([-neck[1] * si, neck[1] * c]) * 1.0)
        return View(float(origin[0]), float(origin[1]), self.scale, self.tilt + self.lean, self.yaw, self.pitch)


def draw_pose(rng: np.random.Generator, size: tuple[int, int] = SIZE) -> Pose:
    """How somebody stands before the camera; one time in fifty so that a detector may well miss the face."""
    w, h = size
    scale = float(np.clip(rng.normal(0.215, 0.018), 0.165, 0.265)) * min(w, h * 0.75)
    x, y = w * (0.5 + rng.normal(0, 0.035)), h * (0.44 + rng.normal(0, 0.025))
    tilt = rng.normal(0, 0.03)
    odd = rng.random()
    if odd < 0.008:
        tilt = rng.choice([-1, 1]) * rng.uniform(0.7, 1.4)
    elif odd < 0.015:
        x, y = w * rng.choice([0.0, 1.0, 0.5]), h * rng.uniform(0.1, 0.9)
    return Pose(
        float(x),
        float(y),
        scale,
        float(tilt),
        float(rng.normal(0, 0.06)),
        float(rng.normal(0, 0.16)),
        float(rng.normal(0, 0.06)),
    )


def draw_portrait(
    person: Person,
    shot: str,
    rng: np.random.Generator,
    *,
    size: tuple[int, int] = SIZE,
    pose: Pose | None = None,
    behind: np.random.Generator | None = None,
) -> Portrait:
    """One photo of one person; `pose` and the room behind (`behind`) are drawn from `rng` unless given."""
    return draw_group([person], [shot], rng, size=size, poses=pose and [pose], behind=behind)[0]


def draw_group(
    people: Sequence[Person],
    shots: Sequence[str],
    rng: np.random.Generator,
    *,
    size: tuple[int, int] = SIZE,
    poses: Sequence[Pose] | None = None,
    behind: np.random.Generator | None = None,
) -> list[Portrait]:
    """One photo of several people, the first furthest back: one `Portrait` each, all with the same image and alpha."""
    if unknown := set(shots) - set(SHOTS):
        raise ValueError(f"unknown shot {sorted(unknown)[0]!r}; shots are {', '.join(SHOTS)}")
    posing, lighting, room, painter, camera = rng.spawn(5)
    poses = poses or [draw_pose(posing, size) for _ in people]
    light = draw_light(lighting)
    canvas = Canvas(backdrop(behind or room, size))
    for person, shot, pose in zip(people, shots, poses, strict=True):
        paint_person(canvas, person, pose.head, pose.body, light, painter, mask_of(person, shot, painter))
    image = _taken(canvas.rgb, camera)
    alpha = np.round(np.clip(canvas.alpha, 0, 1) * 255).astype(np.uint8)
    return [
        Portrait(image, alpha, true_box(person, pose.head, size), true_landmarks(person, pose.head))
        for person, pose in zip(people, poses, strict=True)
    ]


def paint_person(
    canvas: Canvas,
    person: Person,
    head: View,
    body: View,
    light: Light,
    rng: np.random.Generator,
    mask: tuple[str, str] | None = None,
) -> None:
    """Paint a person over what is there, from the back to the front. `mask`: one of masks.KINDS, and how it is worn."""
    s = Scene(canvas, person, head, body, light, rng, (rng.normal(0, 0.012), rng.normal(0, 0.008)))
    paint_hair_behind(s)
    paint_neck(s)
    paint_clothes(s)
    paint_ears(s)
    paint_face(s)
    if mask:
        paint_mask(s, *mask)
    paint_glasses(s)
    paint_hair_front(s)


def draw_light(rng: np.random.Generator) -> Light:
    """A lamp above the camera, more or less to one side, more or less warm."""
    side, high = rng.normal(0, 0.45), rng.normal(-0.45, 0.2)
    towards = np.array([side, high, 0.9], np.float32)
    warm, strength = rng.normal(0, 0.06), rng.uniform(0.5, 0.85)
    colour = np.array([1 + warm, 1, 1 - warm], np.float32)
    return Light(
        towards / np.linalg.norm(towards),
        colour * np.float32(strength),
        colour[::-1] * np.float32(0.91 - 0.85 * strength),
    )


def _taken(rgb: np.ndarray, camera: np.random.Generator) -> np.ndarray:
    """The light as some camera sees it; one photo in 170 is far too dark."""
    gloomy = camera.random() < 0.006
    return take_photo(
        rgb,
        camera,
        exposure=float(np.exp(camera.normal(0, 0.15))) * (0.02 if gloomy else 1.15),
        tint=1 + camera.normal(0, 0.035, 3),
        blur=float(camera.gamma(1.6, 0.33)),
        grain=float(camera.uniform(0.004, 0.022)),
    )
