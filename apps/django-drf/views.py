"""What REST framework answers."""

from __future__ import annotations

from django.db import connection
from django_api.answers import declared_json
from django_api.resources import require_database
from domain.ai_request import accept
from domain.history import QUERY_FORMAT, HistoryPath, history_body
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from serializers import AIServiceRequest


class Reading(APIView):
    """A view that is asked by GET and HEAD; by itself REST framework answers OPTIONS as well."""

    http_method_names = ("get", "head")


class Healthz(Reading):
    """Whether the worker serves."""

    def get(self, _request: Request) -> Response:
        """Tell that the worker serves."""
        return Response({"status": "ok"})


class Hello(Reading):
    """The greeting."""

    def get(self, _request: Request) -> Response:
        """Greet."""
        return Response({"message": "Hello, World!"})


class History(Reading):
    """A user's chats."""

    def get(self, _request: Request, user_id: str) -> Response:
        """Return a user's chats, the oldest first."""
        require_database()
        user = HistoryPath.model_validate({"user_id": user_id}).user_id
        with connection.cursor() as cursor:
            cursor.execute(QUERY_FORMAT, (user,))
            return Response(history_body(user, cursor.fetchall()))


class Generate(APIView):
    """Requests for generated text."""

    http_method_names = ("post",)

    def post(self, request: Request) -> Response:
        """Take a request for generated text on."""
        if not declared_json(request):
            raise ParseError  # no parser sees an empty body: REST framework takes it for an empty object
        asked = AIServiceRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(accept(asked.validated_data))
