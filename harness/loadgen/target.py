"""Whom a client talks to: addresses, the Host header, and TLS where the scheme asks for it."""

from __future__ import annotations

import os
import socket
import ssl
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from harness.ground.errors import UsageError

CA_FILE = "WEBDYNO_CA_FILE"
"""The environment variable that names a file of CA certificates (PEM) to verify `https://` against."""
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """One server."""

    host: str
    """As the Host header has it."""
    name: str
    """The bare name or address, which a certificate has to be for."""
    prefix: str
    """What every path begins with: the path of the base URL, without its last slash."""
    addresses: tuple[tuple[int, Any], ...]
    """Address family and socket address, in the resolver's order."""
    tls: ssl.SSLContext | None


@lru_cache(64)
def target_of(base_url: str | None, ca_file: str | None = None) -> Target:
    """Return the target that a base URL names; its name is resolved once a process.

    `https://` is verified against `ca_file`, else against the file that WEBDYNO_CA_FILE names, else
    against the system's certificates; always verified. Raises UsageError where the URL is no
    `http[s]://host[:port][/path]`, its host is unknown, or the file holds no certificates.
    """
    parts, port = _split(base_url)
    name = str(parts.hostname)
    bracketed = f"[{name}]" if ":" in name else name
    default = _PORTS[parts.scheme]
    return Target(
        host=bracketed if port == default else f"{bracketed}:{port}",
        name=name,
        prefix=parts.path.rstrip("/"),
        addresses=_resolve(name, port),
        tls=_context(ca_file or os.environ.get(CA_FILE)) if parts.scheme == "https" else None,
    )


def _split(base_url: str | None) -> tuple[SplitResult, int]:
    wanted = "a scenario's host is http://host[:port] or https://host[:port], with or without a path"
    if not base_url or not isinstance(base_url, str):
        raise UsageError("no address to send requests to", where="--host", remedy=wanted)
    try:
        parts = urlsplit(base_url)
        port = parts.port if parts.port is not None else _PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise UsageError(f"{base_url!r}: {error}", where="--host", remedy=wanted) from error
    beside = parts.query or parts.fragment or parts.username or parts.password
    plain = base_url.isascii() and base_url.isprintable() and " " not in base_url
    if parts.scheme not in _PORTS or not parts.hostname or beside or not port or not plain:
        raise UsageError(f"{base_url!r} is no address of a server", where="--host", remedy=wanted)
    return parts, port


def _resolve(name: str, port: int) -> tuple[tuple[int, Any], ...]:
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # the latter for labels that can't be encoded
        raise UsageError(f"{name!r} can't be resolved: {error}", where="--host") from error
    return tuple((int(family), address) for family, _type, _protocol, _name, address in found)


@lru_cache(16)
def _context(ca_file: str | None) -> ssl.SSLContext:
    """Return a client's context that verifies certificates and names."""
    # PROTOCOL_TLS_CLIENT verifies from the start; what gevent patches into `ssl` must not be set again
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cafile=str(Path(ca_file).expanduser()))
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise UsageError(
            f"{ca_file} holds no CA certificates: {error}", where=CA_FILE, remedy="name a file in PEM form"
        ) from error
    return context
