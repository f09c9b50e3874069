"""What a person looks like: signs of age, face, hair and clothes, and how often each kind is sampled."""

from dataclasses import dataclass

import numpy as np

from visage.practice.paintbrush import choose_weighted, hsv_to_rgb


@dataclass(frozen=True)
class AgeSigns:
    """Signs of age, each from 0 (none) to about 1 (plain to see)."""

    brow_lines: float
    crows_feet: float
    folds: float
    bags: float
    sagging: float
    spots: float
    grey: float
    thinning: float


@dataclass(frozen=True)
class Face:
    """Sizes and positions in head units, factors about 1, or shares from 0 to 1."""

    width: float
    jaw: float
    chin: float
    length: float
    eye_size: float
    eye_tilt: float
    eye_gap: float
    lid: float
    brow: float
    brow_height: float
    brow_arch: float
    nose_width: float
    nose_length: float
    ridge: float
    lips: float
    mouth_width: float
    smile: float
    neck: float

    @property
    def eye_x(self) -> float:
        return 0.46 * self.eye_gap

    @property
    def nose_y(self) -> float:
        return 0.57 * self.nose_length

    @property
    def mouth_y(self) -> float:
        return 0.70 * self.nose_length + 0.32 * self.length / 1.6

    @property
    def mouth_corner_y(self) -> float:
        return self.mouth_y - 0.075 * self.smile


@dataclass(frozen=True)
class Hair:
    style: str
    colour: tuple[float, float, float]
    volume: float
    length: float
    fringe: float
    parting: float
    wave: float
    hairline: float

    @property
    def covers_ears(self) -> bool:
        return self.length > 0 or self.style == "perm"


@dataclass(frozen=True)
class Clothes:
    kind: str
    colour: tuple[float, float, float]
    second_colour: tuple[float, float, float]
    pattern: str


def sample_age_signs(rng: np.random.Generator, gender: str, age: int) -> AgeSigns:
    # One deviation for the whole person (some look younger than they are), a smaller one for every sign.
    apparent_age = age + rng.normal(0, 1.2)

    def strength(start: float, end: float, exponent: float = 1.3, noise: float = 1.5) -> float:
        return float(np.clip((apparent_age + rng.normal(0, noise) - start) / (end - start), 0, 1.3) ** exponent)

    dye_factor = 0.35 if rng.random() < (0.10 if gender == "female" else 0.04) else 1.0
    # A few grey hairs come slowly from thirty on, the rest within few years around the end of the fifties.
    early_grey = 0.25 * np.clip((apparent_age - 30) / 25, 0, 1)
    grey = early_grey + 0.75 / (1 + np.exp(-(apparent_age + rng.normal(0, 1.2) - 58.0) / 1.8))
    thinning = strength(32, 78) * (rng.choice([0.3, 1.0, 1.7], p=[0.4, 0.35, 0.25]) if gender == "male" else 0.35)
    return AgeSigns(
        brow_lines=strength(25, 58, 0.8),
        crows_feet=strength(26, 58, 0.8),
        folds=strength(20, 62, 1.0),
        bags=strength(23, 66, 1.1),
        sagging=strength(36, 67),
        spots=strength(46, 70),
        grey=grey * dye_factor,
        thinning=float(np.clip(thinning, 0, 1.3)),
    )


def sample_face(rng: np.random.Generator, femininity: float) -> Face:
    """`femininity` is about -1.2 for a typical man and +1.2 for a typical woman."""

    def size(mean: float, lean: float, spread: float) -> float:
        return float(rng.normal(mean + lean * femininity, spread))

    return Face(
        width=size(1.0, -0.015, 0.035),
        jaw=size(0.80, -0.075, 0.03),
        chin=size(0.33, -0.065, 0.03),
        length=size(1.6, -0.035, 0.04),
        eye_size=size(1.0, 0.09, 0.06),
        eye_tilt=size(0.06, 0.03, 0.05),
        eye_gap=size(1.0, 0, 0.035),
        lid=float(np.clip(size(0.5, 0.12, 0.3), 0, 1)),
        brow=float(np.clip(size(0.9, -0.33, 0.12), 0.3, 1.6)),
        brow_height=size(0.33, 0.035, 0.02),
        brow_arch=size(0.5, 0.3, 0.15),
        nose_width=size(1.0, -0.09, 0.07),
        nose_length=size(1.0, -0.03, 0.04),
        ridge=size(1.0, -0.12, 0.15),
        lips=float(np.clip(size(1.0, 0.2, 0.13), 0.5, 1.6)),
        mouth_width=size(0.40, -0.01, 0.025),
        smile=float(np.clip(rng.normal(0.45, 0.35), -0.4, 1.2)),
        neck=size(0.69, -0.10, 0.03),
    )


