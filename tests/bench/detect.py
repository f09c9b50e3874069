"""`detect` against a plain loop over RetinaFace.detect_faces and against its own network on tensors in memory."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from tests.bench.measure import PROJECT, SHARED, figure, most_memory
from visage.faces.detectors import DetectParams, detect_all, open_detector
from visage.faces.retina import input_scale, resize
from visage.formats.photos import read_photo
from visage.practice.people import sample_population
from visage.practice.portraits import draw_portrait
from visage.runtime.parallel import count_workers

PLAIN, OURS, ROUNDS = 20, 240, 5  # photos of the plain loop and of ours in one round
DEFAULT = DetectParams(
    detector="bundled", weights="", side=256, upscale=False, threshold=0.3, batch=4, choose="largest"
)


def figures(shared: Path = SHARED) -> dict[str, dict]:
    """Everything is measured in turn, in several rounds; figures are the median of the rounds' own ratios."""
    return measure_memory() | measure_real_photos(shared)


def measure_real_photos(shared: Path) -> dict[str, dict]:
    root, weights = shared / "data/faces300", shared / "weights/retinaface/.deepface/weights/retinaface.onnx"
    if not weights.is_file() or not root.is_dir():
        print(f"detect: no real photos or weights in {shared}; their figures are left out")
        return {}
    photos = sorted(str(path.relative_to(root)) for path in (root / "train/images").glob("*/[!.]*"))
    keys, few = photos[:: len(photos) // OURS][:OURS], photos[:: len(photos) // PLAIN][:PLAIN]
    own_size = DEFAULT.replace(detector="retinaface", weights=str(weights), side=0)
    small = own_size.replace(side=256)
    plain = plain_loop(root, few, weights)
    rates = measure_in_turn(
        {
            "plain loop": lambda: len(plain()),
            "own size": lambda: detect_photos(root, keys, own_size),
            "own size, network alone": network_alone(root, keys[:128], own_size),
            "side 256": lambda: detect_photos(root, keys, small),
            "side 256, network alone": network_alone(root, keys[:128], small),
            "bundled": lambda: detect_photos(root, keys, DEFAULT),
        }
    )
    more = count_missed(root, few, own_size) - sum(not faces for faces in plain())
    bundled = count_missed(root, keys, DEFAULT) / len(keys)
    table = {
        "own size, times a plain loop": median_figure(rates["own size"] / rates["plain loop"], 12, "x"),
        "side 256, times a plain loop": median_figure(rates["side 256"] / rates["plain loop"], 12, "x"),
        f"faces missed of {PLAIN} more than by a plain loop": figure(more, 0, "lower", "photos"),
        "bundled": median_figure(rates["bundled"], 57, "photos/s"),
        "bundled, missed": figure(bundled, 0.02, "lower", "of all photos"),
    }
    for size in ("own size", "side 256"):
        share = rates[size] / rates[f"{size}, network alone"]
        table[f"{size}, share of the network alone"] = median_figure(share, 0.9, "x")
    for side in (0, 320, 256, 192, 128):
        missed = count_missed(root, keys, own_size.replace(side=side)) / len(keys)
        table[f"side {side or 'own'}, missed"] = figure(missed, 0.02, "lower", "of all")
    return {f"detect, real photos: {name}": row for name, row in table.items()}


def median_figure(rates: np.ndarray, target: float, unit: str) -> dict:
    return figure(np.median(rates), target, "higher", unit)


def measure_in_turn(ways: dict[str, Callable[[], int]]) -> dict[str, np.ndarray]:
    """Photos a second of each way in each round (a call returns how many it did); CPU time is printed beside."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            count = way()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            rates[name].append(count / wall)
            print(f"detect, {name}: {count / wall:.1f} photos/s, {1000 * cpu / count:.1f} CPU ms a photo")
    return {name: np.array(values) for name, values in rates.items()}


def plain_loop(root: Path, keys: list[str], weights: Path) -> Callable[[], list]:
    os.environ["DEEPFACE_BACKEND_ENGINE"] = "onnx"
    os.environ["DEEPFACE_HOME"] = str(weights.parents[2])
    from retinaface import RetinaFace

    RetinaFace.build_model()
    return lambda: [RetinaFace.detect_faces(str(root / key)) for key in keys]


def detect_photos(root: Path, keys: list[str], params: DetectParams) -> int:
    return sum(1 for _ in detect_all(root, keys, params))


def network_alone(root: Path, keys: list[str], params: DetectParams) -> Callable[[], int]:
    """The same network on tensors that are in memory already, every core busy."""
    detector, images = open_detector(params), [read_photo(root, key) for key in keys]
    images = [image for image in images if image.shape == images[0].shape]
    scale = input_scale(*images[0].shape[:2], side=params.side, upscale=False)
    tensor = np.stack([resize(image, scale, side=params.side) for image in images], dtype=np.float32)
    batches = [tensor[start : start + params.batch] for start in range(0, len(tensor), params.batch)]

    def run() -> int:
        with ThreadPoolExecutor(count_workers()) as pool:
            list(pool.map(lambda batch: len(detector.session.run(None, {"input": batch})), batches))
        return len(tensor)

    return run


def count_missed(root: Path, keys: list[str], params: DetectParams) -> int:
    return sum(not len(faces) for _, _, faces in detect_all(root, keys, params))


def measure_memory() -> dict[str, dict]:
    """Peak memory of 30,000 photos over that of 1,000, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        portrait = draw_portrait(sample_population(5, 1)[0], "normal", np.random.default_rng(5)).image[..., ::-1]
        cv2.imwrite(f"{folder}/photo.jpg", cv2.resize(portrait, (96, 128)))
        peaks = [peak_memory(folder, count) for count in (1000, 30000)]
    print(f"detect: peak memory {peaks[0]:.0f} MiB for 1,000 photos, {peaks[1]:.0f} MiB for 30,000")
    return {"detect: memory of 30,000 photos over that of 1,000": figure(peaks[1] / peaks[0], 1.05, "lower", "x")}


def peak_memory(folder: str, count: int) -> float:
    """MiB of a process that detects one photo `count` times: this module, run as a script."""
    command = [sys.executable, "-m", "tests.bench.detect", folder, str(count)]
    return float(subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    detect_photos(Path(sys.argv[1]), ["photo.jpg"] * int(sys.argv[2]), DEFAULT)
    print(most_memory(os.getpid()) / 1024)
