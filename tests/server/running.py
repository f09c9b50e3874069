"""A server in a thread of the tests, before a bundle that is easy to foretell: it finds red rectangles."""

import http.client
import io
import struct
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from visage.faces.retina import NO_FACES, Faces
from visage.formats.tasks import Task
from visage.server.server import build_server
from visage.server.uploads import Limits
from visage.serving.bundle import Bundle, Face, Place

MASK = Task("mask", ("worn", "incorrect", "not worn"), "mask")


class RedBundle(Bundle):
    """A face is what is red on a photo; its mask is worn by the share of blue in it.

    With `gate` cleared, a call waits until it is set; `calls` are the numbers of photos of each call.
    """

    def __init__(self) -> None:
        self.tasks = [MASK]
        self.detector = SimpleNamespace(side=0)
        self.gate = threading.Event()
        self.gate.set()
        self.calls: list[int] = []

    def detect(self, images: Sequence[np.ndarray]) -> list[Faces]:
        self.calls.append(len(images))
        assert self.gate.wait(60)
        return [self.find_red(image) for image in images]

    def find_red(self, image: np.ndarray) -> Faces:
        if (image == 77).all():
            raise RuntimeError("this photo breaks the networks")
        rows, columns = np.nonzero(image[..., 0] > 200)
        if not len(rows):
            return NO_FACES
        box = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
        return Faces(box, np.array([0.9], np.float32), np.full((1, 5, 2), np.nan, np.float32))

    def cut(self, image: np.ndarray, place: Place) -> np.ndarray:
        x0, y0, x1, y1 = place.box.astype(int)
        return image[y0:y1, x0:x1]

    def judge(self, places: Sequence[Place], crops: Sequence[np.ndarray]) -> list[Face]:
        faces = []
        for place, crop in zip(places, crops, strict=True):
            worn = crop[..., 2].mean() / 255
            probabilities = np.array([worn, 0, 1 - worn])
            answer = MASK.classes[int(probabilities.argmax())]
            fields = place.box, place.landmarks, place.score, place.by
            faces.append(Face(*fields, {"mask": probabilities}, {"mask": answer}, None))
        return faces


def draw_photo(
    box: tuple[int, int, int, int] | None = (10, 20, 40, 60), blue: int = 0, kind: str = "PNG", **save
) -> bytes:
    """A black photo of 80 x 100 with a red rectangle."""
    pixels = np.zeros((100, 80, 3), np.uint8)
    if box:
        x0, y0, x1, y1 = box
        pixels[y0:y1, x0:x1] = (255, 0, blue)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, kind, **save)
    return data.getvalue()


def tiff_of(width: int, *, claimed: int) -> bytes:
    """One kilobyte that decodes to the square of `width` pixels; a second pair of tags claims another size."""
    rows, strip = 500, zlib.compress(bytes(width // 8 * 500))
    count = width // rows

    def tags(offset: int) -> list[tuple[int, int, int]]:
        sizes = [(256, 1, width), (256, 1, claimed), (257, 1, width), (257, 1, claimed)]
        strips = [(273, count, offset), (277, 1, 1), (278, 1, rows), (279, count, offset + 4 * count)]
        return [*sizes, (258, 1, 1), (259, 1, 8), (262, 1, 1), *strips]

    start = 8 + 2 + 12 * len(tags(0)) + 4
    places = struct.pack(f"<{2 * count}I", *[start + 8 * count] * count, *[len(strip)] * count)
    directory = b"".join(struct.pack("<HHII", tag, 4, number, value) for tag, number, value in tags(start))
    return b"II*\0" + struct.pack("<IH", 8, len(tags(0))) + directory + bytes(4) + places + strip


def build_form(*parts: bytes, boundary: str = "b0undary") -> tuple[bytes, str]:
    """A form's body and its Content-Type."""
    head = b'Content-Disposition: form-data; name="photo"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    body = b"".join(b"--" + boundary.encode() + b"\r\n" + head + part + b"\r\n" for part in parts)
    return body + b"--" + boundary.encode() + b"--\r\n", f"multipart/form-data; boundary={boundary}"


@dataclass
class RunningServer:
    bundle: RedBundle
    port: int

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> http.client.HTTPResponse:
        """The answer with its body in `.data`; header names with _ for -."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, fields)
        answer = connection.getresponse()
        answer.data = answer.read()
        connection.close()
        return answer

    def post(self, *photos: bytes, **headers: str) -> http.client.HTTPResponse:
        """One photo as the body, several as a form."""
        body, kind = (photos[0], "image/png") if len(photos) == 1 else build_form(*photos)
        return self.ask("POST", "/v1/faces", body, **{"Content_Type": kind} | headers)


@contextmanager
def run_server(
    bundle: Any = None, *, host: str = "127.0.0.1", token: str | None = None, **limits: float
) -> Iterator[RunningServer]:
    bundle = bundle or RedBundle()
    server, listener = build_server(bundle, host, 0, token=token, limits=Limits(**limits))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield RunningServer(bundle, listener.getsockname()[1])
    finally:
        server.should_exit = True
        if isinstance(bundle, RedBundle):
            bundle.gate.set()
        thread.join(30)


def wait_until(condition: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
