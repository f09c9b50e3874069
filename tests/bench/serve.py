"""`visage serve` under load, killed and restarted, and asked by people who mean no good.

    python -m tests.bench.serve BUNDLE [SECONDS]

32 clients send one photo after another; beside it what `visage predict` does with the same photos on the same machine,
before and after, since other work on it slows both. `make bench` takes models/bundle, if `export` has made it.
"""

import contextlib
import http.client
import io
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from tests.bench.measure import PROJECT, figure, run
from tests.server.running import build_form, tiff_of
from visage.practice.people import sample_population
from visage.practice.portraits import draw_portrait

BUNDLE = PROJECT / "models/bundle"
CLIENTS, SECONDS = 32, 60
WARM_UP = 20  # seconds of load before memory is first measured: by then the arenas of onnxruntime have their size
PHOTOS = 64  # different ones
ZEROS = b"\0" * 2**20


@dataclass
class Load:
    """What 32 clients met."""

    statuses: Counter = field(default_factory=Counter)
    lost: int = 0  # connections that broke or were refused
    seconds: list[float] = field(default_factory=list)  # of answered requests


class Server:
    """`python -m visage serve` in a process of its own."""

    def __init__(self, bundle: Path, port: int = 0) -> None:
        command = [sys.executable, "-m", "visage", "serve", "--model", str(bundle), "--port", str(port)]
        self.process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.port = int(line.rsplit(":", 1)[1].strip().strip("/"))

    def memory(self) -> float:
        """Resident, MB."""
        return psutil.Process(self.process.pid).memory_info().rss / 2**20

    def cpu(self) -> float:
        """Seconds, user and system."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def post(self, body: bytes, **headers: str) -> tuple[int, str]:
        """Status and the error's sentence."""
        fields = {"Content-Type": "image/jpeg"} | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", "/v1/faces", body, fields)

    def ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the answer may be there all the same
            connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = json.loads(answer.read())
        connection.close()
        return answer.status, text.get("error", "")


@contextlib.contextmanager
def started(bundle: Path) -> Iterator[Server]:
    server = Server(bundle)
    try:
        yield server
    finally:
        server.kill()


def draw_photos(folder: Path) -> list[bytes]:
    """Photos of the practice set's people, 384 x 512 as the competition's, also as files for `predict`."""
    rng = np.random.default_rng(0)
    photos = []
    for number, person in enumerate(sample_population(0, PHOTOS)):
        data = io.BytesIO()
        Image.fromarray(draw_portrait(person, ("normal", "mask1")[number % 2], rng).image).save(
            data, "JPEG", quality=90
        )
        photos.append(data.getvalue())
        (folder / f"{number:03d}.jpg").write_bytes(data.getvalue())
    return photos


