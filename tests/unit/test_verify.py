from __future__ import annotations

import contextlib
import json
import re
import ssl
import time
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from scripted import Peer, serving, silent_port

from harness.ground.errors import UsageError
from harness.lifecycle.matching import differences
from harness.lifecycle.verify import due_from, for_endpoints, verify
from harness.machine.services.tls import CA_FILE
from harness.records.contract import load_cases
from harness.records.manifest import find_scenarios, load_variant

CONTRACT = Path(__file__).parents[2] / "apps" / "contract"
ROWS = {"<each>": {"n": "<int>"}, "<length>": 2, "<ascending>": "n", "<first>": {"n": 1}}


@pytest.mark.parametrize(
    ("due", "seen"),
    [
        ({"a": 1, "b": [None, True]}, {"b": [None, True], "a": 1}),
        ("<string>", ""),
        ("<int>", -3),
        ("<any>", None),
        ("<utc-time>", "2025-01-31T08:00:00.000000+00:00"),
        (ROWS, [{"n": 1}, {"n": 1}]),
    ],
)
def test_what_is_due_has_no_differences(due: object, seen: object) -> None:
    """Equal JSON matches whatever the order of its keys; a placeholder matches every value of its kind."""
    assert differences(due, seen) == []


@pytest.mark.parametrize(
    ("due", "seen", "line"),
    [
        (1, True, "body: 1 due, True seen"),
        (1, 1.0, "body: 1 due, 1.0 seen"),
        ({"a": 1}, {}, "body.a: due, missing"),
        ({}, {"a": 1}, "body.a: not due, 1 seen"),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "body.a.b: 1 due, 2 seen"),
        ([1, 2], [2, 1], "body[0]: 1 due, 2 seen"),
        ([1], [1, 2], "body: [1] due, [1, 2] seen"),
        ({}, [], "body: {} due, [] seen"),
        ("<string>", 1, "body: <string> due, 1 seen"),
        ("<int>", True, "body: <int> due, True seen"),
        ("<utc-time>", "2025-01-31T08:00:00Z", "body: <utc-time> due, '2025-01-31T08:00:00Z' seen"),
        ("<utc-time>", "2025-01-31T08:00:00.000000+08:00", "<utc-time> due"),
        (ROWS, {}, "body: a list due, {} seen"),
        (ROWS, [{"n": 1}], "body: 2 items due, 1 seen"),
        (ROWS, [{"n": 1}, {"n": 0}], "items in the order of n due"),
        (ROWS, [{"n": 2}, {"n": 3}], "body[0].n: 1 due, 2 seen"),
        (ROWS, [{"n": 1}, {"m": 2}], "body[1].n: due, missing"),
    ],
)
def test_a_difference_is_named_with_its_place(due: object, seen: object, line: str) -> None:
    """Whatever is missing, too much, of another type or another value is told in one line."""
    assert any(line in found for found in differences(due, seen)), differences(due, seen)


def test_a_silent_port_fails_every_case_without_an_error() -> None:
    """A variant that is not there fails its cases readably, and nothing is raised."""
    with silent_port() as port:
        cases = for_endpoints(load_cases(CONTRACT), ("GET /healthz",))[:2]
        results = verify(f"http://127.0.0.1:{port}", cases)
    assert [result.passed for result in results] == [False, False]
    assert all(result.difference.startswith("no answer: ConnectError") for result in results)


def test_cases_that_lack_their_service_are_not_checked() -> None:
    """Without its services a case is left out and says so; it is neither passed nor failed."""
    needy = [case for case in load_cases(CONTRACT) if case.needs]
    results = verify("http://127.0.0.1:9", needy)
    assert [(result.passed, result.difference) for result in results] == [
        (None, f"not checked: {', '.join(f'needs {name}' for name in case.needs)}") for case in needy
    ]


