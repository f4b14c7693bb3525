"""Expectations: statuses, exact bytes, checks, and what the memory of passed bodies may do."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest

from harness.loadgen.expect import Expect, Expected, expect_json, expectation
from harness.loadgen.http import Response


def answer(body: bytes = b"", status: int = 200, head: bytes = b"HTTP/1.1 200 OK") -> Response:
    """Return a response."""
    return Response(status, head, body, keep_alive=True)


def kind(expect: Expect, response: Response) -> str | None:
    """Return the kind of the complaint, None where there is none."""
    complaint = expect.complaint(response)
    return None if complaint is None else complaint[0]


def test_a_status_is_one_of_those_that_are_due() -> None:
    """One status or several pass; others are errors that name both and show the body."""
    assert kind(Expect(201), answer(status=201)) is None
    assert kind(Expect((200, 404)), answer(status=404)) is None
    complaint = Expect({404, 200}).complaint(answer(b"boom", 500))
    assert complaint == ("status", "500 where 200 or 404 was due: boom")


def test_exact_bytes_are_compared() -> None:
    """A body that differs by a byte is an error."""
    assert kind(Expect(body=b"hello"), answer(b"hello")) is None
    assert kind(Expect(body=b"hello"), answer(b"hello ")) == "body"
    assert kind(Expect(body=b""), answer(b"x")) == "body"


@pytest.mark.parametrize("verdict", [None, True])
def test_a_check_may_pass(verdict: bool | None) -> None:
    """None and True mean that nothing is wrong."""
    assert kind(Expect(check=lambda _: verdict), answer()) is None


def test_a_check_may_complain_in_words_or_not() -> None:
    """Words are kept; False is an error, too."""
    assert Expect(check=lambda _: "too short").complaint(answer()) == ("body", "too short")
    assert Expect(check=lambda _: "").complaint(answer()) == ("body", "")
    assert Expect(check=lambda _: False).complaint(answer()) == ("body", "the check says no")


@pytest.mark.parametrize(
    "error", [ValueError, KeyError, AssertionError, ZeroDivisionError, OSError, TimeoutError]
)
def test_a_check_that_raises_is_a_body_error_with_its_words(error: type[Exception]) -> None:
    """Whatever a check raises is about the body; never another kind, never the scenario's end."""

    def check(_: Response) -> None:
        raise error("seven")

    complaint = Expect(check=check).complaint(answer())
    assert complaint is not None
    assert complaint[0] == "body"
    assert error.__name__ in complaint[1]
    assert "seven" in complaint[1]


def test_a_body_that_passed_is_not_read_twice() -> None:
    """The check sees each body once per status; a failed one again and again."""
    seen: list[bytes] = []

    def check(response: Response) -> str | None:
        seen.append(response.body)
        return None if response.body == b"good" else "bad"

    expect = Expect((200, 201), check)
    for response in (answer(b"good"), answer(b"good"), answer(b"good", 201), answer(b"bad"), answer(b"bad")):
        expect.complaint(response)
    assert seen == [b"good", b"good", b"bad", b"bad"]


def test_a_check_of_headers_sees_every_answer() -> None:
    """Where a check looked at the head, an equal body with another head is looked at again."""
    for read in (lambda r: r.headers["x"] == "1", lambda r: b"X: 1" in r.head):
        expect = Expect(check=read)
        assert kind(expect, answer(b"same", head=b"HTTP/1.1 200 OK\r\nX: 1")) is None
        assert kind(expect, answer(b"same", head=b"HTTP/1.1 200 OK\r\nX: 2")) == "body"


def test_a_check_of_headers_sees_an_answer_that_others_looked_at() -> None:
    """Equal answers may be one object: each check that looks at its head sees it every time."""
    one, other = Expect(check=lambda r: "x" not in r.headers), Expect(check=lambda r: r.body == b"same")
    response = answer(b"same")
    seen: list[Mapping[str, str]] = []

    def look(response: Response) -> None:
        seen.append(response.headers)

    watched = Expect(check=look)
    for expect in (one, watched, other, watched, one, watched):
        assert kind(expect, response) is None
    assert len(seen) == 3


def test_remembering_can_be_switched_off() -> None:
    """A check that depends on something else sees every answer."""
    verdicts = iter([None, "no more"])
    expect = Expect(check=lambda _: next(verdicts), remember=False)
    assert kind(expect, answer()) is None
    assert kind(expect, answer()) == "body"


@pytest.mark.parametrize(
    ("due", "body", "passes"),
    [
        ({"a": 1}, b'{"a": 1}', True),
        ({"a": 1}, b'{"a": 1.0}', True),
        ({"a": 1}, b'{"a": true}', False),
        ({"a": False}, b'{"a": 0}', False),
        ([1, [True]], b"[1, [1]]", False),
        ([1, 2], b"[2, 1]", False),
        ({"a": 1}, b'{"a": 1, "b": 2}', False),
        ({"a": None}, b"{}", False),
        ({"a": 1}, b'{"a": 1', False),
        ({"a": 1}, b"\xff", False),
        (None, b"null", True),
    ],
)
def test_json_is_compared_as_json(due: object, body: bytes, passes: bool) -> None:
    """Exactly this value: order of keys and spaces do not matter, types do."""
    assert kind(expect_json(due), answer(body)) == (None if passes else "body")


@pytest.mark.parametrize("short", [404, (404, 200), [404], {404, 200}, frozenset({404})])
def test_a_number_or_several_mean_statuses(short: int | Collection[int]) -> None:
    """`expect=` takes statuses; a body is not looked at then."""
    assert kind(expectation(short), answer(b"x", 404)) is None
    assert kind(expectation(short), answer(b"x", 500)) == "status"


def test_bytes_and_functions_mean_what_they_are() -> None:
    """`expect=` takes exact bytes and checks; equal ones share what passed."""
    assert kind(expectation(b"x"), answer(b"y")) == "body"
    assert kind(expectation(lambda response: response.body == b"x"), answer(b"y")) == "body"
    assert expectation(b"x") is expectation(b"x")


@pytest.mark.parametrize("wrong", [None, "200", 2.5, True, {"a": 1}, [], ["200"], object()])
def test_what_can_mean_nothing_is_told(wrong: Expected) -> None:
    """An `expect=` that means nothing is a TypeError, not an answer that passes."""
    with pytest.raises(TypeError):
        expectation(wrong)
