"""Synthetic head-and-shoulder portraits, of which everything is known.

Nobody in these pictures exists. A *person* is a set of traits sampled once; a *photo* is that person, a shot (mask on,
worn wrongly, off), and a sample of pose, light, backdrop and camera. Other modules paint the parts; this one puts them
together and adds the true box, landmarks and alpha.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from visage.formats.columns import SHOTS
from visage.practice.backdrops import draw_backdrop
from visage.practice.geometry import Scene, View, true_box, true_landmarks
from visage.practice.hair import paint_hair_behind, paint_hair_front
from visage.practice.head_shape import paint_ears, paint_face, paint_neck
from visage.practice.masks import choose_mask, paint_mask
from visage.practice.outfits import paint_clothes, paint_glasses
from visage.practice.paintbrush import Canvas, Light, apply_camera
from visage.practice.people import Person

SIZE = (384, 512)  # width, height of a photo in pixels


@dataclass(frozen=True)
class Portrait:
    """One photo and its ground truth; coordinates in pixels of the photo."""

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
        cos, sin = math.cos(self.lean), math.sin(self.lean)
        origin = self.body.to_pixels(neck - np.array([-neck[1] * sin, neck[1] * cos]) * 1.0)
        return View(float(origin[0]), float(origin[1]), self.scale, self.tilt + self.lean, self.yaw, self.pitch)


def sample_pose(rng: np.random.Generator, size: tuple[int, int] = SIZE) -> Pose:
    """A usual pose; in one photo of 70 the camera is turned or the face at the edge, so that a detector may fail."""
    width, height = size
    scale = float(np.clip(rng.normal(0.215, 0.018), 0.165, 0.265)) * min(width, height * 0.75)
    x, y = width * (0.5 + rng.normal(0, 0.035)), height * (0.44 + rng.normal(0, 0.025))
    tilt = rng.normal(0, 0.03)
    rare = rng.random()
    if rare < 0.008:
        tilt = rng.choice([-1, 1]) * rng.uniform(0.7, 1.4)
    elif rare < 0.015:
        x, y = width * rng.choice([0.0, 1.0, 0.5]), height * rng.uniform(0.1, 0.9)
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
    backdrop_rng: np.random.Generator | None = None,
) -> Portrait:
    """One photo of one person; the pose comes from `rng` unless given, the backdrop from `backdrop_rng` if given."""
    return draw_group([person], [shot], rng, size=size, poses=pose and [pose], backdrop_rng=backdrop_rng)[0]


def draw_group(
    people: Sequence[Person],
    shots: Sequence[str],
    rng: np.random.Generator,
    *,
    size: tuple[int, int] = SIZE,
    poses: Sequence[Pose] | None = None,
    backdrop_rng: np.random.Generator | None = None,
) -> list[Portrait]:
    """One photo of several people, the first furthest back: one `Portrait` each, all with the same image and alpha."""
    if unknown := set(shots) - set(SHOTS):
        raise ValueError(f"unknown shot {sorted(unknown)[0]!r}; shots are {', '.join(SHOTS)}")
    pose_rng, light_rng, own_backdrop_rng, paint_rng, camera_rng = rng.spawn(5)
    poses = poses or [sample_pose(pose_rng, size) for _ in people]
    light = sample_light(light_rng)
    canvas = Canvas(draw_backdrop(backdrop_rng or own_backdrop_rng, size))
    for person, shot, pose in zip(people, shots, poses, strict=True):
        paint_person(canvas, person, pose.head, pose.body, light, paint_rng, choose_mask(person, shot, paint_rng))
    image = _take_photo(canvas.rgb, camera_rng)
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
    """Paint a person over what is there, from the back to the front. `mask`: one of masks.KINDS, and its placement."""
    scene = Scene(canvas, person, head, body, light, rng, (rng.normal(0, 0.012), rng.normal(0, 0.008)))
    paint_hair_behind(scene)
    paint_neck(scene)
    paint_clothes(scene)
    paint_ears(scene)
    paint_face(scene)
    if mask:
        paint_mask(scene, *mask)
    paint_glasses(scene)
    paint_hair_front(scene)


def sample_light(rng: np.random.Generator) -> Light:
    """A lamp above the camera, more or less to one side, more or less warm."""
    x, y = rng.normal(0, 0.45), rng.normal(-0.45, 0.2)
    direction = np.array([x, y, 0.9], np.float32)
    warmth, strength = rng.normal(0, 0.06), rng.uniform(0.5, 0.85)
    colour = np.array([1 + warmth, 1, 1 - warmth], np.float32)
    return Light(
        direction / np.linalg.norm(direction),
        colour * np.float32(strength),
        colour[::-1] * np.float32(0.91 - 0.85 * strength),
    )


def _take_photo(rgb: np.ndarray, camera_rng: np.random.Generator) -> np.ndarray:
    """The photo of a randomly chosen camera; one photo in 170 is far too dark."""
    underexposed = camera_rng.random() < 0.006
    return apply_camera(
        rgb,
        camera_rng,
        exposure=float(np.exp(camera_rng.normal(0, 0.15))) * (0.02 if underexposed else 1.15),
        white_balance=1 + camera_rng.normal(0, 0.035, 3),
        blur=float(camera_rng.gamma(1.6, 0.33)),
        grain=float(camera_rng.uniform(0.004, 0.022)),
    )
