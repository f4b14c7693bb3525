"""The cases of the contract, as they stand in `apps/contract/cases/`, a file for each system.

What extends it, by cases of operations beyond it, stands beside the scenarios that drive these.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.ground.errors import UsageError
from harness.ground.model import Scenario
from harness.ground.names import choose, suggestion

Headers = Mapping[str, str]
PLACEHOLDERS = ("password", "token", "expired_token", "foreign_token")
"""What a request may have filled in, in braces, where the service `keys` is given."""
DESCRIPTION = "GET /openapi.json"
"""The operation that describes the others is no part of what it describes, so no case is about it."""
_KEYS = "keys"
_FORM = "apps/contract/README.md"
"""Where a case's keys are described."""


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
    file: str = ""
    """Where it stands."""
    extends: bool = False
    """Whether it extends the contract: due from nobody but who implements a scenario that drives it."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class _Request(_Model):
    method: str = Field(pattern=r"^[A-Z]+$")
    path: str = Field(pattern=r"^/[!-~]*$")  # what begins otherwise would lead to another host
    headers: dict[str, Annotated[str, Field(pattern=r"^[ -~]*$")]] = Field(default_factory=dict)
    json_body: Any = Field(default=None, alias="json")
    text: Any = None
    hex_bytes: str | None = Field(default=None, alias="hex")
    pad_to: int | None = None
    plain: bool = False
    client: str | None = None


class _Due(_Model):
    """The answer that is due; every key is described in apps/contract/README.md."""

    status: int
    may_hang_up: bool = False
    headers: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)
    json_body: Any = Field(default=None, alias="json")
    error: str | None = None
    rules: list[tuple[str, str]] = Field(default_factory=list)
    body: Literal["json", "none"] = "json"


class _Entry(_Model):
    """A case; every key is described in apps/contract/README.md."""

    name: str
    """The rule in words."""
    endpoint: str | None = None
    """The operation, such as `GET /json`; absent where it belongs to none."""
    like: str | None = None
    """The named request of `requests` that it begins with."""
    request: dict[str, Any] = Field(default_factory=dict)
    """`method`, `path`, `headers` and a body, in place of those of `like`."""
    change: dict[str, Any] = Field(default_factory=dict)
    """Fields of the request's JSON that are set."""
    drop: list[str] = Field(default_factory=list)
    """Fields of the request's JSON that are removed."""
    needs: list[str] = Field(default_factory=list)
    """Services that the variant must have been given; else the case is not checked."""
    without: list[str] = Field(default_factory=list)
    """Services that it must not have been given; else the case is not checked."""
    times: int = Field(default=1, ge=1)
    """How often the request is sent over one client."""
    connections: int | None = None
    """How many connections that may open; any number where absent."""
    expect: _Due
    """What is due."""
    then: _Due | None = None
    """What is due to one more of these requests, after the `times`."""


