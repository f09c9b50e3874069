"""What is drawn upon the face: eyes with lids and lashes, brows, lips and beard."""

import math

import numpy as np

from visage.practice.geometry import Scene, corner_y, eye_x, ink_lines, mouth_y, nose_y
from visage.practice.paintbrush import (
    Part,
    blob,
    hsv_to_rgb,
    mix,
    shade_surface,
    smoothstep,
    tint,
    to_channels,
    to_linear,
    value_noise,
)
from visage.practice.people import Person


def paint_eye(s: Scene, side: int) -> None:
    f, t = s.person.face, s.person.years
    ex = side * eye_x(f)
    at = s.head.around(s.canvas.shape, (ex - 0.75, -0.55, ex + 0.75, 0.55))
    x, y = s.head.chart(*s.head.grid(at))
    x, y = (x - ex) * side, y + f.eye_tilt * (x - ex) * side  # from here x points away from the nose
    wide = 0.225 * f.eye_size
    tall = 0.095 * f.eye_size * (1 - 0.22 * min(t.sagging, 1.1)) * (1 - 0.25 * max(f.smile - 0.5, 0))
    upper, lower = _lids(x, wide, tall)
    px = 1 / s.head.scale
    opening = (
        smoothstep(-0.7 * px, 0.9 * px, y - upper) * smoothstep(-0.7 * px, 0.9 * px, lower - y) * (np.abs(x) < wide)
    )
    s.canvas.lay(_eyeball(s, x, y, upper, wide, side), opening, at, person=False)
    shadow = 0.35 * s.person.makeup * smoothstep(-0.16, -0.05, y) * smoothstep(-0.01, -0.05, y - upper)
    s.canvas.darken(shadow * smoothstep(1.3, 0.9, np.abs(x) / wide) * (1 - opening), at)
    _paint_lashes(s, at, ex, side, wide, tall)


def _lids(x, wide: float, tall: float) -> tuple[np.ndarray, np.ndarray]:
    """Heights of the upper and the lower lid over x, which points away from the nose."""
    across = np.clip(1 - np.square(x / wide), 0, 1)
    return -tall * across**0.75 * (1 + 0.12 * np.sin(2.2 * x / wide)), 0.62 * tall * across**0.9


def _eyeball(s: Scene, x, y, upper, wide: float, side: int) -> np.ndarray:
    """White, iris, pupil and the lamp's reflection, shaded by the upper lid."""
    gx, gy, px = s.gaze[0] * side, s.gaze[1], 1 / s.head.scale
    out = np.hypot(x - gx, y + 0.012 - gy)
    white = tint(
        (0.75 + 0.35 * smoothstep(upper, upper + 0.07, y)) * (1 - 0.35 * smoothstep(0.55, 1, np.abs(x) / wide)),
        to_linear((0.90, 0.88, 0.86)),
    )
    spokes = 0.8 + 0.3 * np.sin(np.arctan2(y - gy, x - gx) * 17) * smoothstep(0.03, 0.06, out)
    iris = tint(1.5 * spokes * smoothstep(0.105, 0.06, out) + 0.25, to_linear(s.person.iris))
    ball = mix(white, iris, to_channels(smoothstep(0.092 + 0.6 * px, 0.092 - 0.8 * px, out)))
    ball = mix(ball, np.float32(0.003), to_channels(smoothstep(0.042 + 0.6 * px, 0.042 - 0.6 * px, out)))
    ball *= to_channels(1 - 0.55 * smoothstep(upper + 0.05, upper, y))
    lamp_x = math.copysign(0.03, s.light.towards[0]) * side
    glint = smoothstep(0.026 + 0.5 * px, 0.02, np.hypot(x - gx - lamp_x, y - gy + 0.04))
    return ball * (s.light.key * 0.55 + s.light.fill * 0.9) + tint(0.75 * glint, s.light.key)


def _paint_lashes(s: Scene, at, ex: float, side: int, wide: float, tall: float) -> None:
    p, f, droop = s.person, s.person.face, min(s.person.years.sagging, 1.1)

    def placed(line: np.ndarray) -> np.ndarray:
        return np.stack([ex + side * line[:, 0], line[:, 1] - f.eye_tilt * line[:, 0]], 1)

    x = np.linspace(-1, 1, 17) * wide
    upper, lower = _lids(x, wide, tall)
    lid, under = np.stack([x, upper - 0.004], 1), np.stack([x, lower + 0.004], 1)
    dark = 0.62 + 0.38 * p.makeup
    wing = lid[11:] + np.linspace(0, 1, 6)[:, None] * (0.05, -0.03) * (0.4 + p.makeup)
    lines = [
        (placed(lid), 0.026 + 0.022 * p.makeup, dark),
        (placed(wing), 0.025, dark),
        (placed(under), 0.014, 0.30 + 0.3 * p.makeup),
    ]
    for k in range(int(3 + 9 * p.makeup)):
        root = lid[4 + k]
        tip = root + np.array([(k - 3) * 0.008 + 0.005, -0.05 - 0.02 * p.makeup])
        lines.append((placed(np.array([root, tip])), 0.011, 0.7 * dark))
    s.canvas.lay(to_linear((0.07, 0.05, 0.045)), 0.95 * ink_lines(s, at, lines, 0.3), at, person=False)
    crease = lid * (1.06, 1) - (0, 0.022 + 0.05 * f.lid)
    crease[:, 1] += droop * (0.01 + 0.03 * smoothstep(0, wide, x))  # years let the outer fold hang
    depth = 0.35 + 0.4 * f.lid + 0.3 * droop
    s.canvas.darken(0.55 * ink_lines(s, at, [(placed(crease), 0.02, depth)], 0.7), at)


