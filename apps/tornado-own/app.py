"""A part of the service on Tornado, with the server that it brings."""

from __future__ import annotations

import asyncio
from typing import Any

from domain.ai_request import MAX_BODY_BYTES, AIServiceRequest, accept
from domain.bounded_asyncpg import UNAVAILABLE, Pool, connected, open_pool
from domain.history import QUERY_NUMBERED, HistoryPath, history_body
from domain.media_type import is_json
from domain.problems import invalid, problem
from domain.settings import Settings
from pydantic import ValidationError
from tornado.escape import json_decode
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.options import define, options, parse_command_line
from tornado.process import fork_processes
from tornado.web import Application, HTTPError, RequestHandler

define("host", default="127.0.0.1")
define("port", default=8000)
define("workers", default=1)
define("backlog", default=128)
define("keep_alive_s", default=3600)


class JSONHandler(RequestHandler):
    """Answers in JSON, errors too."""

    methods: tuple[str, ...] = ("GET", "HEAD")
    """Those that it answers."""

    def set_default_headers(self) -> None:
        """Name the media type."""
        self.set_header("Content-Type", "application/json")

    def write_error(self, status_code: int, **kwargs: Any) -> None:  # noqa: ANN401 - Tornado's own
        """Put an error into the shape of all errors."""
        error = kwargs["exc_info"][1]
        if isinstance(error, ValidationError):
            self.set_status(422)
            self.finish(dict(invalid(error)))
            return
        if isinstance(error, UNAVAILABLE):
            status_code = 503
        if status_code == 405:
            self.set_header("Allow", ", ".join(self.methods))
        self.set_status(status_code)
        self.finish(dict(problem(status_code)))

    def log_exception(self, *about: Any) -> None:  # noqa: ANN401 - Tornado's own
        """Log what is the service's own fault; a refusal is none."""
        if not isinstance(about[1], (HTTPError, ValidationError, *UNAVAILABLE)):
            super().log_exception(*about)


class Unknown(JSONHandler):
    """What is at every other path."""

    def prepare(self) -> None:
        """Refuse every method."""
        raise HTTPError(404)


class Healthz(JSONHandler):
    """Whether the worker serves."""

    def get(self) -> None:
        """Tell that the worker serves."""
        self.write({"status": "ok"})

    head = get


class Hello(JSONHandler):
    """The greeting."""

    def get(self) -> None:
        """Greet."""
        self.write({"message": "Hello, World!"})

    head = get


class History(JSONHandler):
    """A user's chats."""

    def initialize(self, pool: Pool | None) -> None:
        """Take the worker's database connections."""
        self.pool = pool

    async def get(self, user_id: str) -> None:
        """Return a user's chats, the oldest first."""
        if self.pool is None:
            raise HTTPError(503)
        user = HistoryPath.model_validate({"user_id": user_id}).user_id
        async with connected(self.pool) as connection:
            rows = await connection.fetch(QUERY_NUMBERED, user)
        self.write(dict(history_body(user, rows)))

    head = get


class Generate(JSONHandler):
    """Requests for generated text."""

    methods = ("POST",)

    def post(self) -> None:
        """Take a request for generated text on."""
        self.write(dict(accept(AIServiceRequest.model_validate(self.json_body()))))

    def json_body(self) -> Any:  # noqa: ANN401 - any JSON
        """Return the request's JSON; the body's size is judged before its type."""
        # The server's own `max_body_size` would answer with an empty 400.
        if len(self.request.body) > MAX_BODY_BYTES:
            raise HTTPError(413)
        if not is_json(self.request.headers.get("Content-Type", "")):
            raise HTTPError(415)
        try:
            return json_decode(self.request.body)
        except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or nested deeper than it goes
            raise HTTPError(400) from error


async def serve() -> None:
    """Serve as one worker until the process is ended."""
    pool = await open_pool(Settings.from_environment())
    app = Application(
        [
            ("/healthz", Healthz),
            ("/json", Hello),
            ("/api/ai/history/([^/]+)", History, {"pool": pool}),
            ("/api/ai/generate", Generate),
        ],
        default_handler_class=Unknown,
        log_function=lambda _handler: None,
    )
    server = HTTPServer(app, idle_connection_timeout=options.keep_alive_s)
    server.add_sockets(sockets)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parse_command_line()
    sockets = bind_sockets(options.port, options.host, backlog=options.backlog)
    fork_processes(options.workers)
    asyncio.run(serve())
