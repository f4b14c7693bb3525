"""The contract: whether a running variant answers as every variant must.

The cases are data (`apps/contract/cases/`, described in `apps/contract/README.md`), so that variants in
any language are held to the same ones.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import httpcore
import httpx

from harness.ground.clock import SystemClock
from harness.ground.model import Scenario, Variant
from harness.ground.redaction import redact, secrets_of
from harness.lifecycle.credentials import credentials, filled
from harness.lifecycle.matching import differences
from harness.machine.services.tls import CA_FILE, TLS
from harness.records.contract import Case, Expectation

_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How a variant did on one case."""

    name: str
    passed: bool | None
    """None where the case was not checked."""
    difference: str
    """Due and seen, a line each; why a case was not checked; empty for a case that passed."""


def verify(
    base_url: str,
    cases: Iterable[Case],
    *,
    services: Collection[str] = (),
    variables: Mapping[str, str] | None = None,
    timeout_s: float = _TIMEOUT_S,
) -> tuple[CaseResult, ...]:
    """Send every case to the variant at `base_url` and compare its answers; raises nothing.

    `services` are those that the variant was given; cases that need another, or its absence, are not
    checked. `variables` are the services', from which `{password}` and the tokens are filled in, and which
    name the authority that a certificate has to be from. Each case has a connection of its own.
    """
    known = variables or {}
    tls = ssl.create_default_context(cafile=known.get(CA_FILE))  # costs more than a case; made once
    values, secrets = credentials(known, SystemClock().utc()), secrets_of(known)

    def result(case: Case) -> CaseResult:
        found = _result(base_url, _filled(case, values), services, timeout_s, tls)
        return replace(found, difference=redact(found.difference, secrets))

    return tuple(result(case) for case in cases)


def _filled(case: Case, values: Mapping[str, str]) -> Case:
    headers = {name: filled(value.encode(), values).decode() for name, value in case.headers.items()}
    return replace(case, headers=headers, body=filled(case.body, values))


def for_endpoints(cases: Iterable[Case], endpoints: Collection[str]) -> tuple[Case, ...]:
    """Return the cases of these operations, such as `GET /json`, and those that belong to none."""
    return tuple(case for case in cases if case.endpoint is None or case.endpoint in endpoints)


def due_from(variant: Variant, cases: Iterable[Case], scenarios: Iterable[Scenario]) -> tuple[Case, ...]:
    """Return the cases of what a variant serves of these scenarios.

    Where none of these says what it drives, they are all but those that extend the contract. Of a variant
    that implements a part, what needs a service that no scenario of its own has is not due either, but TLS:
    to speak that is the server's part.
    """
    served = [scenario for scenario in scenarios if variant.serves(scenario)]
    endpoints = {endpoint for scenario in served for endpoint in scenario.endpoints}
    within = (case for case in cases if not case.extends)
    due = for_endpoints(cases, endpoints) if endpoints else tuple(within)
    if not variant.implements:
        return due
    given = {TLS, *(service for scenario in served for service in scenario.services)}
    return tuple(case for case in due if given.issuperset(case.needs))


def failures(results: Iterable[CaseResult]) -> tuple[CaseResult, ...]:
    """Return the results of the cases that did not pass; those not checked are none."""
    return tuple(result for result in results if result.passed is False)


def _result(
    base_url: str, case: Case, services: Collection[str], timeout_s: float, tls: ssl.SSLContext
) -> CaseResult:
    missing = [f"needs {name}" for name in case.needs if name not in services]
    present = [f"is for a variant without {name}" for name in case.without if name in services]
    if missing or present:
        return CaseResult(case.name, None, f"not checked: {', '.join(missing + present)}")
    found = _check(base_url, case, timeout_s, tls)
    return CaseResult(case.name, not found, "\n".join(found))


