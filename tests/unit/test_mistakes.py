import json
import logging

import pytest

from harness.ground.observations import Mistake
from harness.loadgen.mistakes import Mistakes, merge_mistakes, place_of, with_place


def caught(fails: object) -> Exception:
    """Return what a function raises."""
    assert callable(fails)
    with pytest.raises(Exception) as caught:
        fails()
    return caught.value


def unreadable() -> None:
    """Fail inside of the standard library."""
    json.loads("{")


def test_the_place_is_the_innermost_of_an_authors_code() -> None:
    """What failed inside of a library is told by the author's line that called it."""
    line = unreadable.__code__.co_firstlineno + 2
    assert place_of(caught(unreadable).__traceback__) == f"unit/test_mistakes.py:{line} in unreadable"
    assert with_place(caught(unreadable)).endswith(f" (unit/test_mistakes.py:{line} in unreadable)")


def test_code_that_is_nobodys_has_no_place() -> None:
    """An exception that no author's code raised is told without a place."""
    assert with_place(KeyError("x")) == "KeyError: 'x'"


def test_one_type_and_place_is_logged_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    """A mistake that is made a thousand times, with a thousand messages, is one line and a number."""
    mistakes = Mistakes()
    for number in range(1000):

        def fails(number: int = number) -> None:
            raise LookupError(f"number {number}")

        mistakes.note(caught(fails))
    mistakes.note(caught(unreadable))
    found = mistakes.found()
    assert [(one.words.partition(":")[0], one.count) for one in found] == [
        ("LookupError", 1000),
        ("JSONDecodeError", 1),
    ]
    assert found[0].words == "LookupError: number 0"
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    caplog.clear()
    mistakes.sum_up()
    assert caplog.messages[0] == f"1000 × {found[0].words} ({found[0].place})"
    assert not mistakes.found()


def test_mistakes_of_processes_are_one() -> None:
    """The same type at the same place in two processes is one mistake, in the words of the first."""
    one = Mistake("scenarios/mine.py:3 in mine", "KeyError: 1", 4)
    other = Mistake("scenarios/mine.py:9 in mine", "KeyError: 1", 1)
    again = Mistake("scenarios/mine.py:3 in mine", "KeyError: 2", 3)
    assert merge_mistakes([one, other, again]) == (Mistake(one.place, one.words, 7), other)
