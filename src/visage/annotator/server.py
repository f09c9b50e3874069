"""A page on this machine for what a person knows better: boxes that detection missed, labels that the models doubt.

The server listens on loopback only and trusts nobody: a page from elsewhere fails on Host and Origin, another
program on the token, and nothing but decoded photos named in photos.csv and the five files of the page leaves it.
"""

import json
import secrets
import threading
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from visage.annotator.ledger import StaleRow
from visage.annotator.session import Session

PAGE = Path(__file__).parent / "page"
FILES = {
    "/": "page.html",
    **{f"/{name}": name for name in ("page.js", "page.css", "annotorious.js", "annotorious.css")},
}
CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
MAX_BODY = 64 * 1024  # bytes of a request's body; a change of one person's labels takes about 2 kB
IDLE_TIMEOUT = 30  # seconds after which a connection that says nothing is dropped
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Refused(Exception):
    """A request that is not carried out: the status and a sentence for whoever sent it."""


class Handler(BaseHTTPRequestHandler):
    """One request: first whether it may, then what it asks."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "visage", ""
    timeout = IDLE_TIMEOUT

    def __init__(self, desk: Session, token: str, *args: Any) -> None:
        self.desk, self.token = desk, token
        super().__init__(*args)

    def do_GET(self) -> None:
        self.attend(self.look)

    def do_POST(self) -> None:
        self.attend(self.change)

    def attend(self, action: Callable[[], tuple[str, bytes]]) -> None:
        try:
            self.admit()
            status, kind, data = HTTPStatus.OK, *action()
        except Refused as refusal:
            status, kind, data = refusal.args[0], *json_body({"error": refusal.args[1]})
        except StaleRow:
            status, kind, data = HTTPStatus.CONFLICT, *json_body(self.desk.corrections())
        except ValueError as error:
            status, kind, data = HTTPStatus.BAD_REQUEST, *json_body({"error": str(error)})
        except OSError as error:
            status, kind, data = HTTPStatus.INTERNAL_SERVER_ERROR, *json_body({"error": f"not written: {error}"})
        self.answer(status, kind, data)

    def admit(self) -> None:
        """Only this machine's own page: its Host (against DNS rebinding), its Origin, and the token of this start."""
        port = self.server.server_address[1]
        hosts = [f"127.0.0.1:{port}", f"localhost:{port}"]
        origins = [f"http://{host}" for host in hosts]
        if self.headers.get_all("Host", []) not in [[host] for host in hosts]:
            raise Refused(HTTPStatus.FORBIDDEN, "this server answers to 127.0.0.1 and localhost only.")
        origin = self.headers.get_all("Origin", [])
        if (origin or self.command == "POST") and origin not in [[one] for one in origins]:
            raise Refused(HTTPStatus.FORBIDDEN, "requests come from this server's own page only.")
        if self.path in FILES and self.command == "GET":
            return
        if not secrets.compare_digest(self.headers.get("X-Visage-Token", "").encode(), self.token.encode()):
            raise Refused(HTTPStatus.FORBIDDEN, "no token, or one of an earlier start: open the printed address.")

    def look(self) -> tuple[str, bytes]:
        if self.path in FILES:
            return CONTENT_TYPES[Path(FILES[self.path]).suffix] + "; charset=utf-8", (
                PAGE / FILES[self.path]
            ).read_bytes()
        asked = urlsplit(self.path)
        if asked.path == "/api/desk":
            return json_body(self.desk.state())
        if asked.path == "/api/corrections":
            return json_body(self.desk.corrections())
        if asked.path == "/api/photo":
            keys = parse_qs(asked.query).get("photo", [])
            if len(keys) == 1 and keys[0] in self.desk.photos:
                return "image/jpeg", self.desk.picture(keys[0])
        raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here.")

    def change(self) -> tuple[str, bytes]:
        if self.path not in ("/api/boxes", "/api/fixes"):
            raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here.")
        try:
            body = json.loads(self.body(), parse_constant=lambda name: float("nan"))
        except (ValueError, RecursionError):
            raise ValueError("the body is not valid JSON.") from None
        return json_body(self.desk.change(self.path.removeprefix("/api/"), body))

    def body(self) -> bytes:
        length = self.headers.get_all("Content-Length", [])
        if "Transfer-Encoding" in self.headers or len(length) != 1 or not (length[0].isascii() and length[0].isdigit()):
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "the length of the body must be given.")
        if len(length[0]) > 9 or int(length[0]) > MAX_BODY:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {MAX_BODY} bytes.")
        return self.rfile.read(int(length[0]))

    def answer(self, status: HTTPStatus, kind: str, data: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **SECURITY_HEADERS}.items():
            self.send_header(name, value)
        if status != HTTPStatus.OK:  # what is left of a refused body must not be read as the next request
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Silence: the terminal is for the address and for errors."""


def json_body(value: Any) -> tuple[str, bytes]:
    return "application/json", json.dumps(value).encode()


def start_server(desk: Session, port: int = 0) -> tuple[ThreadingHTTPServer, str]:
    """A server that is listening, and the address that lets a browser in; call `serve_forever` on it.

    The token stands behind `#`, which browsers send to nobody.
    """
    token = secrets.token_urlsafe(24)
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, desk, token))
    except OSError as error:
        raise ValueError(f"port {port} is taken ({error.strerror}); choose another one with --port.") from None
    server.daemon_threads = True
    return server, f"http://127.0.0.1:{server.server_address[1]}/#{token}"


def serve_until_interrupted(desk: Session, port: int, *, show: bool) -> None:
    """Serve until Ctrl-C."""
    import webbrowser

    server, address = start_server(desk, port)
    print(f"Annotating {desk.name}: {address}\nEvery change is saved at once. Ctrl-C ends.", flush=True)
    if show:
        threading.Timer(0.3, webbrowser.open, [address]).start()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("\nDone. `dvc repro` uses what was saved.")
    finally:
        server.server_close()
