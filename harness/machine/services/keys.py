"""The secrets of a run: what signs its tokens, its one user's password, and what seals its documents."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

JWT_KEY = "WEBDYNO_JWT_KEY"
PASSWORD = "WEBDYNO_PASSWORD"  # noqa: S105 - a variable's name
DOCUMENT_KEY = "WEBDYNO_DOCUMENT_KEY"
USER = "webdyno"
"""The one user's name, in every run."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Secrets that nobody had before the run; no process belongs to them."""

    jwt_key: str = field(repr=False)
    password: str = field(repr=False)
    """Letters, digits, `-` and `_`: the same in a form, a header and JSON."""
    document_key: str = field(repr=False)
    """32 bytes as hexadecimal digits."""
    name: str = "keys"
    version: str = "256 bits"
    origin: str = "drawn for the run"
    party: None = None

    @property
    def variables(self) -> Mapping[str, str]:
        """Return all three, for a SUT."""
        return {JWT_KEY: self.jwt_key, PASSWORD: self.password, DOCUMENT_KEY: self.document_key}

    @property
    def for_clients(self) -> Mapping[str, str]:
        """Return what a user of the SUT knows."""
        return {PASSWORD: self.password}

    def reset(self) -> None:
        """Do nothing: secrets do not change within a run."""

    def stop(self) -> None:
        """Do nothing: nothing runs."""


def draw_keys() -> Keys:
    """Return new secrets."""
    return Keys(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_hex(32))
