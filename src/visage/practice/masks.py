"""Masks: which one a person wears in a shot, its shape, its cloth and its loops. x, y: face coordinates."""

import cv2
import numpy as np

from visage.practice.geometry import Scene, chin_shift
from visage.practice.paintbrush import (
    blob,
    catmull_rom,
    choose_weighted,
    fractal_noise,
    hsv_to_rgb,
    mix,
    shade_surface,
    smoothstep,
    stroke_lines,
    tint,
    to_channels,
    to_linear,
    value_noise,
)
from visage.practice.people import Person
from visage.practice.traits import Face
from visage.practice.windows import Region, find_window, part_of

KINDS = ("surgical", "cloth", "kn95", "black", "patterned")


def choose_mask(person: Person, shot: str, rng: np.random.Generator) -> tuple[str, str] | None:
    """Kind and placement (see `paint_mask`) of the mask; each person owns one of each kind, in an own order."""
    if shot == "normal":
        return None
    kinds = [str(kind) for kind in np.random.default_rng([person.seed, 19]).permutation(KINDS)]
    if shot == "incorrect_mask":
        return choose_weighted(rng, **dict.fromkeys(kinds, 1)), choose_weighted(rng, nose=0.65, chin=0.35)
    return kinds[int(shot.removeprefix("mask")) - 1], "well"


def paint_mask(scene: Scene, kind: str, placement: str) -> None:
    """`placement` is well, nose (the nose is out) or chin (pulled down under the mouth)."""
    rng, scale = scene.rng, scene.head.scale
    region = scene.head.to_region(scene.canvas.shape, (-1.4, -0.4, 1.4, 2.6))
    u, v = scene.head.pixel_grid(region)
    x, y = scene.head.to_face(u, v)
    x = mix(u - chin_shift(scene.head, v), x, smoothstep(1.35, 0.9, v))  # beyond the chin nothing is face any more
    y = mix(v, y, smoothstep(1.5, 0.9, v))
    top, bottom, half_width = _mask_edges(scene.person.face, kind, placement, x, y, rng)
    cover = (
        smoothstep(-0.8, 0.8, (y - top) * scale)
        * smoothstep(-0.8, 0.8, (bottom - y) * scale)
        * smoothstep(-0.8, 0.8, (half_width - np.abs(x)) * scale)
    )
    shadow = cv2.GaussianBlur(np.roll(cover, 2, 0), (0, 0), 0.035 * scale) * scene.canvas.alpha[region]
    scene.canvas.darken(0.5 * shadow * (1 - cover), region)
    shape, whole, window = u.shape, region, find_window(cover, margin=2)
    planes = (u, v, x, y, top, bottom, cover)
    region, (u, v, x, y, top, bottom, cover) = part_of(region, window), (plane[window] for plane in planes)
    t = np.clip((y - top) / np.maximum(bottom - top, 0.1), 0, 1)  # 0 at the upper edge, 1 at the lower
    dome = 0.85 * np.sqrt(np.clip(1.02 - np.square(u / 1.12) - 0.35 * np.square((v - 0.7) / 1.2), 0.03, 1))
    dome += 0.05 * blob(x, y, 0, 1.0, 0.5, 0.35) + (0.16 * blob(x, y, 0, 0.5, 0.24, 0.3) if placement == "well" else 0)
    height = dome + _mask_creases(kind, x, t) + 0.018 * fractal_noise(rng, shape, 0.35 * scale, 2)[window]
    colour, second_colour = _choose_colours(rng, kind)
    cloth = tint(1 + 0.04 * value_noise(rng, shape, 1.5)[window], colour)
    if kind == "patterned":
        cloth = mix(cloth, second_colour, to_channels(_draw_pattern(rng, x, y, shape, window)))
    _paint_loops(scene, whole, placement, kind)
    scene.canvas.overlay(shade_surface(cloth, height * scale, scene.light, wrap=0.35), cover, region)


