"""Photos on disk: what their headers say, and their pixels as upright RGB."""

import hashlib
import io
import warnings
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

MAX_PIXELS = 100_000_000  # a photo above this is refused before a pixel is decoded: it may be a decompression bomb
ORIENTATION = 0x0112  # the EXIF tag; values from 5 on lie on their side
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of R, G, B from 0 to 1
WHITE = (255, 255, 255)  # what shows through where a photo is transparent

warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # MAX_PIXELS decides, not Pillow's own limit
Image.MAX_IMAGE_PIXELS = None


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
    with path.open("rb") as file:
        with open_image(file) as image:
            width, height = image.size
            sideways = read_orientation(image) >= 5
            image_format = image.format
        if not is_complete(file, image_format):
            decode_photo(path.read_bytes(), photo)  # few files end otherwise; whether they are whole shows in decoding
    return (height, width) if sideways else (width, height)


def read_orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8. A PNG is decoded for it: its EXIF may follow the pixels."""
    try:
        return image.getexif().get(ORIENTATION, 1)
    except (OSError, SyntaxError, EOFError) as error:
        raise ValueError(f"the picture is damaged or cut short ({error}).") from None


def open_image(source: io.BufferedIOBase) -> Image.Image:
    """A photo whose header is read and checked; no pixel is decoded yet."""
    try:
        image = Image.open(source)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        raise ValueError("the file is not a picture that can be read.") from None
    width, height = image.size
    if min(width, height) < 1:
        raise ValueError(f"the picture has no pixels ({width}x{height}).")
    if width * height > MAX_PIXELS:
        raise ValueError(f"the picture has {width}x{height} pixels, more than the {MAX_PIXELS:,} that are allowed.")
    return image


def is_complete(file: io.BufferedIOBase, image_format: str | None) -> bool:
    """Whether the mark that ends a whole JPEG or PNG is there; False for other formats, which have none."""
    ends = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
    if image_format not in ends:
        return False
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 64))
    return ends[image_format] in file.read()


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
        with open_image(io.BytesIO(data)) as image:
            return to_rgb(ImageOps.exif_transpose(image))
    except ValueError as error:
        raise ValueError(f"{photo}: {error}") from None
    except (OSError, SyntaxError, EOFError) as error:
        raise ValueError(f"{photo}: the picture is damaged or cut short ({error}).") from None


def photo_digest(root: Path, photo: str) -> str:
    """SHA-256 of the photo's bytes on disk."""
    try:
        return hashlib.sha256(photo_path(root, photo).read_bytes()).hexdigest()
    except FileNotFoundError:
        raise ValueError(f"{photo}: the file is not there.") from None


def to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode == "RGB" and "transparency" not in image.info:
        return np.asarray(image)
    if image.mode.startswith("I") or image.mode == "F":  # 16 bits a pixel, or numbers of any size
        grey = np.asarray(image).astype(np.float64)
        white = 65535 if image.mode.startswith("I") and grey.max(initial=0) > 255 else 255
        grey = np.clip(grey * (255 / white), 0, 255).round().astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        background = Image.new("RGBA", image.size, WHITE)
        return np.asarray(Image.alpha_composite(background, image).convert("RGB"))
    return np.asarray(image.convert("RGB"))
