"""Photos on disk through a bundle: many at a time, in order, and one that cannot be read stops nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from visage.faces.choice import contains_landmarks
from visage.faces.retina import Faces
from visage.formats.photos import decode_photo, decode_reduced
from visage.runtime.parallel import map_threads
from visage.serving.bundle import NOWHERE, Bundle, Face, Place, place_of, whole_photo

BATCH = 16  # photos that one thread judges together
BATCH_PIXELS = 16_000_000  # decoded pixels that one thread holds at most, but for a single larger photo


@dataclass(frozen=True)
class Wanted:
    """Which faces are judged. `whole`: the whole photo where no face was found, as the pipeline does it.

    `boxes` are boxes by photo (x0 y0 x1 y1) that win over the detector's; of the photo that is asked for by its path.
    """

    faces: Literal["all", "largest"] = "all"
    min_size: float = 0
    whole: bool = False
    boxes: Mapping[Path, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class PhotoResult:
    """A photo's upright size in pixels and its faces; or, in a sentence, why it could not be read."""

    path: Path
    width: int = 0
    height: int = 0
    faces: tuple[Face, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class OpenPhoto:
    """A photo that has been decoded for the detector, `reduction` times smaller than it is."""

    path: Path
    data: bytes
    image: np.ndarray
    reduction: int
    shape: tuple[int, int]

    def read(self) -> np.ndarray:
        """The photo at its full size."""
        return self.image if self.reduction == 1 else decode_photo(self.data, str(self.path))


Draw = Callable[[np.ndarray, PhotoResult], None]


def predict_photos(
    bundle: Bundle, paths: Iterable[Path], wanted: Wanted, draw: Draw | None = None
) -> Iterator[PhotoResult]:
    """A result for each photo, in order. `draw` is called with each photo's pixels, by several threads."""
    batches = map_threads(lambda batch: judge_batch(bundle, batch, wanted, draw), split(paths, BATCH), ahead=2)
    for results in batches:
        yield from results


def split(paths: Iterable[Path], size: int) -> Iterator[list[Path]]:
    batch: list[Path] = []
    for path in paths:
        batch.append(path)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def judge_batch(bundle: Bundle, paths: Sequence[Path], wanted: Wanted, draw: Draw | None) -> list[PhotoResult]:
    """Photos that are judged together, fewer at a time where they are large."""
    results: dict[Path, PhotoResult] = {}
    photos: list[OpenPhoto] = []
    for path in paths:
        try:
            photos.append(open_photo(path, bundle.detector.side))
        except ValueError as error:
            results[path] = PhotoResult(path, error=str(error))
        if sum(photo.image.shape[0] * photo.image.shape[1] for photo in photos) > BATCH_PIXELS:
            results |= judge_photos(bundle, photos, wanted, draw)
            photos = []
    results |= judge_photos(bundle, photos, wanted, draw)
    return [results[path] for path in paths]


def open_photo(path: Path, side: int) -> OpenPhoto:
    """ValueError, with the path, for a file that is not there, empty, no picture, too large or damaged."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ValueError(f"{path}: the file is not there.") from None
    except OSError as error:
        raise ValueError(f"{path}: the file cannot be read ({error.strerror}).") from None
    if not data:
        raise ValueError(f"{path}: the file is empty (0 bytes).")
    image, reduction, shape = decode_reduced(data, str(path), side)
    return OpenPhoto(path, data, image, reduction, shape)


def judge_photos(
    bundle: Bundle, photos: Sequence[OpenPhoto], wanted: Wanted, draw: Draw | None
) -> dict[Path, PhotoResult]:
    """Detect, cut every face, and judge them together."""
    detected = bundle.detect([photo.image for photo in photos])
    places, crops, results, pixels = [], [], {}, {}
    for photo, faces in zip(photos, detected, strict=True):
        own = find_places(bundle, photo, faces.scale(photo.reduction), wanted)
        try:
            image = photo.read() if own or draw else photo.image
        except ValueError as error:  # what is damaged may show at full size only
            results[photo.path] = PhotoResult(photo.path, error=str(error))
            continue
        places.append((photo, own))
        crops += [bundle.cut(image, place) for place in own]
        if draw:
            pixels[photo.path] = image
    judged = iter(bundle.judge([place for _, own in places for place in own], crops))
    for photo, own in places:
        height, width = photo.shape
        results[photo.path] = PhotoResult(photo.path, width, height, tuple(next(judged) for _ in own))
        if draw:
            draw(pixels[photo.path], results[photo.path])
    return results


def find_places(bundle: Bundle, photo: OpenPhoto, faces: Faces, wanted: Wanted) -> list[Place]:
    """Where the faces are that are to be judged: a box that was given wins, as in the pipeline."""
    box = wanted.boxes.get(photo.path)
    if box is None:
        chosen = bundle.choose(faces, photo.shape, wanted.faces, wanted.min_size)
        places = [place_of(chosen, number) for number in range(len(chosen))]
        return places or ([whole_photo(photo.shape)] if wanted.whole else [])
    chosen = bundle.choose(faces, photo.shape, "largest")
    landmarks = place_of(chosen, 0).landmarks if len(chosen) else NOWHERE
    return [Place(box, landmarks if contains_landmarks(box, landmarks) else NOWHERE, float("nan"), "hand")]
