"""The body of `POST /v1/chat/completions`, read as OpenAI would, and refused as OpenAI would."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class Refused(Exception):
    """A request that gets an error; its parts are those of OpenAI's error object."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Keep the parts; `headers` are the answer's further ones."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.headers = headers


class Asked(NamedTuple):
    """What a request wants. Here and elsewhere in the stub a tuple: it is made in a fourth of the time."""

    model: str
    prompt: str
    """The contents of all messages, a line each."""
    most_tokens: int | None
    stream: bool
    with_usage: bool
    """A stream ends with a chunk that holds the tokens' numbers."""


def read(body: bytes) -> Asked:
    """Return what a body asks for; raises Refused. What it does not know it ignores."""
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(
            400, "We could not parse the JSON body of your request.", code="invalid_json"
        ) from error
    if not isinstance(given, dict):
        raise Refused(400, "The body is a JSON object.", code="invalid_type")
    if given.get("n", 1) not in (1, None):
        raise Refused(400, "This server gives one choice a request.", param="n", code="unsupported_value")
    stream = _flag(given, "stream")
    options = given.get("stream_options")
    if options is not None and not (stream and isinstance(options, dict)):
        raise _wrong("stream_options", "an object beside stream")
    return Asked(
        model=_model(given),
        prompt=_prompt(given),
        most_tokens=_most_tokens(given),
        stream=stream,
        with_usage=options is not None and _flag(options, "include_usage"),
    )


def _model(given: dict[str, Any]) -> str:
    model = given.get("model")
    if model is None:
        raise _missing("model")
    if not isinstance(model, str) or not 0 < len(model) <= 200:
        raise _wrong("model", "a model's name")
    return model


def _prompt(given: dict[str, Any]) -> str:
    messages = given.get("messages")
    if messages is None:
        raise _missing("messages")
    if not isinstance(messages, list) or not messages:
        raise _wrong("messages", "an array with at least one message")
    return "\n".join(_content(number, message) for number, message in enumerate(messages))


def _content(number: int, message: Any) -> str:  # noqa: ANN401 - any JSON
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise _wrong(f"messages[{number}]", "an object with a role")
    content = message.get("content")
    if isinstance(content, str):
        return content
    if content is None and message["role"] == "assistant":
        return ""
    if isinstance(content, list) and all(
        isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)
        for part in content
    ):
        return "".join(part["text"] for part in content)
    raise _wrong(f"messages[{number}].content", "a string, or an array of parts of the type text")


def _most_tokens(given: dict[str, Any]) -> int | None:
    found: int | None = None
    for name in ("max_completion_tokens", "max_tokens"):
        value = given.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise _wrong(name, "an integer of at least 1")
        found = value if found is None else min(found, value)
    return found


def _flag(given: dict[str, Any], name: str) -> bool:
    value = given.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise _wrong(name, "a boolean")
    return value


def _missing(name: str) -> Refused:
    return Refused(
        400, f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter"
    )


def _wrong(name: str, due: str) -> Refused:
    return Refused(400, f"Invalid value for '{name}': {due} is due.", param=name, code="invalid_value")
