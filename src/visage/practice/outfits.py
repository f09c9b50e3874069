"""What people wear besides masks: clothes with their collars and patterns, and glasses."""

import cv2
import numpy as np

from visage.practice.geometry import Scene, eye_x, ink_lines
from visage.practice.paintbrush import (
    Part,
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


def paint_clothes(s: Scene) -> None:
    c, own = s.person.clothes, np.random.default_rng([s.person.seed, 3])
    at = s.body.around(s.canvas.shape, (-4.5, 1.4, 4.5, 7.0))
    u, v = s.body.grid(at)
    au, broad = np.abs(u), 2.25 if s.person.gender == "male" else 2.0
    neck = s.person.face.neck
    shoulder = interpolate(
        (0, neck, neck + 0.35, broad * 0.8, broad, broad + 0.28, broad + 0.5, 5),
        (1.75, 1.86, 2.05, 2.33, 2.5, 2.9, 3.8, 6),
        au,
    )
    opening = _neckline(c.kind, au)
    edge = np.maximum(shoulder, opening) if c.kind != "turtle" else np.where(au < neck + 0.04, opening, shoulder)
    cover = smoothstep(-1, 1, (v - edge) * s.head.scale)
    folds = value_noise(own, u.shape, (90, 34)) + 0.4 * value_noise(own, u.shape, 20)
    height = (
        0.9 * np.sqrt(np.clip(1.02 - np.square(u / 3.6), 0.02, 1))
        + 0.035 * folds
        - 0.35 * np.exp(-3.5 * np.clip(v - shoulder, 0, 3))
    )
    cloth = tint(1 + 0.06 * value_noise(s.rng, u.shape, 1.5), to_linear(c.colour))
    cloth = _woven(cloth, c, u, v, folds)
    if c.pattern == "knit":
        height = height + 0.012 * np.sin(u * 42 + np.sin(v * 42))
    if c.kind == "suit":
        inside = smoothstep(3.9, 3.85, v + 2.1 * au)
        cloth = mix(cloth, to_linear((0.9, 0.9, 0.92)), to_channels(inside))
        height = height - 0.05 * inside
    if c.kind in ("crew", "turtle", "scoop"):
        height = height + 0.05 * smoothstep(0.2, 0.05, v - opening) * (au < 1.3)
    s.canvas.lay(shade_surface(cloth, height * s.head.scale, s.light, wrap=0.4), cover, at)
    if c.kind in ("shirt", "suit", "hood"):
        _paint_collar(s, at)


def _neckline(kind: str, au: np.ndarray) -> np.ndarray:
    """How far down the clothes leave the neck bare, over the distance from the middle."""
    return {
        "crew": 2.12 - 0.62 * np.square(au),
        "turtle": 1.72 - 0.1 * np.square(au),
        "scoop": 2.75 - 0.95 * np.square(au),
        "vneck": 2.95 - 1.35 * au,
        "hood": 2.2 - 0.5 * np.square(au),
        "shirt": 2.42 - 0.95 * au,
        "suit": 3.3 - 1.6 * au,
    }[kind]


def _woven(cloth: np.ndarray, c: Clothes, u: np.ndarray, v: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """The cloth with its second colour; stripes follow the folds."""
    if c.pattern == "stripes":
        return mix(cloth, to_linear(c.second), to_channels(smoothstep(0.1, 0.4, np.sin(v * 17 + 0.5 * folds))))
    if c.pattern == "checks":
        grid = smoothstep(0.5, 0.9, np.sin(v * 13)) + smoothstep(0.5, 0.9, np.sin(u * 13))
        return mix(cloth, to_linear(c.second), to_channels(0.4 * grid))
    return cloth


def _paint_collar(s: Scene, at: Part) -> None:
    c, neck = s.person.clothes, s.person.face.neck
    colour = to_linear((0.9, 0.9, 0.92)) if c.kind == "suit" else to_linear(np.clip(np.array(c.colour) * 1.12, 0, 1))
    low = 2.75 if c.kind != "hood" else 2.55
    for side in (-1, 1):
        flap = np.array(
            [
                (neck + 0.02, 1.72),
                (neck + 0.2, 1.85),
                (neck + 0.18, 2.25),
                (0.42, low),
                (0.05, 2.42),
                (neck * 0.75, 2.02),
            ]
        ) * (side, 1)
        px = s.body.pixels(flap if c.kind != "hood" else catmull_rom(flap * (1.25, 1), closed=True))
        px = px - (at[1].start, at[0].start)
        shape = s.canvas.rgb[at].shape[:2]
        shadow = fill_polygon(shape, px + np.array([0, 0.05 * s.head.scale]))
        s.canvas.darken(0.35 * cv2.GaussianBlur(shadow, (0, 0), 2.5), at)
        slope = np.float32(0.75 + 0.25 * np.clip(side * s.light.towards[0] + 0.6, 0, 1))
        s.canvas.lay(colour * (s.light.key * 0.75 + s.light.fill) * slope, fill_polygon(shape, px), at)


def paint_glasses(s: Scene) -> None:
    p, f = s.person, s.person.face
    if p.glasses == "none":
        return
    at = s.head.around(s.canvas.shape, (-1.4, -0.7, 1.4, 0.8))
    u, v = s.head.grid(at)
    x, y = s.head.chart(u, v)
    wide, tall, power, thick = {
        "round": (0.34, 0.32, 2.0, 0.035),
        "square": (0.38, 0.27, 4.0, 0.05),
        "thin": (0.37, 0.25, 3.0, 0.018),
    }[p.glasses]
    out = np.power(
        np.power(np.abs(np.abs(x) - eye_x(f) - 0.02) / wide, power) + np.power(np.abs(y - 0.07) / tall, power),
        1 / power,
    )
    px = 1 / s.head.scale
    frame = smoothstep(thick / 2 + px, thick / 2 - 0.3 * px, np.abs(out - 1) * min(wide, tall))
    bridge = [(catmull_rom([(-0.11, 0.0), (0, -0.04), (0.11, 0.0)]), thick, 1.0)]
    hinge = eye_x(f) + 0.02 + wide
    arms = [(np.array([(side * hinge, -0.02), (side * 1.12, -0.06)]), thick, 1.0) for side in (-1, 1)]
    frame = np.maximum(frame, ink_lines(s, at, bridge + arms))
    colour = ((0.05, 0.05, 0.06), (0.35, 0.2, 0.12), (0.55, 0.5, 0.4))[p.seed % 3]
    s.canvas.darken(0.35 * cv2.GaussianBlur(np.roll(frame, 3, 0), (0, 0), 1.8) * s.canvas.alpha[at], at)
    lens = smoothstep(1.0, 0.93, out)
    glare = smoothstep(0.25, 0.0, np.abs(x * 0.9 + y * 0.8 - 0.35 * np.sign(x))) * 0.06 + 0.01
    s.canvas.lay(s.light.key, lens * glare, at, person=False)
    bevel = np.clip(0.7 - 6 * (out - 1) * np.sign(y - 0.07) * min(wide, tall) / thick * 0.2, 0.3, 1.5)
    s.canvas.lay(tint(bevel, to_linear(colour) * (s.light.key * 0.6 + s.light.fill)) + np.float32(0.01), frame, at)
