"""The one shape that every error has, whatever framework found it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from typing_extensions import TypedDict

if TYPE_CHECKING:  # a variant without Pydantic has errors, too
    from pydantic import ValidationError


class Unavailable(Exception):
    """A service that a request needs does not answer."""


class Detail(TypedDict):
    """One rule that a request breaks."""

    field: str
    """The path of the value, such as `reference_urls.0`; `body` for the whole body."""
    rule: str
    """The name of the broken rule, such as `string_too_short`."""
    message: str
    """The rule in words."""


class Problem(TypedDict):
    """The body of an answer that is an error."""

    status: str
    """Always `error`."""
    code: str
    message: str
    details: list[Detail]
    """The broken rules in the order of the model's fields; empty unless the code is `validation_failed`."""


_WORDS: Mapping[int, tuple[str, str]] = {
    400: ("malformed_json", "The body is not JSON in UTF-8"),
    401: ("unauthorized", "The credentials are missing or not valid"),
    404: ("not_found", "There is nothing at this path"),
    405: ("method_not_allowed", "This path does not answer this method"),
    413: ("body_too_large", "The body is greater than 1 MiB"),
    415: ("unsupported_media_type", "The body is not of the media type that this path takes"),
    422: ("validation_failed", "The request breaks the rules that details lists"),
    429: (
        "too_many_requests",
        "This client has asked too often; Retry-After says in how many seconds it may",
    ),
    500: ("internal_error", "The server failed"),
    503: ("service_unavailable", "A service that this needs does not answer, or was not given"),
}


def problem(status: int, details: Iterable[Detail] = ()) -> Problem:
    """Return the body for an HTTP status; those without words of their own get their number."""
    code, message = _WORDS.get(status, (f"http_{status}", f"HTTP status {status}"))
    return {"status": "error", "code": code, "message": message, "details": list(details)}


def invalid(error: ValidationError) -> Problem:
    """Return the body for what Pydantic itself found."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    return problem(422, broken_rules(errors))


def broken_rules(errors: Sequence[Any], *, skip: int = 0) -> list[Detail]:
    """Return Pydantic's errors as details; `skip` drops that many leading parts of each location.

    FastAPI puts `body` or `path` before a location; Pydantic itself does not.
    """
    return [_detail(error, error["loc"][skip:]) for error in errors]


def _detail(error: Mapping[str, Any], location: Sequence[str | int]) -> Detail:
    if not location:  # the frameworks' words for "no object" differ
        return {"field": "body", "rule": "object_type", "message": "The body must be a JSON object"}
    return {"field": ".".join(map(str, location)), "rule": error["type"], "message": error["msg"]}
