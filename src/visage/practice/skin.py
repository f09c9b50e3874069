"""The face as a surface: its albedo, its relief and its wrinkles.

A face is a height field of Gaussians, so that the light shapes a nose or a wrinkle. x, y: face coordinates.
"""

from functools import lru_cache

import cv2
import numpy as np

from visage.practice.geometry import Line, Scene
from visage.practice.paintbrush import blob, catmull_rom, smoothstep, tint, to_linear, value_noise
from visage.practice.people import Person
from visage.practice.traits import AgeSigns
from visage.practice.windows import Region


def skin_colour(person: Person, shape: tuple[int, int], rng: np.random.Generator, window: Region) -> np.ndarray:
    """Linear colour of skin with blotches and pores: the window (height x width x 3) of a region of this shape."""
    skin = to_linear(person.skin)
    mottle = 0.05 * value_noise(rng, shape, 18)[window] + 0.035 * value_noise(rng, shape, 5)[window]
    pores = 0.035 * value_noise(rng, shape, 1.6)[window]
    weights = (0.25, -0.6, -0.5)  # blotches are redder than the skin
    return cv2.merge([channel * (1 + pores + weight * mottle) for channel, weight in zip(skin, weights, strict=True)])


def age_skin(scene: Scene, region: Region, x: np.ndarray, y: np.ndarray, colour: np.ndarray) -> None:
    """Change the skin's linear colour: blush, the dark under the eyes, age spots."""
    person, signs, ax = scene.person, scene.person.age_signs, np.abs(x)
    person_rng = np.random.default_rng([person.seed, 11])
    flush = 0.55 * blob(ax, y, 0.6, 0.45, 0.3, 0.24) + 0.5 * blob(x, y, 0, 0.56, 0.2, 0.14)
    flush *= 0.15 + 0.35 * person.makeup + 0.25 * max(1 - 1.6 * signs.folds, 0)  # the young are rosy
    colour *= 1 - tint(flush, (0.0, 0.5, 0.42))
    shadow = (0.12 + 0.3 * min(signs.bags, 1)) * blob(ax, y, person.face.eye_x - 0.03, 0.13, 0.2, 0.07)
    colour *= 1 - tint(shadow, (0.7, 0.95, 0.8))
    colour *= np.float32(1) - np.float32(0.06 * min(signs.spots, 1)) * np.array([0.6, 1.0, 1.3], np.float32)
    _add_age_spots(scene, region, x, y, colour, person_rng)


def _add_age_spots(scene: Scene, region: Region, x, y, colour: np.ndarray, person_rng: np.random.Generator) -> None:
    """Darken `colour` at random places, on the forehead or below the eyes."""
    for _ in range(int(26 * scene.person.age_signs.spots)):
        spot_x = person_rng.uniform(-0.95, 0.95)
        spot_y = person_rng.choice([person_rng.uniform(-0.95, -0.3), person_rng.uniform(0.1, 1.2)])
        radius, strength = person_rng.uniform(0.02, 0.06), person_rng.uniform(0.15, 0.4)
        pixel = np.round(scene.head.face_to_pixels(np.array((spot_x, spot_y)))).astype(int)
        column, row = pixel - (region[1].start, region[0].start)
        reach = int(3 * radius * scene.head.scale) + 1
        near = np.s_[max(row - reach, 0) : max(row + reach, 0), max(column - reach, 0) : max(column + reach, 0)]
        spot = strength * blob(x[near], y[near], spot_x, spot_y, radius, radius * 0.8)
        colour[near] *= 1 - spot[..., None] * np.array([0.6, 0.9, 1.0], np.float32)


