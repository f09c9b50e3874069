"""Transplants per second at 224 px on two cores, and the pairing of as many photos as the competition has."""

import os
import tempfile
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from tests.bench.measure import figure
from visage.formats.columns import LANDMARKS
from visage.formats.shards import encode_image
from visage.formats.tasks import Task
from visage.practice.people import sample_population
from visage.practice.portraits import Portrait, draw_portrait
from visage.runtime.memo import Memo
from visage.runtime.parallel import map_threads
from visage.transplants.grafting import GraftJob, StoredFace, make_graft
from visage.transplants.pairing import TONE, TransplantParams, pair_faces

SIDE, PICTURES = 224, 512  # pixels, number
PEOPLE = 24
TASKS = [Task("mask", ("worn", "not worn"), "mask"), Task("age", ("<30", "30-59", ">=60"), "age", (30, 60))]
PARAMS = TransplantParams(
    method="forehead", blend="feather", match=True, per_donor=4, target_share=0.25, max_tilt=15, max_turn=0.3,
    max_size=1.5, max_error=0.12, seed=0,
)  # fmt: skip


def figures() -> dict[str, dict]:
    os.environ["VISAGE_WORKERS"] = "2"
    return {
        "transplants at 224 px, feathered": figure(measure_rate("feather", PICTURES), 60, "higher", "pictures/s"),
        "transplants at 224 px, Poisson": figure(measure_rate("poisson", PICTURES // 4), 10, "higher", "pictures/s"),
        "pairing of 18,900 photos": figure(measure_pairing(), 10, "lower", "s"),
    }


def measure_rate(blend: str, count: int) -> float:
    """Pictures per second, with decoding, encoding and the memo."""
    rng = np.random.default_rng(0)
    faces = [store_face(draw_portrait(person, "mask1", rng)) for person in sample_population(5, PEOPLE)]
    jobs = []
    for i in range(count):
        donor, receiver = faces[i % PEOPLE], faces[(i + 1 + i // PEOPLE) % PEOPLE]
        jobs.append(GraftJob(donor, receiver, "forehead", blend, True))
    with tempfile.TemporaryDirectory() as folder, Memo("bench", folder=Path(folder)) as memo:
        start = time.perf_counter()
        grafts = memo.map(partial(map_threads, make_graft), jobs, key=GraftJob.memo_key)
        return sum(bool(graft) for graft in grafts) / (time.perf_counter() - start)


def store_face(portrait: Portrait) -> StoredFace:
    """A portrait as crop and matte, the face in the middle."""
    x0, y0, x1, y1 = portrait.box
    scale = SIDE / (1.6 * max(x1 - x0, y1 - y0, 20))
    shift = SIDE / 2 - scale * np.array([x0 + x1, y0 + y1]) / 2
    transform = np.column_stack([np.eye(2) * scale, shift])
    image, matte = (
        cv2.warpAffine(picture, transform, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
        for picture in (portrait.image, portrait.alpha)
    )
    region = np.array([[0, 0], [SIDE, 0], [SIDE, SIDE], [0, SIDE]], float)
    height, width = portrait.image.shape[:2]
    photo = np.array([[0, 0], [width, 0], [width, height], [0, height]]) * scale + shift
    landmarks = portrait.landmarks * scale + shift
    return StoredFace(encode_image(image), encode_image(matte, ".png"), landmarks, np.stack([region, photo]))


def measure_pairing() -> float:
    """Seconds for 2,700 people with seven photos each."""
    rng, people = np.random.default_rng(0), 2700
    landmarks = np.array([82, 100, 142, 100, 112, 140, 90, 165, 134, 165])
    faces = pd.DataFrame({"photo": [f"{p:04d}/{s}" for p in range(people) for s in range(7)]}).set_index("photo")
    person = np.repeat(np.arange(people), 7)
    faces["person"], faces["fold"] = person.astype(str), person % 5
    faces["mask"] = np.tile(["worn"] * 5 + ["not worn"] * 2, people)
    faces["age"] = np.repeat(rng.choice(TASKS[1].classes, people, p=[0.47, 0.46, 0.07]), 7)
    faces[["in_photo", "in_picture", "bare", *TONE]] = [1, 1, 1, 60, 10, 15]
    faces[LANDMARKS] = landmarks + rng.normal(0, 4, (len(faces), 10))
    start = time.perf_counter()
    assert len(pair_faces(faces, TASKS, PARAMS)) > 3000
    return time.perf_counter() - start
