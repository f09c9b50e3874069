"""What the header of a picture file says, without decoding a pixel: JPEG, PNG, WebP, BMP, GIF and TIFF."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from mmap import mmap

ORIENTATION = 0x0112  # the EXIF tag; values from 5 on lie on their side
TIFF_WIDTH, TIFF_HEIGHT = 0x0100, 0x0101
FRAMES = range(0xC0, 0xD0)  # JPEG markers of a frame's header, but for three that are something else
NOT_FRAMES = (0xC4, 0xC8, 0xCC)
Data = bytes | mmap


@dataclass(frozen=True)
class Header:
    """Size in pixels as stored (before EXIF turns it), EXIF orientation 1 to 8, and whether the file's end is there.

    `channels` are those of a JPEG (1 grey, 3 colour, 4 CMYK); 0 for other formats. Formats without a mark at the end
    count as complete.
    """

    form: str
    width: int
    height: int
    orientation: int = 1
    channels: int = 0
    complete: bool = True


def read_header(data: Data) -> Header:
    """ValueError where these are not the bytes of a picture."""
    start = bytes(data[:12])
    for form, (magic, read) in READERS.items():
        if start.startswith(magic) and (form != "WEBP" or start.endswith(b"WEBP")):
            try:
                return read(data)
            except (struct.error, IndexError):
                break
    raise ValueError("the file is not a picture that can be read.")


def unpack(form: str, data: Data, offset: int) -> tuple[int, ...]:
    return struct.unpack(form, data[offset : offset + struct.calcsize(form)])


def read_jpeg(data: Data) -> Header:
    width = height = channels = 0
    orientation, offset = 1, 2
    while True:
        mark, marker = unpack("BB", data, offset)
        if mark != 0xFF:
            raise IndexError
        if marker == 0xFF or marker == 0x01 or 0xD0 <= marker <= 0xD9:  # filling, or a marker without a body
            offset += 1 if marker == 0xFF else 2
            continue
        (length,) = unpack(">H", data, offset + 2)
        if marker in FRAMES and marker not in NOT_FRAMES:
            _, height, width, channels = unpack(">BHHB", data, offset + 4)
        elif marker == 0xE1 and data[offset + 4 : offset + 10] == b"Exif\0\0":
            orientation = read_orientation(data[offset + 10 : offset + 2 + length])
        elif marker == 0xDA:  # the pixels begin; no end mark can occur inside them
            complete = data.rfind(b"\xff\xd9") > offset
            return Header("JPEG", width, height, orientation, channels, complete)
        offset += 2 + length


def read_png(data: Data) -> Header:
    width, height = unpack(">II", data, 16)
    orientation, offset = 1, 8
    while offset + 8 <= len(data):  # EXIF may follow the pixels
        length, kind = unpack(">I4s", data, offset)
        if kind == b"IEND":
            return Header("PNG", width, height, orientation)
        if kind == b"eXIf":
            orientation = read_orientation(data[offset + 8 : offset + 8 + length])
        offset += 12 + length
    return Header("PNG", width, height, orientation, complete=False)


def read_webp(data: Data) -> Header:
    (size,) = unpack("<I", data, 4)
    orientation, offset, kind = 1, 12, bytes(data[12:16])
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
    elif kind == b"VP8L":
        (bits,) = unpack("<I", data, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        width, height = (value & 0x3FFF for value in unpack("<HH", data, 26))
    while offset + 8 <= len(data):
        kind, length = unpack("<4sI", data, offset)
        if kind == b"EXIF":
            orientation = read_orientation(data[offset + 8 : offset + 8 + length].removeprefix(b"Exif\0\0"))
        offset += 8 + length + length % 2
    return Header("WEBP", width, height, orientation, complete=size + 8 <= len(data))


def read_bmp(data: Data) -> Header:
    (header_size,) = unpack("<I", data, 14)
    width, height = unpack("<HH" if header_size == 12 else "<ii", data, 18)
    return Header("BMP", width, abs(height))


def read_gif(data: Data) -> Header:
    return Header("GIF", *unpack("<HH", data, 6))


def read_tiff(data: Data) -> Header:
    tags = read_tags(data)
    return Header("TIFF", tags.get(TIFF_WIDTH, 0), tags.get(TIFF_HEIGHT, 0), orientation_of(tags))


def read_orientation(exif: bytes) -> int:
    """The orientation of EXIF bytes; 1 (upright) where they do not say it or are damaged."""
    try:
        return orientation_of(read_tags(exif))
    except (struct.error, IndexError):
        return 1


def orientation_of(tags: dict[int, int]) -> int:
    value = tags.get(ORIENTATION, 1)
    return value if 1 <= value <= 8 else 1


def read_tags(data: Data) -> dict[int, int]:
    """The first directory's tags that hold a whole number; EXIF has the structure of a TIFF file."""
    order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))
    if order is None:
        raise IndexError
    (start,) = unpack(f"{order}I", data, 4)
    (count,) = unpack(f"{order}H", data, start)
    tags = {}
    for offset in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind = unpack(f"{order}HH", data, offset)
        if kind in (3, 4):  # 16 or 32 bits, at the beginning of the cell
            tags.setdefault(tag, *unpack(f"{order}{'H' if kind == 3 else 'I'}", data, offset + 8))  # the first counts
    return tags


READERS: dict[str, tuple[bytes | tuple[bytes, ...], Callable[[Data], Header]]] = {
    "JPEG": (b"\xff\xd8", read_jpeg),
    "PNG": (b"\x89PNG\r\n\x1a\n", read_png),
    "WEBP": (b"RIFF", read_webp),
    "BMP": (b"BM", read_bmp),
    "GIF": ((b"GIF87a", b"GIF89a"), read_gif),
    "TIFF": ((b"II*\0", b"MM\0*"), read_tiff),
}
