"""Eyes with lids and lashes, brows, lips and beard. x, y: face coordinates."""

import math

import numpy as np

from visage.practice.geometry import Scene, ink_lines
from visage.practice.paintbrush import blob, hsv_to_rgb, mix, shade_surface, smoothstep, tint, to_channels, to_linear
from visage.practice.people import Person
from visage.practice.windows import Region, find_window


def paint_eye(scene: Scene, side: int) -> None:
    face, signs = scene.person.face, scene.person.age_signs
    ex = side * face.eye_x
    region = scene.head.to_region(scene.canvas.shape, (ex - 0.75, -0.55, ex + 0.75, 0.55))
    x, y = scene.head.to_face(*scene.head.pixel_grid(region))
    x, y = (x - ex) * side, y + face.eye_tilt * (x - ex) * side  # from here x points away from the nose
    half_width = 0.225 * face.eye_size
    height = 0.095 * face.eye_size * (1 - 0.22 * min(signs.sagging, 1.1)) * (1 - 0.25 * max(face.smile - 0.5, 0))
    upper, lower = _lid_edges(x, half_width, height)
    px = 1 / scene.head.scale
    opening = smoothstep(-0.7 * px, 0.9 * px, y - upper) * smoothstep(-0.7 * px, 0.9 * px, lower - y)
    opening = opening * (np.abs(x) < half_width)
    scene.canvas.overlay(_paint_eyeball(scene, x, y, upper, half_width, side), opening, region, person=False)
    shadow = 0.35 * scene.person.makeup * smoothstep(-0.16, -0.05, y) * smoothstep(-0.01, -0.05, y - upper)
    scene.canvas.darken(shadow * smoothstep(1.3, 0.9, np.abs(x) / half_width) * (1 - opening), region)
    _paint_lashes(scene, region, ex, side, half_width, height)


def _lid_edges(x, half_width: float, height: float) -> tuple[np.ndarray, np.ndarray]:
    """y of the upper and the lower lid at each x, which points away from the nose."""
    across = np.clip(1 - np.square(x / half_width), 0, 1)
    return -height * across**0.75 * (1 + 0.12 * np.sin(2.2 * x / half_width)), 0.62 * height * across**0.9


def _paint_eyeball(scene: Scene, x, y, upper, half_width: float, side: int) -> np.ndarray:
    """Linear colour of white, iris, pupil and the lamp's reflection, in the shadow of the upper lid."""
    gx, gy, px = scene.gaze[0] * side, scene.gaze[1], 1 / scene.head.scale
    radius = np.hypot(x - gx, y + 0.012 - gy)
    white = tint(
        (0.75 + 0.35 * smoothstep(upper, upper + 0.07, y)) * (1 - 0.35 * smoothstep(0.55, 1, np.abs(x) / half_width)),
        to_linear((0.90, 0.88, 0.86)),
    )
    spokes = 0.8 + 0.3 * np.sin(np.arctan2(y - gy, x - gx) * 17) * smoothstep(0.03, 0.06, radius)
    iris = tint(1.5 * spokes * smoothstep(0.105, 0.06, radius) + 0.25, to_linear(scene.person.iris))
    ball = mix(white, iris, to_channels(smoothstep(0.092 + 0.6 * px, 0.092 - 0.8 * px, radius)))
    ball = mix(ball, np.float32(0.003), to_channels(smoothstep(0.042 + 0.6 * px, 0.042 - 0.6 * px, radius)))
    ball *= to_channels(1 - 0.55 * smoothstep(upper + 0.05, upper, y))
    lamp_x = math.copysign(0.03, scene.light.direction[0]) * side
    glint = smoothstep(0.026 + 0.5 * px, 0.02, np.hypot(x - gx - lamp_x, y - gy + 0.04))
    return ball * (scene.light.key * 0.55 + scene.light.fill * 0.9) + tint(0.75 * glint, scene.light.key)


