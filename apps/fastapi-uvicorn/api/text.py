"""Text by a language model."""

from __future__ import annotations

from domain.text import TEXT, TextAnswer, TextRequest, text_body
from fastapi import APIRouter, Depends, Response

from api.bodies import BoundedRoute, require_json
from api.description import described
from api.resources import TextWriter, get_issuer, get_writer
from api.token import require_token


class TextRoute(BoundedRoute):
    """A route that asks for all that it needs before it reads a body."""

    needs = (get_issuer, get_writer)


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
