"""The practice set: its photos with their ground truth, and its files in the competition's layout, traps included."""

import csv
import ctypes
import hashlib
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from pydantic import Field

from visage.formats.columns import SHOTS
from visage.practice.people import Person, sample_population
from visage.practice.portraits import Portrait, draw_portrait
from visage.runtime.files import replace_folder
from visage.runtime.memo import Memo
from visage.runtime.params import Params


class PracticeParams(Params):
    """Section `practice`."""

    seed: int
    train_people: int = Field(ge=0)
    eval_people: int = Field(ge=0)


@dataclass(frozen=True)
class PracticePhoto:
    """One photo of the practice set, not yet drawn."""

    key: str  # path below the data root
    person: Person
    shot: str
    seed: tuple[int, ...]

    def draw(self) -> Portrait:
        """The image before compression, with its true box, landmarks and alpha."""
        return draw_portrait(self.person, self.shot, np.random.default_rng(self.seed))

    def encode(self) -> bytes:
        """The bytes of its file."""
        quality = int(np.random.default_rng([*self.seed, 9]).integers(72, 97))
        png = self.key.endswith(".png")
        options = [cv2.IMWRITE_PNG_COMPRESSION, 1] if png else [cv2.IMWRITE_JPEG_QUALITY, quality]
        bgr = cv2.cvtColor(self.draw().image, cv2.COLOR_RGB2BGR)
        return cv2.imencode(".png" if png else ".jpg", bgr, options)[1].tobytes()

    @property
    def answer(self) -> int:
        """The joint class: mask * 6 + gender * 3 + age."""
        mask = {"normal": 2, "incorrect_mask": 1}.get(self.shot, 0)
        return mask * 6 + (self.person.gender == "female") * 3 + (self.person.age >= 30) + (self.person.age >= 60)


@lru_cache(maxsize=4)
def list_photos(params: PracticeParams) -> dict[str, PracticePhoto]:
    """Every photo of the practice set by its key, train first; eval sorted by file name, which is a hash."""
    train_people = sample_population(params.seed, params.train_people, stream=0)
    train_photos = []
    for i, (person, name) in enumerate(zip(train_people, _make_ids(train_people), strict=True)):
        folder = f"train/images/{name}_{person.gender}_Asian_{person.age}"
        for k, shot in enumerate(SHOTS):
            key = f"{folder}/{shot}.{_choose_extension(i, k)}"
            train_photos.append(PracticePhoto(key, person, shot, (params.seed, 0, i, 3, k)))
    eval_photos = []
    for i, person in enumerate(sample_population(params.seed, params.eval_people, stream=1)):
        for k, shot in enumerate(SHOTS):
            name = hashlib.sha1(f"visage {params.seed} {i} {shot}".encode()).hexdigest()
            key = f"eval/images/{name}.{_choose_extension(i, k)}"
            eval_photos.append(PracticePhoto(key, person, shot, (params.seed, 1, i, 3, k)))
    return {photo.key: photo for photo in train_photos + sorted(eval_photos, key=lambda photo: photo.key)}


def _make_ids(people: Sequence[Person]) -> list[str]:
    """Ids with the competition's traps: `000002-1` is another person than `000002`, and one id names two people."""
    ids = [f"{i + 1:06d}" for i in range(len(people))]
    if len(ids) > 2:
        ids[2] = f"{ids[1]}-1"
    for i in range(4, len(ids)):
        if (people[i].gender, people[i].age) != (people[i - 1].gender, people[i - 1].age):
            ids[i] = ids[i - 1]
            break
    return ids


def _choose_extension(i: int, k: int) -> str:
    """For shot k of person i: mostly jpg; of every 40 people one has png only, one jpeg only, and one all three."""
    return {5: "png", 9: "jpeg", 13: ("jpg", "png", "jpeg")[k % 3]}.get(i % 40, "jpg")


def draw_people(params: PracticeParams, memo: Memo, workers: int) -> Iterator[dict[str, bytes]]:
    """For each person the seven photos' file names below the data root, and the bytes of the files."""
    photos = list(list_photos(params).values())
    people = [photos[i : i + len(SHOTS)] for i in range(0, len(photos), len(SHOTS))]

    def draw(chunk: Sequence[Sequence[PracticePhoto]]) -> Iterator[dict[str, bytes]]:
        with _process_map(workers) as map_people:
            yield from map_people(_encode_photos, chunk)

    return memo.map(draw, people, key=lambda person: [repr(person)])


def _encode_photos(photos: Sequence[PracticePhoto]) -> dict[str, bytes]:
    return {photo.key: photo.encode() for photo in photos}


def write_practice(root: Path, params: PracticeParams, people: Iterable[Mapping[str, bytes]]) -> None:
    """Write the whole set into `root`, replacing what was there; until it is complete it lies in `<root>.part`."""
    with replace_folder(root) as folder:
        _write_tables(folder, list(list_photos(params).values()))
        for files in people:
            for key, data in files.items():
                path = folder / key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)


@contextmanager
def _process_map(workers: int) -> Iterator[Callable]:
    """A `map` over worker processes; with one worker, the plain `map`."""
    if workers == 1:
        yield map
        return
    spawn = multiprocessing.get_context("spawn")  # OpenCV's threads do not survive a fork
    with ProcessPoolExecutor(workers, spawn, _init_worker) as pool:
        yield pool.map


def _init_worker() -> None:
    """Make a new process fast at drawing: one thread, and freed memory is kept instead of returned to the system."""
    cv2.setNumThreads(1)  # the processes share the cores already
    # glibc only. Without it each photo costs 12,000 page faults, a third of its time.
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-1, 512 << 20)  # M_TRIM_THRESHOLD
        mallopt(-3, 32 << 20)  # M_MMAP_THRESHOLD


def _write_tables(root: Path, photos: Sequence[PracticePhoto]) -> None:
    folders = [photo.key.split("/")[2] for photo in photos if photo.key.startswith("train/") and photo.shot == "normal"]
    rows = [(*folder.split("_"), folder) for folder in folders]
    _write_csv(root / "train/train.csv", ("id", "gender", "race", "age", "path"), rows)
    answers = [(Path(photo.key).name, photo.answer) for photo in photos if photo.key.startswith("eval/")]
    _write_csv(root / "eval/info.csv", ("ImageID", "ans"), [(name, 0) for name, _ in answers])
    _write_csv(root / "answers.csv", ("ImageID", "ans"), answers)
    junk = bytes.fromhex("00051607") + bytes(78)  # the header of the AppleDouble files that macOS leaves behind
    for folder in (f"train/images/{folders[0]}", "train/images") if folders else ():
        path = root / folder / "._mask1.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(junk)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
