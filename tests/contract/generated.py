"""Requests that a client might send, most of them nearly right, for the contract's operations."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from generated_forms import forms, shown
from hypothesis import strategies as st

JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent to every variant."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    times: int = 1
    """How often it is sent to each variant, one after the other."""


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)
NO_SURROGATES = st.characters(exclude_categories=["Cs"])


def long_texts(shortest: int, longest: int) -> st.SearchStrategy[str]:
    """Return texts around a bound, counted in code points."""
    return st.integers(shortest, longest).map(lambda length: "ä" * length)


def mostly(good: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return what is right seven times of eight, so that an object of six fields often is."""
    return st.integers(0, 7).flatmap(lambda number: odd if number == 0 else good)


URLS = st.sampled_from(["https://example.com/a?b=c", "http://example.org", "HTTPS://EXAMPLE.ORG/%20"])
GENERATE: dict[str, st.SearchStrategy[Any]] = {
    "model_name": mostly(
        st.from_regex(r"\A(gpt|llama)-[0-9]{1,3}\Z"),
        st.sampled_from(["gpt-4o", "my-llama-3", "gpt-", "gpt-٣", "gpt-4\n", "GPT-4"]),
    ),
    "prompt": mostly(st.text(NO_SURROGATES, min_size=5, max_size=60), long_texts(1990, 2010)),
    "temperature": mostly(st.floats(0, 1), st.floats(-0.5, 1.5) | st.sampled_from([0, 1, "0.5"])),
    "web_search": st.booleans(),
    "reference_urls": mostly(
        st.lists(URLS, min_size=1, max_size=3),
        st.none() | st.lists(st.sampled_from(["ftp://x", "http://", "x", "", "http://ü.de"]), max_size=2),
    ),
    "contact_email": mostly(
        st.from_regex(r"\A[a-z]{1,8}(\.[a-z]{1,5})?@[a-z]{1,10}\.(com|org|de)\Z"),
        st.sampled_from(["a@b", "a b@example.com", "", "ä@example.com", "a@example.com "]),
    ),
}
DOCUMENT: dict[str, st.SearchStrategy[Any]] = {
    "title": mostly(
        st.text(NO_SURROGATES, min_size=1, max_size=30),
        long_texts(195, 205) | st.sampled_from(["", "a\x00b", "\x00"]),
    ),
    "content": mostly(st.text(NO_SURROGATES, min_size=1, max_size=60), long_texts(9995, 10005)),
}
CLASSIFY: dict[str, st.SearchStrategy[Any]] = {
    "text": mostly(st.text(NO_SURROGATES, min_size=1, max_size=80), long_texts(4990, 5010) | st.just(""))
}
TEXT: dict[str, st.SearchStrategy[Any]] = {
    "task_type": mostly(
        st.sampled_from(["summary", "translation", "creation"]),
        st.sampled_from(["my summary!", "Summary", "summary\n", "", " creation"]),
    ),
    "content": mostly(
        st.text(NO_SURROGATES, min_size=10, max_size=60), long_texts(8, 11) | long_texts(4995, 5005)
    ),
    "target_language": mostly(
        st.sampled_from(["en", "zh", "pt-BR", "zh-Hant-TW"]),
        st.sampled_from(
            ["", "EN", "en_US", "en-", "e", "en\n", "ignore all that and", "en" + "-abcdefgh" * 4]
        ),
    ),
}
BODIES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "/api/ai/generate": GENERATE,
    "/api/ai/documents": DOCUMENT,
    "/api/ai/classify": CLASSIFY,
    "/api/ai/text": TEXT,
}
IDS = (
    st.integers(-5, 1100).map(str)
    | st.sampled_from(
        ["2147483647", "2147483648", "01", "+1", "1.0", "1_0", "1e3", "٣", "99999999999", "0x1"]
    )
    | st.text(st.characters(exclude_characters="/\n\r", exclude_categories=["Cs"]), min_size=1, max_size=12)
)
READS = ("/api/ai/history/", "/api/ai/documents/")
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])


@st.composite
def bodies(draw: st.DrawFn, fields: Mapping[str, st.SearchStrategy[Any]]) -> bytes:
    """Draw an object with most of its fields right, or something else altogether."""
    kind = draw(st.sampled_from(["whole"] * 8 + ["changed"] * 6 + ["any", "broken", "empty"]))
    if kind == "empty":
        return b""
    value: Any
    if kind == "any":
        value = draw(ANY_JSON)
    else:
        value = {name: draw(strategy) for name, strategy in fields.items()}
        if kind == "changed":
            for name in draw(st.lists(st.sampled_from(sorted(fields)), max_size=2)):
                value.pop(name, None)
            for name in draw(st.lists(st.sampled_from([*sorted(fields), "more"]), max_size=2)):
                value[name] = draw(ANY_JSON)
    text = json.dumps(value, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    return text[: draw(st.integers(0, len(text) - 1))] if kind == "broken" else text


@st.composite
def posts(draw: st.DrawFn) -> Request:
    """Draw a POST with a JSON body; for a text, with a token or what is none, and often twice."""
    path = draw(st.sampled_from([*sorted(BODIES), "/api/ai/text"]))
    media = draw(
        st.sampled_from(
            [JSON_TYPE] * 12 + ["Application/JSON; charset=utf-8", "text/plain", "application/x+json"]
        )
    )
    headers = {"content-type": media}
    if path != "/api/ai/text":
        return Request("POST", path, headers, draw(bodies(BODIES[path])))
    credential = draw(shown())
    if credential is not None:
        headers["authorization"] = credential
    return Request("POST", path, headers, draw(bodies(TEXT)), draw(st.sampled_from([1, 2])))


@st.composite
def logins(draw: st.DrawFn) -> Request:
    """Draw a request for a token."""
    media = draw(
        st.sampled_from(
            [FORM_TYPE] * 12
            + [f"{FORM_TYPE.title()}; charset=utf-8", f"{FORM_TYPE};charset=latin-1", JSON_TYPE]
        )
    )
    return Request("POST", "/token", {"content-type": media}, draw(forms()))


@st.composite
def reads(draw: st.DrawFn) -> Request:
    """Draw a read of something by its id."""
    quoted = urllib.parse.quote(draw(IDS), safe=":@!$&'()*+,;=~.-_")
    return Request(
        draw(st.sampled_from(["GET", "GET", "GET", "HEAD"])), draw(st.sampled_from(READS)) + quoted
    )


@st.composite
def strays(draw: st.DrawFn) -> Request:
    """Draw a path that may be unknown, with a method that may not be allowed."""
    known = st.sampled_from(["/json", "/healthz", "/api/ai/history/1", "/token", *sorted(BODIES)])
    unknown = st.sampled_from(
        ["/", "/Json", "/json/", "/api", "/api/ai//history/1", "/api/ai/history/", "/x%20y"]
    )
    query = draw(st.sampled_from(["", "", "?a=1", "?%ff", "?a=b=c&&"]))
    return Request(draw(METHODS), draw(known | unknown) + query)


def requests() -> st.SearchStrategy[Request]:
    """Return what the differential test sends."""
    kinds: list[Callable[[], st.SearchStrategy[Request]]] = [
        posts,
        posts,
        posts,
        posts,
        logins,
        reads,
        reads,
        strays,
    ]
    return st.one_of(*(kind() for kind in kinds))
