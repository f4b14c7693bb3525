"""What lets a SUT speak TLS: a certificate for 127.0.0.1, and the authority that its clients trust.

Both are made for the run.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.ground.errors import EnvironmentUnfit
from harness.machine.backends.launch import NOBODY
from harness.machine.custody.journal import Folder, Journal
from harness.machine.services.owner import home_for

TLS = "tls"
"""The service's name, as scenarios ask for it."""
CERT = "WEBDYNO_TLS_CERT"
KEY = "WEBDYNO_TLS_KEY"
CA_FILE = "WEBDYNO_CA_FILE"
"""By this name the load generator knows it, too."""


@dataclass(frozen=True, slots=True)
class Tls:
    """The files of a certificate; no process belongs to them."""

    home: Path
    name: str = TLS
    version: str = "ECDSA P-256"
    origin: str = "signed for the run"
    party: None = None

    @property
    def variables(self) -> Mapping[str, str]:
        """Return where the certificate and its key are."""
        return {CERT: str(self.home / "cert.pem"), KEY: str(self.home / "key.pem")}

    @property
    def for_clients(self) -> Mapping[str, str]:
        """Return where the certificate is of the authority that clients trust."""
        return {CA_FILE: str(self.home / "ca.pem")}

    def reset(self) -> None:
        """Do nothing: no SUT may write to them."""

    def stop(self) -> None:
        """Remove the files; harmless when repeated."""
        shutil.rmtree(self.home, ignore_errors=True)


def sign_certificate(journal: Journal) -> Tls:
    """Make the files in a folder that is journalled before. Raises EnvironmentUnfit."""
    # late: it takes a tenth of a second to import, and few runs need it
    from harness.machine.services.certificates import certificates

    tls = Tls(home_for(journal.run, TLS))
    journal.note(Folder(str(tls.home)))
    ca, cert, key = certificates(datetime.now(UTC))
    try:
        tls.home.mkdir(mode=0o711)
        tls.home.chmod(0o711)  # whatever our umask
        _write(tls.home / "ca.pem", ca, 0o644)
        _write(tls.home / "cert.pem", cert, 0o644)
        _write(tls.home / "key.pem", key, 0o400)
        if os.geteuid() == 0:  # else a SUT is who we are
            os.chown(tls.home / "key.pem", 0, NOBODY)
            (tls.home / "key.pem").chmod(0o440)
    except OSError as error:
        tls.stop()
        raise EnvironmentUnfit(
            f"the certificate can't be written: {error.strerror}",
            where=str(tls.home),
            remedy="make room there, or set TMPDIR to another folder",
        ) from error
    return tls


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file that is never more open than it shall be."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
    path.chmod(mode)
