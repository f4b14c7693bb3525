"""Forms that ask for a token, and what a client might show in place of one.

Placeholders such as `{password}` stand for what only the test knows; see `harness.lifecycle.credentials`.
"""

from __future__ import annotations

import urllib.parse

from hypothesis import strategies as st

NAMES = st.sampled_from(["username", "password", "grant_type"])
ODD_NAMES = st.sampled_from(
    ["", "user", "Username", "username ", "пароль", "username[]", "scope", "client_id"]
)
VALUES = st.sampled_from(
    [
        "webdyno",
        "{password}",
        "password",
        "",
        " ",
        "Webdyno",
        "webdyno ",
        "{password}{password}",
        "用户",
        "🚀",
        "\x00",
    ]
)
LONG_VALUES = st.integers(195, 205).flatmap(lambda length: st.sampled_from(["a" * length, "ä" * length]))
ANY_VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
RIGHT = (("grant_type", "password"), ("username", "webdyno"), ("password", "{password}"))
PIECES = st.sampled_from(
    [
        *("username=webdyno", "password={password}", "username=web%64yno", "%75sername=webdyno"),
        *("username", "password", "=", "=webdyno", "username==webdyno", "username=webdyno=", "&", ""),
        *("username=%", "username=%4", "username=%zz", "password=%FF", "password=%ED%A0%80", "username=%00"),
        *("username=web+dyno", "username=+webdyno", "username=web dyno", "user+name=x"),
        *("username=webdyno;password={password}", "password={password};", "a=1;b=2", ";"),
        *("username=ä", "username=\ufeffwebdyno", "\ufeffusername=webdyno", "username=webdyno\r\n", "\n"),
    ]
)
"""Parts of a form that parsers might read differently."""


@st.composite
def forms(draw: st.DrawFn) -> bytes:
    """Draw a form with most of its fields right, one that repeats or lacks them, or hardly a form."""
    kind = draw(st.sampled_from(["right", "changed", "changed", "changed", "pieces", "pieces", "bytes"]))
    if kind == "bytes":
        return draw(st.binary(max_size=40))
    if kind == "pieces":
        return "&".join(draw(st.lists(PIECES, max_size=5))).encode()
    pairs = list(RIGHT)
    if kind == "changed":
        names, values = NAMES | ODD_NAMES, VALUES | LONG_VALUES | ANY_VALUES
        pairs = [pair for pair in pairs if draw(st.integers(0, 4))]
        pairs += draw(st.lists(st.tuples(names, values), max_size=3))
    pairs = draw(st.permutations(pairs))
    quote = draw(st.sampled_from([quoted, barely_quoted]))
    return "&".join(f"{quote(name)}={quote(value)}" for name, value in pairs).encode()


def quoted(text: str) -> str:
    """Quote as browsers do, and leave placeholders as they are."""
    return urllib.parse.quote_plus(text, safe="{}")


def barely_quoted(text: str) -> str:
    """Quote no more than a form needs; everything else goes out in UTF-8."""
    return quoted(text) if any(sign in "&=%+;" for sign in text) else text


GOOD = st.sampled_from(["Bearer {token}", "bearer {token}", "BEARER {token}"])
NOT_GOOD = st.sampled_from(
    [
        *(
            "Bearer {expired_token}",
            "Bearer {foreign_token}",
            "Bearer {token}x",
            "Bearer {token}=",
            "Bearer .{token}",
        ),
        *(
            "Bearer  {token}",
            "Bearer\t{token}",
            "Bearer {token} {token}",
            "Bearer {token}, x",
        ),
        *(
            "{token}",
            "Token {token}",
            "Basic {token}",
            "Basic d2ViZHlubzp4",
            "Basic x",
            "Digest a=b",
            "Bearer a=b",
        ),
        *(
            "Bearer",
            "",
            "Bearer x",
            "Bearer a.b.c",
            "Bearer eyJhbGciOiJub25lIn0.e30.",
            "Bearer null",
        ),
    ]
)
ANY_SHOWN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20).map(str.strip)


def shown() -> st.SearchStrategy[str | None]:
    """Return what stands in the header Authorization, which is good six times of ten; None for none."""
    return st.integers(0, 9).flatmap(
        lambda number: (
            GOOD
            if number < 6
            else NOT_GOOD
            if number < 9
            else st.none() | ANY_SHOWN.map(lambda text: f"Bearer {text}".strip()) | ANY_SHOWN
        )
    )
