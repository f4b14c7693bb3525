"""What Ninja answers: its operations, whose parameters, bodies and answers it validates itself."""

from __future__ import annotations

from django.db import connection
from django.http import HttpRequest
from django_api.resources import require_database
from domain.ai_request import Accepted, AIServiceRequest, accept
from domain.history import QUERY_FORMAT, History, history_body
from domain.row_id import RowId
from failures import add_handlers, takes_json
from ninja import NinjaAPI, Path
from ninja.decorators import decorate_view

api = NinjaAPI(openapi_url=None)
add_handlers(api)


@api.api_operation(["GET", "HEAD"], "/healthz", response=dict[str, str])
def healthz(request: HttpRequest) -> dict[str, str]:  # noqa: ARG001 - Ninja names it
    """Tell that the worker serves."""
    return {"status": "ok"}


@api.api_operation(["GET", "HEAD"], "/json", response=dict[str, str])
def hello(request: HttpRequest) -> dict[str, str]:  # noqa: ARG001 - Ninja names it
    """Greet."""
    return {"message": "Hello, World!"}


@api.api_operation(["GET", "HEAD"], "/api/ai/history/{user_id}", response=History)
def history(request: HttpRequest, user_id: Path[RowId]) -> History:  # noqa: ARG001 - Ninja names it
    """Return a user's chats, the oldest first."""
    require_database()
    with connection.cursor() as cursor:
        cursor.execute(QUERY_FORMAT, (user_id,))
        return history_body(user_id, cursor.fetchall())


@api.post("/api/ai/generate", response=Accepted)
@decorate_view(takes_json)
def generate(request: HttpRequest, asked: AIServiceRequest) -> Accepted:  # noqa: ARG001 - Ninja names it
    """Take a request for generated text on."""
    return accept(asked)
