"""A page on this machine for what a person knows better: boxes that detection missed, labels that the models doubt.

The server listens on loopback only and trusts nobody: a page from elsewhere fails on Host and Origin, another
program on the token, and nothing but decoded photos named in photos.csv and the five files of the page leaves it.
"""

import json
import secrets
import sys
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
LEDGERS = {"/api/boxes": "boxes", "/api/labels": "labels"}
MAX_BODY = 64 * 1024  # bytes of a request's body; a change of one person's labels takes about 2 kB
IDLE_TIMEOUT = 30  # seconds after which a connection that sends nothing is dropped
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Content = tuple[str, bytes]  # the content type and the body of a response


class RequestRefused(Exception):
    """A request that is not carried out: the status and a sentence for whoever sent it."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """One connection: each request is checked before anything is done for it."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "visage", ""
    timeout = IDLE_TIMEOUT

    def __init__(self, session: Session, token: str, *args: Any) -> None:
        self.session, self.token = session, token
        super().__init__(*args)

    def do_GET(self) -> None:
        self.handle_request(self.get)

    def do_POST(self) -> None:
        self.handle_request(self.post)

    def handle_request(self, action: Callable[[], Content]) -> None:
        try:
            self.check_request()
            status, content = HTTPStatus.OK, action()
        except RequestRefused as error:
            status, content = error.status, json_content({"error": str(error)})
        except StaleRow:
            status, content = HTTPStatus.CONFLICT, json_content(self.session.corrections())
        except ValueError as error:
            status, content = HTTPStatus.BAD_REQUEST, json_content({"error": str(error)})
        except OSError as error:
            status, content = HTTPStatus.INTERNAL_SERVER_ERROR, json_content({"error": f"not written: {error}"})
        self.respond(status, *content)

    def check_request(self) -> None:
        """Only this machine's own page: its Host (against DNS rebinding), its Origin, and the token of this start."""
        port = self.server.server_address[1]
        hosts = [f"127.0.0.1:{port}", f"localhost:{port}"]
        if self.headers.get_all("Host", []) not in [[host] for host in hosts]:
            raise RequestRefused(HTTPStatus.FORBIDDEN, "this server answers to 127.0.0.1 and localhost only.")
        origin = self.headers.get_all("Origin", [])
        if (origin or self.command == "POST") and origin not in [[f"http://{host}"] for host in hosts]:
            raise RequestRefused(HTTPStatus.FORBIDDEN, "requests come from this server's own page only.")
        if self.path in FILES and self.command == "GET":
            return
        if not secrets.compare_digest(self.headers.get("X-Visage-Token", "").encode(), self.token.encode()):
            raise RequestRefused(
                HTTPStatus.FORBIDDEN, "no token, or one of an earlier start: open the printed address."
            )

    def get(self) -> Content:
        if self.path in FILES:
            file = PAGE / FILES[self.path]
            return CONTENT_TYPES[file.suffix], file.read_bytes()
        url = urlsplit(self.path)
        if url.path == "/api/session":
            return json_content(self.session.state())
        if url.path == "/api/corrections":
            return json_content(self.session.corrections())
        photos = parse_qs(url.query).get("photo", [])
        if url.path == "/api/photo" and len(photos) == 1 and photos[0] in self.session.photos:
            return "image/jpeg", self.session.encode_photo(photos[0])
        raise RequestRefused(HTTPStatus.NOT_FOUND, "there is nothing here.")

    def post(self) -> Content:
        if self.path not in LEDGERS:
            raise RequestRefused(HTTPStatus.NOT_FOUND, "there is nothing here.")
        try:
            body = json.loads(self.read_body(), parse_constant=lambda name: float("nan"))
        except (ValueError, RecursionError):
            raise ValueError("the body is not valid JSON.") from None
        return json_content(self.session.apply(LEDGERS[self.path], body))

    def read_body(self) -> bytes:
        length = self.headers.get_all("Content-Length", [])
        if "Transfer-Encoding" in self.headers or len(length) != 1 or not (length[0].isascii() and length[0].isdigit()):
            raise RequestRefused(HTTPStatus.LENGTH_REQUIRED, "the length of the body must be given.")
        if len(length[0]) > 9 or int(length[0]) > MAX_BODY:
            raise RequestRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {MAX_BODY} bytes.")
        return self.rfile.read(int(length[0]))

    def respond(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        headers = {"Content-Type": content_type, "Content-Length": str(len(body)), **SECURITY_HEADERS}
        for name, value in headers.items():
            self.send_header(name, value)
        if status != HTTPStatus.OK:  # what is left of a refused body must not be read as the next request
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing: the terminal is for the address and for errors."""


class Server(ThreadingHTTPServer):
    """A thread per connection; none of them keeps the process alive."""

    daemon_threads = True
    request_queue_size = 256  # connections that may wait to be accepted; with the usual 5, many tabs time out

    def handle_error(self, *args: Any) -> None:
        """Print a trace, but not for a browser that left before it was answered."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*args)


def json_content(value: Any) -> Content:
    return "application/json", json.dumps(value).encode()


def start_server(session: Session, port: int = 0) -> tuple[Server, str]:
    """A server that is listening, and the address that lets a browser in; call `serve_forever` on it.

    The token stands behind `#`, which browsers send to nobody.
    """
    token = secrets.token_urlsafe(24)
    try:
        server = Server(("127.0.0.1", port), partial(Handler, session, token))
    except OSError as error:
        raise ValueError(f"port {port} is taken ({error.strerror}); choose another one with --port.") from None
    return server, f"http://127.0.0.1:{server.server_address[1]}/#{token}"


def serve_until_interrupted(session: Session, port: int, *, show: bool) -> None:
    """Serve until Ctrl-C."""
    import webbrowser

    server, address = start_server(session, port)
    print(f"Annotating {session.name}: {address}\nEvery change is saved at once. Ctrl-C ends.", flush=True)
    if show:
        threading.Timer(0.3, webbrowser.open, [address]).start()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("\nDone. `dvc repro` uses what was saved.")
    finally:
        server.server_close()
