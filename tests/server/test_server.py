"""The server: what it answers, what it refuses and in which words, and what it does under load."""

import io
import json
import os
import re
import socket
import struct
import sys
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.server.running import (
    MASK,
    RedBundle,
    RunningServer,
    build_form,
    draw_photo,
    run_server,
    tiff_of,
    wait_until,
)
from tests.serving.tiny_bundle import group, portraits
from visage.cli import main
from visage.formats.headers import ORIENTATION
from visage.formats.photos import MAX_PIXELS
from visage.server.guard import allowed_hosts
from visage.server.server import MIN_TOKEN, TOKEN, build_server, check_token
from visage.server.uploads import Limits, RequestRefused, split_form
from visage.serving.bundle import Bundle
from visage.serving.predict import Wanted, predict_photos

SECRET = "a-token-that-nobody-guesses"


@pytest.fixture(scope="module")
def server():
    with run_server(body=100_000, photos=4, pixels=40_000) as running:
        yield running


def error_of(answer) -> str:
    assert answer.getheader("Content-Type") == "application/json"
    return json.loads(answer.data)["error"]


def test_a_photo_is_answered_with_its_faces(server):
    answer = server.post(draw_photo((10, 20, 40, 60), blue=51))
    assert answer.status == 200
    (photo,) = json.loads(answer.data)["photos"]
    assert (photo["width"], photo["height"]) == (80, 100)
    (face,) = photo["faces"]
    assert face["box"] == [10, 20, 40, 60] and face["landmarks"] is None and face["score"] == 0.9
    assert face["answers"] == {"mask": "not worn"}
    assert face["probabilities"] == {"mask": {"worn": 0.2, "incorrect": 0, "not worn": 0.8}}


def test_answers_are_those_of_predict(bundle_folder, tmp_path):
    bundle = Bundle.open(bundle_folder)
    large = cv2.resize(portraits(1)[0], None, fx=2, fy=2)  # is decoded at a half of its size to detect
    paths = []
    for number, photo in enumerate([*portraits(2), group(), large]):
        paths.append(tmp_path / f"{number}.jpg")
        cv2.imwrite(str(paths[-1]), photo[..., ::-1])
    with run_server(bundle) as server:
        answers = json.loads(server.post(*[path.read_bytes() for path in paths]).data)["photos"]
    for result, answer in zip(predict_photos(bundle, paths, Wanted()), answers, strict=True):
        assert (answer["width"], answer["height"]) == (result.width, result.height)
        assert len(result.faces) == len(answer["faces"]) > 0
        for face, sent in zip(result.faces, answer["faces"], strict=True):
            assert sent["box"] == face.box.round(2).tolist() and sent["answers"] == face.answers
            assert sent["landmarks"] == face.landmarks.round(2).tolist()
            assert sent["years"] == pytest.approx(face.years, abs=0.1)
            for task in bundle.tasks:
                assert list(sent["probabilities"][task.name]) == list(task.classes)
                probabilities = face.probabilities[task.name].tolist()
                assert list(sent["probabilities"][task.name].values()) == pytest.approx(probabilities, abs=1e-4)


def test_the_photos_of_a_form_are_answered_in_their_order(server):
    photos = [draw_photo((n, n, n + 10, n + 10)) for n in range(4)]
    answer = json.loads(server.post(*photos).data)
    assert [photo["faces"][0]["box"][0] for photo in answer["photos"]] == [0, 1, 2, 3]


def test_a_photo_without_a_face_has_an_empty_list(server):
    assert json.loads(server.post(draw_photo(None)).data)["photos"][0]["faces"] == []


def test_a_photo_that_lies_on_its_side_is_turned_upright(server):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    answer = json.loads(server.post(draw_photo(exif=exif.tobytes())).data)
    assert (answer["photos"][0]["width"], answer["photos"][0]["height"]) == (100, 80)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_every_format_is_read_whatever_its_content_type_claims(server, kind):
    assert server.post(draw_photo(kind=kind), Content_Type="application/octet-stream").status == 200


def test_answers_are_those_of_the_openapi_description(server):
    api = json.loads(server.ask("GET", "/openapi.json").data)
    assert set(api["paths"]) == {"/v1/faces", "/health", "/metrics"}
    face = json.loads(server.post(draw_photo()).data)["photos"][0]["faces"][0]
    assert set(face) == set(api["components"]["schemas"]["FaceAnswer"]["properties"])
    assert "multipart/form-data" in api["paths"]["/v1/faces"]["post"]["requestBody"]["content"]


