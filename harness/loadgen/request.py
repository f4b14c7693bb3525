"""HTTP/1.1 requests as bytes. What a scenario's author gets wrong is a TypeError or a ValueError."""

from __future__ import annotations

import json as json_codec
import re
from collections.abc import Mapping
from functools import lru_cache

_REMEMBERED = 8192
_METHOD = re.compile(r"[A-Z]+")
_PATH = re.compile(r"/[!\"$-~]*")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_WITH_BODY = ("POST", "PUT", "PATCH")


def build_request(
    method: str,
    host: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    data: bytes | str | None = None,
    json: object = None,
) -> bytes:
    """Return a request's bytes. `data` as str is sent as UTF-8; `json` None means that there is none.

    `Content-Length` is added where there is a body or one is usual; a header of the author's replaces
    the one that would be sent by default. Raises TypeError for arguments of a wrong type and for JSON
    that can't be written; ValueError for what would break the framing.
    """
    if json is not None:
        if data is not None:
            raise TypeError("a request has json= or data=, not both")
        data = json_codec.dumps(json, allow_nan=False)
        headers = {"Content-Type": "application/json"} | dict(headers or {})
    if isinstance(data, str):
        data = data.encode()
    elif data is not None and not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"data is bytes or str, not {type(data).__name__}")
    pairs = tuple(headers.items()) if headers else ()
    try:
        head = _head(method, host, path, pairs)
    except TypeError:  # also where a value can't be looked up, which would hide what is wrong with it
        head = _head.__wrapped__(method, host, path, pairs)
    if data is None:
        return head + (b"Content-Length: 0\r\n\r\n" if method in _WITH_BODY else b"\r\n")
    return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(data), data)


@lru_cache(_REMEMBERED)
def plain_request(method: str, host: str, prefix: str, path: str) -> tuple[bytes, str]:
    """Return a request without body and headers of its own, and what it is counted as.

    Remembered, since most are sent often.
    """
    return build_request(method, host, prefix + path), f"{method} {path}"


@lru_cache(_REMEMBERED)
def _head(method: object, host: str, path: object, pairs: tuple[tuple[str, str], ...]) -> bytes:
    """Return a request's head without its length and without the blank line."""
    if not isinstance(method, str) or not isinstance(path, str):
        wrong = path if isinstance(method, str) else method
        raise TypeError(f"method and path are str, not {type(wrong).__name__}: {wrong!r:.80}")
    if _METHOD.fullmatch(method) is None or method == "CONNECT":
        raise ValueError(f"{method!r:.80} is no method that can be sent")
    if _PATH.fullmatch(path) is None:
        raise ValueError(
            f"{path!r:.80} is no path: it begins with '/', and other than printable ASCII without "
            "spaces and '#' is quoted (urllib.parse.quote)"
        )
    fields = {"host": f"Host: {host}", "user-agent": "User-Agent: webdyno", "accept": "Accept: */*"}
    for name, value in pairs:
        fields[_checked(name, value)] = f"{name}: {value}"
    lines = [f"{method} {path} HTTP/1.1", *fields.values(), ""]
    return "\r\n".join(lines).encode("latin-1")


def _checked(name: object, value: object) -> str:
    """Return a header's name in lower case once nothing in it can break the framing."""
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(f"a header's name and value are str: {name!r:.80}: {value!r:.80}")
    if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
        raise ValueError(f"a header that can't be sent: {name!r:.80}: {value!r:.80}")
    folded = name.lower()
    if folded in ("content-length", "transfer-encoding"):
        raise ValueError(f"{name} is set by the client")
    return folded


def asks_to_close(headers: Mapping[str, str] | None) -> bool:
    """Return whether a request's own headers end the connection after its answer."""
    return headers is not None and any(
        name.lower() == "connection" and "close" in value.lower() for name, value in headers.items()
    )
