"""The head: neck, ears, and the face with all its features, lit as one surface."""

import math

import numpy as np

from visage.practice.face_parts import colour_lips, paint_beard, paint_brows, paint_eye
from visage.practice.geometry import Scene, chin_shift, ink_lines, mouth_y, nose_y, skull
from visage.practice.paintbrush import blob, shade_surface, smoothstep, tint, to_channels, value_noise
from visage.practice.skin import complexion, furrows, relief, skin_colour


def paint_neck(s: Scene) -> None:
    at = s.body.around(s.canvas.shape, (-2.2, 0.6, 2.2, 3.6))
    u, v = s.body.grid(at)
    wide = s.person.face.neck + 0.30 * smoothstep(1.75, 2.7, v) ** 2
    cover = smoothstep(0, 2.0, (wide - np.abs(u)) * s.head.scale + 1) * smoothstep(0.6, 0.8, v)
    cover = np.maximum(cover, smoothstep(2.0, 2.15, v - 0.1 * np.abs(u)) * (np.abs(u) < 0.95))
    round_ = np.sqrt(np.clip(1 - np.square(u / (wide + 0.05)), 0.03, 1)) * 0.55
    throat = 0.05 * blob(np.abs(u), v, 0.28, 2.1, 0.1, 0.5) - 0.06 * blob(u, v, 0, 2.45, 0.16, 0.14)
    if s.person.gender == "male":
        throat += 0.07 * blob(u, v, 0, 1.98, 0.12, 0.13)
    bands = s.person.years.sagging * 0.035 * np.cos(u * 26) * smoothstep(1.6, 1.9, v) * smoothstep(2.5, 2.2, v)
    colour = shade_surface(skin_colour(s.person, u.shape, s.rng), (round_ + throat + bands) * s.head.scale, s.light)
    s.canvas.lay(colour, cover, at)
    # The chin keeps the light off the throat.
    s.canvas.darken(0.62 * smoothstep(2.25, 1.6, v - 0.12 * np.abs(u)) * cover, at)


def paint_ears(s: Scene) -> None:
    if s.person.hair.covers_ears:
        return
    for side in (-1, 1):
        x = side * (1.04 * s.person.face.width + 0.02) - 0.12 * math.sin(s.head.yaw)
        at = s.head.around(s.canvas.shape, (x - 0.3, -0.4, x + 0.3, 0.75))
        u, v = s.head.grid(at)
        x, y = (u - x) * side, v - 0.16
        r = np.sqrt(np.square((x - 0.16 * smoothstep(0.1, -0.3, y)) / 0.155) + np.square(y / 0.36))
        cover = smoothstep(0, 1.6, (1 - r) * 0.155 * s.head.scale + 0.8)
        rim = 0.09 * np.exp(-np.square((r - 0.78) / 0.16)) - 0.08 * blob(x, y, 0.0, 0.02, 0.06, 0.14)
        colour = skin_colour(s.person, u.shape, s.rng) * np.array([1.0, 0.86, 0.82], np.float32)
        inside = to_channels(0.82 - 0.3 * blob(x, y, 0, 0.03, 0.07, 0.15))
        s.canvas.lay(shade_surface(colour, rim * s.head.scale, s.light) * inside, cover, at)


def paint_face(s: Scene) -> None:
    p, scale = s.person, s.head.scale
    at = s.head.around(s.canvas.shape, (-1.45, -1.8, 1.45, 1.95))
    u, v = s.head.grid(at)
    x, y = s.head.chart(u, v)
    ox = u - chin_shift(s.head, v)
    reach = skull(p, np.arctan2(ox, 0.1 - v), 0.1)
    out = np.hypot(ox, v - 0.1) / reach
    cover = smoothstep(-0.7, 0.9, (1 - out) * reach * scale)
    egg = 0.95 * np.sqrt(np.clip(1 - np.power(np.clip(out, 0, 1), 2.6), 0.0, 1) + 0.004)
    furrow = ink_lines(s, at, furrows(p), soften=0.011 * scale)
    pores = 0.0011 * value_noise(s.rng, u.shape, 2.2) * (1 + p.years.spots)
    height = egg + relief(p, x, y) - 0.035 * furrow + pores
    colour = complexion(s, at, x, y)
    colour_lips(p, colour, x, y)
    colour *= 1 - tint(furrow, (0.36, 0.42, 0.44))
    gloss = 0.05 + 0.10 * (blob(x, y, 0, 0.4, 0.2, 0.5) + blob(x, y, 0, -0.6, 0.5, 0.25))
    s.canvas.lay(shade_surface(colour, height * scale, s.light, gloss=gloss), cover, at)
    _shade_hollows(s, at, x, y, cover)
    paint_beard(s, at, x, y, cover)
    for side in (-1, 1):
        paint_eye(s, side)
    paint_brows(s, at)


def _shade_hollows(s: Scene, at, x, y, cover) -> None:
    """What little light reaches: nostrils, under the nose and lip, beside the eyes, the rim of the face."""
    f, ax = s.person.face, np.abs(x)
    tip, mouth = nose_y(f), mouth_y(f)
    dark = 0.8 * blob(ax, y, 0.085 * f.nose_width, tip + 0.105, 0.045, 0.024)
    dark += 0.22 * blob(x, y, 0, tip + 0.15, 0.17 * f.nose_width, 0.05)
    dark += 0.17 * blob(ax, y, 0.25 * f.nose_width, tip + 0.05, 0.03, 0.08)
    dark += 0.20 * blob(x, y, 0, mouth + 0.2, 0.2, 0.05)
    dark += 0.18 * blob(ax, y, 0.2, -0.06, 0.08, 0.12)
    s.canvas.darken(np.clip(dark, 0, 0.9) * cover, at)
