"""Photos on disk: what their headers say, and their pixels as upright RGB; OpenCV is all they need."""

import hashlib
import mmap
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from visage.formats.headers import Header, read_header

MAX_PIXELS = 100_000_000  # a photo above this is refused before a pixel is decoded: it may be a decompression bomb
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of R, G, B from 0 to 1
WHITE = 255  # what shows through where a photo is transparent
REDUCED_DECODING = {  # how many times smaller an image is decoded, and OpenCV's flag for it
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}

# a photo that cannot be decoded is told in a sentence of ours
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def photo_path(root: Path, photo: str) -> Path:
    """The file of a photo key. A key is a POSIX path below the data root and may not leave it."""
    key = PurePosixPath(photo)
    if not photo or key.is_absolute() or ".." in key.parts or "\\" in photo or "\0" in photo or ":" in key.parts[0]:
        raise ValueError(f"{photo!r} leaves the data folder; write a path below it, such as train/images/a/normal.jpg.")
    return Path(root) / key


def is_photo(path: Path) -> bool:
    """Whether a file's name is a photo's; `._normal.jpg` and the like are not."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def read_size(root: Path, photo: str) -> tuple[int, int]:
    """Width and height of the upright photo, from its header; a photo that is cut short is an error."""
    path = photo_path(root, photo)
    if not path.is_file():
        raise ValueError("the file is not there.")
    if path.stat().st_size == 0:
        raise ValueError("the file is empty (0 bytes).")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        header = check_header(data)
        if not header.complete:
            raise ValueError("the picture is damaged or cut short.")
    return (header.height, header.width) if header.orientation >= 5 else (header.width, header.height)


def check_header(data: bytes | mmap.mmap) -> Header:
    """The header of a picture that may be decoded: it has pixels, and not too many."""
    header = read_header(data)
    size = f"{header.width}x{header.height}"
    if min(header.width, header.height) < 1:
        raise ValueError(f"the picture has no pixels ({size}).")
    if header.width * header.height > MAX_PIXELS:
        raise ValueError(f"the picture has {size} pixels, more than the {MAX_PIXELS:,} that are allowed.")
    return header


def read_photo(root: Path, photo: str) -> np.ndarray:
    """The photo as upright RGB, uint8, height x width x 3."""
    path = photo_path(root, photo)
    try:
        return decode_photo(path.read_bytes(), photo)
    except FileNotFoundError:
        raise ValueError(f"{photo}: the file is not there.") from None


def decode_photo(data: bytes, photo: str) -> np.ndarray:
    """Encoded bytes as upright RGB; grey, palette, CMYK, 16-bit and transparent pictures become plain RGB too."""
    try:
        return decode(data, check_header(data))
    except ValueError as error:
        raise ValueError(f"{photo}: {error}") from None


def decode_reduced(data: bytes, photo: str, side: int) -> tuple[np.ndarray, int, tuple[int, int]]:
    """(upright RGB, how many times smaller than the photo it is, the photo's height and width).

    A JPEG at least twice as long as `side` pixels is decoded at a half, a quarter or an eighth of its size: faster, and
    as good for a network that sees `side` pixels. Everything else is decoded whole; `side` 0 is always whole.
    """
    try:
        header = check_header(data)
        longer = max(header.width, header.height) if header.channels in (1, 3) else 0
        reduction = max((times for times in REDUCED_DECODING if side and longer >= times * side), default=1)
        if reduction == 1:
            image = decode(data, header)
            return image, 1, image.shape[:2]
        image = decode(data, header, REDUCED_DECODING[reduction] | cv2.IMREAD_IGNORE_ORIENTATION)
    except ValueError as error:
        raise ValueError(f"{photo}: {error}") from None
    shape = (header.height, header.width)
    return image, reduction, shape[::-1] if header.orientation >= 5 else shape


def decode(data: bytes, header: Header, flags: int = cv2.IMREAD_UNCHANGED) -> np.ndarray:
    """Upright RGB, uint8."""
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if header.complete else None
    except cv2.error:
        pixels = None
    if pixels is None:
        raise ValueError("the picture is damaged or cut short.")
    return np.ascontiguousarray(turn_upright(to_rgb(pixels), header.orientation))


def photo_digest(root: Path, photo: str) -> str:
    """SHA-256 of the photo's bytes on disk."""
    try:
        return hashlib.sha256(photo_path(root, photo).read_bytes()).hexdigest()
    except FileNotFoundError:
        raise ValueError(f"{photo}: the file is not there.") from None


def to_rgb(pixels: np.ndarray) -> np.ndarray:
    """Pixels as OpenCV reads them (grey, BGR or BGRA; 8 or 16 bits, or numbers from 0 to 255) as RGB, uint8."""
    if pixels.dtype != np.uint8:
        white = 65535 if pixels.dtype == np.uint16 and pixels.max(initial=0) > 255 else 255
        pixels = np.clip(pixels * (255 / white), 0, 255).round().astype(np.uint8)
    if pixels.ndim == 2:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)
    if pixels.shape[2] == 3:
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    colour, alpha = pixels[..., 2::-1].astype(np.uint32), pixels[..., 3:].astype(np.uint32)
    return ((colour * alpha + WHITE * (255 - alpha) + 127) // 255).astype(np.uint8)


def turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """The picture as EXIF says that it should be seen: 2 to 4 are mirrored or upside down, 5 to 8 lie on their side."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
