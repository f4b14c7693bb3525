"""The cases of the contract, as they stand in `apps/contract/cases/`, a file for each system."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.ground.errors import UsageError

Headers = Mapping[str, str]
PLACEHOLDERS = ("password", "token", "expired_token", "foreign_token")
"""What a request may have filled in, in braces, where the service `keys` is given."""
_KEYS = "keys"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What an answer must be."""

    status: int
    headers: Mapping[str, tuple[str, ...]]
    """Those that matter, a value for each repetition; members of a list in any order, parameters ignored."""
    json: Any
    """The body, with the placeholders of `harness.lifecycle.matching`."""
    empty: bool
    """No body at all is due; `json` means nothing then."""
    may_hang_up: bool = False
    """To end the connection without an answer is as good; `json` means nothing then."""


@dataclass(frozen=True, slots=True)
class Case:
    """One rule of the contract, and a request that shows whether it is kept."""

    name: str
    """The rule in words; unique."""
    endpoint: str | None
    """The operation that it is about, such as `GET /json`; None where it is about none."""
    needs: tuple[str, ...]
    """Services that the variant must have been given."""
    without: tuple[str, ...]
    """Services that it must not have been given."""
    method: str
    path: str
    headers: Headers
    body: bytes
    times: int
    """How often the request is sent, over one client."""
    connections: int | None
    """How many connections that may open; any number where None."""
    expect: Expectation
    plain: bool = False
    """Whether it is sent without TLS, whatever the variant speaks."""
    then: Expectation | None = None
    """What the answer to one more of these requests must be; None where there is none more."""
    client: str | None = None
    """The address of this machine that it is sent from; None where any will do."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Request(_Model):
    method: str
    path: str
    headers: dict[str, str] = Field(default_factory=dict)
    json_body: Any = Field(default=None, alias="json")
    text: Any = None
    hex_bytes: str | None = Field(default=None, alias="hex")
    pad_to: int | None = None
    plain: bool = False
    client: str | None = None


class _Due(_Model):
    status: int
    may_hang_up: bool = False
    headers: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)
    json_body: Any = Field(default=None, alias="json")
    error: str | None = None
    rules: list[tuple[str, str]] = Field(default_factory=list)
    body: Literal["json", "none"] = "json"


class _Entry(_Model):
    name: str
    endpoint: str | None = None
    like: str | None = None
    request: dict[str, Any] = Field(default_factory=dict)
    change: dict[str, Any] = Field(default_factory=dict)
    drop: list[str] = Field(default_factory=list)
    needs: list[str] = Field(default_factory=list)
    without: list[str] = Field(default_factory=list)
    times: int = Field(default=1, ge=1)
    connections: int | None = None
    expect: _Due
    then: _Due | None = None


class _File(_Model):
    requests: dict[str, dict[str, Any]]
    cases: list[_Entry]


def load_cases(contract_folder: Path) -> tuple[Case, ...]:
    """Read the cases of a contract's folder, its files in the order of their names.

    Raises UsageError where there are none, a file is no JSON, or it holds what a case can't.
    """
    folder = contract_folder / "cases"
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise UsageError("there are no cases (*.json) here", where=str(folder))
    seen: set[str] = set()
    cases: list[Case] = []
    for path in paths:
        for case in _read(path):
            if case.name in seen:
                raise UsageError(f"two cases are called {case.name!r}", where=str(path))
            seen.add(case.name)
            cases.append(case)
    return tuple(cases)


def _read(path: Path) -> tuple[Case, ...]:
    try:
        file = _File.model_validate(json.loads(path.read_text(encoding="utf-8")))
        return tuple(_require_keys(_case(entry, file.requests)) for entry in file.cases)
    except OSError as error:
        raise UsageError(f"can't be read: {error.strerror}", where=str(path)) from error
    except (ValidationError, ValueError, KeyError) as error:
        raise UsageError(f"is no list of cases: {error}", where=str(path)) from error


def _require_keys(case: Case) -> Case:
    """Return the case; raises ValueError for a placeholder that nothing would be filled in for.

    A case that is about a SUT without keys may hold one: it stands for itself.
    """
    written = "\n".join((*case.headers.values(), case.body.decode("utf-8", "replace")))
    for name in PLACEHOLDERS:
        if f"{{{name}}}" in written and _KEYS not in (*case.needs, *case.without):
            raise ValueError(f'{case.name!r} has {{{name}}} filled in, so its `needs` must name "{_KEYS}"')
    return case


def _case(entry: _Entry, named: Mapping[str, dict[str, Any]]) -> Case:
    raw = {**(named[entry.like] if entry.like else {}), **entry.request}
    if entry.change or entry.drop:
        kept = {key: value for key, value in raw["json"].items() if key not in entry.drop}
        raw["json"] = {**kept, **entry.change}
    request = _Request.model_validate(raw)
    return Case(
        name=entry.name,
        endpoint=entry.endpoint,
        needs=tuple(entry.needs),
        without=tuple(entry.without),
        method=request.method,
        path=request.path,
        headers=request.headers,
        body=_body(request),
        times=entry.times,
        connections=entry.connections,
        expect=_expectation(entry.expect, entry.times),
        plain=request.plain,
        then=None if entry.then is None else _expectation(entry.then, 1),
        client=request.client,
    )


def _body(request: _Request) -> bytes:
    if request.hex_bytes is not None:
        body = bytes.fromhex(request.hex_bytes)
    elif request.text is not None:
        body = str(_expand(request.text)).encode()
    elif "json_body" in request.model_fields_set:
        body = json.dumps(_expand(request.json_body), ensure_ascii=False).encode()
    else:
        body = b""
    return body if request.pad_to is None else body.ljust(request.pad_to)


def _expand(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Replace `{"repeat": text, "times": n}` by the repeated text, wherever it stands."""
    if isinstance(value, dict):
        if value.keys() == {"repeat", "times"}:
            return str(value["repeat"]) * int(value["times"])
        return {key: _expand(part) for key, part in value.items()}
    return [_expand(part) for part in value] if isinstance(value, list) else value


def _expectation(due: _Due, times: int) -> Expectation:
    body = due.json_body
    if due.error is not None:
        rules = [{"field": name, "rule": rule, "message": "<string>"} for name, rule in due.rules]
        body = {"status": "error", "code": due.error, "message": "<string>", "details": rules}
    headers = {
        name: (value,) * times if isinstance(value, str) else value for name, value in due.headers.items()
    }
    for name, values in headers.items():
        if len(values) != times:
            raise ValueError(f"{len(values)} values of the header {name} for {times} repetitions")
    return Expectation(due.status, headers, body, due.body == "none", due.may_hang_up)
