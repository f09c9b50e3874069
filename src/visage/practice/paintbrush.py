"""What every painted thing is made of: colours, soft shapes, noise, curves, light on a surface, a canvas, a camera.

Pictures are float32. Colours are written the way a person reads them (sRGB, 0 to 1) and squared on the way in,
so that light adds up as light does; the camera takes the root again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

Colour = Sequence[float] | np.ndarray
Part = tuple[slice, slice]  # rows and columns of a picture
SUBPIXEL = 4  # bits behind the point in OpenCV's integer coordinates: shapes move by 1/16 pixel, not by whole ones


def to_linear(colour: Colour) -> np.ndarray:
    """An sRGB colour (0 to 1) as an amount of light; gamma 2.0 is near enough and needs no powers."""
    return np.square(np.asarray(colour, np.float32))


def hsv_to_rgb(degrees: float, strong: float, bright: float) -> tuple[float, float, float]:
    """An sRGB colour from hue, saturation and value."""
    wheel = 1 - np.clip(np.abs((degrees / 60 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    return tuple(float(c) for c in bright * (1 - strong * wheel))


def to_channels(plane: np.ndarray) -> np.ndarray:
    """One plane as three equal channels; numpy is ten times slower when it has to broadcast over a last axis of 3."""
    return cv2.merge((plane, plane, plane))


def tint(plane: np.ndarray, colour: Colour) -> np.ndarray:
    """A plane times a colour: height x width x 3."""
    plane = np.asarray(plane, np.float32)
    return cv2.merge([plane * np.float32(c) for c in np.broadcast_to(colour, 3)])


def mix(a, b, share):
    """`a` where share is 0, `b` where it is 1."""
    return a + (b - a) * share


def smoothstep(start: float, end: float, x):
    """0 before `start`, 1 after `end`, an S in between; `start` may lie behind `end`."""
    t = np.clip((x - start) * (1 / (end - start)), 0, 1)
    rise = 3 - 2 * t
    rise *= t  # in place: this is where a photo spends its time
    rise *= t
    return rise


def blob(x, y, cx: float, cy: float, rx: float, ry: float):
    """A soft hill of height 1 at (cx, cy) that has fallen to 0.37 at radius rx, ry."""
    return np.exp(-np.square((x - cx) / rx) - np.square((y - cy) / ry))


def value_noise(rng: np.random.Generator, shape: tuple[int, int], cell: float | tuple[float, float]) -> np.ndarray:
    """Smooth random hills about `cell` pixels apart (one number, or down and across); mean 0, spread about 0.6."""
    down, across = np.broadcast_to(cell, 2)
    grid = rng.standard_normal((int(shape[0] / down) + 3, int(shape[1] / across) + 3), np.float32)
    return cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC if down > 3 else cv2.INTER_LINEAR)


def fractal_noise(rng: np.random.Generator, shape: tuple[int, int], cell: float, octaves: int = 3) -> np.ndarray:
    """Noise with finer noise on top, each octave half as wide and half as strong."""
    return sum(value_noise(rng, shape, max(cell / 2**k, 1)) / 2**k for k in range(octaves))


def catmull_rom(points: Iterable, steps: int = 8, closed: bool = False) -> np.ndarray:
    """A smooth (Catmull-Rom) line through the points, `steps` samples between two of them."""
    p = np.asarray(points, np.float32)
    around = np.concatenate([p[-1:], p, p[:2]]) if closed else np.concatenate([p[:1], p, p[-1:]])
    a, b, c, d = around[:-3, None], around[1:-2, None], around[2:-1, None], around[3:, None]
    t = np.linspace(0, 1, steps, endpoint=False, dtype=np.float32)[None, :, None]
    line = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    line = line.reshape(-1, p.shape[1])
    return line if closed else np.concatenate([line, p[-1:]])


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.round(np.clip(points, -4000, 8000) * 2**SUBPIXEL).astype(np.int32)


def fill_polygon(shape: tuple[int, int], outline: np.ndarray) -> np.ndarray:
    """How much of each pixel a polygon (in pixels) covers."""
    cover = np.zeros(shape, np.uint8)
    cv2.fillPoly(cover, [_fixed(outline)], 255, cv2.LINE_AA, SUBPIXEL)
    return cover.astype(np.float32) * np.float32(1 / 255)


def stroke_lines(
    shape: tuple[int, int], lines: Iterable[tuple[np.ndarray, float, float]], soften: float = 0
) -> np.ndarray:
    """How much of each pixel is inked by lines of (points in pixels, width in pixels, strength 0 to 1)."""
    ink = np.zeros(shape, np.uint8)
    for points, width, strength in sorted(lines, key=lambda line: line[2]):
        # OpenCV knows whole widths only: what is thinner than a pixel is drawn paler instead.
        grey = int(255 * np.clip(strength * min(width, 1), 0, 1))
        cv2.polylines(ink, [_fixed(points)], False, grey, max(1, round(width)), cv2.LINE_AA, SUBPIXEL)
    ink = ink.astype(np.float32) * np.float32(1 / 255)
    return cv2.GaussianBlur(ink, (0, 0), soften) if soften else ink


def interpolate(table_x: Sequence[float], table_y: Sequence[float], x: np.ndarray) -> np.ndarray:
    """`np.interp` along a smooth curve through a few points, by table, for whole pictures."""
    low, high, n = table_x[0], table_x[-1], 1024
    knots = np.interp(np.linspace(low, high, n + 64), table_x, table_y).astype(np.float32)
    width = n // (3 * len(table_x)) * 2 + 1
    table = np.convolve(np.pad(knots, width // 2, "edge"), np.hanning(width + 2)[1:-1] * 2 / (width + 1), "valid")
    at = np.clip((x - low) * ((len(table) - 1) / (high - low)), 0, len(table) - 1).astype(np.int32)
    return table.astype(np.float32)[at]


def choose_weighted(rng: np.random.Generator, **weights: float) -> str:
    """One of the names, as often as its weight says."""
    names, shares = list(weights), np.array(list(weights.values()))
    return names[rng.choice(len(names), p=shares / shares.sum())]


@dataclass(frozen=True)
class Light:
    """One lamp and the light of the room."""

    towards: np.ndarray  # unit vector from the face to the lamp: right, down, to the viewer
    key: np.ndarray  # colour of the lamp, linear
    fill: np.ndarray  # colour of the room, linear


def shade_surface(colour: Colour, height: np.ndarray, light: Light, *, gloss=0.0, wrap: float = 0.25) -> np.ndarray:
    """The light that a surface of this linear colour sends back; `height` in pixels, rising to the viewer.

    `wrap` lets light creep around edges as it does in skin; `gloss` (0 to 1) is a broad highlight.
    """
    height = np.asarray(height, np.float32)
    dx, dy = cv2.Sobel(height, -1, 1, 0, scale=1 / 8), cv2.Sobel(height, -1, 0, 1, scale=1 / 8)
    steep = 1 / np.sqrt(1 + dx * dx + dy * dy)
    lx, ly, lz = light.towards
    diffuse = np.maximum(((lz - dx * lx - dy * ly) * steep + wrap) / (1 + wrap), 0)
    above = 0.75 + 0.25 * steep * (1 + dy)  # the room is brighter overhead than below
    back = np.asarray(colour, np.float32) * (tint(diffuse, light.key) + tint(above, light.fill))
    if np.ndim(gloss) or gloss:
        half = np.array([lx, ly, lz + 1], np.float32) / np.float32(np.linalg.norm([lx, ly, lz + 1]))
        shine = np.maximum((half[2] - dx * half[0] - dy * half[1]) * steep, 0)
        for _ in range(4):  # to the power of 16
            shine = shine * shine
        back += tint(shine * gloss, light.key)
    return back


@dataclass
class Canvas:
    """A picture in linear light and how much of each pixel is person."""

    rgb: np.ndarray
    alpha: np.ndarray = field(default=None)

    def __post_init__(self):
        if self.alpha is None:
            self.alpha = np.zeros(self.rgb.shape[:2], np.float32)

    @property
    def shape(self) -> tuple[int, int]:
        return self.rgb.shape[:2]

    def lay(self, colour: Colour, cover: np.ndarray, at: Part = np.s_[:, :], person: bool = True) -> None:
        """Lay a linear colour over the picture where `cover` (0 to 1) says so; it counts as person unless told not."""
        rgb, cover = self.rgb[at], np.asarray(cover, np.float32)
        if np.ndim(colour) == 1:
            rgb *= to_channels(1 - cover)
            rgb += tint(cover, colour)
        else:
            rgb += (colour - rgb) * to_channels(cover)
        if person:
            alpha = self.alpha[at]
            alpha += (1 - alpha) * cover

    def darken(self, by: np.ndarray, at: Part = np.s_[:, :]) -> None:
        """A shadow: takes away the share `by` of the light, most of all of the blue."""
        self.rgb[at] *= 1 - tint(by, (0.86, 0.96, 1.0))


def take_photo(
    rgb: np.ndarray, rng: np.random.Generator, *, exposure: float, tint: np.ndarray, blur: float, grain: float
) -> np.ndarray:
    """What a camera makes of the light: exposure, white balance, a soft lens, sensor noise; RGB uint8."""
    seen = rgb * (np.asarray(tint, np.float32) * np.float32(exposure))
    if blur > 0.25:
        seen = cv2.GaussianBlur(seen, (0, 0), blur)
    seen = np.sqrt(np.maximum(seen, 0))
    seen -= np.float32(0.18) * np.maximum(seen - np.float32(0.7), 0)  # highlights roll off instead of burning out
    speck = rng.standard_normal(rgb.shape[:2], np.float32)
    speck = cv2.merge([speck + 0.5 * np.roll(speck, shift, axis=1) for shift in (31, 57, 83)])  # grain and its colour
    return cv2.convertScaleAbs(np.maximum(seen + np.float32(grain) * speck, 0), alpha=255)