def _paint_lashes(scene: Scene, region: Region, ex: float, side: int, half_width: float, height: float) -> None:
    """The lines of both lids, lashes, and the crease above the eye, whose middle lies at (ex, 0)."""
    person, face, droop = scene.person, scene.person.face, min(scene.person.age_signs.sagging, 1.1)

    def place_on_eye(line: np.ndarray) -> np.ndarray:  # from eye to face coordinates
        return np.stack([ex + side * line[:, 0], line[:, 1] - face.eye_tilt * line[:, 0]], 1)

    x = np.linspace(-1, 1, 17) * half_width
    upper, lower = _lid_edges(x, half_width, height)
    upper_lid, lower_lid = np.stack([x, upper - 0.004], 1), np.stack([x, lower + 0.004], 1)
    strength = 0.62 + 0.38 * person.makeup
    wing = upper_lid[11:] + np.linspace(0, 1, 6)[:, None] * (0.05, -0.03) * (0.4 + person.makeup)
    lines = [
        (place_on_eye(upper_lid), 0.026 + 0.022 * person.makeup, strength),
        (place_on_eye(wing), 0.025, strength),
        (place_on_eye(lower_lid), 0.014, 0.30 + 0.3 * person.makeup),
    ]
    for k in range(int(3 + 9 * person.makeup)):
        root = upper_lid[4 + k]
        tip = root + np.array([(k - 3) * 0.008 + 0.005, -0.05 - 0.02 * person.makeup])
        lines.append((place_on_eye(np.array([root, tip])), 0.011, 0.7 * strength))
    ink = 0.95 * ink_lines(scene, region, lines, 0.3)
    scene.canvas.overlay(to_linear((0.07, 0.05, 0.045)), ink, region, person=False)
    crease = upper_lid * (1.06, 1) - (0, 0.022 + 0.05 * face.lid)
    crease[:, 1] += droop * (0.01 + 0.03 * smoothstep(0, half_width, x))  # with age the outer fold hangs
    depth = 0.35 + 0.4 * face.lid + 0.3 * droop
    scene.canvas.darken(0.55 * ink_lines(scene, region, [(place_on_eye(crease), 0.02, depth)], 0.7), region)


def paint_brows(scene: Scene, region: Region) -> None:
    person, face = scene.person, scene.person.face
    person_rng = np.random.default_rng([person.seed, 13])
    hairs, grey_hairs = [], []
    droop = 0.05 * person.age_signs.sagging
    for side in (-1, 1):
        position = person_rng.uniform(0, 1, 85)  # of 85 hairs along the brow, 0 beside the nose
        x = 0.17 + 0.56 * position
        arch = 0.09 * face.brow_arch * np.sin(np.pi * np.clip(position * 0.85, 0, 1)) - 0.03 + droop * position**2
        thickness = 0.085 * face.brow * (1 - 0.72 * position**1.6)
        y = -face.brow_height - arch + 0.10 * np.clip(position - 0.62, 0, 1)
        y = y + thickness * person_rng.uniform(-0.5, 0.5, 85)
        lean = mix(-0.09, 0.035, position**0.6)
        tips = np.stack([side * np.stack([x, x + 0.035, x + 0.085]), np.stack([y, y + lean * 0.6, y + lean * 0.7])], 2)
        is_grey = person_rng.random(85) < 0.75 * person.age_signs.grey
        hairs.append(tips[:, ~is_grey])
        grey_hairs.append(tips[:, is_grey])
    colour = to_linear(person.hair.colour) * 0.8
    lighting = scene.light.key * 0.6 + scene.light.fill
    grey = to_linear((0.62, 0.61, 0.60))
    ink, grey_ink = (
        ink_lines(scene, region, [(np.concatenate(strokes, 1).swapaxes(0, 1), 0.017, 0.62)], 0.35)
        for strokes in (hairs, grey_hairs)
    )
    scene.canvas.overlay(colour * lighting, ink, region, person=False)
    scene.canvas.overlay(grey * lighting, 0.8 * grey_ink, region, person=False)


