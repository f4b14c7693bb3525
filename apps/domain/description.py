"""What the service tells about each of its operations; a framework's generator makes the document of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

TITLE = "AI service"
VERSION = "1"

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, for a framework that does not read as much off its handlers."""

    name: str
    """The contract's `operationId`."""
    summary: str
    answers: Any
    """The type of the answer to a request that is in order."""
    status: int = 200
    """That answer's."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """That answer's headers, with what each of them says."""
    path: type[BaseModel] | None = None
    """The parameters in the path."""
    takes: type[BaseModel] | None = None
    """The body."""
    media_type: str = "application/json"
    """The body's."""
    refusals: tuple[int, ...] = ()
    """The statuses of errors, beside 404 and 405, that it may answer."""
    secured: bool = False
    """Whether it wants a bearer token."""


def described_headers(operation: Operation) -> dict[str, Any]:
    """Return the headers of an operation's answer as OpenAPI has them."""
    return {
        name: {"description": words, "schema": {"type": "string"}}
        for name, words in operation.headers.items()
    }


def described(operation: Operation) -> Callable[[View], View]:
    """Attach a description to a view, which stays the function that it is: a request costs no more."""

    def attach(view: View) -> View:
        vars(view)["operation"] = operation
        return view

    return attach


def operation_of(view: Callable[..., Any]) -> Operation | None:
    """Return what is attached to a view, also where decorators of `functools.wraps` lie over it."""
    operation: Operation | None = getattr(view, "operation", None)
    return operation