def face_relief(person: Person, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How far the face stands out from a smooth egg, in head units."""
    face, signs, ax = person.face, person.age_signs, np.abs(x)
    eye, mouth, tip = face.eye_x, face.mouth_y, face.nose_y
    brow_ridge = min(max(face.brow - 0.4, 0), 1.2)
    hills = 0.05 * brow_ridge * blob(ax, y, 0.42, -0.27, 0.34, 0.12)
    hills -= 0.13 * blob(ax, y, eye - 0.02, -0.04, 0.27, 0.17) - 0.07 * blob(ax, y, eye, 0.0, 0.17, 0.11)
    hills += (0.10 - 0.02 * signs.sagging) * blob(ax, y, 0.62, 0.42, 0.27, 0.22)
    nose = 0.21 * face.ridge * np.exp(-np.square(x / 0.125))
    hills += nose * smoothstep(-0.4, tip, y) * smoothstep(tip + 0.17, tip + 0.02, y)
    hills += 0.11 * blob(x, y, 0, tip, 0.14 * face.nose_width, 0.11)
    hills += 0.11 * blob(ax, y, 0.185 * face.nose_width, tip + 0.05, 0.075, 0.075)
    hills += 0.07 * blob(x, y, 0, mouth - 0.03, 0.42, 0.26)
    hills += 0.045 * face.lips * blob(ax, y, 0.09, mouth - 0.05, 0.17, 0.05)
    hills += 0.065 * face.lips * blob(x, y, 0, mouth + 0.08, 0.22, 0.06)
    hills -= 0.025 * blob(x, y, 0, mouth - 0.19, 0.04, 0.07) + 0.07 * blob(x, y, 0, mouth + 0.21, 0.24, 0.06)
    hills += 0.10 * blob(x, y, 0, face.length - 0.2, 0.2, 0.13)
    hills += 0.04 * signs.bags * blob(ax, y, eye, 0.2, 0.19, 0.06)
    hills -= 0.07 * min(signs.sagging, 1) * blob(ax, y, 0.66, 0.82, 0.2, 0.22)
    hills += 0.10 * signs.sagging * blob(ax, y, 0.55, 1.22, 0.16, 0.16)
    return hills


@lru_cache(maxsize=4)  # photos of one person are drawn one after another
def trace_wrinkles(person: Person) -> list[Line]:
    """All wrinkles, each as strong as the signs of age say."""
    person_rng = np.random.default_rng([person.seed, 5])
    lines = _trace_brow_lines(person_rng, person.age_signs)
    for side in (-1, 1):
        lines += _trace_eye_lines(person_rng, person, side) + _trace_cheek_lines(person, side)
    return lines


def _trace_brow_lines(person_rng: np.random.Generator, signs: AgeSigns) -> list[Line]:
    """Four lines across the forehead."""
    lines = []
    for k in range(4):
        y = -0.52 - 0.125 * k + person_rng.normal(0, 0.012)
        x = np.linspace(-0.58, 0.58, 9) + person_rng.normal(0, 0.04)
        wavy = y + 0.035 * np.cos(x * 5 + person_rng.normal(0, 0.5)) + person_rng.normal(0, 0.012, 9)
        lines.append((catmull_rom(np.stack([x, wavy], 1), 4), 0.022, signs.brow_lines * person_rng.uniform(0.75, 1.0)))
    return lines


def _trace_eye_lines(person_rng: np.random.Generator, person: Person, side: int) -> list[Line]:
    """The frown beside the nose, crow's feet, and the bags below the eye."""
    signs, eye = person.age_signs, person.face.eye_x
    frown = np.array([(0.05, -0.40), (0.07, -0.30), (0.06, -0.2)])
    lines = [(catmull_rom(frown * (side, 1)), 0.025, 0.8 * signs.brow_lines)]
    corner = eye + 0.25
    for k, slope in enumerate((-0.55, -0.15, 0.25, 0.6)):
        reach = 0.13 + 0.14 * min(signs.crows_feet, 1)
        end = (corner + reach, 0.02 + slope * reach)
        bend = (corner + reach / 2, 0.02 + slope * reach * 0.35)
        foot = np.array([(corner, 0.015 + 0.02 * (k - 1.5)), bend, end])
        lines.append((catmull_rom(foot * (side, 1)), 0.02, signs.crows_feet * person_rng.uniform(0.75, 1)))
    under = np.array([(eye - 0.2, 0.10), (eye - 0.1, 0.20), (eye + 0.05, 0.245), (eye + 0.2, 0.17)])
    lines.append((catmull_rom(under * (side, 1)), 0.03, 0.85 * signs.bags))
    lines.append((catmull_rom((under * (1, 0.72) + (0, 0.02)) * (side, 1)), 0.02, 0.5 * signs.bags))
    return lines


def _trace_cheek_lines(person: Person, side: int) -> list[Line]:
    """From the nose past the mouth, from its corner down, and the hollow of the cheek."""
    signs, face = person.age_signs, person.face
    mouth_x, mouth, tip = face.mouth_width, face.mouth_y, face.nose_y
    fold = [(0.24, tip - 0.02), (0.36, tip + 0.16), (mouth_x + 0.06, mouth - 0.08), (mouth_x + 0.08, mouth + 0.12)]
    down = [(mouth_x + 0.0, mouth + 0.08), (mouth_x + 0.04, mouth + 0.22), (mouth_x - 0.02, mouth + 0.36)]
    hollow = [(0.62, 0.55), (0.7, 0.8), (0.66, 1.05)]
    return [
        (catmull_rom(np.array(fold) * (side, 1)), 0.035, 0.12 + 0.8 * signs.folds),
        (catmull_rom(np.array(down) * (side, 1)), 0.03, 0.75 * signs.sagging),
        (catmull_rom(np.array(hollow) * (side, 1)), 0.03, 0.35 * max(signs.sagging - 0.3, 0)),
    ]