def _mask_edges(
    face: Face, kind: str, placement: str, x, y, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y of the upper and the lower edge at each x, and half the width at each y; a little askew, at random."""
    middle, chin = 0.20 + rng.normal(0, 0.04), face.length + rng.uniform(0.02, 0.12)
    if placement == "nose":
        middle, chin = face.nose_y + rng.uniform(0.13, 0.2), chin + 0.1
    elif placement == "chin":
        middle, chin = face.mouth_y + rng.uniform(0.2, 0.32), face.length + rng.uniform(0.22, 0.4)
    cheek, jaw = {"well": (0.52, 1.05), "nose": (0.72, 1.05), "chin": (1.15, 1.42)}[placement]
    across = x - rng.normal(0, 0.03)
    bend = 1.5 * {"surgical": 0.8, "kn95": 1.25}.get(kind, 1.0)
    top = middle + (cheek - middle) * np.power(np.clip(np.abs(across) / 0.95, 0, 1.2), bend)
    top = top + rng.normal(0, 0.03) * across
    bottom = chin - (chin - jaw) * np.power(np.clip(np.abs(across) / 0.95, 0, 1.3), 2.2)
    half_width = (0.97 if kind != "kn95" else 0.93) * face.width + rng.normal(0, 0.015)
    return top, bottom, half_width - 0.14 * smoothstep(1.0, 1.6, y)


def _mask_creases(kind: str, x, t) -> np.ndarray:
    """Height (head units) of pleats, ridge or seam, and of the hems; `t` is 0 at the upper edge, 1 at the lower."""
    hems = -0.03 * np.exp(-np.square((t - 0.05) / 0.02)) - 0.02 * np.exp(-np.square((t - 0.95) / 0.02))
    if kind == "surgical":
        return hems + 0.035 * ((t * 3.99) % 1.0) * smoothstep(0, 0.1, t) * smoothstep(1, 0.9, t)
    if kind == "kn95":
        return hems + 0.22 * np.exp(-np.abs(x) / 0.14) * smoothstep(0, 0.25, t) * smoothstep(1, 0.7, t)
    return hems - 0.03 * np.exp(-np.square(x / 0.02))


def _choose_colours(rng: np.random.Generator, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """The linear colours of the cloth and of its pattern."""
    surgical = ((0.62, 0.80, 0.90), (0.93, 0.95, 0.96), (0.70, 0.88, 0.80), (0.93, 0.72, 0.78), (0.35, 0.55, 0.80))
    main = {
        "surgical": surgical[rng.choice(5, p=[0.4, 0.3, 0.1, 0.1, 0.1])],
        "kn95": (0.93, 0.93, 0.91),
        "black": (0.10, 0.10, 0.11),
        "cloth": hsv_to_rgb(rng.uniform(0, 360), rng.uniform(0, 0.6), rng.uniform(0.2, 0.9)),
        "patterned": hsv_to_rgb(rng.uniform(0, 360), rng.uniform(0.1, 0.7), rng.uniform(0.3, 0.95)),
    }[kind]
    second = hsv_to_rgb(rng.uniform(0, 360), rng.uniform(0.1, 0.8), rng.choice([0.2, 0.95]))
    return to_linear(np.clip(np.array(main) + rng.normal(0, 0.02, 3), 0.03, 1)), to_linear(second)


def _draw_pattern(rng: np.random.Generator, x, y, shape: tuple[int, int], window: Region) -> np.ndarray:
    """Share of the second colour, 0 to 1; x, y: the window of a region of this shape."""
    kind, n = rng.choice(["dots", "checks", "stripes", "patches"]), rng.uniform(14, 26)
    if kind == "dots":
        return smoothstep(0.45, 0.75, np.sin(x * n) * np.sin(y * n))
    if kind == "checks":
        return 0.5 * (smoothstep(0, 0.3, np.sin(x * n)) + smoothstep(0, 0.3, np.sin(y * n)))
    if kind == "stripes":
        return smoothstep(0, 0.3, np.sin((x * 0.4 + y) * n))
    return smoothstep(0, 0.15, fractal_noise(rng, shape, 12, 2)[window])


def _paint_loops(scene: Scene, region: Region, placement: str, kind: str) -> None:
    """The loops from the upper and the lower corners of the mask to the ears."""
    high, low = {"well": (0.6, 1.0), "nose": (0.75, 1.1), "chin": (1.2, 1.4)}[placement]
    lines, corner = [], (region[1].start, region[0].start)
    for side in (-1, 1):
        for start in (high, low):
            edge = 0.84 if start < 1.1 else 0.7
            loop = catmull_rom(np.array([(edge * side, start), (1.0 * side, 0.5 * start + 0.1), (1.06 * side, -0.02)]))
            lines.append((scene.head.to_pixels(loop) - corner, 0.03 * scene.head.scale, 1.0))
    loops = stroke_lines(scene.canvas.rgb[region].shape[:2], lines)
    colour = to_linear((0.12,) * 3 if kind == "black" else (0.9,) * 3)
    lit_colour = colour * (scene.light.key * 0.6 + scene.light.fill)
    visible = 0.0 if scene.person.hair.covers_ears else 1.0
    scene.canvas.overlay(lit_colour, loops * (0.9 * visible + 0.1) * scene.canvas.alpha[region], region)
