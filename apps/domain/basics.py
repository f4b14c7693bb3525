"""The two answers that need nothing."""

from __future__ import annotations

from domain.description import Operation

HEALTHZ = Operation("healthz", "Tell that the worker serves", answers=dict[str, str])
HELLO = Operation("hello", "Greet", answers=dict[str, str])
