"""Building requests: what is sent, and what an author's mistake is told as."""

from __future__ import annotations

import math
from typing import Any

import h11
import pytest

from harness.loadgen.request import asks_to_close, build_request, plain_request


def received(data: bytes) -> tuple[str, str, dict[str, str], bytes]:
    """Return a request as a server reads it (h11): method, target, headers, body."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(data)
    request = server.next_event()
    assert isinstance(request, h11.Request)
    body = b""
    while isinstance(event := server.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert server.trailing_data == (b"", False)
    headers = {name.decode(): value.decode("latin-1") for name, value in request.headers}
    assert len(headers) == len(request.headers), "a header twice"
    return request.method.decode(), request.target.decode(), headers, body


def test_a_plain_request_is_what_a_server_expects() -> None:
    """A GET has a Host and no length; what is remembered is the same as what is built."""
    method, target, headers, body = received(plain_request("GET", "h:80", "", "/a?b=c%20d")[0])
    assert (method, target, body) == ("GET", "/a?b=c%20d", b"")
    assert headers == {"host": "h:80", "user-agent": "webdyno", "accept": "*/*"}
    assert plain_request("GET", "h:80", "/p", "/a") == (build_request("GET", "h:80", "/p/a"), "GET /a")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_method_that_usually_has_a_body_says_that_it_has_none(method: str) -> None:
    """Without a body, POST, PUT and PATCH send a length of 0."""
    assert received(build_request(method, "h", "/"))[2]["content-length"] == "0"


@pytest.mark.parametrize(
    ("data", "sent"),
    [
        (b"\x00\r\n", b"\x00\r\n"),
        ("größe", "größe".encode()),
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"ab"), b"ab"),
        (b"", b""),
    ],
)
def test_a_body_is_sent_as_it_is(data: bytes | str, sent: bytes) -> None:
    """Bytes are sent as they are, str as UTF-8, with their length in bytes."""
    _, _, headers, body = received(build_request("GET", "h", "/", {"X": "y"}, data))
    assert (body, headers["content-length"]) == (sent, str(len(sent)))


def test_json_is_sent_with_its_type() -> None:
    """`json` is serialised and typed; falsy values count, None does not."""
    _, _, headers, body = received(build_request("POST", "h", "/", json={"a": [1, "ü"]}))
    assert headers["content-type"] == "application/json"
    assert body == b'{"a": [1, "\\u00fc"]}'
    assert received(build_request("POST", "h", "/", json=0))[3] == b"0"
    assert received(build_request("POST", "h", "/", json=None))[3] == b""


def test_an_authors_header_replaces_the_default() -> None:
    """Headers of the author's win over ours whatever their case, and are sent once."""
    mine = {"USER-AGENT": "me", "accept": "text/html", "hOst": "other", "content-TYPE": "x/y"}
    headers = received(build_request("POST", "h", "/", mine, json={}))[2]
    assert (headers["user-agent"], headers["accept"], headers["host"]) == ("me", "text/html", "other")
    assert headers["content-type"] == "x/y"


@pytest.mark.parametrize(
    "path",
    ["", "a", "http://h/", "/a b", "/a\r\nX: y", "/a\n", "/\t", "/ü", "/a#b", "/\x7f", "*", "/a\x00"],
)
def test_a_path_that_would_break_the_framing_is_refused(path: str) -> None:
    """A path is printable ASCII from a slash on; else the author is told how to quote it."""
    with pytest.raises(ValueError, match=r"urllib\.parse\.quote"):
        build_request("GET", "h", path)


@pytest.mark.parametrize("path", [None, 5, b"/", ["/"], object()])
def test_a_path_of_a_wrong_type_is_named(path: str) -> None:
    """A path that is no str is a TypeError that names the type, also where it can't be looked up."""
    with pytest.raises(TypeError, match=f"not {type(path).__name__}"):
        build_request("GET", "h", path)


@pytest.mark.parametrize("method", ["", "get", "GET ", "G\r\nET", "CONNECT", "G:T"])
def test_a_method_that_is_none_is_refused(method: str) -> None:
    """A method is upper-case letters; CONNECT would make the connection something else."""
    with pytest.raises(ValueError, match="no method"):
        build_request(method, "h", "/")


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"X\r\n": "y"}, ValueError),
        ({"X": "y\r\nZ: 1"}, ValueError),
        ({"X": "y\n"}, ValueError),
        ({"X": "\x00"}, ValueError),
        ({"X": "€"}, ValueError),
        ({"X ": "y"}, ValueError),
        ({"X:": "y"}, ValueError),
        ({"": "y"}, ValueError),
        ({"Content-Length": "3"}, ValueError),
        ({"transfer-encoding": "chunked"}, ValueError),
        ({"X": 1}, TypeError),
        ({"X": ["y"]}, TypeError),
        ({5: "y"}, TypeError),
    ],
)
def test_a_header_that_would_break_the_framing_is_refused(
    headers: dict[str, str], error: type[Exception]
) -> None:
    """Line breaks, controls, the client's own headers and other types never reach the wire."""
    with pytest.raises(error, match=r"header|set by the client"):
        build_request("GET", "h", "/", headers)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"json": {1, 2}}, TypeError),
        ({"json": {"a": object()}}, TypeError),
        ({"json": math.nan}, ValueError),
        ({"data": 5}, TypeError),
        ({"data": {"a": 1}}, TypeError),
        ({"data": b"x", "json": {}}, TypeError),
    ],
)
def test_a_body_that_is_none_is_refused(options: dict[str, Any], error: type[Exception]) -> None:
    """What is neither bytes nor text nor JSON, or both, is an error before anything is sent."""
    with pytest.raises(error):
        build_request("POST", "h", "/", **options)


def test_a_request_that_ends_its_connection_is_known() -> None:
    """`Connection: close` of the author's, in any case, is seen."""
    assert asks_to_close({"cOnnection": "Close"})
    assert not asks_to_close({"Connection": "keep-alive", "X": "close"})
    assert not asks_to_close(None)
