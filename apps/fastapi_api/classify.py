"""What a text is about."""

from __future__ import annotations

import asyncio

from domain.classifier import CLASSIFY, Classified, ClassifyRequest
from fastapi import APIRouter, Depends

from fastapi_api.bodies import require_json
from fastapi_api.description import described
from fastapi_api.limit import LimitedRoute
from fastapi_api.resources import TextClassifier, get_classifier


class ClassifyRoute(LimitedRoute):
    """A route that asks for the classifier before it reads a body."""

    needs = (get_classifier,)


router = APIRouter(route_class=ClassifyRoute)


@router.post("/api/ai/classify", dependencies=[Depends(require_json)], **described(CLASSIFY))
async def classify(request: ClassifyRequest, classifier: TextClassifier) -> Classified:
    """Tell what a text is about; the model computes in a thread, lest the loop stand still."""
    return await asyncio.to_thread(classifier.classify, request)
