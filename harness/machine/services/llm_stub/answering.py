"""Answers as bytes, each piece with its moment: OpenAI's objects in HTTP/1.1."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from harness.machine.services.llm_stub.asking import Asked, Refused
from harness.machine.services.llm_stub.model import Reply

Pieces = tuple[tuple[float, bytes], ...]
"""What is sent, and how many seconds after the request came; in the order of time."""
_TOKENS_A_CHUNK = 4
_FIRST_SHARE = 0.25
"""A stream's first words come after this share of its latency, its last ones after all of it."""


def whole(value: object, *, keep_alive: bool) -> Pieces:
    """Return an answer of JSON at once."""
    return ((0.0, _response(200, json.dumps(value).encode(), keep_alive=keep_alive)),)


def refusal(refused: Refused, *, keep_alive: bool) -> Pieces:
    """Return an error in OpenAI's shape at once."""
    kind = "server_error" if refused.status >= 500 else "invalid_request_error"
    error = {"message": refused.message, "type": kind, "param": refused.param, "code": refused.code}
    body = json.dumps({"error": error}).encode()
    lines = "".join(f"{name}: {value}\r\n" for name, value in refused.headers)
    return ((0.0, _response(refused.status, body, lines, keep_alive=keep_alive)),)


def completion(asked: Asked, reply: Reply, number: int, *, keep_alive: bool) -> Pieces:
    """Return a completion, whole after its latency."""
    # by hand, in a quarter of the time that an encoder takes: the text is JSON as it is
    body = (
        f'{{"id":"chatcmpl-{number}","object":"chat.completion","created":{int(time.time())},'
        f'"model":{json.dumps(asked.model)},"choices":[{{"index":0,"message":'
        f'{{"role":"assistant","content":"{reply.text}","refusal":null}},"logprobs":null,'
        f'"finish_reason":"{_reason(reply)}"}}],"usage":{{"prompt_tokens":{reply.prompt_tokens},'
        f'"completion_tokens":{reply.completion_tokens},"total_tokens":{_total(reply)}}}}}'
    )
    return ((reply.latency_s, _response(200, body.encode(), keep_alive=keep_alive)),)


def stream(asked: Asked, reply: Reply, number: int, *, chunked: bool, keep_alive: bool) -> Pieces:
    """Return a completion as server-sent events, spread over its latency.

    Without `chunked`, for a client of HTTP/1.0, the body ends with the connection.
    """
    common = _common(asked, "chat.completion.chunk", number)
    usage = {"usage": None} if asked.with_usage else {}

    def event(delta: dict[str, str | None], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return _event(json.dumps({**common, "choices": [choice], **usage}), chunked=chunked)

    words = reply.text.split(" ")
    groups = [words[n : n + _TOKENS_A_CHUNK] for n in range(0, len(words), _TOKENS_A_CHUNK)]
    pieces = [event({"content": (" " if n else "") + " ".join(group)}) for n, group in enumerate(groups)]
    lines = "Content-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    lines += "Transfer-Encoding: chunked\r\n" if chunked else ""
    role = event({"role": "assistant", "content": "", "refusal": None})
    pieces[0] = _head(200, lines, keep_alive=keep_alive) + role + pieces[0]
    pieces[-1] += event({}, _reason(reply))
    if asked.with_usage:
        numbers = {**common, "choices": [], "usage": _usage(reply)}
        pieces[-1] += _event(json.dumps(numbers), chunked=chunked)
    pieces[-1] += _event("[DONE]", chunked=chunked) + (b"0\r\n\r\n" if chunked else b"")
    return tuple(zip(_moments(reply.latency_s, len(pieces)), pieces, strict=True))


def _moments(latency_s: float, count: int) -> list[float]:
    """Return when each of a stream's pieces is sent; a single one when all of it is there."""
    if count == 1:
        return [latency_s]
    step = (1 - _FIRST_SHARE) / (count - 1)
    return [latency_s * (_FIRST_SHARE + step * n) for n in range(count)]


def _common(asked: Asked, kind: str, number: int) -> dict[str, object]:
    now = int(time.time())
    return {"id": f"chatcmpl-{number}", "object": kind, "created": now, "model": asked.model}


def _reason(reply: Reply) -> str:
    return "length" if reply.cut else "stop"


def _total(reply: Reply) -> int:
    return reply.prompt_tokens + reply.completion_tokens


def _usage(reply: Reply) -> dict[str, int]:
    return {
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "total_tokens": _total(reply),
    }


def _event(data: str, *, chunked: bool) -> bytes:
    event = b"data: %b\n\n" % data.encode()
    return b"%x\r\n%b\r\n" % (len(event), event) if chunked else event


def _response(status: int, body: bytes, lines: str = "", *, keep_alive: bool) -> bytes:
    lines = f"{lines}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return _head(status, lines, keep_alive=keep_alive) + body


def _head(status: int, lines: str, *, keep_alive: bool) -> bytes:
    close = "" if keep_alive else "Connection: close\r\n"
    return f"{_start(status, int(time.time()))}{lines}{close}\r\n".encode()


@lru_cache(maxsize=8)
def _start(status: int, second: int) -> str:
    date = formatdate(second, usegmt=True)
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nDate: {date}\r\n"
