"""Hair: what hangs behind the neck, the cap on the skull down to the hairline, and what falls beside the face."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from visage.practice.geometry import Scene, skull
from visage.practice.paintbrush import (
    interpolate,
    mix,
    shade_surface,
    smoothstep,
    tint,
    to_channels,
    to_linear,
    value_noise,
)
from visage.practice.people import Person
from visage.practice.traits import Hair

CURLY = ("curls", "perm")


def paint_hair_behind(s: Scene) -> None:
    """What hangs behind the neck, or stands up as a bun."""
    hair = s.person.hair
    if hair.style == "bun":
        _paint_knot(s, 0.0, -1.95, 0.5)
    if hair.style == "tied":
        _paint_knot(s, 0.0, -1.62, 0.42)
    if not hair.length:
        return
    at = s.head.around(s.canvas.shape, (-1.8, -1.2, 1.8, hair.length + 0.3))
    u, v = s.head.grid(at)
    ragged = s.streaks(u * 90, np.full_like(u, 3))
    wide = _hanging(hair, u, v) - 0.02 - 0.3 * smoothstep(0.75, 1.2, v / hair.length)
    cover = smoothstep(-1.5, 1.5, (wide + 0.012 * ragged - np.abs(u)) * s.head.scale)
    cover *= smoothstep(-2, 2, (hair.length + 0.05 * ragged - v) * s.head.scale) * smoothstep(-0.7, -0.45, v)
    s.canvas.lay(_hair_paint(s, u, v, hair.volume) * 0.62, cover, at)


def _paint_knot(s: Scene, x: float, y: float, r: float) -> None:
    at = s.head.around(s.canvas.shape, (x - 0.9, y - 0.7, x + 0.9, y + 0.8))
    u, v = s.head.grid(at)
    out = np.hypot(u - x - 0.1 * math.sin(s.head.yaw), (v - y) * 1.15) / r
    cover = smoothstep(0, 2.5, (1 - out) * r * s.head.scale + 1)
    hair = _hair_paint(s, (u - x) * 1.6, (v - y) * 1.4 - 0.5, 1) * to_channels(0.75 + 0.35 * smoothstep(1, 0, out))
    s.canvas.lay(hair, cover, at)


def paint_hair_front(s: Scene) -> None:
    """The cap of hair on the skull down to the hairline, and what hangs beside the face."""
    p, hair, scale = s.person, s.person.hair, s.head.scale
    reach = 1.75 if hair.covers_ears else 1.45
    at = s.head.around(s.canvas.shape, (-reach, -2.2, reach, (hair.length or 0.8) + 0.3))
    u, v = s.head.grid(at)
    shifted = u - 0.12 * math.sin(s.head.yaw)
    theta, r = np.arctan2(shifted, -v), np.hypot(shifted, v)
    ragged = s.streaks(theta * 80, np.full_like(u, 5))
    bone = skull(p, theta)
    cover = _cap(p, theta, r, bone, ragged, scale)
    if hair.covers_ears:
        cover = np.maximum(cover, _curtains(hair, shifted, v, s.streaks(u * 90, v * 2 + 9), scale))
    if p.years.thinning > (0.3 if p.gender == "male" else 0.5):  # the scalp shows through, the outline stays
        bare = (p.years.thinning - 0.25) * smoothstep(-0.6, -1.15, v) * smoothstep(0.02, -0.06, r - bone)
        cover = cover * (1 - 0.75 * np.clip(bare, 0, 1) * smoothstep(0.25, -0.35, ragged))
    cover *= {"buzz": 0.72, "bald": 0.8}.get(hair.style, 1.0)
    shadow = cv2.GaussianBlur(cover, (0, 0), 0.05 * scale) * (1 - cover)
    s.canvas.darken(0.5 * shadow * s.canvas.alpha[at] * smoothstep(1.4, 1.1, v), at)
    s.canvas.lay(_hair_paint(s, u, v, _growth(hair)), cover, at)


def _cap(p: Person, theta, r, bone, ragged, scale: float) -> np.ndarray:
    """Coverage of the hair between the hairline and the outline, by angle from the crown and distance."""
    hair, grow, away = p.hair, _growth(p.hair), np.abs(np.rad2deg(theta))
    if hair.covers_ears:
        full = _by_degree((0, 40, 90, 125, 180), (1, 1, 1, 0.9, 0.5), away)
    else:
        full = _by_degree((0, 40, 80, 100, 125, 180), (1, 1, 0.85, 0.55, 0.1, 0), away)
    tuft = 0.09 if hair.style in CURLY else 0.02 + 0.07 * grow
    outer = bone + (grow + tuft * 0.5 * ragged) * full
    parting = hair.parting if hair.fringe > 0.1 or hair.length else 0.0
    tilted = np.abs(np.rad2deg(theta) - parting * 25 * smoothstep(75, 20, away))
    inner = cv2.GaussianBlur(_by_degree(*_hairline(p), tilted), (0, 0), 0.03 * scale)
    inner += (0.035 if hair.style != "buzz" else 0.015) * ragged * (1.8 if hair.fringe > 0.6 else 1)
    soft = 4.5 if hair.style in ("buzz", "bald") else 1.8
    end = {"tied": 96, "bun": 96}.get(hair.style, 112 if hair.covers_ears else 108)
    cover = smoothstep(-1.4, 1.4, (outer - r) * scale) * smoothstep(-soft, soft, (r - inner) * scale)
    return cover * smoothstep(end + 4, end - 6, away)


def _curtains(hair: Hair, u, v, strands, scale: float) -> np.ndarray:
    """Coverage of the hair that hangs on both sides of the face."""
    inside = interpolate((-1, -0.5, 0.2, 0.9, 1.5, 4.3), (1.0, 0.93, 0.96, 0.92, 0.80, 0.95), v) - 0.05 * hair.volume
    cover = smoothstep(-1.5, 1.5, (np.abs(u) - inside - 0.015 * strands) * scale)
    cover *= smoothstep(-1.5, 1.5, (_hanging(hair, u, v) + 0.015 * strands - np.abs(u)) * scale)
    return cover * smoothstep(-2, 2, ((hair.length or 0.75) + 0.05 * strands - v) * scale) * smoothstep(-0.75, -0.55, v)


def _hanging(hair: Hair, u, v) -> np.ndarray:
    """Half the width of hair that hangs; it leaves the skull at the temples."""
    loose = 1.10 + 0.24 * hair.volume * smoothstep(-0.9, 0.5, v) + hair.wave * 0.05 * np.sin(v * 5 + np.sign(u))
    return mix(0.95, loose, smoothstep(-0.85, -0.15, v))


def _growth(hair: Hair) -> float:
    """How far the hair stands off the skull, head units."""
    return {
        "buzz": 0.035,
        "bald": 0.10,
        "short": 0.14,
        "swept": 0.2,
        "fringe": 0.2,
        "curls": 0.34,
        "perm": 0.36,
        "tied": 0.10,
        "bun": 0.10,
    }.get(hair.style, 0.2) * hair.volume


def _hairline(p: Person) -> tuple[list[float], list[float]]:
    """Distance from the middle of the face to the lowest hair on it, by angle from the crown (degrees, 0 to 180)."""
    h, back = p.hair, 0.0
    if p.gender == "male":
        back = 0.20 * min(p.years.thinning, 1.0)
    top = -h.hairline - 0.0 + back
    radius = [top, top + 0.01, top + 0.05 + 0.55 * back, top + 0.03 + 0.8 * back, 1.02 + 0.2 * back, 0.98, 1.0, 1.06]
    if h.fringe > 0.6:  # a full fringe covers the forehead
        low = 0.5 if h.style != "fringe" else 0.62
        radius[:4] = [low, low + 0.02, low + 0.12, 0.83]
    elif h.fringe > 0.1:
        radius[:3] = [top - 0.32 * h.fringe, top - 0.5 * h.fringe, top - 0.25 * h.fringe]
    if h.style == "bald":
        radius = [2.2, 2.2, 2.1, 1.5, 0.98, 0.88, 0.9, 1.0]
    return [0, 15, 32, 48, 66, 84, 100, 118], radius


def _by_degree(degrees: Sequence[float], values: Sequence[float], angle: np.ndarray) -> np.ndarray:
    table = np.interp(np.arange(181), degrees, values).astype(np.float32)
    return table[np.clip(angle, 0, 180).astype(np.int32)]


def _hair_paint(s: Scene, u: np.ndarray, v: np.ndarray, volume: float) -> np.ndarray:
    """Lit hair everywhere: strands run from the parting down, grey ones among them."""
    p, hair = s.person, s.person.hair
    wide = (
        interpolate((-2.1, -1.75, -1.4, -0.9, -0.3, 0.6, 4), (0.25, 0.55, 0.95, 1.2, 1.3, 1.35, 1.5), v) + 0.25 * volume
    )
    root = hair.parting * smoothstep(0.2, -1.3, v)
    across = (u - root) / wide
    if hair.style in ("swept", "short", "fringe", "bald"):
        across = across + 0.30 * (v + 1.2) * np.sign(hair.parting + 0.01) * smoothstep(0.3, -1.2, v)
    own = np.random.default_rng([p.seed, 17])
    curly = hair.style in CURLY
    down = v
    if curly:
        bend = value_noise(own, u.shape, 0.10 * s.head.scale)
        across, down = across + 0.022 * bend, v + 0.10 * np.roll(bend, 9, axis=1)
    else:
        across = across + hair.wave * 0.035 * np.sin(v * 5.5 + 3 * across) * smoothstep(-1.0, 0.5, v)
    locks, fine = s.streaks(across * 13, np.abs(down + 3) * 3), s.streaks(across * 95, np.abs(down + 3) * 6)
    height = 0.9 * np.sqrt(np.clip(1.02 - np.square(u / wide), 0.03, 1)) - 0.35 * np.square(np.clip(-0.7 - v, 0, 2))
    if curly:
        locks = 0.5 * locks + 0.75 * bend
    height = height + 0.035 * locks + 0.008 * fine
    salt = _salt(p.years.grey, curly, u, locks, fine)
    streaked = np.clip(0.85 + 0.30 * locks + 0.32 * fine, 0.2, 2.2)
    colour = tint(streaked * (1 - salt), to_linear(hair.colour)) + tint(streaked * salt, to_linear((0.74, 0.73, 0.72)))
    band = np.exp(-np.square((v + 1.12 + 0.12 * locks - 0.2 * s.light.towards[1]) / 0.17))
    sheen = (0.10 + 0.22 * band) * np.clip(0.6 + 0.5 * fine, 0, 1.4)
    colour *= to_channels(1 + 0.8 * band * np.clip(0.5 + 0.5 * fine, 0, 1))
    return shade_surface(colour, height * s.head.scale, s.light, gloss=0.35 * sheen, wrap=0.35)


def _salt(grey: float, curly: bool, u: np.ndarray, locks: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """Share of grey in the hair."""
    single = fine + (0 if curly else 0.5) * locks + 0.3 * grey * smoothstep(0.5, 1, np.abs(u))  # the temples first
    salt = smoothstep(-0.4, 0.4, single + 1.2 * (2 * grey - 1))
    return mix(grey**1.3, salt, 0.5 * smoothstep(0.02, 0.25, grey))  # half an even veil, half single strands
