"""A part of the service on Robyn, with the server that it brings.

Without postponed annotations: Robyn reads what a handler takes off them, and takes no text for a type.
"""

import argparse
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote

from domain.ai_request import MAX_BODY_BYTES, Accepted, AIServiceRequest, accept
from domain.bounded_asyncpg import UNAVAILABLE, Pool, connected, open_pool
from domain.history import QUERY_NUMBERED, History, HistoryPath, history_body
from domain.media_type import is_json
from domain.problems import Problem, Unavailable, invalid, problem
from domain.settings import Settings
from pydantic import ValidationError
from robyn import HttpMethod, Request, Response, Robyn, jsonify

METHODS = {
    name: getattr(HttpMethod, name)
    for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
}
NO_HEADERS: Mapping[str, str] = {}


class Refused(Exception):
    """A request that gets an HTTP error."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Database:
    """The worker's database connections."""

    pool: Pool | None = None

    async def open(self) -> None:
        """Open them."""
        self.pool = await open_pool(Settings.from_environment())

    async def close(self) -> None:
        """Close them."""
        if self.pool is not None:
            await self.pool.close()


database = Database()
app = Robyn(__file__)
app.startup_handler(database.open)
app.shutdown_handler(database.close)


async def healthz() -> dict[str, str]:
    """Tell that the worker serves."""
    return {"status": "ok"}


async def hello() -> dict[str, str]:
    """Greet; not by `const`, which would make the answer once and send it without Python."""
    return {"message": "Hello, World!"}


async def history(user_id: str) -> History:
    """Return a user's chats, the oldest first."""
    if database.pool is None:
        raise Unavailable
    user = HistoryPath.model_validate({"user_id": unquote(user_id)}).user_id
    async with connected(database.pool) as connection:
        rows = await connection.fetch(QUERY_NUMBERED, user)
    return history_body(user, rows)


async def generate(request: Request) -> Accepted:
    """Take a request for generated text on."""
    return accept(AIServiceRequest.model_validate(json_body(request)))


def json_body(request: Request) -> Any:  # noqa: ANN401 - any JSON
    """Return the request's JSON; the body's size is judged before its type."""
    body = request.body  # bytes where it is no UTF-8
    if len(body.encode() if isinstance(body, str) else body) > MAX_BODY_BYTES:
        raise Refused(413)
    if not is_json(request.headers.get("content-type") or ""):
        raise Refused(415)
    try:
        return request.json()
    except ValueError as error:
        raise Refused(400) from error


def failure(error: Exception) -> Response:
    """Put whatever a handler raises into the shape of all errors."""
    if isinstance(error, Refused):
        return answer(error.status, problem(error.status))
    if isinstance(error, ValidationError):
        return answer(422, invalid(error))
    if isinstance(error, UNAVAILABLE):
        return answer(503, problem(503))
    logging.getLogger(__name__).error("the service failed", exc_info=error)
    return answer(500, problem(500))


def answer(status: int, body: Problem, headers: Mapping[str, str] = NO_HEADERS) -> Response:
    """Return an error as JSON."""
    return Response(status, {"Content-Type": "application/json", **headers}, jsonify(body))


def refusal(status: int, headers: Mapping[str, str] = NO_HEADERS) -> Callable[[Request], Awaitable[Response]]:
    """Return a handler that refuses everything."""

    async def refuse(request: Request) -> Response:  # noqa: ARG001 - else Robyn warns of unused parameters
        return answer(status, problem(status), headers)

    return refuse


def add_path(path: str, methods: tuple[str, ...], handler: Callable[..., Awaitable[object]]) -> None:
    """Answer a path's methods and refuse all others, which Robyn takes for unknown paths.

    Robyn takes a slash at the end of a path away before it looks for a handler, but not before it looks for
    an answer that never changes (`const`). So what has such a slash is nothing by one of those.
    """
    dependencies = app.dependencies.get_dependency_map(app)
    not_allowed = refusal(405, {"Allow": ", ".join(methods)})
    for name, method in METHODS.items():
        if name in methods:
            app.add_route(method, path, handler)
        else:
            app.add_route(method, path, not_allowed)
        # `app` itself would take the slash away
        app.router.add_route(method, f"{path}/", refusal(404), True, False, "", [], None, dependencies)


app.exception(failure)
add_path("/healthz", ("GET", "HEAD"), healthz)
add_path("/json", ("GET", "HEAD"), hello)
add_path("/api/ai/history/:user_id", ("GET", "HEAD"), history)
add_path("/api/ai/generate", ("POST",), generate)
for method in METHODS.values():
    app.add_route(method, "/", refusal(404))
    app.add_route(method, "/*path", refusal(404))


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    given, _ = parser.parse_known_args()  # the others are Robyn's own
    app.start(given.host, given.port, _check_port=False)


if __name__ == "__main__":
    main()
