"""People who do not exist, each a set of traits sampled once, in the shares of the competition."""

from dataclasses import dataclass

import numpy as np

from visage.practice.paintbrush import choose_weighted, mix
from visage.practice.traits import (
    AgeSigns,
    Clothes,
    Face,
    Hair,
    sample_age_signs,
    sample_clothes,
    sample_face,
    sample_hair,
)


@dataclass(frozen=True)
class Person:
    """Everything that is the same in all photos of a person. `seed` fixes spots, wrinkles, strands and folds."""

    gender: str
    age: int
    seed: int
    skin: tuple[float, float, float]
    age_signs: AgeSigns
    face: Face
    hair: Hair
    clothes: Clothes
    beard: str
    iris: tuple[float, float, float]
    makeup: float
    glasses: str


def sample_person(rng: np.random.Generator, gender: str, age: int) -> Person:
    """A person of this gender (`male` or `female`) and age in years."""
    femininity = rng.normal(1.2 if gender == "female" else -1.2, 0.32)
    age_signs = sample_age_signs(rng, gender, age)
    darkness = rng.beta(1.6, 2.6)  # how dark the skin is
    skin = mix(np.array([0.93, 0.77, 0.67]), np.array([0.42, 0.27, 0.20]), darkness) + rng.normal(0, 0.012, 3)
    beard = "none"
    if gender == "male" and age >= 18:
        beard = choose_weighted(rng, none=5, stubble=3, moustache=0.5, goatee=0.8, full=1.2)
    iris = ((0.23, 0.13, 0.08), (0.33, 0.20, 0.11), (0.34, 0.38, 0.24), (0.38, 0.48, 0.56))
    return Person(
        gender,
        age,
        int(rng.integers(2**31)),
        tuple(np.clip(skin, 0.1, 1)),
        age_signs,
        sample_face(rng, femininity),
        sample_hair(rng, 0.8 * femininity + rng.normal(0, 0.25), age, age_signs.thinning),
        sample_clothes(rng, gender),
        beard,
        iris[rng.choice(4, p=[0.55, 0.3, 0.08, 0.07])],
        makeup=float(np.clip(rng.normal(0.25 + 0.35 * femininity, 0.2), 0, 1)) if gender == "female" else 0.0,
        glasses=choose_weighted(rng, none=5, round=0.7, square=1.0, thin=0.6 + age / 60),
    )


# Of every 25 people: shares of the competition, except that 60+ are 8% (7.1% there).
BLOCK = (
    [("female", "young")] * 7
    + [("male", "young")] * 5
    + [("female", "middle")] * 7
    + [("male", "middle")] * 4
    + [("female", "old"), ("male", "old")]
)


def _sample_age(rng: np.random.Generator, group: str) -> int:
    """As in the competition: many of 18 to 20, few between 30 and 45, many in their fifties."""
    if group == "young":
        return int(rng.choice([rng.integers(18, 21), rng.integers(21, 30)], p=[0.68, 0.32]))
    if group == "middle":
        return int(rng.choice([rng.integers(30, 46), round(rng.triangular(45, 52, 58.5))], p=[0.16, 0.84]))
    return round(rng.triangular(60, 65, 75))


def sample_population(seed: int, count: int, stream: int = 0) -> list[Person]:
    """`count` people; person i depends on (seed, stream, i) alone, so a longer list begins with the shorter one."""
    people = []
    for i in range(count):
        block = np.random.default_rng([seed, stream, i // len(BLOCK), 1]).permutation(len(BLOCK))
        gender, group = BLOCK[block[i % len(BLOCK)]]
        rng = np.random.default_rng([seed, stream, i, 2])
        people.append(sample_person(rng, gender, _sample_age(rng, group)))
    return people
