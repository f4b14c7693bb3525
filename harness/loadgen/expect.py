"""What an answer has to be: a status, exact bytes, or whatever a function of it says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from functools import lru_cache

from harness.loadgen.http import Response
from harness.loadgen.mistakes import with_place

Check = Callable[[Response], str | bool | None]
"""Returns what is wrong in words, or False; None or True where nothing is. May raise instead."""
_REMEMBERED = 4096
_REMEMBERED_BYTES = 128 << 20


class _Room:
    """What the remembered bodies of all expectations may take together, in bytes."""

    left = _REMEMBERED_BYTES


class Expect:
    """A status (or several) and a check.

    An answer whose status and bytes passed the check before passes it again without being read twice,
    so that checking every body costs a look-up. A check must therefore depend on the response alone;
    the answers to one that looks at the headers are not remembered. `remember=False` has every answer
    checked, for a check that depends on something else.
    """

    def __init__(
        self,
        status: int | Collection[int] = 200,
        check: Check | None = None,
        *,
        body: bytes | None = None,
        remember: bool = True,
        counts: str | None = None,
    ) -> None:
        """`body`: the exact bytes that are due; `counts`: a header whose values are counted in the window.

        Raises TypeError where a status is no number.
        """
        self._statuses = frozenset((status,) if isinstance(status, int) else status)
        if not self._statuses or not all(type(number) is int for number in self._statuses):
            raise TypeError(f"a status is a number such as 200, not {status!r:.80}")
        self._check = check
        self._body = body
        self._remember = remember
        self.counts = None if counts is None else counts.lower()
        self._passed: set[tuple[int, bytes]] = set()

    def complaint(self, response: Response) -> tuple[str, str] | None:
        """Return the kind of error and its words, None where all is as it has to be."""
        if response.status not in self._statuses:
            due = " or ".join(map(str, sorted(self._statuses)))
            return "status", f"{response.status} where {due} was due: {response.text[:200]}"
        if self._body is not None and response.body != self._body:
            return "body", f"{response.body[:200]!r} where {self._body[:200]!r} was due"
        if self._check is None or (response.status, response.body) in self._passed:
            return None
        head_reads = response.head_reads
        try:
            found = self._check(response)
        except Exception as error:  # a check may fail in any way: the answer is what it did not expect
            return "body", with_place(error)
        if found is not None and found is not True:
            return "body", "the check says no" if found is False else str(found)
        if self._remember and response.head_reads == head_reads:
            self._keep(response)
        return None

    def _keep(self, response: Response) -> None:
        size = len(response.body)
        if len(self._passed) < _REMEMBERED and size <= _Room.left:
            _Room.left -= size
            self._passed.add((response.status, response.body))


def expect_json(value: object, status: int | Collection[int] = 200) -> Expect:
    """Return an Expect of exactly this JSON value: true is not 1, but 1.0 is."""

    def check(response: Response) -> str | None:
        found = response.json()
        return None if _same(found, value) else f"{found!r:.200} where {value!r:.200} was due"

    return Expect(status, check)


def _same(one: object, other: object) -> bool:
    """Compare JSON values as JSON does: Python alone takes true for 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other and isinstance(one, bool) == isinstance(other, bool)


Expected = Expect | int | Collection[int] | bytes | Check
"""What `expect=` takes: an Expect, a status or several, the body's exact bytes, or a check."""


def expectation(expected: Expected) -> Expect:
    """Return what is meant as an Expect; raises TypeError where nothing can be meant."""
    if isinstance(expected, Expect):
        return expected
    if isinstance(expected, (list, tuple, set)):
        return _expectation(frozenset(expected))
    return _expectation(expected)  # type: ignore[arg-type]  # what can't be looked up is a TypeError


@lru_cache(1024, typed=True)
def _expectation(expected: Hashable) -> Expect:
    """Remembered, so that equal ones share the bodies that passed."""
    if isinstance(expected, bytes):
        return Expect(body=expected)
    if isinstance(expected, (int, frozenset)):
        return Expect(expected)
    if callable(expected):
        return Expect(check=expected)
    raise TypeError(f"expect= takes no {type(expected).__name__}")