def test_health_names_the_tasks(server):
    assert json.loads(server.ask("GET", "/health").data) == {"status": "ok", "tasks": {"mask": list(MASK.classes)}}


def test_metrics_count_requests_photos_and_faces():
    with run_server() as server:
        server.post(draw_photo(), draw_photo(None))
        server.post(b"no picture")
        server.ask("GET", "/some/where")
        text = server.ask("GET", "/metrics").data.decode()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values['visage_requests_total{path="/v1/faces",status="200"}'] == "1"
    assert values['visage_requests_total{path="/v1/faces",status="422"}'] == "1"
    assert values['visage_requests_total{path="other",status="404"}'] == "1"
    assert (values["visage_photos_total"], values["visage_faces_total"], values["visage_photos_waiting"]) == (
        "2",
        "1",
        "0",
    )
    assert values['visage_request_seconds_bucket{le="+Inf"}'] == values["visage_request_seconds_count"] == "1"
    assert all(
        re.fullmatch(r'[a-z_]+(\{([a-z]+="[^"]*",?)+\})? [0-9.e-]+', line)
        for line in text.splitlines()
        if line[0] != "#"
    )


def test_the_pages_load_nothing_from_elsewhere(server):
    for path in ("/", "/docs", "/page.js", "/docs.js", "/page.css"):
        answer = server.ask("GET", path)
        assert answer.status == 200 and answer.data
        assert not re.search(rb"(https?:)?//[a-z]", answer.data.replace(b"// ", b""))
        policy = answer.getheader("Content-Security-Policy")
        assert policy.startswith("default-src 'none'") and "unsafe" not in policy and "http" not in policy


