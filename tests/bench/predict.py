"""`visage predict`: its time beside its networks' alone, memory, start-up, and its rate beside the stage's and torch's.

It takes the bundle, crops and networks that the last `dvc repro` left in this project. CPU seconds throughout: other
work on the machine changes them little. PHOTOS=30000 measures memory on more photos.
"""

import filecmp
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from tests.bench.measure import PROJECT, figure, run
from visage.formats.photos import is_photo
from visage.inference import list_checkpoints, predict_probabilities
from visage.networks.checkpoints import read_card, read_checkpoint
from visage.networks.images import read_images, resize
from visage.networks.tensors import to_nchw
from visage.runtime.params import read_params
from visage.serving.bundle import Bundle
from visage.serving.networks import Crop
from visage.serving.predict import BATCH, Wanted, predict_photos

COUNT, MANY = 1000, int(os.environ.get("PHOTOS", "5000"))
BUNDLE, MODELS = PROJECT / "models/bundle", PROJECT / "models/classifiers"


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def list_photos(root: Path, count: int) -> list[Path]:
    return [path for path in sorted(root.rglob("*")) if is_photo(path)][:count]


class Timed:
    """A session of onnxruntime that adds up the CPU time of its calls."""

    def __init__(self, session: object, seconds: list[float]) -> None:
        self.session, self.seconds = session, seconds

    def run(self, *args: object) -> object:
        start = time.thread_time()
        outputs = self.session.run(*args)
        self.seconds.append(time.thread_time() - start)
        return outputs

    def __getattr__(self, name: str) -> object:
        return getattr(self.session, name)


def share_of_networks(photos: list[Path]) -> tuple[float, float]:
    """CPU time of predict over that of its networks' calls, and faces per CPU second."""
    bundle, seconds = Bundle.open(BUNDLE), []
    bundle.detector.session = Timed(bundle.detector.session, seconds)
    for classifier in bundle.ensemble.classifiers:
        object.__setattr__(classifier, "session", Timed(classifier.session, seconds))
    faces = 0

    def work() -> None:
        nonlocal faces
        faces = sum(len(result.faces) for result in predict_photos(bundle, photos, Wanted()))

    total = cpu_seconds(work)
    return total / sum(seconds), faces / total


def classifier_rates(count: int = 512) -> dict[str, float]:
    """Faces per CPU second of the classifiers alone: the bundle's, the stage's, and those of a plain torch loop."""
    torch.set_num_threads(1)
    bundle, folders = Bundle.open(BUNDLE), sorted(path for path in MODELS.iterdir() if path.is_dir())
    files = [file for folder in folders for file in list_checkpoints(folder)]
    networks = [read_checkpoint(file) for file in files]
    preprocessing = read_card(files[0]).recipe.preprocessing
    images = read_images(PROJECT / "data/crops", PROJECT / "data/mattes", preprocessing).pixels[:count]
    crops = [Crop(image, [None] * 8) for image in images]
    tta, pixels = read_params(PROJECT / "params.yaml")["predict"]["tta"], to_nchw(images)

    def by_bundle() -> None:
        for start in range(0, len(crops), BATCH):
            bundle.ensemble.predict(crops[start : start + BATCH])

    def by_stage() -> None:
        for network, card in networks:
            predict_probabilities(network.to(memory_format=torch.channels_last), card, pixels, tta=tta)

    @torch.no_grad()
    def by_loop() -> None:
        for image in images:
            picture = torch.from_numpy(resize(image, preprocessing).copy()).permute(2, 0, 1)[None].float() / 255
            for network, _ in networks:
                for view in (picture, picture.flip(3)):
                    [output.softmax(1) for output in network(view)]

    works = {"the bundle": by_bundle, "stages/predict.py": by_stage, "a plain torch loop": by_loop}
    return {name: len(images) / min(cpu_seconds(work) for _ in range(3)) for name, work in works.items()}


def link_photos(photos: list[Path], folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        photo = photos[number % len(photos)]
        (folder / f"{number:05d}{photo.suffix}").symlink_to(photo)
    return folder


def figures() -> dict[str, dict]:
    if not (BUNDLE / "card.json").is_file():
        print("predict: there is no bundle; `dvc repro` makes it, and its figures are left out")
        return {}
    name = read_params(PROJECT / "params.yaml")["data"]["name"]
    raw, words = PROJECT / "data/raw" / name, ["-m", "visage", "predict", "--quiet", "--model", str(BUNDLE)]
    photos = list_photos(raw, COUNT)
    ratio, rate = share_of_networks(photos)
    rates = classifier_rates()
    with tempfile.TemporaryDirectory() as folder:
        few, many = (link_photos(photos, Path(folder) / str(n), n) for n in (COUNT, MANY))
        peaks = [run(*words, "--json", str(source), cwd=PROJECT).peak for source in (few, many)]
        start = min(run(*words, str(photos[0]), cwd=PROJECT).cpu for _ in range(3))
        ours, boxes = Path(folder) / "submission.csv", PROJECT / "data/manual" / name / "boxes.csv"
        run(*words, str(raw / "eval"), "--boxes", str(boxes), "--submission", str(ours), cwd=PROJECT)
        same = filecmp.cmp(ours, PROJECT / "data/submission.csv", shallow=False)
    table = {
        "predict: CPU time, times that of its networks alone": figure(ratio, 1.2, "lower", "ratio"),
        "predict: faces a CPU second, photos to answers": figure(rate, 50, "higher", "faces/s"),
        f"predict: memory on {MANY} photos, times that on {COUNT}": figure(peaks[1] / peaks[0], 1.1, "lower", "ratio"),
        "predict: start-up with one photo": figure(start, 1.5, "lower", "CPU s"),
        "predict: the submission is the pipeline's, byte for byte": figure(same, 1, "higher", "yes"),
    }
    for other in ("stages/predict.py", "a plain torch loop"):
        gain = rates["the bundle"] / rates[other]
        table[f"predict: classifiers, times the rate of {other}"] = figure(gain, 1, "higher", "ratio")
    return table
