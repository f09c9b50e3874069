"""Before the application: whom the server answers, what every answer carries, and what is counted."""

import asyncio
import contextlib
import ipaddress
import json
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any

from visage.server.metrics import Metrics
from visage.server.uploads import RequestRefused

LINGER = 5  # seconds in which what is left of a refused body is read, so that its sender comes to read the answer
NOT_SENT = 499  # the status that is counted where the client left before there was one
LOGGER = logging.getLogger("uvicorn.error")  # the one that uvicorn prints
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_wildcard(host: str) -> bool:
    """Whether an address stands for all of this machine's."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def allowed_hosts(host: str, port: int) -> set[str] | None:
    """The Host headers that the server answers; None = any, where it listens on all addresses of the machine."""
    if is_wildcard(host):
        return None
    names = {"127.0.0.1", "localhost"} if is_loopback(host) else set()
    names.add(f"[{host}]" if ":" in host else host)
    return {f"{name}:{port}" for name in names} | ({*names} if port == 80 else set())


class Guard:
    """Checks Host, Origin and token; adds the security headers; counts; ends a refused request properly.

    `paths` are what the server has, each with whether it needs the token; the page does not, since it asks for it.
    """

    def __init__(
        self, app: App, *, hosts: set[str] | None, token: str | None, paths: Mapping[str, bool], metrics: Metrics
    ) -> None:
        self.app, self.hosts, self.token, self.paths, self.metrics = app, hosts, token, paths, metrics

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status, unread = time.monotonic(), NOT_SENT, True

        async def receive_checked() -> Message:
            nonlocal unread
            message = await receive()
            unread = message["type"] == "http.request" and message.get("more_body", False)
            return message

        async def send_checked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *headers]
            await send(message)

        try:
            try:
                self.check(scope)
                await self.app(scope, receive_checked, send_checked)
            except RequestRefused as refusal:
                await refuse(refusal, send_checked, receive if unread else None)
            except Exception:
                LOGGER.exception("a request failed")
                if status == NOT_SENT:
                    failure = RequestRefused(
                        HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; its terminal says why."
                    )
                    await refuse(failure, send_checked, receive if unread else None)
        finally:
            path = scope["path"] if scope["path"] in self.paths else "other"
            self.metrics.count_request(path, status, time.monotonic() - start)

    def check(self, scope: MutableMapping[str, Any]) -> None:
        """Host against DNS rebinding, Origin against foreign pages, the token against everyone else."""
        headers = scope["headers"]
        host = [value.decode("latin-1") for name, value in headers if name == b"host"]
        if len(host) != 1:
            raise RequestRefused(HTTPStatus.BAD_REQUEST, "a request has one Host header.")
        if self.hosts is not None and host[0].lower() not in self.hosts:
            names = " and ".join(sorted(self.hosts))
            raise RequestRefused(HTTPStatus.FORBIDDEN, f"this server answers to {names} only.")
        origins = [value.decode("latin-1") for name, value in headers if name == b"origin"]
        if origins and origins not in [[f"{scheme}://{host[0]}"] for scheme in ("http", "https")]:
            raise RequestRefused(HTTPStatus.FORBIDDEN, "requests of a browser come from this server's own page only.")
        if self.token is None or not self.paths.get(scope["path"], True):
            return
        given = next((value for name, value in headers if name == b"authorization"), b"")
        if not secrets.compare_digest(given, f"Bearer {self.token}".encode()):
            sentence = "send the header Authorization: Bearer TOKEN with the token that the server was started with."
            raise RequestRefused(HTTPStatus.UNAUTHORIZED, sentence, {"WWW-Authenticate": "Bearer"})


async def refuse(refusal: RequestRefused, send: Send, receive: Receive | None) -> None:
    """Send the sentence and close the connection, after reading for a while what still comes (`receive`), if any.

    A connection that is closed with unread bytes is reset, and many clients then never read the answer.
    """
    body = json.dumps({"error": str(refusal)}).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"}
    pairs = [(name.lower().encode(), value.encode()) for name, value in (headers | refusal.headers).items()]
    await send({"type": "http.response.start", "status": int(refusal.status), "headers": pairs})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    if receive:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                message = await receive()
                while message["type"] == "http.request" and message.get("more_body"):
                    message = await receive()
    await send({"type": "http.response.body", "body": b"", "more_body": False})
