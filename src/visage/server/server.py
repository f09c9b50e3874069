"""`visage serve`: the application on an address of this machine."""

import asyncio
import json
import os
import socket
from http import HTTPStatus
from pathlib import Path
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from visage.server.app import build_app
from visage.server.guard import allowed_hosts, is_loopback, is_wildcard
from visage.server.uploads import Limits
from visage.serving.bundle import Bundle

TOKEN = "VISAGE_TOKEN"  # the environment's, since other users of a machine can read a command's arguments
MIN_TOKEN = 16  # characters
HEADER_SECONDS = 10  # in which a connection has to say what it wants
MAX_CONNECTIONS = 512  # open at once
BACKLOG = 256  # connections that may wait to be accepted


class TimedProtocol(H11Protocol):
    """uvicorn's protocol, which by itself waits for ever for the header of a request."""

    header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self.send_refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections are open; try again later.")
        self.time_header()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.time_header()

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.stop_timer()

    def time_header(self) -> None:
        """Run a timer while a header is incomplete; more of it does not begin the time anew."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.stop_timer()
        elif self.header_timer is None and not self.transport.is_closing():
            self.header_timer = self.loop.call_later(HEADER_SECONDS, self.refuse_header)

    def stop_timer(self) -> None:
        if self.header_timer is not None:
            self.header_timer.cancel()
            self.header_timer = None

    def refuse_header(self) -> None:
        self.send_refusal(HTTPStatus.REQUEST_TIMEOUT, "the header of the request did not arrive in time.")

    def send_400_response(self, message: str) -> None:
        """What is no HTTP; a request that was being answered is given up."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.send_refusal(HTTPStatus.BAD_REQUEST, "this is not a valid HTTP request.")

    def send_refusal(self, status: HTTPStatus, sentence: str) -> None:
        """Without the application, where nothing has been sent yet; then close."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE) and not self.transport.is_closing():
            body = json.dumps({"error": sentence}).encode()
            headers = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"}
            response = h11.Response(status_code=status, headers=list(headers.items()), reason=status.phrase.encode())
            for event in (response, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event))
        self.transport.close()


def check_token(host: str, token: str | None) -> None:
    """Every address but loopback needs a token that nobody guesses."""
    if token is None and not is_loopback(host):
        raise ValueError(
            f"{host} can be reached from other machines, so clients have to send a token: set the environment "
            f'variable {TOKEN}, such as with {TOKEN}=$(python -c "import secrets; print(secrets.token_urlsafe())").'
        )
    if token is not None and (len(token) < MIN_TOKEN or not token.isascii() or not token.isprintable() or " " in token):
        raise ValueError(f"{TOKEN} is not fit for a token; it has {MIN_TOKEN} or more ASCII characters, no spaces.")


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that takes connections; port 0 takes any free one."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(f"{host}, port {port}: {reason}; choose others with --host and --port.") from None


def build_server(
    bundle: Bundle, host: str, port: int, *, token: str | None, limits: Limits
) -> tuple[uvicorn.Server, socket.socket]:
    """A server and the socket that it listens on: `server.run(sockets=[socket])`."""
    check_token(host, token)
    listener = open_socket(host, port)
    app = build_app(bundle, hosts=allowed_hosts(host, listener.getsockname()[1]), token=token, limits=limits)
    config = uvicorn.Config(
        app,
        http=TimedProtocol,
        ws="none",
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=HEADER_SECONDS,
        timeout_graceful_shutdown=10,
    )
    return uvicorn.Server(config), listener


def serve(folder: Path, host: str, port: int) -> None:
    """Serve a bundle until Ctrl-C."""
    token = os.environ.get(TOKEN)
    check_token(host, token)
    server, listener = build_server(Bundle.open(folder), host, port, token=token, limits=Limits())
    name = socket.gethostname() if is_wildcard(host) else f"[{host}]" if ":" in host else host
    print(f"Serving {folder}: http://{name}:{listener.getsockname()[1]}/\nCtrl-C ends.", flush=True)
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        print("\nDone.")