def paint_brows(s: Scene, at: Part) -> None:
    p, f = s.person, s.person.face
    own = np.random.default_rng([p.seed, 13])
    hairs, greys = [], []
    droop = 0.05 * p.years.sagging
    for side in (-1, 1):
        along = own.uniform(0, 1, 85)
        x = 0.17 + 0.56 * along
        arch = 0.09 * f.brow_arch * np.sin(np.pi * np.clip(along * 0.85, 0, 1)) - 0.03 + droop * along**2
        thick = 0.085 * f.brow * (1 - 0.72 * along**1.6)
        y = -f.brow_height - arch + 0.10 * np.clip(along - 0.62, 0, 1) + thick * own.uniform(-0.5, 0.5, 85)
        lean = mix(-0.09, 0.035, along**0.6)
        for k in range(85):
            hair = np.array([(x[k], y[k]), (x[k] + 0.035, y[k] + lean[k] * 0.6), (x[k] + 0.085, y[k] + lean[k] * 0.7)])
            (greys if own.random() < 0.75 * p.years.grey else hairs).append((hair * (side, 1), 0.017, 0.62))
    colour = to_linear(p.hair.colour) * 0.8
    lamp = s.light.key * 0.6 + s.light.fill
    s.canvas.lay(colour * lamp, ink_lines(s, at, hairs, 0.35), at, person=False)
    s.canvas.lay(to_linear((0.62, 0.61, 0.60)) * lamp, 0.8 * ink_lines(s, at, greys, 0.35), at, person=False)


def colour_lips(p: Person, colour: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    f, ax, m = p.face, np.abs(x), mouth_y(p.face)
    full = f.lips * (1 - 0.3 * min(p.years.sagging, 1))
    across = np.clip(1 - np.square(ax / f.mouth_width), 0, 1)
    line = m + (corner_y(f) - m) * np.square(ax / f.mouth_width)
    top = line - 0.105 * full * across**0.8 * (1 - 0.22 * np.exp(-np.square(ax / 0.05)))
    bottom = line + 0.135 * full * across**0.6
    lips = smoothstep(-0.012, 0.02, y - top) * smoothstep(-0.012, 0.03, bottom - y) * (across > 0)
    natural = to_linear(p.skin) * np.array([0.80, 0.50, 0.50], np.float32)
    paint = to_linear(hsv_to_rgb(350 + 20 * ((p.seed >> 3) % 3 - 1), 0.62, 0.72))
    colour += (mix(natural, paint, 0.75 * p.makeup) - colour) * to_channels(lips * mix(0.75, 0.9, p.makeup))
    parted = np.exp(-np.square((y - line) / 0.016)) * smoothstep(0, 0.12, across)
    corner = blob(ax, y, f.mouth_width, corner_y(f), 0.05, 0.035)
    colour *= 1 - tint(np.clip(0.72 * parted + 0.3 * corner, 0, 0.9), (0.85, 1, 1))


def paint_beard(s: Scene, at, x, y, cover) -> None:
    p, mouth = s.person, mouth_y(s.person.face)
    if p.gender != "male":
        return
    area = _beard_area(p, x, y) * cover
    shadow = {"none": 0.16, "stubble": 0.42}.get(p.beard, 0.25)
    dots = np.clip(0.75 + 0.55 * value_noise(s.rng, x.shape, 1.3), 0, 1.4)
    pale = mix(np.array(to_linear(p.hair.colour)), to_linear((0.66, 0.65, 0.64)), p.years.grey)
    lamp = s.light.key * 0.5 + s.light.fill
    s.canvas.lay(pale * lamp, np.clip(area * shadow * dots, 0, 1), at, person=False)
    if p.beard in ("moustache", "goatee", "full"):
        tex = s.streaks((x * 1.2 + 0.25 * np.sign(x) * (y - mouth) ** 2) * 150, y * 14 + 10)
        dense = smoothstep(0.25, 0.75, area + 0.18 * tex * (area > 0.02))
        shade = shade_surface(
            tint(np.clip(0.8 + 0.45 * tex, 0.2, 2), pale),
            (np.sqrt(np.clip(1.05 - x * x, 0.05, 1)) + 0.1 * area) * s.head.scale,
            s.light,
            gloss=0.03,
        )
        s.canvas.lay(shade, 0.93 * dense * cover, at, person=False)


def _beard_area(p: Person, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where the beard grows, 0 to 1; the lips stay bare."""
    f = p.face
    tip, mouth, ax = nose_y(f), mouth_y(f), np.abs(x)
    lip_gap = smoothstep(
        0.8, 1.15, np.sqrt(np.square(ax / (f.mouth_width * 0.95)) + np.square((y - mouth - 0.02) / 0.115))
    )
    moustache = blob(ax, y, 0.18, mouth - 0.17, 0.27, 0.09) * 1.4
    chin = 1.5 * blob(x, y, 0, f.length - 0.14, 0.34, 0.26)
    line = 0.45 + 0.75 * smoothstep(1.0, 0.35, ax)
    jaw = smoothstep(line, line + 0.22, y) * smoothstep(tip + 0.1, tip + 0.3, y + 0.5 * smoothstep(0.4, 0.8, ax))
    area = {
        "none": jaw,
        "stubble": jaw,
        "moustache": moustache,
        "goatee": np.maximum(moustache, chin),
        "full": np.maximum(jaw * 1.2, moustache),
    }[p.beard]
    return np.clip(np.maximum(area, moustache if p.beard in ("none", "stubble") else 0), 0, 1) * lip_gap
