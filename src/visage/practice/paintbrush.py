"""Drawing tools: colours, soft shapes, noise, curves, light on a surface, a canvas, a camera.

Pictures are float32 in linear light, so that light adds up. Colours are written as sRGB (0 to 1); `to_linear` squares
them and `apply_camera` takes the root.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from visage.practice.windows import Region, find_window

Colour = Sequence[float] | np.ndarray
SUBPIXEL = 4  # bits behind the point in OpenCV's integer coordinates: shapes move by 1/16 pixel, not by whole ones


def to_linear(colour: Colour) -> np.ndarray:
    """An sRGB colour (0 to 1) in linear light; gamma 2.0 is close enough and needs no powers."""
    return np.square(np.asarray(colour, np.float32))


def hsv_to_rgb(hue: float, saturation: float, value: float) -> tuple[float, float, float]:
    """An sRGB colour (0 to 1) from hue (degrees), saturation and value (0 to 1)."""
    wheel = 1 - np.clip(np.abs((hue / 60 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    return tuple(float(c) for c in value * (1 - saturation * wheel))


def to_channels(plane: np.ndarray) -> np.ndarray:
    """One plane as three equal channels; numpy is ten times slower when it has to broadcast over a last axis of 3."""
    return cv2.merge((plane, plane, plane))


def tint(plane: np.ndarray, colour: Colour) -> np.ndarray:
    """A plane (height x width) times a colour: height x width x 3."""
    plane = np.asarray(plane, np.float32)
    return cv2.merge([plane * np.float32(c) for c in colour])


def mix(a, b, share):
    """Linear interpolation: `a` where share is 0, `b` where it is 1."""
    return a + (b - a) * share


def smoothstep(start: float, end: float, x):
    """0 before `start`, 1 after `end`, a smooth step (3t² - 2t³) between; `start` may be above `end`."""
    t = x - start  # in place from here on: most of the drawing time is spent here
    t *= 1 / (end - start)
    t = np.clip(t, 0, 1, out=t) if np.ndim(t) else np.clip(t, 0, 1)
    rise = t * -2
    rise += 3
    rise *= t
    rise *= t
    return rise


def blob(x, y, cx: float, cy: float, rx: float, ry: float):
    """A Gaussian of height 1 at (cx, cy) that has fallen to 1/e at the radii rx, ry."""
    across, down = x - cx, y - cy
    across /= rx
    down /= ry
    np.square(across, out=across)
    np.square(down, out=down)
    fall = np.negative(across, out=across) - down
    return np.exp(fall, out=fall)


def value_noise(rng: np.random.Generator, shape: tuple[int, int], cell: float | tuple[float, float]) -> np.ndarray:
    """Smooth noise on a grid of `cell` pixels (one number, or down and across); mean 0, deviation about 0.6."""
    down, across = cell if isinstance(cell, tuple) else (cell, cell)
    grid = rng.standard_normal((int(shape[0] / down) + 3, int(shape[1] / across) + 3), np.float32)
    return cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC if down > 3 else cv2.INTER_LINEAR)


def fractal_noise(rng: np.random.Generator, shape: tuple[int, int], cell: float, octaves: int = 3) -> np.ndarray:
    """Noise with finer noise on top, each octave half as wide and half as strong."""
    return sum(value_noise(rng, shape, max(cell / 2**k, 1)) / 2**k for k in range(octaves))


def catmull_rom(points: Iterable, steps: int = 8, closed: bool = False) -> np.ndarray:
    """A smooth (Catmull-Rom) line through the points, `steps` samples between two of them."""
    p = np.asarray(points, np.float32)
    control = np.concatenate([p[-1:], p, p[:2]]) if closed else np.concatenate([p[:1], p, p[-1:]])
    a, b, c, d = control[:-3, None], control[1:-2, None], control[2:-1, None], control[3:, None]
    t = np.arange(steps, dtype=np.float32)[None, :, None] / np.float32(steps)
    line = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    line = line.reshape(-1, p.shape[1])
    return line if closed else np.concatenate([line, p[-1:]])


def _to_fixed_point(points: np.ndarray) -> np.ndarray:
    return np.rint(np.minimum(np.maximum(points, -4000), 8000) * 2**SUBPIXEL).astype(np.int32)


def fill_polygon(shape: tuple[int, int], outline: np.ndarray) -> np.ndarray:
    """How much of each pixel a polygon (in pixels) covers."""
    cover = np.zeros(shape, np.uint8)
    cv2.fillPoly(cover, [_to_fixed_point(outline)], 255, cv2.LINE_AA, SUBPIXEL)
    return cover.astype(np.float32) * np.float32(1 / 255)


def stroke_lines(
    shape: tuple[int, int], lines: Iterable[tuple[np.ndarray, float, float]], soften: float = 0
) -> np.ndarray:
    """How much of each pixel is inked by lines of (points in pixels, width in pixels, strength 0 to 1).

    Points are n x 2, or m x n x 2 for m lines that are alike.
    """
    ink = np.zeros(shape, np.uint8)
    for points, width, strength in sorted(lines, key=lambda line: line[2]):
        # OpenCV knows whole widths only: what is thinner than a pixel is drawn paler instead.
        grey = int(255 * min(max(strength * min(width, 1), 0), 1))
        strokes = list(_to_fixed_point(points).reshape(-1, *points.shape[-2:]))
        cv2.polylines(ink, strokes, False, grey, max(1, round(width)), cv2.LINE_AA, SUBPIXEL)
    ink = ink.astype(np.float32) * np.float32(1 / 255)
    return cv2.GaussianBlur(ink, (0, 0), soften) if soften else ink


def interpolate(table_x: Sequence[float], table_y: Sequence[float], x: np.ndarray) -> np.ndarray:
    """`np.interp` with rounded corners, by table, for whole pictures."""
    low, high, n = table_x[0], table_x[-1], 1024
    knots = np.interp(np.linspace(low, high, n + 64), table_x, table_y).astype(np.float32)
    width = n // (3 * len(table_x)) * 2 + 1
    table = np.convolve(np.pad(knots, width // 2, "edge"), np.hanning(width + 2)[1:-1] * 2 / (width + 1), "valid")
    index = np.clip((x - low) * ((len(table) - 1) / (high - low)), 0, len(table) - 1).astype(np.int32)
    return table.astype(np.float32)[index]


def choose_weighted(rng: np.random.Generator, **weights: float) -> str:
    """One of the names, with probability proportional to its weight."""
    names, shares = list(weights), np.array(list(weights.values()))
    return names[rng.choice(len(names), p=shares / shares.sum())]


@dataclass(frozen=True)
class Light:
    """A key light (the lamp) and a fill light (the room)."""

    direction: np.ndarray  # unit vector from the face to the lamp: right, down, to the viewer
    key: np.ndarray  # colour of the lamp, linear
    fill: np.ndarray  # colour of the room, linear


def shade_surface(colour: Colour, height: np.ndarray, light: Light, *, gloss=0.0, wrap: float = 0.25) -> np.ndarray:
    """The light that a surface of this linear colour reflects; `height` in pixels, towards the viewer.

    `wrap` lets light reach around edges as in skin; `gloss` (0 to 1, one number or a plane) is a broad highlight.
    """
    height = np.asarray(height, np.float32)
    dx, dy = cv2.Sobel(height, -1, 1, 0, scale=1 / 8), cv2.Sobel(height, -1, 0, 1, scale=1 / 8)
    normal_z = 1 / np.sqrt(1 + dx * dx + dy * dy)
    lx, ly, lz = light.direction
    diffuse = np.maximum(((lz - dx * lx - dy * ly) * normal_z + wrap) / (1 + wrap), 0)
    ambient = 0.75 + 0.25 * normal_z * (1 + dy)  # the room is brighter overhead than below
    reflection = tint(diffuse, light.key)
    reflection += tint(ambient, light.fill)
    reflection *= np.asarray(colour, np.float32)
    if np.ndim(gloss) or gloss:
        half_vector = np.array([lx, ly, lz + 1], np.float32) / np.float32(np.linalg.norm([lx, ly, lz + 1]))
        highlight = np.maximum((half_vector[2] - dx * half_vector[0] - dy * half_vector[1]) * normal_z, 0)
        for _ in range(4):  # to the power of 16
            highlight = highlight * highlight
        reflection += tint(highlight * gloss, light.key)
    return reflection


@dataclass
class Canvas:
    """A picture in linear light (`rgb`) and how much of each pixel is person (`alpha`, 0 to 1)."""

    rgb: np.ndarray
    alpha: np.ndarray = field(default=None)

    def __post_init__(self):
        if self.alpha is None:
            self.alpha = np.zeros(self.rgb.shape[:2], np.float32)

    @property
    def shape(self) -> tuple[int, int]:
        return self.rgb.shape[:2]

    def overlay(self, colour: Colour, cover: np.ndarray, region: Region = np.s_[:, :], person: bool = True) -> None:
        """Blend in a linear colour (one, or one per pixel) with coverage `cover`, 0 to 1; `person`: alpha grows too."""
        part = find_window(cover)
        rgb, cover = self.rgb[region][part], np.asarray(cover[part], np.float32)
        if np.ndim(colour) == 1:
            rgb *= to_channels(1 - cover)
            rgb += tint(cover, colour)
        else:
            change = colour[part] - rgb
            change *= to_channels(cover)
            rgb += change
        if person:
            alpha = self.alpha[region][part]
            alpha += (1 - alpha) * cover

    def darken(self, shadow: np.ndarray, region: Region = np.s_[:, :]) -> None:
        """Take away the share `shadow` (0 to 1) of the light, most of all of the blue."""
        part = find_window(shadow)
        rgb = self.rgb[region][part]
        shade = tint(shadow[part], (0.86, 0.96, 1.0))
        rgb *= np.subtract(1, shade, out=shade)


def apply_camera(
    rgb: np.ndarray, rng: np.random.Generator, *, exposure: float, white_balance: np.ndarray, blur: float, grain: float
) -> np.ndarray:
    """Linear light to RGB uint8: exposure, white balance (3 factors), lens blur (sigma in pixels), sensor noise."""
    factors = np.asarray(white_balance, np.float32) * np.float32(exposure)
    photo = cv2.multiply(rgb, (*factors.tolist(), 0))
    if blur > 0.25:
        photo = cv2.GaussianBlur(photo, (0, 0), blur)
    photo = np.sqrt(np.maximum(photo, 0, out=photo), out=photo)
    bright = photo - np.float32(0.7)
    photo -= np.multiply(np.maximum(bright, 0, out=bright), np.float32(0.18), out=bright)  # burns out gently
    noise = rng.standard_normal(rgb.shape[:2], np.float32)
    half = 0.5 * noise
    noise = cv2.merge([noise + np.roll(half, shift, axis=1) for shift in (31, 57, 83)])  # partly coloured
    noise *= np.float32(grain)
    photo += noise
    return cv2.convertScaleAbs(np.maximum(photo, 0, out=photo), alpha=255)
