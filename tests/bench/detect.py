"""`detect` against a plain loop over RetinaFace.detect_faces and against its own network on ready tensors."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from visage.faces.detectors import DetectParams, detect_all, open_detector
from visage.faces.retina import input_scale, resize
from visage.formats.photos import read_photo
from visage.practice.people import sample_population
from visage.practice.portraits import draw_portrait
from visage.runtime.parallel import count_workers

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
PLAIN, OURS, ROUNDS = 20, 240, 5  # photos of the plain loop and of ours in one round
DEFAULT = DetectParams(
    detector="bundled", weights="", side=256, upscale=False, threshold=0.3, batch=4, choose="largest"
)


def figures(shared: Path = SHARED) -> dict[str, dict]:
    """Everything is measured in turn, several rounds long; figures are the median of the rounds' own ratios."""
    return memory() | real(shared)


def real(shared: Path) -> dict[str, dict]:
    root, weights = shared / "data/faces300", shared / "weights/retinaface/.deepface/weights/retinaface.onnx"
    if not weights.is_file() or not root.is_dir():
        print(f"detect: no real photos or weights in {shared}; their figures are left out")
        return {}
    every = sorted(str(path.relative_to(root)) for path in (root / "train/images").glob("*/[!.]*"))
    keys, few = every[:: len(every) // OURS][:OURS], every[:: len(every) // PLAIN][:PLAIN]
    own = DEFAULT.replace(detector="retinaface", weights=str(weights), side=0)
    small = replace(own, side=256)
    plain = plain_loop(root, few, weights)
    rates = in_turn(
        {
            "plain loop": lambda: len(plain()),
            "own size": lambda: ours(root, keys, own),
            "own size, network alone": network_alone(root, keys[:128], own),
            "side 256": lambda: ours(root, keys, small),
            "side 256, network alone": network_alone(root, keys[:128], small),
            "bundled": lambda: ours(root, keys, DEFAULT),
        }
    )
    more = len(missing(root, few, own)) - sum(not faces for faces in plain())
    lost = {side: len(missing(root, keys, replace(own, side=side))) for side in (0, 320, 256, 192, 128)}
    table = {
        "own size, times a plain loop": entry(rates["own size"] / rates["plain loop"], 12, "x"),
        "side 256, times a plain loop": entry(rates["side 256"] / rates["plain loop"], 12, "x"),
        "own size, share of the network alone": entry(rates["own size"] / rates["own size, network alone"], 0.9, "x"),
        "side 256, share of the network alone": entry(rates["side 256"] / rates["side 256, network alone"], 0.9, "x"),
        f"faces missed of {PLAIN} more than by a plain loop": entry(more, 0, "photos", "lower"),
        "bundled": entry(rates["bundled"], 57, "photos/s"),
        "bundled, missed": entry(len(missing(root, keys, DEFAULT)) / len(keys), 0.02, "of all photos", "lower"),
        **{f"side {side or 'own'}, missed": entry(n / len(keys), 0.02, "of all", "lower") for side, n in lost.items()},
    }
    return {f"detect, real photos: {name}": figure for name, figure in table.items()}


def entry(figure: float | np.ndarray, target: float, unit: str, better: str = "higher") -> dict:
    return {"figure": round(float(np.median(figure)), 2), "target": target, "better": better, "unit": unit}


def in_turn(ways: dict[str, Callable[[], int]]) -> dict[str, np.ndarray]:
    """Photos a second of each way in each round (a call returns how many it did); CPU time is printed beside."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            done = way()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            rates[name].append(done / wall)
            print(f"detect, {name}: {done / wall:.1f} photos/s, {1000 * cpu / done:.1f} CPU ms a photo")
    return {name: np.array(found) for name, found in rates.items()}


def plain_loop(root: Path, keys: list[str], weights: Path) -> Callable[[], list]:
    os.environ["DEEPFACE_BACKEND_ENGINE"] = "onnx"
    os.environ["DEEPFACE_HOME"] = str(weights.parents[2])
    from retinaface import RetinaFace

    RetinaFace.build_model()
    return lambda: [RetinaFace.detect_faces(str(root / key)) for key in keys]


def ours(root: Path, keys: list[str], params: DetectParams) -> int:
    return len(list(detect_all(root, keys, params)))


def network_alone(root: Path, keys: list[str], params: DetectParams) -> Callable[[], int]:
    """The same network on tensors that lie ready in memory, every core busy."""
    detector, images = open_detector(params), [read_photo(root, key) for key in keys]
    scale = input_scale(*images[0].shape[:2], side=params.side, upscale=False)
    ready = np.stack(
        [resize(image, scale, side=params.side) for image in images if image.shape == images[0].shape],
        dtype=np.float32,
    )
    parts = [ready[i : i + params.batch] for i in range(0, len(ready), params.batch)]

    def run() -> int:
        with ThreadPoolExecutor(count_workers()) as pool:
            list(pool.map(lambda part: len(detector.session.run(None, {"input": part})), parts))
        return len(ready)

    return run


def missing(root: Path, keys: list[str], params: DetectParams) -> list[str]:
    return [photo for photo, _, faces in detect_all(root, keys, params) if not len(faces)]


def memory() -> dict[str, dict]:
    """Peak memory of 30,000 photos over that of 1,000, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        portrait = draw_portrait(sample_population(5, 1)[0], "normal", np.random.default_rng(5)).image[..., ::-1]
        cv2.imwrite(f"{folder}/photo.jpg", cv2.resize(portrait, (96, 128)))
        peaks = [peak(folder, count) for count in (1000, 30000)]
    print(f"detect: peak memory {peaks[0]:.0f} MiB for 1,000 photos, {peaks[1]:.0f} MiB for 30,000")
    return {"detect: memory of 30,000 photos over that of 1,000": entry(peaks[1] / peaks[0], 1.05, "x", "lower")}


def peak(folder: str, count: int) -> float:
    command = [sys.executable, "-m", "tests.bench.detect", folder, str(count)]
    return float(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    done = sum(1 for _ in detect_all(Path(sys.argv[1]), ["photo.jpg"] * int(sys.argv[2]), DEFAULT))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
