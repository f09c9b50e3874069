"""Clothes with their collars and patterns, and glasses."""

import cv2
import numpy as np

from visage.practice.geometry import Scene, ink_lines
from visage.practice.paintbrush import (
    catmull_rom,
    fill_polygon,
    interpolate,
    mix,
    shade_surface,
    smoothstep,
    tint,
    to_channels,
    to_linear,
    value_noise,
)
from visage.practice.traits import Clothes
from visage.practice.windows import Region


def paint_clothes(scene: Scene) -> None:
    clothes, person_rng = scene.person.clothes, np.random.default_rng([scene.person.seed, 3])
    region = scene.body.to_region(scene.canvas.shape, (-4.5, 1.4, 4.5, 7.0))
    u, v = scene.body.pixel_grid(region)
    au, end = np.abs(u), 2.25 if scene.person.gender == "male" else 2.0
    neck = scene.person.face.neck
    shoulder_u = (0, neck, neck + 0.35, end * 0.8, end, end + 0.28, end + 0.5, 5)
    shoulder = interpolate(shoulder_u, (1.75, 1.86, 2.05, 2.33, 2.5, 2.9, 3.8, 6), au)
    opening = _neckline(clothes.kind, au)
    edge = np.maximum(shoulder, opening) if clothes.kind != "turtle" else np.where(au < neck + 0.04, opening, shoulder)
    cover = smoothstep(-1, 1, (v - edge) * scene.head.scale)
    folds = value_noise(person_rng, u.shape, (90, 34)) + 0.4 * value_noise(person_rng, u.shape, 20)
    height = 0.9 * np.sqrt(np.clip(1.02 - np.square(u / 3.6), 0.02, 1)) + 0.035 * folds
    height = height - 0.35 * np.exp(-3.5 * np.clip(v - shoulder, 0, 3))
    cloth = tint(1 + 0.06 * value_noise(scene.rng, u.shape, 1.5), to_linear(clothes.colour))
    cloth = _apply_pattern(cloth, clothes, u, v, folds)
    if clothes.pattern == "knit":
        height = height + 0.012 * np.sin(u * 42 + np.sin(v * 42))
    if clothes.kind == "suit":
        inside = smoothstep(3.9, 3.85, v + 2.1 * au)
        cloth = mix(cloth, to_linear((0.9, 0.9, 0.92)), to_channels(inside))
        height = height - 0.05 * inside
    if clothes.kind in ("crew", "turtle", "scoop"):
        height = height + 0.05 * smoothstep(0.2, 0.05, v - opening) * (au < 1.3)
    scene.canvas.overlay(shade_surface(cloth, height * scene.head.scale, scene.light, wrap=0.4), cover, region)
    if clothes.kind in ("shirt", "suit", "hood"):
        _paint_collar(scene, region)


def _neckline(kind: str, au: np.ndarray) -> np.ndarray:
    """v of the upper edge of the clothes at each distance `au` from the middle."""
    return {
        "crew": 2.12 - 0.62 * np.square(au),
        "turtle": 1.72 - 0.1 * np.square(au),
        "scoop": 2.75 - 0.95 * np.square(au),
        "vneck": 2.95 - 1.35 * au,
        "hood": 2.2 - 0.5 * np.square(au),
        "shirt": 2.42 - 0.95 * au,
        "suit": 3.3 - 1.6 * au,
    }[kind]