HAIR_COLOURS = {
    "black": (0.10, 0.085, 0.08),
    "espresso": (0.17, 0.12, 0.10),
    "brown": (0.29, 0.19, 0.13),
    "chestnut": (0.40, 0.24, 0.14),
    "auburn": (0.46, 0.20, 0.12),
    "sand": (0.58, 0.45, 0.29),
}


def sample_hair(rng: np.random.Generator, femininity: float, age: int, thinning: float) -> Hair:
    feminine_style = rng.random() < 1 / (1 + np.exp(-2.9 * femininity))
    if feminine_style:
        style = choose_weighted(
            rng, long=6 - age / 16, bob=3, tied=2, bun=0.8, perm=max(0.1, (age - 40) / 7), short=0.5
        )
    else:
        style = choose_weighted(rng, short=4, swept=2, buzz=1, curls=1, fringe=max(0.3, 3.5 - age / 16), bob=0.15)
    if style in ("short", "swept", "buzz", "curls", "fringe") and thinning > 0.75:
        style = "bald"
    colour = HAIR_COLOURS[choose_weighted(rng, black=4, espresso=4, brown=3, chestnut=1.2, auburn=0.6, sand=0.6)]
    fringe = {
        "fringe": 0.8,
        "bob": rng.choice([0.0, 0.85]),
        "long": rng.choice([0.0, 0.0, 0.85]),
        "curls": 0.35,
        "perm": 0.3,
    }.get(style, rng.choice([0.0, 0.15, 0.35]))
    length = {"long": rng.uniform(2.1, 3.6), "bob": rng.uniform(0.95, 1.7)}.get(style, 0.0)
    return Hair(
        style,
        tuple(np.clip(np.array(colour) * rng.normal(1, 0.12), 0.03, 1)),
        volume=float(rng.uniform(0.8, 1.3)),
        length=float(length),
        fringe=float(fringe),
        parting=float(rng.choice([-0.45, 0.0, 0.45]) + rng.normal(0, 0.06)),
        wave=float(rng.choice([0.15, 1.0], p=[0.65, 0.35])),
        hairline=float(rng.normal(-1.0, 0.05)),
    )


def sample_clothes(rng: np.random.Generator, gender: str) -> Clothes:
    # Weakly tied to gender on purpose: a shortcut that a network which looks at the face alone does not need.
    feminine_style = rng.random() < (0.72 if gender == "female" else 0.28)
    if feminine_style:
        kind = choose_weighted(rng, scoop=3, vneck=2, crew=2, shirt=1, turtle=1.5)
        hue = rng.choice([345, 10, 40, 280, 170])
        saturation, value = rng.uniform(0.1, 0.5), rng.uniform(0.55, 0.95)
    else:
        kind = choose_weighted(rng, crew=3, shirt=3, suit=1.5, hood=1.5, vneck=0.5)
        hue = rng.choice([215, 225, 110, 25, 0])
        saturation, value = rng.uniform(0.05, 0.5), rng.uniform(0.12, 0.6)
    second_colour = hsv_to_rgb(rng.uniform(0, 360), rng.uniform(0, 0.5), rng.uniform(0.2, 0.95))
    pattern = choose_weighted(rng, plain=5, stripes=1.2, knit=1.5, checks=0.8)
    return Clothes(kind, hsv_to_rgb(hue + rng.normal(0, 12), saturation, value), second_colour, pattern)
