"""The web application: a request for photos from its headers to its answer, and the few other pages."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from functools import partial
from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.exceptions import HTTPException

from visage.runtime.parallel import count_workers
from visage.server.batching import Batcher, QueueFull
from visage.server.guard import Guard
from visage.server.judging import explain_error, judge_uploads
from visage.server.metrics import PHOTOS_PATH, Metrics
from visage.server.schema import REFUSALS, REQUEST_BODY, Answer, Health, build_photo_answer
from visage.server.uploads import Limits, RequestRefused, declared_length, read_body, split_photos
from visage.serving.bundle import Bundle
from visage.serving.predict import PhotoResult

PAGE = Path(__file__).parent / "page"
FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/docs": ("docs.html", "text/html; charset=utf-8"),
    "/docs.js": ("docs.js", "text/javascript; charset=utf-8"),
}
NEEDS_TOKEN = {PHOTOS_PATH: True, "/metrics": True, "/health": False, "/openapi.json": False}
NEEDS_TOKEN |= dict.fromkeys(FILES, False)
BATCH = 8  # photos of a call of the networks


class Service:
    """What requests share: the bundle, the queue before it, the limits and the counts."""

    def __init__(self, bundle: Bundle, limits: Limits) -> None:
        self.bundle, self.limits, self.metrics = bundle, limits, Metrics()
        self.batcher = Batcher(
            partial(judge_uploads, bundle),
            threads=count_workers(),
            batch=BATCH,
            pixels=limits.pixels,
            capacity=limits.waiting_photos,
            seconds=limits.answer_seconds,
        )
        self.open_requests = self.open_bytes = 0

    async def answer(self, request: Request) -> Answer:
        """From a request's headers to its answer; RequestRefused where it is not carried out."""
        length = declared_length(request.headers, self.limits)
        with self.admit(length):
            body = await read_body(request.stream(), self.limits)
            content_type = request.headers.get("content-type", "")
            uploads = await asyncio.to_thread(split_photos, content_type, body, self.limits)
            del body
            try:
                futures = self.batcher.submit(uploads)
            except QueueFull as full:
                raise too_many(full.seconds) from None
            results = await self.wait_for(futures, request)
            for result, upload in zip(results, uploads, strict=True):
                if result.error:
                    raise RequestRefused(HTTPStatus.UNPROCESSABLE_ENTITY, explain_error(result, upload))
        self.metrics.count_photos(len(results), sum(len(result.faces) for result in results))
        return Answer(photos=[build_photo_answer(result, self.bundle.tasks) for result in results])

    @contextlib.contextmanager
    def admit(self, length: int) -> Iterator[None]:
        """Keep a place and `length` bytes for a request, or refuse it for now."""
        limits = self.limits
        if self.open_requests >= limits.requests or self.open_bytes + length > limits.bodies:
            raise too_many(self.batcher.retry_after())
        self.open_requests += 1
        self.open_bytes += length
        try:
            yield
        finally:
            self.open_requests -= 1
            self.open_bytes -= length

    async def wait_for(self, futures: list[Future[PhotoResult]], request: Request) -> list[PhotoResult]:
        """The results in the order of the photos; what ends the wait early takes the others out of the queue."""
        results = asyncio.ensure_future(collect(futures))
        gone = asyncio.ensure_future(wait_until_gone(request))
        try:
            done, _ = await asyncio.wait(
                {results, gone}, timeout=self.limits.answer_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if results in done:
                return results.result()
            if gone in done:
                raise RequestRefused(HTTPStatus.BAD_REQUEST, "the client left before the answer.")
            seconds = self.batcher.retry_after()
            sentence = f"not done within {self.limits.answer_seconds:g} s; send fewer photos, or again in {seconds} s."
            raise RequestRefused(HTTPStatus.SERVICE_UNAVAILABLE, sentence, {"Retry-After": str(seconds)})
        finally:
            gone.cancel()
            results.cancel()
            for future in futures:
                future.cancel()


def too_many(seconds: int) -> RequestRefused:
    sentence = f"too many photos are waiting; try again in {seconds} s."
    return RequestRefused(HTTPStatus.TOO_MANY_REQUESTS, sentence, {"Retry-After": str(seconds)})


async def collect(futures: list[Future[PhotoResult]]) -> list[PhotoResult]:
    return await asyncio.gather(*map(asyncio.wrap_future, futures))


async def wait_until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def build_app(bundle: Bundle, *, hosts: set[str] | None, token: str | None, limits: Limits) -> FastAPI:
    """The application; `hosts` are the Host headers that it answers (None = any), `token` what clients have to send."""
    service = Service(bundle, limits)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.batcher.close)

    app = FastAPI(
        title="visage",
        description="The faces on photos, each with its probabilities. Photos are neither stored nor logged.",
        version="1",
        docs_url=None,  # FastAPI's own pages load their scripts from a foreign host
        redoc_url=None,
        lifespan=lifespan,
    )
    app.add_middleware(Guard, hosts=hosts, token=token, paths=NEEDS_TOKEN, metrics=service.metrics)

    @app.exception_handler(HTTPException)
    async def refuse(request: Request, error: HTTPException) -> Response:
        nothing = error.status_code == HTTPStatus.NOT_FOUND
        sentence = "there is nothing here; /docs says what there is." if nothing else f"{error.detail}; see /docs."
        raise RequestRefused(HTTPStatus(error.status_code), sentence, error.headers)

    @app.post(
        PHOTOS_PATH,
        response_model=Answer,
        responses=REFUSALS,
        openapi_extra=REQUEST_BODY,
        summary="Find and judge faces",
    )
    async def find_faces(request: Request) -> Response:
        """The faces on one photo (the request's body) or on several (the parts of a form)."""
        answer = await service.answer(request)
        return Response(answer.model_dump_json(), media_type="application/json")  # FastAPI would validate it once more

    @app.get("/health", summary="Whether the server is up, and what it judges")
    async def health() -> Health:
        return Health(tasks={task.name: list(task.classes) for task in bundle.tasks})

    @app.get("/metrics", response_class=PlainTextResponse, summary="Counts and times in Prometheus' text format")
    async def metrics() -> PlainTextResponse:
        gauges = {"visage_requests_open": service.open_requests, "visage_photos_waiting": service.batcher.unfinished}
        text = service.metrics.write_text(gauges)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    for path, (name, content_type) in FILES.items():
        app.add_api_route(path, send_file(PAGE / name, content_type), include_in_schema=False)
    return app


def send_file(path: Path, content_type: str) -> Callable[[], Response]:
    content = path.read_bytes()

    async def send() -> Response:
        return Response(content, media_type=content_type)

    return send