def _apply_pattern(cloth: np.ndarray, clothes: Clothes, u: np.ndarray, v: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """The cloth with its second colour; stripes follow the folds."""
    if clothes.pattern == "stripes":
        share = smoothstep(0.1, 0.4, np.sin(v * 17 + 0.5 * folds))
    elif clothes.pattern == "checks":
        share = 0.4 * (smoothstep(0.5, 0.9, np.sin(v * 13)) + smoothstep(0.5, 0.9, np.sin(u * 13)))
    else:
        return cloth
    return mix(cloth, to_linear(clothes.second_colour), to_channels(share))


def _paint_collar(scene: Scene, region: Region) -> None:
    clothes, neck = scene.person.clothes, scene.person.face.neck
    colour = (0.9, 0.9, 0.92) if clothes.kind == "suit" else np.clip(np.array(clothes.colour) * 1.12, 0, 1)
    lit_colour = to_linear(colour) * (scene.light.key * 0.75 + scene.light.fill)
    low = 2.75 if clothes.kind != "hood" else 2.55
    right_flap = [(neck + 0.02, 1.72), (neck + 0.2, 1.85), (neck + 0.18, 2.25), (0.42, low), (0.05, 2.42)]
    right_flap.append((neck * 0.75, 2.02))
    for side in (-1, 1):
        flap = np.array(right_flap) * (side, 1)
        px = scene.body.to_pixels(flap if clothes.kind != "hood" else catmull_rom(flap * (1.25, 1), closed=True))
        px = px - (region[1].start, region[0].start)
        shape = scene.canvas.rgb[region].shape[:2]
        shadow = fill_polygon(shape, px + np.array([0, 0.05 * scene.head.scale]))
        scene.canvas.darken(0.35 * cv2.GaussianBlur(shadow, (0, 0), 2.5), region)
        slope = np.float32(0.75 + 0.25 * np.clip(side * scene.light.direction[0] + 0.6, 0, 1))
        scene.canvas.overlay(lit_colour * slope, fill_polygon(shape, px), region)


def paint_glasses(scene: Scene) -> None:
    person, face = scene.person, scene.person.face
    if person.glasses == "none":
        return
    region = scene.head.to_region(scene.canvas.shape, (-1.4, -0.7, 1.4, 0.8))
    u, v = scene.head.pixel_grid(region)
    x, y = scene.head.to_face(u, v)
    half_width, half_height, power, thickness = {
        "round": (0.34, 0.32, 2.0, 0.035),
        "square": (0.38, 0.27, 4.0, 0.05),
        "thin": (0.37, 0.25, 3.0, 0.018),
    }[person.glasses]
    dx, dy = np.abs(np.abs(x) - face.eye_x - 0.02) / half_width, np.abs(y - 0.07) / half_height
    radius = np.power(np.power(dx, power) + np.power(dy, power), 1 / power)  # 1 at the rim
    px = 1 / scene.head.scale
    smaller = min(half_width, half_height)
    frame = smoothstep(thickness / 2 + px, thickness / 2 - 0.3 * px, np.abs(radius - 1) * smaller)
    bridge = [(catmull_rom([(-0.11, 0.0), (0, -0.04), (0.11, 0.0)]), thickness, 1.0)]
    hinge = face.eye_x + 0.02 + half_width
    arms = [(np.array([(side * hinge, -0.02), (side * 1.12, -0.06)]), thickness, 1.0) for side in (-1, 1)]
    frame = np.maximum(frame, ink_lines(scene, region, bridge + arms))
    colour = ((0.05, 0.05, 0.06), (0.35, 0.2, 0.12), (0.55, 0.5, 0.4))[person.seed % 3]
    scene.canvas.darken(0.35 * cv2.GaussianBlur(np.roll(frame, 3, 0), (0, 0), 1.8) * scene.canvas.alpha[region], region)
    lens = smoothstep(1.0, 0.93, radius)
    glare = smoothstep(0.25, 0.0, np.abs(x * 0.9 + y * 0.8 - 0.35 * np.sign(x))) * 0.06 + 0.01
    scene.canvas.overlay(scene.light.key, lens * glare, region, person=False)
    bevel = np.clip(0.7 - 6 * (radius - 1) * np.sign(y - 0.07) * smaller / thickness * 0.2, 0.3, 1.5)
    lit_colour = to_linear(colour) * (scene.light.key * 0.6 + scene.light.fill)
    scene.canvas.overlay(tint(bevel, lit_colour) + np.float32(0.01), frame, region)
