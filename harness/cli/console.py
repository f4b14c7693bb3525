"""The two streams that commands print to."""

from __future__ import annotations

from rich.console import Console

out = Console(soft_wrap=True)
"""Results."""
complaints = Console(stderr=True, soft_wrap=True)
"""Errors, questions, and progress where a program reads the results."""