def png_of(width: int, height: int) -> bytes:
    """A few hundred bytes that decode to that many pixels of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * ((width + 7) // 8 + 1) * min(height, 10_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_no_picture_decodes_to_more_pixels_than_are_allowed_though_its_header_claims_few():
    data = tiff_of(12_000, claimed=10)
    with pytest.raises(cv2.error, match="IMAGE_PIXELS"):
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert int(os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"]) == MAX_PIXELS


@pytest.mark.parametrize(
    "photo, sentence",
    [
        (b"", "there are no bytes"),
        (b"hello", "not a picture"),
        (draw_photo()[:-40], "damaged or cut short"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "not a picture"),
        (draw_photo(kind="TIFF")[:60], "picture"),
        (png_of(300, 200), "300x200 pixels; send a JPEG, PNG, WebP, BMP or TIFF picture of at most 40,000 pixels"),
        (png_of(60_000, 60_000), "60000x60000 pixels, more than"),
        (tiff_of(1_000, claimed=10), "1000x1000 pixels"),
    ],
)
def test_what_is_not_a_fit_photo_is_explained(server, photo, sentence):
    answer = server.post(photo)
    assert answer.status == 422 and sentence in error_of(answer)


def test_a_bad_photo_of_several_is_named_by_its_place(server):
    answer = server.post(draw_photo(), b"hello", draw_photo())
    assert answer.status == 422 and error_of(answer).startswith("photo 2 of 3: ")


def test_random_changes_of_a_photo_are_never_the_servers_failure(server, rng):
    for kind in ("PNG", "JPEG", "WEBP", "BMP", "TIFF"):
        good = np.frombuffer(draw_photo(kind=kind), np.uint8)
        for _ in range(30):
            bad = good.copy()
            bad[rng.integers(0, min(len(bad), 400), 4)] = rng.integers(0, 256, 4)
            assert server.post(bad.tobytes()).status in (200, 422)


@pytest.mark.parametrize(
    "headers, status, sentence",
    [
        ({"Content_Type": "text/plain"}, 415, "send one photo as the body"),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415, "Content-Type is"),
        ({"Content_Encoding": "gzip"}, 415, "Content-Encoding"),
        ({"Content_Type": "multipart/form-data"}, 400, "boundary"),
        ({"Content_Type": "multipart/form-data; boundary=x"}, 400, "no photo, or is cut short"),
        ({"Host": "evil.example"}, 403, "answers to 127.0.0.1:"),
        ({"Host": "127.0.0.1:1"}, 403, "answers to 127.0.0.1:"),
        ({"Origin": "http://evil.example"}, 403, "own page"),
        ({"Origin": "null"}, 403, "own page"),
        ({"Content_Length": "1000000000"}, 413, "larger than the 100,000 bytes"),
        ({"Transfer_Encoding": "chunked"}, 411, "Content-Length"),
    ],
)
def test_a_request_with_these_headers_is_refused_in_a_sentence(server, headers, status, sentence):
    body = b"0\r\n\r\n" if "Transfer_Encoding" in headers else draw_photo()
    answer = server.ask("POST", "/v1/faces", body, **{"Content_Type": "image/png"} | headers)
    assert answer.status == status and sentence in error_of(answer)


def test_a_form_of_ten_thousand_parts_is_refused(server):
    answer = server.post(*[b""] * 600)
    assert answer.status == 413 and "at most 4 photos" in error_of(answer)
    with pytest.raises(RequestRefused, match="at most 32 photos"):
        body, kind = build_form(*[b"x"] * 10_000)
        split_form(kind, body, 32)


def test_a_form_is_split_whatever_the_photos_contain():
    parts = [b"", b"\r\n", b"x--b0undary", b"\r\n--b0undar\r\n\r\n", bytes(range(256))]
    body, kind = build_form(*parts)
    assert split_form(kind, body, 5) == parts
    assert split_form(kind.replace("b0undary", '"b0undary"'), b"preamble\r\n" + body + b"epilogue", 5) == parts


@pytest.mark.parametrize(
    "path", ["/../../etc/passwd", "/page/../server.py", "/%2e%2e/%2e%2e/etc/passwd", "/page.js/..", "//etc"]
)
def test_nothing_but_the_pages_leaves_the_server(server, path):
    answer = server.ask("GET", path)
    assert answer.status == 404 and "nothing here" in error_of(answer)


def test_another_method_is_refused(server):
    answer = server.ask("GET", "/v1/faces")
    assert answer.status == 405 and "Method Not Allowed" in error_of(answer)


def test_the_own_page_may_ask(server):
    assert server.post(draw_photo(), Origin=f"http://127.0.0.1:{server.port}").status == 200
    host = f"localhost:{server.port}"
    assert server.post(draw_photo(), Host=host, Origin=f"http://{host}").status == 200


def read_refusal(client: socket.socket) -> str:
    """All that comes up to the end of the JSON."""
    client.settimeout(30)
    answer = b""
    while not answer.endswith(b"}"):
        answer += client.recv(10_000)
    return answer.decode()


def test_a_body_that_stops_coming_is_refused():
    with run_server(upload_seconds=0.3) as server, socket.create_connection(("127.0.0.1", server.port)) as client:
        head = f"POST /v1/faces HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Length: 5000\r\n\r\nsome"
        client.sendall(head.encode())
        answer = read_refusal(client)
        assert answer.startswith("HTTP/1.1 408 ") and "did not arrive within 0.3 s" in answer


def test_a_header_that_stops_coming_is_refused(monkeypatch):
    monkeypatch.setattr("visage.server.server.HEADER_SECONDS", 0.3)
    with run_server() as server, socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"POST /v1/faces HTTP/1.1\r\nHost: ")
        answer = read_refusal(client)
        assert answer.startswith("HTTP/1.1 408 ") and "header" in answer


@pytest.mark.parametrize(
    "sent", [b"hello\r\n\r\n", b"POST /v1/faces HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"]
)
def test_what_is_no_http_is_refused_in_a_sentence(server, sent):
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(sent)
        assert "400 Bad Request" in (answer := read_refusal(client)) and "not a valid HTTP request" in answer


def test_a_body_that_is_no_http_ends_its_connection_and_nothing_else(capfd):
    with run_server() as server:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            head = f"POST /v1/faces HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nTransfer-Encoding: chunked\r\n\r\n"
            client.sendall(head.encode() + b"no chunk\r\n")
            assert "not a valid HTTP request" in read_refusal(client)
        assert server.post(draw_photo()).status == 200
    assert capfd.readouterr().err == ""


def test_connections_beyond_the_limit_are_told_so_and_the_others_go_on(monkeypatch):
    monkeypatch.setattr("visage.server.server.MAX_CONNECTIONS", 2)
    with run_server() as server:
        address = "127.0.0.1", server.port
        with socket.create_connection(address) as first, socket.create_connection(address):
            with socket.create_connection(address) as third:
                assert "too many connections" in read_refusal(third)
            first.sendall(f"GET /elsewhere HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
            assert "404 Not Found" in read_refusal(first)
        wait_until(lambda: is_answered(server))


def is_answered(server: RunningServer) -> bool:
    """Whether a photo is judged; a connection that is refused may end before the photo is sent."""
    try:
        return server.post(draw_photo()).status == 200
    except OSError:
        return False


def test_a_refusal_is_read_by_a_client_that_first_sends_everything(server):
    """The server reads on for a while: were the connection closed at once, the client would get no answer."""
    answer = server.post(bytes(3_000_000))
    assert answer.status == 413 and "larger than" in error_of(answer)


def test_requests_beyond_the_limit_are_told_when_to_come_again():
    with run_server(requests=2) as server, ThreadPoolExecutor(4) as pool:
        server.bundle.gate.clear()
        waiting = [pool.submit(server.post, draw_photo()) for _ in range(2)]
        wait_until(
            lambda: len(server.bundle.calls) >= 1 and b"visage_requests_open 2" in server.ask("GET", "/metrics").data
        )
        answer = server.post(draw_photo())
        assert answer.status == 429 and int(answer.getheader("Retry-After")) >= 1
        assert f"again in {answer.getheader('Retry-After')} s" in error_of(answer)
        server.bundle.gate.set()
        assert [request.result().status for request in waiting] == [200, 200]
        assert server.post(draw_photo()).status == 200


@pytest.mark.parametrize("limits", [{"waiting_photos": 3}, {"bodies": 600}])
def test_photos_and_bytes_beyond_the_limit_are_told_when_to_come_again(limits):
    photo = draw_photo()
    assert 300 > len(photo) > 100
    with run_server(**limits) as server, ThreadPoolExecutor(1) as pool:
        server.bundle.gate.clear()
        waiting = pool.submit(server.post, photo, photo)
        wait_until(lambda: server.bundle.calls)
        answer = server.post(photo, photo)
        assert answer.status == 429 and int(answer.getheader("Retry-After")) >= 1
        server.bundle.gate.set()
        assert waiting.result().status == 200


def test_a_request_that_takes_too_long_ends_with_a_sentence_and_leaves_the_queue():
    with run_server(answer_seconds=0.3) as server:
        server.bundle.gate.clear()
        answers = [server.post(*[draw_photo()] * 30) for _ in range(2)]
        assert [answer.status for answer in answers] == [503, 503] and "not done within 0.3 s" in error_of(answers[0])
        server.bundle.gate.set()
        wait_until(lambda: b"visage_photos_waiting 0" in server.ask("GET", "/metrics").data)
        assert sum(server.bundle.calls) < 60


def test_photos_of_several_requests_are_judged_together(monkeypatch):
    monkeypatch.setenv("VISAGE_WORKERS", "1")
    with run_server() as server, ThreadPoolExecutor(6) as pool:
        server.bundle.gate.clear()
        first = pool.submit(server.post, draw_photo())
        wait_until(lambda: server.bundle.calls == [1])
        others = [pool.submit(server.post, draw_photo((n, n, n + 5, n + 5))) for n in range(5)]
        wait_until(lambda: b"visage_photos_waiting 6" in server.ask("GET", "/metrics").data)
        server.bundle.gate.set()
        boxes = [json.loads(request.result().data)["photos"][0]["faces"][0]["box"] for request in others]
        assert first.result().status == 200 and boxes == [[n, n, n + 5, n + 5] for n in range(5)]
        assert server.bundle.calls == [1, 5]


def test_a_failure_of_the_networks_hits_its_own_request_only(monkeypatch, capfd):
    monkeypatch.setenv("VISAGE_WORKERS", "1")
    broken = io.BytesIO()
    Image.new("RGB", (9, 9), (77, 77, 77)).save(broken, "PNG")
    with run_server() as server, ThreadPoolExecutor(3) as pool:
        server.bundle.gate.clear()
        photos = [draw_photo(), broken.getvalue(), draw_photo()]
        requests = [pool.submit(server.post, photo) for photo in photos]
        wait_until(lambda: b"visage_photos_waiting 3" in server.ask("GET", "/metrics").data)
        server.bundle.gate.set()
        answers = [request.result() for request in requests]
    assert [answer.status for answer in answers] == [200, 500, 200] and "the server failed" in error_of(answers[1])


def test_the_work_of_a_client_that_left_is_dropped(monkeypatch):
    monkeypatch.setenv("VISAGE_WORKERS", "1")
    with run_server() as server, ThreadPoolExecutor(1) as pool:
        server.bundle.gate.clear()
        first = pool.submit(server.post, draw_photo())
        wait_until(lambda: server.bundle.calls == [1])
        body, kind = build_form(*[draw_photo()] * 9)
        lengths = f"Content-Length: {len(body)}\r\nContent-Type: {kind}\r\n\r\n"
        head = f"POST /v1/faces HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n{lengths}"
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(head.encode() + body)
            wait_until(lambda: b"visage_photos_waiting 10" in server.ask("GET", "/metrics").data)
        wait_until(lambda: b"visage_requests_open 1" in server.ask("GET", "/metrics").data)
        server.bundle.gate.set()
        assert first.result().status == 200
        wait_until(lambda: b"visage_photos_waiting 0" in server.ask("GET", "/metrics").data)
        assert server.bundle.calls == [1]


def test_other_addresses_than_loopback_need_a_token():
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org"):
        with pytest.raises(ValueError, match=TOKEN):
            check_token(host, None)
    for host in ("127.0.0.1", "localhost", "::1"):
        check_token(host, None)
    for token in ("", "short", "with a space" * 3, "ü" * MIN_TOKEN):
        with pytest.raises(ValueError, match="not fit"):
            check_token("0.0.0.0", token)


@pytest.mark.parametrize("given", [None, "Bearer wrong", "Basic " + SECRET, SECRET, "Bearer " + SECRET + "x"])
def test_without_the_token_there_is_the_page_and_nothing_else(given):
    headers = {"Authorization": given} if given else {}
    with run_server(host="0.0.0.0", token=SECRET) as server:
        answer = server.post(draw_photo(), **headers)
        assert answer.status == 401 and "Authorization: Bearer" in error_of(answer)
        assert answer.getheader("WWW-Authenticate") == "Bearer"
        assert server.ask("GET", "/metrics", **headers).status == 401
        assert server.ask("GET", "/elsewhere", **headers).status == 401
        assert server.ask("GET", "/", **headers).status == server.ask("GET", "/health", **headers).status == 200


def test_with_the_token_a_server_of_all_addresses_answers_to_any_name():
    with run_server(host="0.0.0.0", token=SECRET) as server:
        answer = server.post(draw_photo(), Authorization=f"Bearer {SECRET}", Host="camera.local:8000")
        assert answer.status == 200


def test_a_server_of_one_address_answers_to_its_name_only():
    assert allowed_hosts("192.0.2.1", 8000) == {"192.0.2.1:8000"}
    assert allowed_hosts("::1", 80) >= {"[::1]", "[::1]:80", "localhost", "localhost:80"}
    assert allowed_hosts("0.0.0.0", 8000) is None


def test_a_taken_port_is_a_sentence():
    with run_server() as server, pytest.raises(ValueError, match=f"port {server.port}.*--port"):
        build_server(RedBundle(), "127.0.0.1", server.port, token=None, limits=Limits())


def test_neither_photos_nor_their_names_are_printed(capfd):
    with run_server() as server:
        server.post(draw_photo(), draw_photo())
        server.post(b"hello")
        server.ask("GET", "/secret-name.jpg")
    assert capfd.readouterr() == ("", "")


def test_the_threads_end_with_the_server():
    before = threading.active_count()
    with run_server() as server:
        server.post(draw_photo())
        assert threading.active_count() > before
    wait_until(lambda: threading.active_count() == before)


def test_the_command_refuses_an_open_address_without_a_token(monkeypatch, tmp_path):
    monkeypatch.delenv(TOKEN, raising=False)
    with pytest.raises(SystemExit, match=f"0.0.0.0 can be reached from other machines.*{TOKEN}"):
        main(["serve", "--model", str(tmp_path), "--host", "0.0.0.0"])


def test_the_command_names_the_extra_that_is_not_installed(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    for name in ("visage.server.server", "visage.server.app"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delattr("visage.server.server", raising=False)
    with pytest.raises(SystemExit, match=r"serve needs fastapi; .*visage\[serve\]"):
        main(["serve", "--model", str(tmp_path)])
