from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.ground import placeholders
from harness.ground.errors import UsageError

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)


@given(st.text())
def test_escaped_text_comes_back_as_it_was(text: str) -> None:
    """With its braces doubled, any text is filled to itself and has no placeholder."""
    escaped = text.replace("{", "{{").replace("}", "}}")
    assert placeholders.names(escaped) == []
    assert placeholders.fill(escaped, {}) == text


@given(st.lists(st.tuples(NAMES, st.text())))
def test_values_are_put_in_as_they_are(pairs: list[tuple[str, str]]) -> None:
    """Values with braces of their own are never read for placeholders again."""
    values = dict(pairs)
    text = "".join(f"{{{name}}};" for name in values)
    assert placeholders.fill(text, values) == "".join(f"{value};" for value in values.values())


@given(st.text(alphabet="{}a:!.[]0"))
def test_what_check_lets_through_can_be_filled(text: str) -> None:
    """Any text is either refused with a usage error or can be filled from the known names."""
    try:
        placeholders.check(text, ("a",), "here")
    except UsageError:
        return
    placeholders.fill(text, {"a": "1"})
