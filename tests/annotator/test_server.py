"""The annotator's server: what it keeps, and whom it refuses."""

import contextlib
import csv
import http.client
import json
import multiprocessing
import os
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from visage.annotator.ledger import Change, Ledger, StaleRow, row_version
from visage.annotator.server import MAX_BODY, start_server
from visage.annotator.session import Session, read_session
from visage.formats.columns import CORNERS, CORRECTION_COLUMNS, MANUAL_BOX_COLUMNS
from visage.formats.headers import ORIENTATION
from visage.index.corrections import read_corrections

SHOTS = ["a/normal.jpg", "a/incorrect_mask.jpg", "b/lying.jpg", "b/ünï & 100%.png"]
TASKS = [
    {"name": "mask", "source": "mask", "classes": ["worn", "incorrect"], "bins": []},
    {"name": "age", "source": "age", "classes": ["<30", ">=30"], "bins": [30]},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four photos of 60 x 80, one lying on its side on disk; one face missed, one swap and one person doubted."""
    for shot in SHOTS:
        lying = "lying" in shot
        exif = Image.Exif()
        exif[ORIENTATION] = 6 if lying else 1
        pixels = np.zeros((60, 80, 3) if lying else (80, 60, 3), np.uint8)
        pixels[:20, :20] = (255, 0, 0)  # a red corner, on the top left as stored
        file = tmp_path / "raw/tiny" / shot
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file, exif=exif)
    write(
        tmp_path / "photos.csv",
        "photo,person,width,height,mask,age,age_value",
        *(f"{s},{s[0]},60,80,worn,<30,25" for s in SHOTS),
    )
    write(tmp_path / "boxes.csv", "photo,x0,y0,x1,y1", *(f"{shot},,,," for shot in SHOTS[:3]), f"{SHOTS[3]},5,6,25,36")
    write(tmp_path / "missed.csv", "photo,why", f"{SHOTS[2]},no face", "gone.jpg,no face")
    swap = [f",{SHOTS[0]},mask,incorrect,0.9,audit: swap 1,n", f",{SHOTS[1]},mask,worn,0.9,audit: swap 1,n"]
    write(tmp_path / "doubts.csv", ",".join(CORRECTION_COLUMNS), *swap, "b,,age,60,0.7,audit: person 2,n")
    (tmp_path / "tasks.json").write_text(json.dumps(TASKS))
    return tmp_path


def write(path: Path, *lines: str) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def session_of(folder: Path) -> Session:
    tables = {name: folder / f"{name}.csv" for name in ("photos", "boxes", "missed", "doubts")}
    return read_session("tiny", folder / "raw/tiny", tables | {"tasks": folder / "tasks.json"}, folder / "manual")


@pytest.fixture
def ask(folder: Path):
    """`ask(method, path, body, Header=...)` -> status, headers, body; a header that is None is not sent."""
    server, address = start_server(session_of(folder))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    host, _, token = address.removeprefix("http://").partition("/#")

    def ask(method: str, path: str, body: dict | list | bytes | None = None, **changed: str | None):
        data = json.dumps(body).encode() if isinstance(body, dict | list) else body
        headers = {"Host": host, "Origin": f"http://{host}", "X-Visage-Token": token}
        headers |= {} if data is None else {"Content-Length": str(len(data))}
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in (headers | {name.replace("_", "-"): value for name, value in changed.items()}).items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(data)
        response = connection.getresponse()
        return response.status, response.headers, response.read()

    ask.host = host
    yield ask
    server.shutdown()
    server.server_close()


def box(photo: str, *edges: float, version: str = "", note: str = "") -> dict:
    row = dict(zip(CORNERS, edges, strict=True)) | {"note": note} if edges else None
    return {"changes": [{"key": [photo], "row": row, "version": version}]}


def saved(folder: Path, name: str = "boxes.csv") -> list[dict[str, str]]:
    with (folder / "manual" / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_drawn_box_is_in_the_file_before_the_answer_comes(ask, folder):
    status, _, body = ask("POST", "/api/boxes", box(SHOTS[0], 1.26, 2, 30, 40.5, note="a, b"))
    assert status == 200 and json.loads(body)["boxes"][0]["key"] == [SHOTS[0]]
    expected = {"photo": SHOTS[0], "x0": "1.3", "y0": "2", "x1": "30", "y1": "40.5", "note": "a, b"}
    assert saved(folder) == [expected] and list(saved(folder)[0]) == MANUAL_BOX_COLUMNS


def test_a_box_is_deleted_and_the_rows_around_it_stay_as_a_person_wrote_them(ask, folder):
    (folder / "manual").mkdir()
    rows = ["photo,x0,y0,x1,y1,note", "other/set.jpg,1.50,2,3,4,mine", f"{SHOTS[0]},1,2,30,40,"]
    write(folder / "manual/boxes.csv", *rows)
    known = json.loads(ask("GET", "/api/corrections")[2])["boxes"]
    versions = {tuple(row["key"]): row["version"] for row in known}
    assert ask("POST", "/api/boxes", box(SHOTS[0], version=versions[SHOTS[0],]))[0] == 200
    assert (folder / "manual/boxes.csv").read_text() == "\n".join(rows[:2]) + "\n"


def test_the_second_of_two_tabs_is_told_and_overwrites_nothing(ask, folder):
    assert ask("POST", "/api/boxes", box(SHOTS[0], 1, 2, 30, 40))[0] == 200
    status, _, body = ask("POST", "/api/boxes", box(SHOTS[0], 5, 6, 35, 45))  # saw no box there
    theirs = json.loads(body)["boxes"][0]
    assert status == 409 and theirs["row"]["x0"] == "1" and saved(folder)[0]["x0"] == "1"
    assert ask("POST", "/api/boxes", box(SHOTS[0], 5, 6, 35, 45, version=theirs["version"]))[0] == 200
    assert saved(folder)[0]["x0"] == "5"


def test_a_change_that_was_kept_may_be_sent_again(ask, folder):
    """The answer was lost, not the change: the page sends it once more."""
    assert [ask("POST", "/api/boxes", box(SHOTS[0], 1, 2, 30, 40))[0] for _ in "ab"] == [200, 200]


def test_both_rows_of_a_swap_are_kept_or_none(ask, folder):
    row = {"field": "mask", "value": "incorrect", "confidence": "1", "source": "annotate", "note": ""}
    good = {"key": ["", SHOTS[0], "mask"], "row": row, "version": ""}
    late = {"key": ["", SHOTS[1], "mask"], "row": row | {"value": "worn"}, "version": "something older"}
    assert ask("POST", "/api/labels", {"changes": [good, late]})[0] == 409
    assert not (folder / "manual/labels.csv").exists()
    assert ask("POST", "/api/labels", {"changes": [good, late | {"version": ""}]})[0] == 200
    assert list(read_corrections(folder / "manual/labels.csv")["value"]) == ["incorrect", "worn"]


@pytest.mark.parametrize(
    "row",
    [
        {"value": "sideways"},
        {"field": "shoes"},
        {"field": "age", "value": "young"},
        {"field": "age", "value": "nan"},
        {"note": "two\nlines"},
        {"note": "x" * 501},
        {"note": 7},
    ],
)
def test_a_label_that_index_would_not_take_is_refused(ask, folder, row):
    row = {"field": "mask", "value": "worn"} | row
    change = {"key": ["", SHOTS[0], row["field"]], "row": row, "version": ""}
    assert ask("POST", "/api/labels", {"changes": [change]})[0] == 400
    assert not (folder / "manual").exists()


@pytest.mark.parametrize(
    "key", [["", "", "mask"], ["a", SHOTS[0], "mask"], ["nobody", "", "mask"], ["", "gone", "mask"]]
)
def test_a_label_names_one_known_person_or_photo(ask, key):
    change = {"key": key, "row": {"value": "worn"}, "version": ""}
    assert ask("POST", "/api/labels", {"changes": [change]})[0] == 400


@pytest.mark.parametrize(
    "edges",
    [(-1, 0, 20, 20), (0, 0, 61, 20), (0, 0, 20, 81), (20, 0, 10, 20), (5, 5, 5, 30), (0, 0, 1e400, 9), ("1", 2, 3, 4)],
)
def test_a_box_that_is_no_box_in_the_photo_is_refused(ask, folder, edges):
    status, _, body = ask("POST", "/api/boxes", box(SHOTS[0], *edges))
    assert status == 400 and json.loads(body)["error"] and not (folder / "manual").exists()


def test_the_page_is_sent_what_is_missed_and_doubted_without_photos_that_are_gone(ask):
    state = json.loads(ask("GET", "/api/session")[2])
    assert state["tasks"] == TASKS and state["photos"][0]["age_value"] == "25"
    assert state["missed"] == [SHOTS[2]] and state["detected"] == {SHOTS[3]: [5, 6, 25, 36]}
    assert [(issue["source"], issue["photos"]) for issue in state["label_issues"]] == [
        ("audit: swap 1", SHOTS[:2]),
        ("audit: person 2", SHOTS[2:]),
    ]


def test_a_photo_that_lies_on_its_side_arrives_upright(ask):
    status, headers, data = ask("GET", f"/api/photo?photo={quote(SHOTS[2])}")
    with Image.open(BytesIO(data)) as image:
        assert status == 200 and headers["Content-Type"] == "image/jpeg" and image.size == (60, 80)
        assert image.getexif().get(ORIENTATION) is None
        assert image.getpixel((55, 5))[0] > 200 > image.getpixel((5, 5))[0] + 100  # turned clockwise, once


def test_a_key_with_spaces_and_signs_is_found(ask):
    assert ask("GET", f"/api/photo?photo={quote(SHOTS[3])}")[0] == 200


@pytest.mark.parametrize(
    "key",
    [
        "../../boxes.csv",
        "a/../../../boxes.csv",
        "%2e%2e/%2e%2e/boxes.csv",
        "..%2f..%2fboxes.csv",
        "%252e%252e%252fboxes.csv",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "C:%5cboot.ini",
        "a%5c..%5cnormal.jpg",
        "a/normal.jpg%00.png",
        "",
        "a/normal.jpg&photo=b/lying.jpg",
    ],
)
def test_a_path_that_leaves_the_photos_is_refused(ask, key):
    assert ask("GET", f"/api/photo?photo={key}")[0] == 404


def test_a_photo_named_by_the_table_but_outside_the_root_is_refused(folder):
    write(folder / "photos.csv", "photo,person,width,height", "../../secret.jpg,a,60,80")
    Image.new("RGB", (60, 80)).save(folder / "secret.jpg")
    with pytest.raises(ValueError, match="leaves the data folder"):
        session_of(folder).encode_photo("../../secret.jpg")


@pytest.mark.parametrize(
    "path",
    [
        "/page.py",
        "/../annotate.py",
        "/%2e%2e/annotate.py",
        "/page.js?",
        "/page.js/..",
        "http://127.0.0.1/page.js",
        "/api",
    ],
)
def test_no_file_but_the_page_itself_is_served(ask, path):
    assert ask("GET", path)[0] == 404


@pytest.mark.parametrize("path", ["/", "/page.js", "/page.css", "/annotorious.js", "/annotorious.css"])
def test_the_page_is_served_without_a_token_and_guarded(ask, path):
    status, headers, data = ask("GET", path, X_Visage_Token=None, Origin=None)
    assert status == 200 and len(data) > 500
    assert "default-src 'none'" in headers["Content-Security-Policy"] and headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "method, path", [("GET", "/api/session"), ("GET", f"/api/photo?photo={SHOTS[0]}"), ("POST", "/api/boxes")]
)
@pytest.mark.parametrize(
    "headers",
    [
        {"X_Visage_Token": None},
        {"X_Visage_Token": ""},
        {"X_Visage_Token": "ünïcode"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Host": "evil.example"},
        {"Host": None},
    ],
)
def test_strangers_are_refused(ask, folder, method, path, headers):
    body = box(SHOTS[0], 1, 2, 30, 40) if method == "POST" else None
    if "ünïcode" in headers.values():
        headers = {"X_Visage_Token": "ünïcode".encode().decode("latin-1")}
    assert ask(method, path, body, **headers)[0] == 403
    assert not (folder / "manual").exists()


def test_a_write_must_say_where_it_comes_from(ask):
    assert ask("POST", "/api/boxes", box(SHOTS[0], 1, 2, 30, 40), Origin=None)[0] == 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 60000,
        b"null",
        b"[]",
        b"{}",
        b'{"changes": []}',
        b'{"changes": [7]}',
        b'{"changes": [{"key": "a", "row": null, "version": ""}]}',
        b'{"changes": [{"key": [1], "row": null, "version": ""}]}',
        b'{"changes": [{"key": ["a/normal.jpg"], "row": 3, "version": ""}]}',
        b'{"changes": [{"key": ["a/normal.jpg"], "row": {"x0": NaN, "y0": 1, "x1": 9, "y1": 9}, "version": ""}]}',
    ],
)
def test_a_malformed_body_is_refused_with_a_sentence(ask, folder, body):
    status, _, body = ask("POST", "/api/boxes", body)
    assert status == 400 and json.loads(body)["error"] and not (folder / "manual").exists()


@pytest.mark.parametrize(
    "headers, status",
    [
        ({"Content_Length": str(MAX_BODY + 1)}, 413),
        ({"Content_Length": "9" * 5000}, 413),
        ({"Content_Length": "-1"}, 411),
        ({"Content_Length": "ten"}, 411),
        ({"Content_Length": None}, 411),
        ({"Transfer_Encoding": "chunked"}, 411),
    ],
)
def test_a_huge_or_unmeasured_body_is_refused_unread(ask, headers, status):
    got, headers, _ = ask("POST", "/api/boxes", b"{}", **headers)
    assert got == status and headers["Connection"] == "close"


def test_a_file_that_a_person_has_broken_is_not_overwritten(ask, folder):
    (folder / "manual").mkdir()
    write(folder / "manual/boxes.csv", "photo,left,top", "a,1,2")
    status, _, body = ask("POST", "/api/boxes", box(SHOTS[0], 1, 2, 30, 40))
    assert status == 400 and "boxes.csv: the columns are" in json.loads(body)["error"]
    assert (folder / "manual/boxes.csv").read_text() == "photo,left,top\na,1,2\n"


def test_many_tabs_writing_at_once_lose_nothing(ask, folder):
    with ThreadPoolExecutor(8) as pool:
        responses = [pool.submit(ask, "POST", "/api/boxes", box(shot, 1, 2, 30, 40)) for shot in SHOTS for _ in "ab"]
        assert {response.result()[0] for response in responses} == {200}
    assert sorted(row["photo"] for row in saved(folder)) == sorted(SHOTS)


def add_rows(path: Path, first: int) -> None:
    for i in range(first, first + 25):
        Ledger(path, ["k", "v"], ["k"]).apply([Change((str(i),), {"k": str(i), "v": "é"})])


def test_two_servers_on_one_folder_lose_nothing(tmp_path):
    writers = [
        multiprocessing.get_context("spawn").Process(target=add_rows, args=(tmp_path / "t.csv", i)) for i in (0, 25)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
    assert len(Ledger(tmp_path / "t.csv", ["k", "v"], ["k"]).rows()) == 50


def test_a_writer_that_is_killed_midway_leaves_the_old_file_and_lets_others_write(tmp_path):
    ledger = Ledger(tmp_path / "t.csv", ["k", "v"], ["k"])
    ledger.apply([Change(("a",), {"k": "a", "v": "1"})])
    if not (child := os.fork()):
        with ledger.lock():
            (tmp_path / ".t.csv.part").write_text("k,v\nhalf a li")
            os._exit(9)
    os.waitpid(child, 0)
    assert ledger.rows() == {("a",): {"k": "a", "v": "1"}}
    ledger.apply([Change(("b",), {"k": "b", "v": "2"})])
    assert list(ledger.rows()) == [("a",), ("b",)] and not (tmp_path / ".t.csv.part").exists()


def test_a_row_changed_by_hand_meanwhile_counts_as_changed(tmp_path):
    ledger = Ledger(tmp_path / "t.csv", ["k", "v"], ["k"])
    rows = ledger.apply([Change(("a",), {"k": "a", "v": "1"})])
    write(tmp_path / "t.csv", "k,v", "a,by hand")
    with pytest.raises(StaleRow):
        ledger.apply([Change(("a",), None, row_version(rows["a",]))])
    assert ledger.rows()["a",]["v"] == "by hand"


@pytest.mark.parametrize("text", ["k,v\na,1\na,2\n", "k,v\na\n", 'k,v\na,"b\n', "v,k\n", ""])
def test_a_ledger_that_cannot_be_trusted_is_a_sentence(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=r"t\.csv"):
        Ledger(tmp_path / "t.csv", ["k", "v"], ["k"]).rows()


@pytest.mark.parametrize("data", [b"photo,x0\xff\xfe", b"PK\x03\x04\x00\xff", "photo,ü".encode("latin-1")])
def test_a_ledger_that_is_no_utf_8_is_a_sentence_and_stays_as_it_is(ask, folder, data):
    (folder / "manual").mkdir()
    (folder / "manual/boxes.csv").write_bytes(data)
    status, _, body = ask("POST", "/api/boxes", box(SHOTS[0], 1, 2, 30, 40))
    assert status == 400 and "boxes.csv, row 1: the file is not UTF-8" in json.loads(body)["error"]
    assert (folder / "manual/boxes.csv").read_bytes() == data


def test_the_page_says_once_how_it_is_encoded(ask):
    assert ask("GET", "/page.js")[1]["Content-Type"] == "text/javascript; charset=utf-8"


def test_a_browser_that_leaves_while_it_is_answered_prints_nothing(ask, capfd):
    host, port = ask.host.split(":")
    others = threading.active_count()
    with socket.create_connection((host, int(port)), timeout=10) as browser:
        browser.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)  # the answer does not fit: the server has to wait
        browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # leaves without a farewell
        browser.sendall(f"GET /annotorious.js HTTP/1.1\r\nHost: {ask.host}\r\n\r\n".encode())
        assert browser.recv(16)
    for _ in range(500):
        if threading.active_count() <= others:
            break
        time.sleep(0.01)
    assert threading.active_count() <= others
    assert capfd.readouterr().err == ""


def test_many_connections_at_once_wait_for_their_turn(folder):
    server, address = start_server(session_of(folder))
    port = int(address.split(":")[2].split("/")[0])
    with contextlib.ExitStack() as stack:
        stack.callback(server.server_close)
        for _ in range(100):  # nobody accepts them yet
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=0.5))
