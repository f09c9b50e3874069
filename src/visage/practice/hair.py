"""Hair: behind the neck, on the skull down to the hairline, and beside the face. u, v: flat coordinates."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from visage.practice.geometry import Scene, skull_radius
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
from visage.practice.windows import Region, find_window, part_of

CURLY = ("curls", "perm")


def paint_hair_behind(scene: Scene) -> None:
    """Long hair behind the neck, or a bun or ponytail behind the head."""
    hair = scene.person.hair
    if hair.style == "bun":
        _paint_knot(scene, 0.0, -1.95, 0.5)
    if hair.style == "tied":
        _paint_knot(scene, 0.0, -1.62, 0.42)
    if not hair.length:
        return
    region = scene.head.to_region(scene.canvas.shape, (-1.8, -1.2, 1.8, hair.length + 0.3))
    u, v = scene.head.pixel_grid(region)
    strands = scene.streaks(u * 90, np.full_like(u, 3))
    half_width = _hanging_half_width(hair, u, v) - 0.02 - 0.3 * smoothstep(0.75, 1.2, v / hair.length)
    cover = smoothstep(-1.5, 1.5, (half_width + 0.012 * strands - np.abs(u)) * scene.head.scale)
    cover *= smoothstep(-2, 2, (hair.length + 0.05 * strands - v) * scene.head.scale) * smoothstep(-0.7, -0.45, v)
    _overlay_hair(scene, region, u, v, cover, hair.volume, 0.62)


def _paint_knot(scene: Scene, x: float, y: float, r: float) -> None:
    """A ball of hair of radius r around (x, y), head units."""
    region = scene.head.to_region(scene.canvas.shape, (x - 0.9, y - 0.7, x + 0.9, y + 0.8))
    u, v = scene.head.pixel_grid(region)
    radius = np.hypot(u - x - 0.1 * math.sin(scene.head.yaw), (v - y) * 1.15) / r
    cover = smoothstep(0, 2.5, (1 - radius) * r * scene.head.scale + 1)
    depth = 0.75 + 0.35 * smoothstep(1, 0, radius)
    _overlay_hair(scene, region, (u - x) * 1.6, (v - y) * 1.4 - 0.5, cover, 1, depth)


def paint_hair_front(scene: Scene) -> None:
    """The hair on the skull down to the hairline, and the hair that hangs beside the face."""
    person, hair, scale = scene.person, scene.person.hair, scene.head.scale
    reach = 1.75 if hair.covers_ears else 1.45
    region = scene.head.to_region(scene.canvas.shape, (-reach, -2.2, reach, (hair.length or 0.8) + 0.3))
    u, v = scene.head.pixel_grid(region)
    shifted = u - 0.12 * math.sin(scene.head.yaw)
    theta, r = np.arctan2(shifted, -v), np.hypot(shifted, v)
    strands = scene.streaks(theta * 80, np.full_like(u, 5))
    skull = skull_radius(person, theta)
    cover = _cap_coverage(person, theta, r, skull, strands, scale)
    if hair.covers_ears:
        cover = np.maximum(cover, _side_coverage(hair, shifted, v, scene.streaks(u * 90, v * 2 + 9), scale))
    thinning = person.age_signs.thinning
    if thinning > (0.3 if person.gender == "male" else 0.5):  # the scalp shows through, the outline stays
        bare = (thinning - 0.25) * smoothstep(-0.6, -1.15, v) * smoothstep(0.02, -0.06, r - skull)
        cover = cover * (1 - 0.75 * np.clip(bare, 0, 1) * smoothstep(0.25, -0.35, strands))
    cover *= {"buzz": 0.72, "bald": 0.8}.get(hair.style, 1.0)
    shadow = cv2.GaussianBlur(cover, (0, 0), 0.05 * scale) * (1 - cover)
    scene.canvas.darken(0.5 * shadow * scene.canvas.alpha[region] * smoothstep(1.4, 1.1, v), region)
    _overlay_hair(scene, region, u, v, cover, _hair_thickness(hair), 1)


def _cap_coverage(person: Person, theta, r, skull, strands, scale: float) -> np.ndarray:
    """Coverage of the hair between the hairline and the outline, by angle from the crown and distance."""
    hair, thickness, degrees = person.hair, _hair_thickness(person.hair), np.abs(np.rad2deg(theta))
    if hair.covers_ears:
        fullness = _interpolate_degrees((0, 40, 90, 125, 180), (1, 1, 1, 0.9, 0.5), degrees)
    else:
        fullness = _interpolate_degrees((0, 40, 80, 100, 125, 180), (1, 1, 0.85, 0.55, 0.1, 0), degrees)
    tuft = 0.09 if hair.style in CURLY else 0.02 + 0.07 * thickness
    outer = skull + (thickness + tuft * 0.5 * strands) * fullness
    parting = hair.parting if hair.fringe > 0.1 or hair.length else 0.0
    tilted = np.abs(np.rad2deg(theta) - parting * 25 * smoothstep(75, 20, degrees))
    inner = cv2.GaussianBlur(_interpolate_degrees(*_hairline_radius(person), tilted), (0, 0), 0.03 * scale)
    inner += (0.035 if hair.style != "buzz" else 0.015) * strands * (1.8 if hair.fringe > 0.6 else 1)
    softness = 4.5 if hair.style in ("buzz", "bald") else 1.8
    end = {"tied": 96, "bun": 96}.get(hair.style, 112 if hair.covers_ears else 108)
    cover = smoothstep(-1.4, 1.4, (outer - r) * scale) * smoothstep(-softness, softness, (r - inner) * scale)
    return cover * smoothstep(end + 4, end - 6, degrees)


def _side_coverage(hair: Hair, u, v, strands, scale: float) -> np.ndarray:
    """Coverage of the hair that hangs on both sides of the face."""
    inside = interpolate((-1, -0.5, 0.2, 0.9, 1.5, 4.3), (1.0, 0.93, 0.96, 0.92, 0.80, 0.95), v) - 0.05 * hair.volume
    cover = smoothstep(-1.5, 1.5, (np.abs(u) - inside - 0.015 * strands) * scale)
    cover *= smoothstep(-1.5, 1.5, (_hanging_half_width(hair, u, v) + 0.015 * strands - np.abs(u)) * scale)
    return cover * smoothstep(-2, 2, ((hair.length or 0.75) + 0.05 * strands - v) * scale) * smoothstep(-0.75, -0.55, v)


def _hanging_half_width(hair: Hair, u, v) -> np.ndarray:
    """Half the width of hanging hair at height v; it leaves the skull at the temples."""
    below_temples = 1.10 + 0.24 * hair.volume * smoothstep(-0.9, 0.5, v) + hair.wave * 0.05 * np.sin(v * 5 + np.sign(u))
    return mix(0.95, below_temples, smoothstep(-0.85, -0.15, v))


def _hair_thickness(hair: Hair) -> float:
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


def _hairline_radius(person: Person) -> tuple[list[float], list[float]]:
    """Angles from the crown (degrees) and at each the distance from the middle of the face to the hairline."""
    hair, recession = person.hair, 0.0
    if person.gender == "male":
        recession = 0.20 * min(person.age_signs.thinning, 1.0)
    top = -hair.hairline + recession
    temples = [top + 0.05 + 0.55 * recession, top + 0.03 + 0.8 * recession, 1.02 + 0.2 * recession]
    radius = [top, top + 0.01, *temples, 0.98, 1.0, 1.06]
    if hair.fringe > 0.6:  # a full fringe covers the forehead
        low = 0.5 if hair.style != "fringe" else 0.62
        radius[:4] = [low, low + 0.02, low + 0.12, 0.83]
    elif hair.fringe > 0.1:
        radius[:3] = [top - 0.32 * hair.fringe, top - 0.5 * hair.fringe, top - 0.25 * hair.fringe]
    if hair.style == "bald":
        radius = [2.2, 2.2, 2.1, 1.5, 0.98, 0.88, 0.9, 1.0]
    return [0, 15, 32, 48, 66, 84, 100, 118], radius


def _interpolate_degrees(degrees: Sequence[float], values: Sequence[float], angle: np.ndarray) -> np.ndarray:
    """`np.interp` at angles from 0 to 180 degrees, by a table of whole degrees."""
    table = np.interp(np.arange(181), degrees, values).astype(np.float32)
    return table[np.clip(angle, 0, 180).astype(np.int32)]


def _overlay_hair(scene: Scene, region: Region, u, v, cover, volume: float, depth: float | np.ndarray) -> None:
    """Blend in lit hair; `depth` is the share of the light that comes through to it, 0 to 1."""
    window = find_window(cover, margin=2)
    bend = None
    if scene.person.hair.style in CURLY:
        person_rng = np.random.default_rng([scene.person.seed, 17])
        noise = value_noise(person_rng, u.shape, 0.10 * scene.head.scale)
        bend = noise[window], np.roll(noise, 9, axis=1)[window]
    colour = _shade_hair(scene, u[window], v[window], volume, bend)
    colour *= to_channels(depth[window]) if np.ndim(depth) else depth
    scene.canvas.overlay(colour, cover[window], part_of(region, window))


def _shade_hair(
    scene: Scene, u: np.ndarray, v: np.ndarray, volume: float, bend: tuple[np.ndarray, np.ndarray] | None
) -> np.ndarray:
    """Linear colour of lit hair at every (u, v): strands run down from the parting, grey ones among them.

    `bend`: noise across and along the strands, for curls.
    """
    person, hair = scene.person, scene.person.hair
    half_width = interpolate((-2.1, -1.75, -1.4, -0.9, -0.3, 0.6, 4), (0.25, 0.55, 0.95, 1.2, 1.3, 1.35, 1.5), v)
    half_width = half_width + 0.25 * volume
    root = hair.parting * smoothstep(0.2, -1.3, v)
    across = (u - root) / half_width
    if hair.style in ("swept", "short", "fringe", "bald"):
        across = across + 0.30 * (v + 1.2) * np.sign(hair.parting + 0.01) * smoothstep(0.3, -1.2, v)
    down = v
    if bend:
        across, down = across + 0.022 * bend[0], v + 0.10 * bend[1]
    else:
        across = across + hair.wave * 0.035 * np.sin(v * 5.5 + 3 * across) * smoothstep(-1.0, 0.5, v)
    locks, fine = scene.streaks(across * 13, np.abs(down + 3) * 3), scene.streaks(across * 95, np.abs(down + 3) * 6)
    height = 0.9 * np.sqrt(np.clip(1.02 - np.square(u / half_width), 0.03, 1))
    height = height - 0.35 * np.square(np.clip(-0.7 - v, 0, 2))
    if bend:
        locks = 0.5 * locks + 0.75 * bend[0]
    height = height + 0.035 * locks + 0.008 * fine
    grey_share = _grey_share(person.age_signs.grey, bool(bend), u, locks, fine)
    brightness = np.clip(0.85 + 0.30 * locks + 0.32 * fine, 0.2, 2.2)
    grey = to_linear((0.74, 0.73, 0.72))
    colour = tint(brightness * (1 - grey_share), to_linear(hair.colour)) + tint(brightness * grey_share, grey)
    band = np.exp(-np.square((v + 1.12 + 0.12 * locks - 0.2 * scene.light.direction[1]) / 0.17))
    sheen = (0.10 + 0.22 * band) * np.clip(0.6 + 0.5 * fine, 0, 1.4)
    colour *= to_channels(1 + 0.8 * band * np.clip(0.5 + 0.5 * fine, 0, 1))
    return shade_surface(colour, height * scene.head.scale, scene.light, gloss=0.35 * sheen, wrap=0.35)


def _grey_share(grey: float, curly: bool, u: np.ndarray, locks: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """Share of grey at every point, 0 to 1: half of it even, half in single strands; the temples turn grey first."""
    strands = fine + (0 if curly else 0.5) * locks + 0.3 * grey * smoothstep(0.5, 1, np.abs(u))
    grey_strands = smoothstep(-0.4, 0.4, strands + 1.2 * (2 * grey - 1))
    return mix(grey**1.3, grey_strands, 0.5 * smoothstep(0.02, 0.25, grey))