def colour_lips(person: Person, colour: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    """Change the face's albedo `colour` (height x width x 3) where the lips are."""
    face, mouth = person.face, person.face.mouth_y
    near = find_window((np.abs(x) < face.mouth_width + 0.25) * (np.abs(y - mouth) < 0.45))
    colour, x, y = colour[near], x[near], y[near]
    ax = np.abs(x)
    fullness = face.lips * (1 - 0.3 * min(person.age_signs.sagging, 1))
    across = np.clip(1 - np.square(ax / face.mouth_width), 0, 1)
    line = mouth + (face.mouth_corner_y - mouth) * np.square(ax / face.mouth_width)
    top = line - 0.105 * fullness * across**0.8 * (1 - 0.22 * np.exp(-np.square(ax / 0.05)))
    bottom = line + 0.135 * fullness * across**0.6
    lips = smoothstep(-0.012, 0.02, y - top) * smoothstep(-0.012, 0.03, bottom - y) * (across > 0)
    natural = to_linear(person.skin) * np.array([0.80, 0.50, 0.50], np.float32)
    paint = to_linear(hsv_to_rgb(350 + 20 * ((person.seed >> 3) % 3 - 1), 0.62, 0.72))
    colour += (mix(natural, paint, 0.75 * person.makeup) - colour) * to_channels(lips * mix(0.75, 0.9, person.makeup))
    gap = np.exp(-np.square((y - line) / 0.016)) * smoothstep(0, 0.12, across)
    corner = blob(ax, y, face.mouth_width, face.mouth_corner_y, 0.05, 0.035)
    colour *= 1 - tint(np.clip(0.72 * gap + 0.3 * corner, 0, 0.9), (0.85, 1, 1))


def paint_beard(scene: Scene, region: Region, x, y, cover, grain: np.ndarray) -> None:
    """Stubble or a beard, inside the face's coverage `cover`; `grain` is noise, of deviation about 0.6."""
    person, mouth = scene.person, scene.person.face.mouth_y
    area = _beard_area(person, x, y) * cover
    shadow = {"none": 0.16, "stubble": 0.42}.get(person.beard, 0.25)
    dots = np.clip(0.75 + 0.55 * grain, 0, 1.4)
    colour = mix(np.array(to_linear(person.hair.colour)), to_linear((0.66, 0.65, 0.64)), person.age_signs.grey)
    lighting = scene.light.key * 0.5 + scene.light.fill
    scene.canvas.overlay(colour * lighting, np.clip(area * shadow * dots, 0, 1), region, person=False)
    if person.beard in ("moustache", "goatee", "full"):
        strands = scene.streaks((x * 1.2 + 0.25 * np.sign(x) * (y - mouth) ** 2) * 150, y * 14 + 10)
        density = smoothstep(0.25, 0.75, area + 0.18 * strands * (area > 0.02))
        albedo = tint(np.clip(0.8 + 0.45 * strands, 0.2, 2), colour)
        height = (np.sqrt(np.clip(1.05 - x * x, 0.05, 1)) + 0.1 * area) * scene.head.scale
        beard = shade_surface(albedo, height, scene.light, gloss=0.03)
        scene.canvas.overlay(beard, 0.93 * density * cover, region, person=False)


def _beard_area(person: Person, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where the beard grows, 0 to 1; 0 on the lips."""
    face = person.face
    tip, mouth, ax = face.nose_y, face.mouth_y, np.abs(x)
    lip_distance = np.sqrt(np.square(ax / (face.mouth_width * 0.95)) + np.square((y - mouth - 0.02) / 0.115))
    not_lips = smoothstep(0.8, 1.15, lip_distance)
    moustache = blob(ax, y, 0.18, mouth - 0.17, 0.27, 0.09) * 1.4
    chin = 1.5 * blob(x, y, 0, face.length - 0.14, 0.34, 0.26)
    line = 0.45 + 0.75 * smoothstep(1.0, 0.35, ax)
    jaw = smoothstep(line, line + 0.22, y) * smoothstep(tip + 0.1, tip + 0.3, y + 0.5 * smoothstep(0.4, 0.8, ax))
    area = {
        "none": jaw,
        "stubble": jaw,
        "moustache": moustache,
        "goatee": np.maximum(moustache, chin),
        "full": np.maximum(jaw * 1.2, moustache),
    }[person.beard]
    if person.beard in ("none", "stubble"):
        area = np.maximum(area, moustache)
    return np.clip(area, 0, 1) * not_lips
