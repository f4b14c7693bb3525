import os
import socket
from pathlib import Path

from harness.machine.listeners import listens


def test_our_own_listener_is_ours() -> None:
    """A socket that this process listens on is found among its descriptors, and not among another's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert listens(port, (os.getpid(),)) is True
        assert listens(port, (os.getppid(),)) is False


def test_nobody_listening_is_not_checked(tmp_path: Path) -> None:
    """Where no listener is seen, or there is no /proc, nothing is claimed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert listens(port, (os.getpid(),)) is None
    assert listens(port, (os.getpid(),), proc=tmp_path) is None
