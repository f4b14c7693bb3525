"""Request bodies: their bound, and their media type."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

from domain.ai_request import MAX_BODY_BYTES
from domain.media_type import is_form, is_json
from domain.tokens import quoted
from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute


class BoundedRequest(Request):
    """A request that refuses to read more than the contract's bound."""

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield the body's pieces up to the bound."""
        size = 0
        async for piece in super().stream():
            size += len(piece)
            if size > MAX_BODY_BYTES:
                raise HTTPException(413)
            yield piece


class FormRequest(BoundedRequest):
    """A bounded request whose form's letters beyond ASCII are quoted: Starlette takes them for Latin-1."""

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield the body's pieces in ASCII."""
        async for piece in super().stream():
            yield quoted(piece)


class BoundedRoute(APIRoute):
    """A route with a bounded body; FastAPI's own `max_body_size` would answer in a shape of its own."""

    reads: type[BoundedRequest] = BoundedRequest
    needs: tuple[Callable[[Request], object], ...] = ()
    """Dependencies that are asked for before the body is read; FastAPI itself solves them after that."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the route's handler on a bounded request."""
        handle = super().get_route_handler()

        async def handle_bounded(request: Request) -> Response:
            for get in self.needs:
                get(request)
            bounded = self.reads(request.scope, request.receive)
            await bounded.body()  # whatever FastAPI would read of it, its size is judged first
            return await handle(bounded)

        return handle_bounded


async def require_json(request: Request) -> None:
    """Refuse what is not declared as JSON, and the empty body, which FastAPI would take for null."""
    if not is_json(request.headers.get("content-type", "")):
        raise HTTPException(415)
    if not await request.body():
        raise HTTPException(400)


async def require_form(request: Request) -> None:
    """Refuse what is not declared as a form, of which FastAPI would take each field for absent."""
    if not is_form(request.headers.get("content-type", "")):
        raise HTTPException(415)
