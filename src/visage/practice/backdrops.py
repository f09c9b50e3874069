"""Backdrops: a wall, bricks, books, lights at night, leaves, a curtain or a window."""

import cv2
import numpy as np

from visage.practice.paintbrush import (
    choose_weighted,
    fractal_noise,
    hsv_to_rgb,
    mix,
    smoothstep,
    tint,
    to_channels,
    to_linear,
    value_noise,
)


def draw_backdrop(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A backdrop of `size` (width, height) in linear light, out of focus; painted at half size."""
    shape = (size[1] // 2, size[0] // 2)
    y, x = _pixel_coordinates(shape)
    colour = to_linear(hsv_to_rgb(rng.uniform(0, 360), rng.beta(1.1, 6), rng.uniform(0.35, 0.95)))
    kind = choose_weighted(rng, wall=4, bricks=1, shelf=1.6, lights=1.2, leaves=1.4, curtain=1, window=1)
    wall = KINDS[kind](tint(np.ones(shape, np.float32), colour), rng)
    slope = rng.normal(0, 0.35, 2)
    falloff = np.clip(1 + slope[0] * (x / shape[1] - 0.5) + slope[1] * (y / shape[0] - 0.5), 0.3, 2)
    wall *= to_channels(falloff * (1 + 0.05 * fractal_noise(rng, shape, 50) + 0.03 * value_noise(rng, shape, 2)))
    blur = rng.uniform(0.4, 3.0) * (1.6 if kind == "lights" else 1)
    wall = cv2.GaussianBlur(np.clip(wall, 0.003, 1.5).astype(np.float32), (0, 0), blur)
    return cv2.resize(wall, size, interpolation=cv2.INTER_LINEAR)


def _pixel_coordinates(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    return y, x


def _keep_bare(wall: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return wall


def _paint_bricks(wall: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    y, x = _pixel_coordinates(wall.shape[:2])
    mortar = np.float32(0.6 * wall[0, 0].mean() + 0.2)
    row = np.floor(y / 11)
    x = x + 13 * (row % 2)  # every other row is shifted by half a brick
    column = np.floor(x / 26)
    wall *= to_channels(0.85 + 0.25 * np.sin(row * 12.9 + column * 78.2) ** 2)
    joint = np.maximum(smoothstep(4.4, 5.4, np.abs(y % 11 - 5.5)), smoothstep(11.6, 12.8, np.abs(x % 26 - 13)))
    return mix(wall, mortar, to_channels(joint))


def _paint_shelf(wall: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = wall.shape[:2]
    step = int(rng.integers(45, 75))
    for board in range(step, height + step, step):
        left = 0
        while left < width:
            book_width, book_height = int(rng.integers(4, 12)), int(rng.integers(step // 2, step - 6))
            if rng.random() < 0.9:
                book = to_linear(hsv_to_rgb(rng.uniform(0, 360), rng.uniform(0.1, 0.7), rng.uniform(0.2, 0.9)))
                wall[max(board - book_height, 0) : board, left : left + book_width - 1] = book
            left += book_width
        wall[board : board + 4] = to_linear((0.35, 0.25, 0.18))
    return wall


def _paint_lights(wall: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    shape = wall.shape[:2]
    wall *= 0.35
    for _ in range(rng.integers(10, 26)):
        centre = tuple(int(a) for a in rng.integers(0, (shape[1], shape[0])))
        spot = np.zeros(shape, np.float32)
        cv2.circle(spot, centre, int(rng.integers(5, 20)), 1, -1, cv2.LINE_AA)
        glow = to_linear(hsv_to_rgb(rng.uniform(0, 360), rng.uniform(0, 0.6), 0.8)) * rng.uniform(0.1, 0.8)
        wall += tint(spot, glow)
    return wall


def _paint_leaves(wall: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    leaf = to_linear(hsv_to_rgb(rng.uniform(70, 140), rng.uniform(0.3, 0.7), rng.uniform(0.4, 0.8)))
    return tint(np.clip(0.55 + 0.4 * fractal_noise(rng, wall.shape[:2], 24, 4), 0.03, 1.6), leaf)


def _paint_curtain(wall: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    shape = wall.shape[:2]
    _, x = _pixel_coordinates(shape)
    wall *= to_channels(1 + 0.3 * np.sin(x / rng.uniform(4, 9) + 1.5 * value_noise(rng, shape, (160, 40))))
    return wall


def _paint_window(wall: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    shape = wall.shape[:2]
    y, x = _pixel_coordinates(shape)
    wall *= 0.5
    left, width = rng.integers(-20, shape[1] - 40), rng.integers(50, 110)
    pane = smoothstep(left, left + 4, x) * smoothstep(left + width, left + width - 4, x) * smoothstep(190, 184, y)
    return mix(wall, tint(0.8 + 0.3 * value_noise(rng, shape, 30), to_linear((0.85, 0.92, 1.0))), to_channels(pane))


KINDS = {
    "wall": _keep_bare,
    "bricks": _paint_bricks,
    "shelf": _paint_shelf,
    "lights": _paint_lights,
    "leaves": _paint_leaves,
    "curtain": _paint_curtain,
    "window": _paint_window,
}
