"""The page and what it asks for, over HTTP: every address begins with the sitting's token, and only this machine is answered."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from labelfree.errors import DataError, LabelfreeError
from labelfree.labelling.answers import STATES, Answer
from labelfree.labelling.pictures import LARGE, SMALL, Pictures
from labelfree.labelling.sitting import Place, Sitting

PAGE = Path(__file__).parent / "page"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}  # what the system says of endings is not relied upon
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
TOKEN_HEADER = "x-labelfree-token"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}  # fmt: skip
Json = dict[str, Any]


def application(sitting: Sitting, pictures: Pictures, token: str) -> ASGIApp:
    """The page of a sitting under `/TOKEN/`; without the token, or asked for by another name than this machine's, nothing is told."""
    rows = [image.row for image in sitting.images]

    def asset(file: Path) -> Route:
        return Route(f"/{file.name.removeprefix('page.html')}", lambda request: FileResponse(file, media_type=KINDS[file.suffix]))

    async def image(request: Request) -> Response:
        at, longest = request.path_params["at"], SMALL if "small" in request.query_params else LARGE
        if at >= len(rows):
            raise DataError(f"There is no image {at + 1}.")
        return Response(await run_in_threadpool(pictures.png, rows[at], longest), media_type="image/png")

    def view(given: Json) -> Place:
        at = given.get("at")
        return Place(sitting.first(int(given.get("after", -1)), bool(given.get("aside"))) if at is None else int(at))

    def answer(given: Json) -> Place:
        return sitting.answer(
            str(given["window"]), int(given["at"]), _answer(given["answer"]), _answer(given["shown"]), bool(given.get("aside"))
        )

    def undo(given: Json) -> Place:
        return sitting.undo(str(given["window"]))

    def put_back(given: Json) -> Place:
        sitting.table.put_back()
        return view(given)

    def route(name: str, act: Callable[[Json], Place]) -> Route:
        """What the page asks for with a JSON object; it is answered with what to show next."""

        async def answered(request: Request) -> Response:
            if not hmac.compare_digest(request.headers.get(TOKEN_HEADER, "").encode(), token.encode()):
                return PlainTextResponse("This needs the page's token.", 403)
            try:
                given = await request.json()
                shown = await run_in_threadpool(lambda: sitting.view(act(given)))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                return PlainTextResponse(f"The page asked for something that cannot be understood ({error}); load it again.", 400)
            return JSONResponse(shown)

        return Route(f"/{name}", answered, methods=["POST"])

    acts = {"view": view, "answer": answer, "undo": undo, "put-back": put_back}
    routes = [*map(asset, PAGE.iterdir()), Route("/image/{at:int}", image), *(route(name, act) for name, act in acts.items())]
    handlers = {LabelfreeError: _told, OSError: _told, Exception: _fault}
    return _Guarded(Starlette(routes=[Mount(f"/{token}", routes=routes)], exception_handlers=handlers), token)


def _answer(given: Json) -> Answer:
    """An answer as the page sends it. Raises ValueError for one that says both a class and why there is none, or another state."""
    answer = Answer(str(given["label"]), str(given["state"]))
    if answer.state not in STATES or (answer.state and answer.label):
        raise ValueError(f"{answer!r}")
    return answer


def _told(request: Request, error: Exception) -> Response:
    """What a person can put right, in one sentence."""
    return PlainTextResponse(str(error), 409)


def _fault(request: Request, error: Exception) -> Response:
    return PlainTextResponse(f"{type(error).__name__}: {error}; this is a fault of labelfree. What was saved is saved.", 500)


class _Guarded:
    """Lets through only what bears the token and was asked of this machine by a name of its own: no page of another site can."""

    def __init__(self, inner: ASGIApp, token: str) -> None:
        self.inner, self.token = inner, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", [])}

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", []), *own]}
            await send(message)

        if scope["type"] != "http" or not _is_here(f"//{headers.get('host', '')}") or not _is_here(headers.get("origin", "//localhost")):
            inner: ASGIApp = PlainTextResponse("This page is for the machine it runs on.", 403)
        elif not hmac.compare_digest(scope["path"].split("/")[1].encode(), self.token):
            inner = PlainTextResponse("The address lacks its token; open the one that `labelfree label` printed.", 403)
        else:
            inner = self.inner
        await inner(scope, receive, with_headers)


def _is_here(address: str) -> bool:
    try:
        return urlsplit(address).hostname in LOOPBACK
    except ValueError:
        return False