@contextlib.contextmanager
def clients(port: int, photos: list[bytes]) -> Iterator[Load]:
    """32 clients that ask until the block ends; where a connection breaks they try again."""
    load, end, lock = Load(), threading.Event(), threading.Lock()

    def ask_on(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=90)
        while not end.is_set():
            number = (number + 1) % len(photos)
            start = time.monotonic()
            try:
                connection.request("POST", "/v1/faces", photos[number], {"Content-Type": "image/jpeg"})
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                with lock:
                    load.lost += 1
                end.wait(0.2)
                continue
            with lock:
                load.statuses[answer.status] += 1
                load.seconds.append(time.monotonic() - start)
            if answer.status == 429:
                end.wait(float(answer.getheader("Retry-After")))

    threads = [threading.Thread(target=ask_on, args=(2 * number,), daemon=True) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        end.set()
        for thread in threads:
            thread.join(120)


def measure_predict(bundle: Path, folder: Path) -> tuple[float, float]:
    """Photos a second and CPU seconds a photo of `visage predict`, without the time that it takes to start."""
    costs = []
    for count in (4, PHOTOS * 4):
        with tempfile.TemporaryDirectory() as part:
            files = sorted(folder.glob("*.jpg"))
            for number in range(count):
                (Path(part) / f"{number:04d}.jpg").hardlink_to(files[number % len(files)])
            words = ["predict", part, "--model", str(bundle), "--json", "--quiet"]
            costs.append(run("-m", "visage", *words, cwd=PROJECT))
    count = PHOTOS * 4 - 4
    return count / (costs[1].wall - costs[0].wall), (costs[1].cpu - costs[0].cpu) / count


def measure_load(bundle: Path, seconds: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = draw_photos(folder)
        before = measure_predict(bundle, folder)
        with started(bundle) as server, clients(server.port, photos) as load:
            time.sleep(WARM_UP)
            memory, cpu, answered, start = server.memory(), server.cpu(), load.statuses[200], time.monotonic()
            time.sleep(seconds)
            elapsed, photos_answered = time.monotonic() - start, load.statuses[200] - answered
            cpu, grown = server.cpu() - cpu, server.memory() - memory
        after = measure_predict(bundle, folder)
    print(f"statuses {dict(load.statuses)}, broken connections {load.lost}, memory {memory:.0f} MB + {grown:.0f}")
    print(f"seconds for a request: median {np.median(load.seconds):.2f}, 99% {np.quantile(load.seconds, 0.99):.2f}")
    print(f"predict before {before}, after {after}; serve {photos_answered / elapsed, cpu / photos_answered}")
    return {
        "errors": sum(count for status, count in load.statuses.items() if status not in (200, 429)) + load.lost,
        "growth": grown / memory,
        "rate": photos_answered / elapsed,
        "wall": photos_answered / elapsed / np.mean([before[0], after[0]]),
        "cpu": np.mean([before[1], after[1]]) / (cpu / photos_answered),
    }


def measure_restart(bundle: Path) -> float:
    """Seconds from a restart after kill -9 under load to the first answer."""
    with tempfile.TemporaryDirectory() as name:
        photos = draw_photos(Path(name))
    server = Server(bundle)
    with clients(server.port, photos) as load:
        time.sleep(5)
        server.kill()
        time.sleep(1)
        answered, start = load.statuses[200], time.monotonic()
        assert answered, "nothing was answered before the server was killed"
        server = Server(bundle, server.port)
        while load.statuses[200] == answered and time.monotonic() < start + 120:
            time.sleep(0.01)
        seconds = time.monotonic() - start
        time.sleep(5)
    server.kill()
    assert set(load.statuses) <= {200, 429}, load.statuses
    print(f"killed and restarted: {dict(load.statuses)}, {load.lost} connections broke or were refused meanwhile")
    return seconds


def png_bomb(side: int) -> bytes:
    """A picture of one colour: 100 kB that decode to side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    packer = zlib.compressobj()
    pixels = b"".join(packer.compress(bytes(side + 1)) for _ in range(side)) + packer.flush()
    header = side.to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def send_slowly(port: int, first: bytes) -> tuple[int, str]:
    """Begin a request, and wait for what the server says when nothing more comes."""
    with socket.create_connection(("127.0.0.1", port), timeout=90) as client:
        client.sendall(first)
        answer = http.client.HTTPResponse(client)
        answer.begin()
        return answer.status, json.loads(answer.read())["error"]


def send_forever(port: int, size: int) -> tuple[int, str]:
    """A body of `size` bytes, of which as much is sent as the server takes."""
    with socket.create_connection(("127.0.0.1", port), timeout=90) as client:
        client.sendall(f"POST /v1/faces HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {size}\r\n\r\n".encode())
        with contextlib.suppress(OSError):
            for _ in range(size // len(ZEROS)):
                client.sendall(ZEROS)
        answer = http.client.HTTPResponse(client)
        answer.begin()
        return answer.status, json.loads(answer.read())["error"]


def list_attacks(server: Server) -> Iterator[tuple[str, tuple[int, str]]]:
    """Each hostile request with its status and sentence."""
    host = f"Host: 127.0.0.1:{server.port}\r\n".encode()
    for path in ("/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/page/../../server.py", "//etc/passwd"):
        yield f"GET {path}", server.ask("GET", path, None, {})
    yield "foreign Host", server.post(b"x", Host="evil.example")
    yield "foreign Origin", server.post(b"x", Origin="http://evil.example")
    yield "Origin null", server.post(b"x", Origin="null")
    yield "1 GB body", send_forever(server.port, 2**30)
    yield "1 GB body, chunked", server.ask("POST", "/v1/faces", iter([ZEROS] * 1024), {})
    yield "no HTTP", send_slowly(server.port, bytes(100_000))
    yield (
        "a chunk that is none",
        send_slowly(
            server.port, b"POST /v1/faces HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\nhello\r\n"
        ),
    )
    yield "1 GB body to nowhere", server.ask("POST", "/nowhere", b"", {"Content-Length": str(2**30)})
    yield "slow body", send_slowly(server.port, b"POST /v1/faces HTTP/1.1\r\n" + host + b"Content-Length: 9\r\n\r\nx")
    yield "slow header", send_slowly(server.port, b"POST /v1/faces HTTP/1.1\r\n" + host)
    yield "image bomb, 20,000 x 20,000", server.post(png_bomb(20_000))
    yield "image bomb, 8,000 x 8,000", server.post(png_bomb(8_000))
    form, kind = build_form(*[b"x"] * 10_000)
    yield "form of 10,000 parts", server.post(form, Content_Type=kind)
    yield "image bomb, TIFF of two sizes", server.post(tiff_of(12_000, claimed=10))
    yield "text", server.post(b"hello")
    yield "cut short", server.post(png_bomb(100)[:-30])


def measure_attacks(bundle: Path) -> tuple[int, float]:
    """Hostile requests that were not refused in a sentence, and by how much the server's memory grew, MB."""
    failures = 0
    with started(bundle) as server:
        server.post(png_bomb(200))
        memory = server.memory()
        for name, (status, sentence) in list_attacks(server):
            print(f"{name:30} {status} {sentence}")
            failures += not (400 <= status < 500 and sentence)
        grown = server.memory() - memory
        status, _ = server.post(png_bomb(200))
        return failures + (status != 200), grown


def figures(bundle: Path = BUNDLE, seconds: float = SECONDS) -> dict[str, dict]:
    if not bundle.is_dir():
        print(f"serve: no bundle at {bundle.relative_to(PROJECT)}; run the pipeline first")
        return {}
    load, restart, (failures, grown) = measure_load(bundle, seconds), measure_restart(bundle), measure_attacks(bundle)
    return {
        "serve: photos a second for 32 clients": figure(load["rate"], 1, "higher", "photos/s"),
        "serve: throughput, of predict's": figure(load["wall"], 0.8, "higher", "share"),
        "serve: photos for a CPU second, of predict's": figure(load["cpu"], 0.8, "higher", "share"),
        "serve: errors but 429": figure(load["errors"], 0, "lower", "requests"),
        "serve: memory grown under load": figure(load["growth"], 0.05, "lower", "share"),
        "serve: first answer after kill and restart": figure(restart, 30, "lower", "s"),
        "serve: attacks not refused in a sentence": figure(failures, 0, "lower", "requests"),
        "serve: memory grown under attack": figure(grown, 100, "lower", "MB"),
    }


if __name__ == "__main__":
    for name, row in figures(Path(sys.argv[1]), *map(float, sys.argv[2:3])).items():
        print(f"{name:50} {row['figure']:10.3f} {row['unit']:10} wanted {row['better']} than {row['target']:g}")