@pytest.mark.parametrize(
    ("answer", "good"),
    [
        (b"", True),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 6\r\n\r\n<html>", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", False),
    ],
)
def test_what_is_told_without_tls_is_seen(answer: bytes, good: bool) -> None:
    """A server that speaks TLS may hang up on others, or tell them off; the resource it must not tell."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(answer)

    (case,) = [case for case in load_cases(CONTRACT) if case.plain]
    with serving(script) as server:
        (result,) = verify(server.url.replace("http:", "https:"), [case], services=["tls"])
    assert result.passed is good, result


@pytest.mark.parametrize("by_tls", [False, True])
def test_an_answer_that_comes_before_the_request_is_whole_is_read(by_tls: bool, tmp_path: Path) -> None:
    """A server may refuse a body that it has not read, and close: its answer counts, not the sending."""
    (case,) = [
        one for one in load_cases(CONTRACT) if one.name == "generate: a body of 1 MiB and a byte is too large"
    ]
    case = replace(case, body=8 * case.body)  # more than the sockets' buffers take
    due = {"status": "error", "code": "body_too_large", "message": "", "details": []}
    answer = json.dumps(due).encode()
    head = f"HTTP/1.1 413 -\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n"

    def script(peer: Peer) -> None:
        peer.socket.recv(1000)
        peer.send(head.encode() + answer)
        peer.socket.close()

    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with serving(script, tls=context if by_tls else None) as server:
        (result,) = verify(server.url, [case], variables={CA_FILE: str(tmp_path / "ca.pem")})
    assert result.passed, result


@pytest.mark.parametrize("part", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"])
def test_an_answer_without_end_is_given_up(part: bytes) -> None:
    """A server that sends a byte now and then, in its head or its body, is told when its time is over."""
    (case,) = [one for one in load_cases(CONTRACT) if one.name == "healthz: says ok"]

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(part)
        with contextlib.suppress(OSError):
            while True:
                peer.send(b"x")
                time.sleep(0.02)

    with serving(script) as server:
        (result,) = verify(server.url, [case], timeout_s=0.5)
    assert result.difference == "no answer: not whole within 0.5 s"


def test_cases_can_be_narrowed_to_endpoints() -> None:
    """A variant that serves some scenarios is held to their operations, and to what belongs to none."""
    cases = for_endpoints(load_cases(CONTRACT), ("GET /json",))
    assert {case.endpoint for case in cases} == {"GET /json", None}


def test_a_variant_is_held_to_what_it_implements() -> None:
    """No case of another operation is due, nor of a service that none of its scenarios has, but for TLS."""
    cases = load_cases(CONTRACT)
    variant = load_variant(CONTRACT.parent / "fastapi-uvicorn")
    scenarios = find_scenarios(CONTRACT.parents[1] / "scenarios").values()
    part = due_from(replace(variant, implements=("hello", "validate")), cases, scenarios)
    assert {case.endpoint for case in part} == {"GET /json", "POST /api/ai/generate", None}
    assert {need for case in part for need in case.needs} == {"tls"}
    more = due_from(replace(variant, implements=("validate", "refused")), cases, scenarios)
    assert {need for case in more for need in case.needs} == {"tls", "valkey", "rate-limit"}
    assert len(due_from(variant, cases, scenarios)) > 2 * len(more)


def test_bodies_are_made_as_the_file_says() -> None:
    """Repeated text, padding and bytes that are no UTF-8 arrive as they are described."""
    cases = {case.name: case for case in load_cases(CONTRACT)}
    assert json.loads(cases["generate: prompt of 2000 characters"].body)["prompt"] == "x" * 2000
    assert len(cases["generate: a body of 1 MiB and a byte is too large"].body) == (1 << 20) + 1
    assert b"\xff" in cases["generate: a body that is not UTF-8 is malformed"].body
    assert cases["generate: a body that is empty is malformed"].body == b""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON: Expecting property name"),
        ("[]", "is no list of cases"),
        ('{"requests": {}, "cases": [{"name": "a", "expect": {"status": 200}, "reqest": {}}]}', "reqest"),
        ('{"requests": {}, "cases": [{"name": "a", "like": "none", "expect": {"status": 200}}]}', "none"),
        (
            '{"requests": {"r": {"method": "GET", "path": "/"}}, "cases": ['
            '{"name": "a", "like": "r", "expect": {"status": 200}},'
            '{"name": "a", "like": "r", "expect": {"status": 200}}]}',
            "two cases are called 'a'",
        ),
        (
            '{"requests": {}, "cases": [{"name": "a", "expect": {"status": 200},'
            '"request": {"method": "GET", "path": "/", "headers": {"authorization": "Bearer {token}"}}}]}',
            "'a' has {token} filled in, so its `needs` must name \"keys\"",
        ),
        (
            '{"requests": {}, "cases": [{"name": "a", "needs": ["llm"], "expect": {"status": 200},'
            '"request": {"method": "POST", "path": "/", "text": "a={password}"}}]}',
            "{password}",
        ),
    ],
)
def test_a_wrong_file_is_named(text: str, message: str, tmp_path: Path) -> None:
    """A file that is no list of cases ends in an error that names it and what is wrong."""
    path = tmp_path / "cases" / "some.json"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        load_cases(tmp_path)
    assert caught.value.where == str(path)


def test_a_folder_without_cases_is_named(tmp_path: Path) -> None:
    """A folder without cases ends in an error that says so."""
    with pytest.raises(UsageError, match="no cases"):
        load_cases(tmp_path)


def test_a_header_may_have_a_value_for_each_repetition(tmp_path: Path) -> None:
    """A list of values is compared one by one; one of another length is refused, with the file."""
    served = '{"requests": {}, "cases": [{"name": "a", "times": 2, "expect": {"status": 200, "headers": %s},'
    served += ' "request": {"method": "GET", "path": "/"}}]}'
    (tmp_path / "cases").mkdir()
    file = tmp_path / "cases" / "one.json"
    file.write_text(served % '{"a": ["x", "y"], "b": "z"}')
    (case,) = load_cases(tmp_path)
    assert case.expect.headers == {"a": ("x", "y"), "b": ("z", "z")}
    file.write_text(served % '{"a": ["x"]}')
    with pytest.raises(UsageError, match="1 values of the header a for 2 repetitions"):
        load_cases(tmp_path)
