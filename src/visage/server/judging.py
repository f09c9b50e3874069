"""Photos that came by HTTP, judged as `visage predict` judges those on disk: the same steps, the same answers."""

from collections.abc import Sequence
from pathlib import Path

from visage.formats.photos import decode_reduced
from visage.server.uploads import Upload
from visage.serving.bundle import Bundle
from visage.serving.predict import OpenPhoto, PhotoResult, Wanted, judge_photos


def judge_uploads(bundle: Bundle, uploads: Sequence[Upload]) -> list[PhotoResult]:
    """A result for each upload, in order; of several requests, so their paths are their numbers here."""
    photos, results = [], {}
    for path, upload in zip(map(Path, map(str, range(len(uploads)))), uploads, strict=True):
        try:
            photos.append(OpenPhoto(path, upload.data, *decode_reduced(upload.data, str(path), bundle.detector.side)))
        except ValueError as error:
            results[path] = PhotoResult(path, error=str(error))
    results |= judge_photos(bundle, photos, Wanted(), None)
    return [results[Path(str(number))] for number in range(len(uploads))]


def explain_error(result: PhotoResult, upload: Upload) -> str:
    """The sentence of a photo that could not be read, which begins with its path, with its name instead."""
    return f"{upload.name}: {result.error.removeprefix(f'{result.path}: ')}"
