"""The face as a surface: its colour, the soft hills it is made of, and the lines that the years draw on it.

A face is a height field of soft hills lit by one lamp, so that a nose or a wrinkle looks as the light makes it look.
"""

import cv2
import numpy as np

from visage.practice.geometry import Scene, eye_x, mouth_y, nose_y
from visage.practice.paintbrush import blob, catmull_rom, smoothstep, tint, to_linear, value_noise
from visage.practice.people import Person
from visage.practice.traits import Years

Line = tuple[np.ndarray, float, float]  # places on the face, width in head units, depth 0 to 1


def skin_colour(person: Person, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Linear skin with blotches and pores."""
    skin = to_linear(person.skin)
    mottle = 0.05 * value_noise(rng, shape, 18) + 0.035 * value_noise(rng, shape, 5)
    pores = 0.035 * value_noise(rng, shape, 1.6)
    return cv2.merge([c * (1 + pores + redder * mottle) for c, redder in zip(skin, (0.25, -0.6, -0.5), strict=True)])


def complexion(s: Scene, at, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Linear albedo of the face: skin, blush, the dark under the eyes, spots, lips are painted later."""
    p, t, ax = s.person, s.person.years, np.abs(x)
    own = np.random.default_rng([p.seed, 11])
    colour = skin_colour(p, x.shape, s.rng)
    flush = 0.55 * blob(ax, y, 0.6, 0.45, 0.3, 0.24) + 0.5 * blob(x, y, 0, 0.56, 0.2, 0.14)
    flush *= 0.15 + 0.35 * p.makeup + 0.25 * max(1 - 1.6 * t.folds, 0)  # the young are rosy
    colour *= 1 - tint(flush, (0.0, 0.5, 0.42))
    tired = (0.12 + 0.3 * min(t.bags, 1)) * blob(ax, y, eye_x(p.face) - 0.03, 0.13, 0.2, 0.07)
    colour *= 1 - tint(tired, (0.7, 0.95, 0.8))
    colour *= np.float32(1) - np.float32(0.06 * min(t.spots, 1)) * np.array([0.6, 1.0, 1.3], np.float32)
    for _ in range(int(26 * t.spots)):
        place = own.uniform(-0.95, 0.95), own.choice([own.uniform(-0.95, -0.3), own.uniform(0.1, 1.2)])
        r, strength = own.uniform(0.02, 0.06), own.uniform(0.15, 0.4)
        column, row = np.round(s.head.on_face(np.array(place))).astype(int) - (at[1].start, at[0].start)
        reach = int(3 * r * s.head.scale) + 1
        near = np.s_[max(row - reach, 0) : max(row + reach, 0), max(column - reach, 0) : max(column + reach, 0)]
        dark = strength * blob(x[near], y[near], *place, r, r * 0.8)
        colour[near] *= 1 - dark[..., None] * np.array([0.6, 0.9, 1.0], np.float32)
    return colour


def relief(person: Person, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How far the face stands out from a plain egg, in head units; x, y are places on the face."""
    f, t, ax = person.face, person.years, np.abs(x)
    eye, mouth, tip = eye_x(f), mouth_y(f), nose_y(f)
    manly = min(max(f.brow - 0.4, 0), 1.2)
    hills = 0.05 * manly * blob(ax, y, 0.42, -0.27, 0.34, 0.12)
    hills -= 0.13 * blob(ax, y, eye - 0.02, -0.04, 0.27, 0.17) - 0.07 * blob(ax, y, eye, 0.0, 0.17, 0.11)
    hills += (0.10 - 0.02 * t.sagging) * blob(ax, y, 0.62, 0.42, 0.27, 0.22)
    hills += (
        0.21
        * f.ridge
        * np.exp(-np.square(x / 0.125))
        * smoothstep(-0.4, tip, y)
        * smoothstep(tip + 0.17, tip + 0.02, y)
    )
    hills += 0.11 * blob(x, y, 0, tip, 0.14 * f.nose_width, 0.11)
    hills += 0.11 * blob(ax, y, 0.185 * f.nose_width, tip + 0.05, 0.075, 0.075)
    hills += 0.07 * blob(x, y, 0, mouth - 0.03, 0.42, 0.26)
    hills += 0.045 * f.lips * blob(ax, y, 0.09, mouth - 0.05, 0.17, 0.05)
    hills += 0.065 * f.lips * blob(x, y, 0, mouth + 0.08, 0.22, 0.06)
    hills -= 0.025 * blob(x, y, 0, mouth - 0.19, 0.04, 0.07) + 0.07 * blob(x, y, 0, mouth + 0.21, 0.24, 0.06)
    hills += 0.10 * blob(x, y, 0, f.length - 0.2, 0.2, 0.13)
    hills += 0.04 * t.bags * blob(ax, y, eye, 0.2, 0.19, 0.06)
    hills -= 0.07 * min(t.sagging, 1) * blob(ax, y, 0.66, 0.82, 0.2, 0.22)
    hills += 0.10 * t.sagging * blob(ax, y, 0.55, 1.22, 0.16, 0.16)
    return hills


def furrows(person: Person) -> list[Line]:
    """The lines that the years drew."""
    own = np.random.default_rng([person.seed, 5])
    lines = _brow_lines(own, person.years)
    for side in (-1, 1):
        lines += _eye_lines(own, person, side) + _cheek_lines(person, side)
    return lines


def _brow_lines(own: np.random.Generator, t: Years) -> list[Line]:
    lines = []
    for k in range(4):
        y = -0.52 - 0.125 * k + own.normal(0, 0.012)
        x = np.linspace(-0.58, 0.58, 9) + own.normal(0, 0.04)
        wavy = y + 0.035 * np.cos(x * 5 + own.normal(0, 0.5)) + own.normal(0, 0.012, 9)
        lines.append((catmull_rom(np.stack([x, wavy], 1), 4), 0.022, t.brow_lines * own.uniform(0.75, 1.0)))
    return lines


def _eye_lines(own: np.random.Generator, person: Person, side: int) -> list[Line]:
    """The frown beside the nose, crow's feet, and the bags below the eye."""
    t, eye = person.years, eye_x(person.face)
    frown = np.array([(0.05, -0.40), (0.07, -0.30), (0.06, -0.2)])
    lines = [(catmull_rom(frown * (side, 1)), 0.025, 0.8 * t.brow_lines)]
    corner = eye + 0.25
    for k, slope in enumerate((-0.55, -0.15, 0.25, 0.6)):
        reach = 0.13 + 0.14 * min(t.crows_feet, 1)
        end = (corner + reach, 0.02 + slope * reach)
        bend = (corner + reach / 2, 0.02 + slope * reach * 0.35)
        foot = np.array([(corner, 0.015 + 0.02 * (k - 1.5)), bend, end])
        lines.append((catmull_rom(foot * (side, 1)), 0.02, t.crows_feet * own.uniform(0.75, 1)))
    under = np.array([(eye - 0.2, 0.10), (eye - 0.1, 0.20), (eye + 0.05, 0.245), (eye + 0.2, 0.17)])
    lines.append((catmull_rom(under * (side, 1)), 0.03, 0.85 * t.bags))
    lines.append((catmull_rom((under * (1, 0.72) + (0, 0.02)) * (side, 1)), 0.02, 0.5 * t.bags))
    return lines


def _cheek_lines(person: Person, side: int) -> list[Line]:
    """From the nose past the mouth, from its corner down, and the hollow of the cheek."""
    t, f = person.years, person.face
    m, mouth, tip = f.mouth_width, mouth_y(f), nose_y(f)
    fold = [(0.24, tip - 0.02), (0.36, tip + 0.16), (m + 0.06, mouth - 0.08), (m + 0.08, mouth + 0.12)]
    down = [(m + 0.0, mouth + 0.08), (m + 0.04, mouth + 0.22), (m - 0.02, mouth + 0.36)]
    hollow = [(0.62, 0.55), (0.7, 0.8), (0.66, 1.05)]
    return [
        (catmull_rom(np.array(fold) * (side, 1)), 0.035, 0.12 + 0.8 * t.folds),
        (catmull_rom(np.array(down) * (side, 1)), 0.03, 0.75 * t.sagging),
        (catmull_rom(np.array(hollow) * (side, 1)), 0.03, 0.35 * max(t.sagging - 0.3, 0)),
    ]
