"""Neck, ears, and the face with all its features, lit as one surface."""

import math

import numpy as np

from visage.practice.face_parts import colour_lips, paint_beard, paint_brows, paint_eye
from visage.practice.geometry import Scene, chin_shift, ink_lines, skull_radius
from visage.practice.paintbrush import blob, shade_surface, smoothstep, tint, to_channels, value_noise
from visage.practice.skin import age_skin, face_relief, skin_colour, trace_wrinkles
from visage.practice.windows import find_window, part_of


def paint_neck(scene: Scene) -> None:
    region = scene.body.to_region(scene.canvas.shape, (-2.2, 0.6, 2.2, 3.6))
    u, v = scene.body.pixel_grid(region)
    half_width = scene.person.face.neck + 0.30 * smoothstep(1.75, 2.7, v) ** 2
    cover = smoothstep(0, 2.0, (half_width - np.abs(u)) * scene.head.scale + 1) * smoothstep(0.6, 0.8, v)
    cover = np.maximum(cover, smoothstep(2.0, 2.15, v - 0.1 * np.abs(u)) * (np.abs(u) < 0.95))
    window = find_window(cover, margin=2)
    colour = skin_colour(scene.person, u.shape, scene.rng, window)
    region, (u, v, cover, half_width) = part_of(region, window), (plane[window] for plane in (u, v, cover, half_width))
    cylinder = np.sqrt(np.clip(1 - np.square(u / (half_width + 0.05)), 0.03, 1)) * 0.55
    throat = 0.05 * blob(np.abs(u), v, 0.28, 2.1, 0.1, 0.5) - 0.06 * blob(u, v, 0, 2.45, 0.16, 0.14)
    if scene.person.gender == "male":
        throat += 0.07 * blob(u, v, 0, 1.98, 0.12, 0.13)
    bands = scene.person.age_signs.sagging * 0.035 * np.cos(u * 26) * smoothstep(1.6, 1.9, v) * smoothstep(2.5, 2.2, v)
    height = (cylinder + throat + bands) * scene.head.scale
    scene.canvas.overlay(shade_surface(colour, height, scene.light), cover, region)
    chin_shadow = 0.62 * smoothstep(2.25, 1.6, v - 0.12 * np.abs(u))
    scene.canvas.darken(chin_shadow * cover, region)


def paint_ears(scene: Scene) -> None:
    if scene.person.hair.covers_ears:
        return
    for side in (-1, 1):
        ear_u = side * (1.04 * scene.person.face.width + 0.02) - 0.12 * math.sin(scene.head.yaw)
        region = scene.head.to_region(scene.canvas.shape, (ear_u - 0.3, -0.4, ear_u + 0.3, 0.75))
        u, v = scene.head.pixel_grid(region)
        x, y = (u - ear_u) * side, v - 0.16
        r = np.sqrt(np.square((x - 0.16 * smoothstep(0.1, -0.3, y)) / 0.155) + np.square(y / 0.36))
        cover = smoothstep(0, 1.6, (1 - r) * 0.155 * scene.head.scale + 0.8)
        rim = 0.09 * np.exp(-np.square((r - 0.78) / 0.16)) - 0.08 * blob(x, y, 0.0, 0.02, 0.06, 0.14)
        colour = skin_colour(scene.person, u.shape, scene.rng, np.s_[:, :]) * np.array([1.0, 0.86, 0.82], np.float32)
        inside = to_channels(0.82 - 0.3 * blob(x, y, 0, 0.03, 0.07, 0.15))
        scene.canvas.overlay(shade_surface(colour, rim * scene.head.scale, scene.light) * inside, cover, region)


def paint_face(scene: Scene) -> None:
    person, scale = scene.person, scene.head.scale
    region = scene.head.to_region(scene.canvas.shape, (-1.45, -1.8, 1.45, 1.95))
    u, v = scene.head.pixel_grid(region)
    ox = u - chin_shift(scene.head, v)
    edge = skull_radius(person, np.arctan2(ox, 0.1 - v), 0.1)
    radius = np.hypot(ox, v - 0.1) / edge
    cover = smoothstep(-0.7, 0.9, (1 - radius) * edge * scale)
    shape, window = u.shape, find_window(cover, margin=8)
    pores = value_noise(scene.rng, shape, 2.2)
    colour = skin_colour(person, shape, scene.rng, window)
    region = part_of(region, window)
    u, v, cover, radius, pores = (plane[window] for plane in (u, v, cover, radius, pores))
    x, y = scene.head.to_face(u, v)
    egg = 0.95 * np.sqrt(np.clip(1 - np.power(np.clip(radius, 0, 1), 2.6), 0.0, 1) + 0.004)
    wrinkles = ink_lines(scene, region, trace_wrinkles(person), soften=0.011 * scale)
    height = egg + face_relief(person, x, y) - 0.035 * wrinkles + 0.0011 * pores * (1 + person.age_signs.spots)
    age_skin(scene, region, x, y, colour)
    colour_lips(person, colour, x, y)
    colour *= 1 - tint(wrinkles, (0.36, 0.42, 0.44))
    gloss = 0.05 + 0.10 * (blob(x, y, 0, 0.4, 0.2, 0.5) + blob(x, y, 0, -0.6, 0.5, 0.25))
    scene.canvas.overlay(shade_surface(colour, height * scale, scene.light, gloss=gloss), cover, region)
    _shade_hollows(scene, region, x, y, cover)
    if person.gender == "male":
        paint_beard(scene, region, x, y, cover, value_noise(scene.rng, shape, 1.3)[window])
    for side in (-1, 1):
        paint_eye(scene, side)
    paint_brows(scene, region)


def _shade_hollows(scene: Scene, region, x, y, cover) -> None:
    """Darken what little light reaches: nostrils, under the nose and the lip, beside the eyes."""
    window = find_window((np.abs(x) < 0.9) * (np.abs(y - 0.8) < 1.5))
    region, (x, y, cover) = part_of(region, window), (plane[window] for plane in (x, y, cover))
    face, ax = scene.person.face, np.abs(x)
    tip, mouth = face.nose_y, face.mouth_y
    shadow = 0.8 * blob(ax, y, 0.085 * face.nose_width, tip + 0.105, 0.045, 0.024)
    shadow += 0.22 * blob(x, y, 0, tip + 0.15, 0.17 * face.nose_width, 0.05)
    shadow += 0.17 * blob(ax, y, 0.25 * face.nose_width, tip + 0.05, 0.03, 0.08)
    shadow += 0.20 * blob(x, y, 0, mouth + 0.2, 0.2, 0.05)
    shadow += 0.18 * blob(ax, y, 0.2, -0.06, 0.08, 0.12)
    scene.canvas.darken(np.clip(shadow, 0, 0.9) * cover, region)