class CasesKeys(_Model):
    """The keys of a file of cases."""

    requests: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Named requests, which cases begin with."""
    cases: list[_Entry]
    """The cases."""


def load_cases(contract_folder: Path, extension: Iterable[Case] = ()) -> tuple[Case, ...]:
    """Read the cases of a contract's folder, its files in the order of their names, and join what extends it.

    Raises UsageError where there are none, a file is no JSON or holds what a case can't, two cases have one
    name, or one of the extension is about an operation of the contract.
    """
    folder = contract_folder / "cases"
    cases = list(_cases_in(folder))
    if not cases:
        raise UsageError("there are no cases (*.json) here", where=str(folder), remedy=f"their form: {_FORM}")
    within = {case.endpoint for case in cases} | {DESCRIPTION}
    for case in extension:
        if case.endpoint in within:
            raise UsageError(
                f"{case.name!r} is about {case.endpoint}, which is the project's, and so are its cases",
                where=case.file,
                remedy="give an operation of yours a path of its own",
            )
        cases.append(case)
    _refuse_twins(cases)
    return tuple(cases)


def load_extension(folders: Iterable[Path]) -> tuple[Case, ...]:
    """Read the cases that extend the contract, which stand beside scenarios.

    Raises UsageError for a file that is no list of cases, and a case that is about no operation.
    """
    cases = [replace(case, extends=True) for folder in folders for case in _cases_in(folder)]
    for case in cases:
        if case.endpoint is None:
            raise UsageError(
                f"{case.name!r} is about no operation, and would be due from everybody",
                where=case.file,
                remedy='say about which, as in "endpoint": "GET /api/shop/items"',
            )
    return tuple(cases)


def check_driven(cases: Collection[Case], scenarios: Iterable[Scenario]) -> None:
    """Raise UsageError where a scenario drives what has no case, or nothing drives a case's that extends."""
    driven: set[str] = set()
    checked = {case.endpoint for case in cases if case.endpoint is not None} | {DESCRIPTION}
    for scenario in scenarios:
        driven.update(scenario.endpoints)
        for endpoint in scenario.endpoints:
            if endpoint not in checked:
                raise UsageError(
                    f"no case says what is due from {endpoint}",
                    where=f"{scenario.path}: ENDPOINTS",
                    remedy=f"write one, into a *.json beside it, in the form of {_FORM}; "
                    f"{suggestion(endpoint, checked)}",
                )
    for case in cases:
        if case.extends and case.endpoint not in driven:
            raise UsageError(
                f"no scenario drives {case.endpoint}, so nobody would be held to {case.name!r}",
                where=case.file,
                remedy=f"add it to the ENDPOINTS of a scenario; {suggestion(str(case.endpoint), driven)}",
            )


def _cases_in(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.glob("*.json")):
        if not path.name.startswith("_"):
            yield from _read(path)


def _refuse_twins(cases: Iterable[Case]) -> None:
    seen: dict[str, Case] = {}
    for case in cases:
        twin = seen.setdefault(case.name, case)
        if twin is not case:
            there = "" if twin.file == case.file else f"; the other is in {twin.file}"
            raise UsageError(
                f"two cases are called {case.name!r}{there}", where=case.file, remedy="rename one of the two"
            )


def _read(path: Path) -> tuple[Case, ...]:
    try:
        file = CasesKeys.model_validate(json.loads(path.read_text(encoding="utf-8")))
        cases = [_require_keys(_case(entry, file.requests)) for entry in file.cases]
    except OSError as error:
        raise UsageError(f"can't be read: {error.strerror}", where=str(path)) from error
    except json.JSONDecodeError as error:
        raise UsageError(f"is no JSON: {error}", where=str(path), remedy="correct that line") from error
    except ValidationError as error:
        raise _no_cases(path, _first(error)) from error
    except UsageError as error:
        raise _no_cases(path, f"{error.what}: {error.remedy}") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise _no_cases(path, str(error)) from error
    return tuple(replace(case, file=str(path)) for case in cases)


def _first(error: ValidationError) -> str:
    """Return the first mistake in words, with its place."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}, not {str(first['input'])[:80]!r}"


def _no_cases(path: Path, why: str) -> UsageError:
    return UsageError(f"is no list of cases: {why}", where=str(path), remedy=f"their form: {_FORM}")


def _require_keys(case: Case) -> Case:
    """Return the case; raises ValueError for a placeholder that nothing would be filled in for.

    A case that is about a SUT without keys may hold one: it stands for itself.
    """
    written = b"\n".join((*(value.encode() for value in case.headers.values()), case.body))
    for name in PLACEHOLDERS:
        if b"{%b}" % name.encode() in written and _KEYS not in (*case.needs, *case.without):
            raise ValueError(f'{case.name!r} has {{{name}}} filled in, so its `needs` must name "{_KEYS}"')
    return case


def _case(entry: _Entry, named: Mapping[str, dict[str, Any]]) -> Case:
    choose([entry.like] if entry.like else [], named, "request named")
    raw = {**(named[entry.like] if entry.like else {}), **entry.request}
    if entry.change or entry.drop:
        if not isinstance(raw.get("json"), dict):
            raise ValueError(f"{entry.name!r} changes fields of its request's JSON, which has none")
        kept = {key: value for key, value in raw["json"].items() if key not in entry.drop}
        raw["json"] = {**kept, **entry.change}
    try:
        request = _Request.model_validate(raw)
    except ValidationError as error:
        raise ValueError(f"{entry.name!r}: request.{_first(error)}") from error
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
