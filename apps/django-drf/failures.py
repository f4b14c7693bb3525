"""The one shape of all errors, for what REST framework finds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.http import HttpResponse
from django_api.answers import REFUSALS, failure, refusal
from domain.problems import Detail, broken_rules
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.settings import api_settings

_RULES = {
    "required": "missing",
    "not_a_list": "list_type",
    "min_length": "string_too_short",
    "max_length": "string_too_long",
    "min_value": "greater_than_equal",
    "max_value": "less_than_equal",
}
"""The contract's words for codes of REST framework and Django; our own fields use the contract's."""


def answer(error: Exception, _context: Mapping[str, Any]) -> HttpResponse | None:
    """Put what a view raises into that shape; None for a failure of the service itself."""
    if isinstance(error, REFUSALS):
        return refusal(error)
    if isinstance(error, ValidationError):
        return failure(422, list(_broken(error.detail)))
    if isinstance(error, APIException):
        return failure(error.status_code)
    return None


def _broken(errors: Any, place: str = "") -> Iterator[Detail]:  # noqa: ANN401 - as deep as the body
    """Yield the first rule that each value breaks."""
    for name, found in errors.items():
        if name == api_settings.NON_FIELD_ERRORS_KEY:  # the only rule about the whole
            yield from broken_rules([{"loc": ()}])
        elif isinstance(found, Mapping):
            yield from _broken(found, f"{place}{name}.")
        else:
            code = str(found[0].code)
            yield {"field": f"{place}{name}", "rule": _RULES.get(code, code), "message": str(found[0])}
