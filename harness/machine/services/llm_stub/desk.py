"""What the stub's addresses do."""

from __future__ import annotations

import hmac
from typing import NamedTuple

from harness.machine.services.llm_stub.answering import Pieces, completion, refusal, stream, whole
from harness.machine.services.llm_stub.asking import Refused, read
from harness.machine.services.llm_stub.model import Model

_MODELS = {
    "object": "list",
    "data": [{"id": "stub", "object": "model", "created": 1735689600, "owned_by": "webdyno"}],
}


class Request(NamedTuple):
    """One request as it came over a connection."""

    method: bytes
    path: bytes
    """Without its query."""
    authorization: bytes
    body: bytes
    http_1_1: bool
    keep_alive: bool
    refused: Refused | None
    """What was found wrong with it before its body was looked at."""


class Desk:
    """Answers requests and counts them."""

    def __init__(self, model: Model, key: str | None) -> None:
        """Answer by a model; with a key, only who has it."""
        self._model = model
        self._expected = None if key is None else f"Bearer {key}".encode()
        self._calls = 0
        self._streams = 0
        self._refused = 0
        self._prompt_tokens = 0
        self._completion_tokens = 0

    def answer(self, request: Request) -> Pieces:
        """Return what is sent for a request, and when."""
        try:
            if request.refused is not None:
                raise request.refused
            return self._route(request)
        except Refused as refused:
            self._refused += 1
            return refusal(refused, keep_alive=request.keep_alive)

    def _route(self, request: Request) -> Pieces:
        if request.path == b"/v1/chat/completions":
            _insist(request, b"POST")
            self._authorise(request)
            return self._complete(request)
        if request.path == b"/v1/models":
            _insist(request, b"GET", b"HEAD")
            self._authorise(request)
            return whole(_MODELS, keep_alive=request.keep_alive)
        if request.path == b"/stats":
            _insist(request, b"GET", b"HEAD")
            return whole(self._stats(), keep_alive=request.keep_alive)
        raise Refused(404, "Unknown request URL.", code="unknown_url")

    def _authorise(self, request: Request) -> None:
        if self._expected is None or hmac.compare_digest(request.authorization, self._expected):
            return
        what = "Incorrect API key provided." if request.authorization else "You didn't provide an API key."
        raise Refused(401, what, code="invalid_api_key", headers=(("WWW-Authenticate", "Bearer"),))

    def _complete(self, request: Request) -> Pieces:
        asked = read(request.body)
        reply = self._model.reply(asked.prompt, asked.most_tokens)
        self._calls += 1
        self._prompt_tokens += reply.prompt_tokens
        self._completion_tokens += reply.completion_tokens
        if not asked.stream:
            return completion(asked, reply, self._calls, keep_alive=request.keep_alive)
        self._streams += 1
        return stream(asked, reply, self._calls, chunked=request.http_1_1, keep_alive=request.keep_alive)

    def _stats(self) -> dict[str, int]:
        return {
            "calls": self._calls,
            "streams": self._streams,
            "refused": self._refused,
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": self._completion_tokens,
        }


def _insist(request: Request, *methods: bytes) -> None:
    if request.method not in methods:
        method, path = request.method.decode("latin-1"), request.path.decode("latin-1")
        allowed = b", ".join(methods).decode()
        raise Refused(
            405,
            f"Not allowed to {method} on {path}.",
            code="method_not_supported",
            headers=(("Allow", allowed),),
        )
