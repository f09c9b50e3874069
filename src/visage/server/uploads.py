"""What a request brings: its body read within limits, split into photos, each checked before a pixel is decoded."""

import asyncio
import re
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from visage.formats.photos import check_header

WANTED = "send a JPEG, PNG, WebP, BMP or TIFF picture of at most {:,} pixels"
HOW = "send one photo as the body with Content-Type: image/jpeg (or the like), or several as multipart/form-data"
MAX_PART_HEADER = 8 * 1024  # bytes


@dataclass(frozen=True)
class Limits:
    """What a request may ask for, and how many may ask at once."""

    body: int = 32 * 2**20  # bytes of a request
    photos: int = 32  # in a request
    pixels: int = 50_000_000  # of a photo, by its header
    requests: int = 64  # being read, waiting or being answered
    bodies: int = 256 * 2**20  # bytes of all these requests
    waiting_photos: int = 512  # of all these requests
    upload_seconds: float = 30  # from a request's header to the end of its body
    answer_seconds: float = 30  # from there to the answer


class RequestRefused(Exception):
    """A request that is not carried out: the status, a sentence for whoever sent it, and further headers."""

    def __init__(self, status: HTTPStatus, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.headers = status, dict(headers or {})


@dataclass(frozen=True)
class Upload:
    """One photo of a request as it came; `name` is its place in the request, for errors."""

    data: bytes
    name: str
    pixels: int


def declared_length(headers: Mapping[str, str], limits: Limits) -> int:
    """The body's bytes by the header; a body that is too long is refused before it is read."""
    if headers.get("content-encoding", "identity") != "identity":
        raise RequestRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body without Content-Encoding.")
    length = headers.get("content-length", "")
    if "transfer-encoding" in headers or not (length.isascii() and length.isdigit()):
        raise RequestRefused(HTTPStatus.LENGTH_REQUIRED, "the length of the body must be given in Content-Length.")
    if len(length) > 12 or int(length) > limits.body:
        raise RequestRefused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"the body is larger than the {limits.body:,} bytes that are allowed; send fewer or smaller photos.",
        )
    return int(length)


async def read_body(chunks: AsyncIterable[bytes], limits: Limits) -> bytes:
    """All chunks, if they come in time."""
    body = bytearray()
    try:
        async with asyncio.timeout(limits.upload_seconds):
            async for chunk in chunks:
                body += chunk
    except TimeoutError:
        sentence = f"the body did not arrive within {limits.upload_seconds:g} s; send a smaller photo."
        raise RequestRefused(HTTPStatus.REQUEST_TIMEOUT, sentence) from None
    return bytes(body)


def split_photos(content_type: str, body: bytes, limits: Limits) -> list[Upload]:
    """The photos of a body, one or the parts of a form, with their headers checked."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        parts = split_form(content_type, body, limits.photos)
    elif kind.startswith("image/") or kind == "application/octet-stream":
        parts = [body]
    else:
        raise RequestRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type is {kind[:60]!r}; {HOW}.")
    if len(parts) == 1:
        return [check_photo(parts[0], "the photo", limits)]
    return [check_photo(part, f"photo {number} of {len(parts)}", limits) for number, part in enumerate(parts, 1)]


def split_form(content_type: str, body: bytes, most: int) -> list[bytes]:
    """The contents of a form's parts. In memory: libraries for forms put what is large into files."""
    found = re.search(r'boundary="?([\w\'()+,./:=?-]{1,70})"?', content_type, re.ASCII | re.IGNORECASE)
    if not found:
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "the form's Content-Type names no boundary.")
    delimiter = b"\r\n--" + found[1].encode()
    _, *parts = (b"\r\n" + body).split(delimiter, most + 2)
    if len(parts) > most + 1:
        sentence = f"a request has at most {most} photos; send the others in further requests."
        raise RequestRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, sentence)
    if len(parts) < 2 or not parts.pop().startswith(b"--"):
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "the form has no photo, or is cut short.")
    return [part_content(part) for part in parts]


def part_content(part: bytes) -> bytes:
    """What comes behind a part's own headers and an empty line."""
    end = part.find(b"\r\n\r\n", 0, MAX_PART_HEADER)
    if end < 0 or not part.lstrip(b" \t").startswith(b"\r\n"):
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "a part of the form has no header, or one that is too long.")
    return part[end + 4 :]


def check_photo(data: bytes, name: str, limits: Limits) -> Upload:
    """A photo whose header is that of a picture of an allowed size."""
    try:
        if not data:
            raise ValueError("there are no bytes.")
        header = check_header(data)
        pixels = header.width * header.height
        if pixels > limits.pixels:
            raise ValueError(f"the picture has {header.width}x{header.height} pixels.")
    except ValueError as error:
        sentence = f"{name}: {str(error).removesuffix('.')}; {WANTED.format(limits.pixels)}."
        raise RequestRefused(HTTPStatus.UNPROCESSABLE_ENTITY, sentence) from None
    return Upload(data, name, pixels)