def _check(base_url: str, case: Case, timeout_s: float, tls: ssl.SSLContext) -> list[str]:
    """Send the case's request as often as it says over one client; return what differs."""
    opened: list[httpcore.NetworkStream] = []
    found: list[str] = []
    try:
        answers = _ask(base_url, case, timeout_s, tls, opened)
        for turn, answer in enumerate(answers[: case.times]):
            found += _compare(case.expect, answer, turn)
        if case.then is not None:
            found += _compare(case.then, answers[-1], 0)
    except (TimeoutError, httpx.TimeoutException):
        return [*found, f"no answer: not whole within {timeout_s:g} s"]
    except (httpx.RemoteProtocolError, httpx.ReadError) as error:
        return found if case.expect.may_hang_up else [*found, _no_answer(error)]
    except httpx.HTTPError as error:
        return [*found, _no_answer(error)]
    if case.connections is not None and len(opened) != case.connections:
        found.append(f"connections: {case.connections} due, {len(opened)} opened for {len(answers)} requests")
    return found


def _no_answer(error: httpx.HTTPError) -> str:
    return f"no answer: {type(error).__name__}: {error}"


def _ask(
    base_url: str, case: Case, timeout_s: float, tls: ssl.SSLContext, opened: list[httpcore.NetworkStream]
) -> list[httpx.Response]:
    """Return the answers; each connection that is opened is noted in `opened`.

    Raises httpx.HTTPError, and TimeoutError for an answer that comes too slowly. A server may refuse a body
    that it has not read, and close: the blocking client reads that answer, where those of asyncio and Trio
    throw it away once the rest can't be sent.
    """

    def watch(event: str, details: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            opened.append(details["return_value"])
        elif event == "connection.start_tls.complete":
            opened[-1] = details["return_value"]

    answers = []
    base = base_url.replace("https:", "http:") if case.plain else base_url
    way = httpx.HTTPTransport(trust_env=False, verify=tls, local_address=case.client)
    with httpx.Client(timeout=timeout_s, trust_env=False, transport=way) as client:
        for _ in range(case.times + (case.then is not None)):
            with _within(timeout_s, opened):
                answers.append(
                    client.request(
                        case.method,
                        base.rstrip("/") + case.path,  # joined here: httpx would tidy the path
                        headers=dict(case.headers),
                        content=case.body,
                        extensions={"trace": watch},
                    )
                )
    return answers


@contextmanager
def _within(seconds: float, opened: Sequence[httpcore.NetworkStream]) -> Iterator[None]:
    """Break the connections off after a time, and raise TimeoutError then.

    httpx's own time-outs bound the wait for the next byte, and a byte a second would last for ever.
    """
    late = threading.Event()

    def end() -> None:
        late.set()
        for stream in tuple(opened):
            with suppress(OSError):  # it has ended
                stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        yield
    except httpx.HTTPError as error:
        if late.is_set():
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
        timer.join()


def _compare(expect: Expectation, answer: httpx.Response, turn: int) -> list[str]:
    found = []
    if answer.status_code != expect.status:
        found.append(f"status: {expect.status} due, {answer.status_code} seen")
    for name, each in expect.headers.items():
        due, seen = each[turn], answer.headers.get(name)
        if "{id}" in due:
            due = due.replace("{id}", _id(answer))
        if seen is None or not (_is_seconds(seen) if due == "<seconds>" else _tokens(seen) == _tokens(due)):
            found.append(f"header {name}: {due!r} due, {seen!r} seen")
    return found + _compare_body(expect, answer)


def _compare_body(expect: Expectation, answer: httpx.Response) -> list[str]:
    if expect.may_hang_up:
        return []
    if expect.empty:
        return [] if not answer.content else [f"body: none due, {len(answer.content)} bytes seen"]
    try:
        seen = answer.json()
    except ValueError:
        return [f"body: JSON due, {answer.text[:80]!r} seen"]
    return differences(expect.json, seen)


def _id(answer: httpx.Response) -> str:
    """Return the `id` of an answer's body; nothing where there is none."""
    try:
        return str(answer.json()["id"])
    except (ValueError, KeyError, TypeError):
        return ""


def _is_seconds(value: str) -> bool:
    """Tell whether a header's value is a number of whole seconds to wait, one or more."""
    return re.fullmatch("[1-9][0-9]*", value) is not None


def _tokens(value: str) -> frozenset[str]:
    """Return a header's comma-separated members, whose order means nothing, without their parameters."""
    return frozenset(member.partition(";")[0].strip().lower() for member in value.split(","))
