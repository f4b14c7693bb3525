"""Requests for generated text, which are validated and taken on."""

from __future__ import annotations

from domain.ai_request import GENERATE, Accepted, AIServiceRequest, accept
from fastapi import APIRouter, Depends

from fastapi_api.bodies import require_json
from fastapi_api.description import described
from fastapi_api.limit import LimitedRoute

router = APIRouter(route_class=LimitedRoute)


@router.post("/api/ai/generate", dependencies=[Depends(require_json)], **described(GENERATE))
async def generate(request: AIServiceRequest) -> Accepted:
    """Take a request for generated text on."""
    return accept(request)
