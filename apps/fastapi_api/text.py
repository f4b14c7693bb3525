"""Text by a language model."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from domain.text import TEXT, TextAnswer, TextRequest, text_body
from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from fastapi_api.bodies import require_json
from fastapi_api.description import described
from fastapi_api.limit import LimitedRoute
from fastapi_api.resources import TextWriter, get_issuer, get_writer
from fastapi_api.token import bearer, require_token


class TextRoute(LimitedRoute):
    """A route that asks for all that it needs before it reads a body."""

    needs = (get_issuer, get_writer)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return a handler that tells nobody what is wrong with a body before a good token was shown."""
        handle = super().get_route_handler()

        async def handle_known(request: Request) -> Response:
            try:
                return await handle(request)
            except (RequestValidationError, HTTPException) as error:
                # FastAPI parses a body before it asks the dependencies; one that is no UTF-8 is a 400 to it.
                if getattr(error, "status_code", 400) == 400:
                    await require_token(get_issuer(request), await bearer(request) or "")
                raise

        return handle_known


router = APIRouter(route_class=TextRoute)


@router.post(
    "/api/ai/text",
    dependencies=[Depends(require_token), Depends(require_json)],
    **described(TEXT),
)
async def text(request: TextRequest, writer: TextWriter, response: Response) -> TextAnswer:
    """Return a text, from the cache where it was written before."""
    result, response.headers["X-Cache"] = await writer.write(request)
    return text_body(request, result)
