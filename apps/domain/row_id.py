"""The ids of rows, as they stand in paths."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

_DIGITS = re.compile(r"[0-9]{1,10}")


def _digits(value: Any) -> Any:  # noqa: ANN401 - pydantic hands over whatever it was given
    # int() and pydantic also take "+1", "1_0", " 1" and "1.0"; in a path those are other resources.
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise PydanticCustomError("int_parsing", "Input should be an integer of at most ten decimal digits")
    return value


RowId = Annotated[int, Field(ge=1, le=2**31 - 1), BeforeValidator(_digits)]
"""What fits PostgreSQL's `int` and is positive."""
