"""The practice set: which photos of whom it holds, what is true of each, and how they lie on disk, traps included."""

import csv
import ctypes
import hashlib
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from pydantic import Field

from visage.formats.columns import SHOTS
from visage.practice.people import Person, draw_population
from visage.practice.portraits import Portrait, draw_portrait
from visage.runtime.files import replace_folder
from visage.runtime.params import Params


class PracticeParams(Params):
    """Section `practice`."""

    seed: int
    train_people: int = Field(ge=0)
    eval_people: int = Field(ge=0)


@dataclass(frozen=True)
class PracticePhoto:
    """One photo of the practice set before it is drawn."""

    key: str  # path below the data root
    person: Person
    shot: str
    seed: tuple[int, ...]

    def draw(self) -> Portrait:
        return draw_portrait(self.person, self.shot, np.random.default_rng(self.seed))

    def encoded(self) -> bytes:
        """The drawn photo as the bytes of its file."""
        quality = int(np.random.default_rng([*self.seed, 9]).integers(72, 97))
        png = self.key.endswith(".png")
        how = [cv2.IMWRITE_PNG_COMPRESSION, 1] if png else [cv2.IMWRITE_JPEG_QUALITY, quality]
        bgr = cv2.cvtColor(self.draw().image, cv2.COLOR_RGB2BGR)
        return cv2.imencode(".png" if png else ".jpg", bgr, how)[1].tobytes()

    @property
    def answer(self) -> int:
        """The joint class: mask * 6 + gender * 3 + age."""
        mask = {"normal": 2, "incorrect_mask": 1}.get(self.shot, 0)
        return mask * 6 + (self.person.gender == "female") * 3 + (self.person.age >= 30) + (self.person.age >= 60)


@lru_cache(maxsize=4)
def list_photos(params: PracticeParams) -> dict[str, PracticePhoto]:
    """Every photo of the practice set by its key, train first; eval in the order of its names, which are hashes."""
    train = draw_population(params.seed, params.train_people, stream=0)
    found = []
    for i, (person, name) in enumerate(zip(train, _ids(train), strict=True)):
        folder = f"{name}_{person.gender}_Asian_{person.age}"
        found += [
            PracticePhoto(f"train/images/{folder}/{shot}.{_extension(i, k)}", person, shot, (params.seed, 0, i, 3, k))
            for k, shot in enumerate(SHOTS)
        ]
    hidden = []
    for i, person in enumerate(draw_population(params.seed, params.eval_people, stream=1)):
        for k, shot in enumerate(SHOTS):
            name = hashlib.sha1(f"visage {params.seed} {i} {shot}".encode()).hexdigest()
            hidden.append(
                PracticePhoto(f"eval/images/{name}.{_extension(i, k)}", person, shot, (params.seed, 1, i, 3, k))
            )
    return {photo.key: photo for photo in found + sorted(hidden, key=lambda photo: photo.key)}


def true_portrait(params: PracticeParams, key: str) -> Portrait:
    """What is true of one practice photo, drawn again: box, landmarks, alpha, and the image before compression."""
    return list_photos(params)[key].draw()


def _ids(people: Sequence[Person]) -> list[str]:
    """Ids with the competition's traps: `000002-1` is somebody else than `000002`, and one id names two people."""
    ids = [f"{i + 1:06d}" for i in range(len(people))]
    if len(ids) > 2:
        ids[2] = f"{ids[1]}-1"
    for i in range(4, len(ids)):
        if (people[i].gender, people[i].age) != (people[i - 1].gender, people[i - 1].age):
            ids[i] = ids[i - 1]
            break
    return ids


def _extension(i: int, k: int) -> str:
    """Mostly .jpg; now and then a person all in .png or .jpeg, or with all three in one folder."""
    return {5: "png", 9: "jpeg", 13: ("jpg", "png", "jpeg")[k % 3]}.get(i % 40, "jpg")


def write_practice(
    root: Path,
    params: PracticeParams,
    workers: int,
    progress: Callable[[Iterable, int], Iterable] = lambda done, total: done,
) -> None:
    """Draw the whole set into `root`, replacing what was there; until all is drawn it lies in `<root>.part`.

    `progress` is wrapped around the finished portions (an iterator and how many there will be).
    """
    everything = list(list_photos(params).values())
    portions = [everything[i : i + len(SHOTS)] for i in range(0, len(everything), len(SHOTS))]
    with replace_folder(root) as part, _hands(workers) as map_:
        _write_tables(part, everything)
        for _ in progress(map_(_write_photos, [part] * len(portions), portions), len(portions)):
            pass


def _write_photos(root: Path, some: Sequence[PracticePhoto]) -> int:
    for photo in some:
        path = root / photo.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo.encoded())
    return len(some)


@contextmanager
def _hands(workers: int) -> Iterator[Callable]:
    """A `map` that works in this process, or in several."""
    if workers == 1:
        yield map
        return
    spawn = multiprocessing.get_context("spawn")  # OpenCV's threads do not survive a fork
    with ProcessPoolExecutor(workers, spawn, _settle_in) as pool:
        yield pool.map


def _settle_in() -> None:
    """Make a fresh process a good painter: one thread, and memory kept instead of handed back after every stroke."""
    cv2.setNumThreads(1)  # the processes share the cores already
    with suppress(AttributeError, OSError, TypeError):  # glibc only: 12,000 page faults, a third of the time, per photo
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-1, 512 << 20)  # M_TRIM_THRESHOLD
        mallopt(-3, 32 << 20)  # M_MMAP_THRESHOLD


def _write_tables(root: Path, everything: Sequence[PracticePhoto]) -> None:
    train = [photo for photo in everything if photo.key.startswith("train/") and photo.shot == "normal"]
    rows = []
    for photo in train:
        folder = photo.key.split("/")[2]
        name, gender, race, age = folder.split("_")
        rows.append((name, gender, race, age, folder))
    _write_csv(root / "train/train.csv", ("id", "gender", "race", "age", "path"), rows)
    hidden = [(Path(photo.key).name, photo.answer) for photo in everything if photo.key.startswith("eval/")]
    _write_csv(root / "eval/info.csv", ("ImageID", "ans"), [(name, 0) for name, _ in hidden])
    _write_csv(root / "answers.csv", ("ImageID", "ans"), hidden)
    junk = bytes.fromhex("00051607") + bytes(78)  # how a Mac's leftovers begin
    for folder in {f"train/images/{rows[0][4]}", "train/images"} if rows else ():
        path = root / folder / "._mask1.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(junk)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
