"""The pump at its limits: descriptors past what select() takes, none left, no epoll, and a crowd."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from scripted import Responder
from talking import talking

REPOSITORY = Path(__file__).parents[2]


def test_descriptors_past_1024_work() -> None:
    """A connection whose descriptor select() could not hold is like any other."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2000:
        pytest.skip(f"only {hard} descriptors are permitted here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    kept = [os.dup(0) for _ in range(1100)]
    try:
        with Responder() as server, talking(server.url) as talk:
            client = talk.client()
            for _ in range(3):
                assert client.get("/", expect=b"hello") is not None
            assert client._connection is not None
            assert client._connection.descriptor > 1024
        assert (talk.errors, talk.recorder.connections_opened) == ([], 1)
    finally:
        for descriptor in kept:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_no_descriptor_left_is_an_error_not_the_end() -> None:
    """A user who gets no descriptor is counted as `refused`, and goes on once there is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Responder() as server, talking(server.url) as talk:
        client = talk.client()
        highest = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
        kept: list[int] = []
        try:
            with contextlib.suppress(OSError):
                while True:
                    kept.append(os.dup(0))
            assert client.get("/") is None
            assert talk.kinds == ["refused"]
            assert "Too many open files" in talk.errors[0][1]
        finally:
            for descriptor in kept:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert client.get("/") is not None


def test_the_pump_works_without_epoll() -> None:
    """Where `select` has no epoll (macOS), the pump can be imported and takes gevent's watchers."""
    program = """
        import select, sys
        for name in [name for name in dir(select) if "epoll" in name.lower()]:
            delattr(select, name)
        import gevent.monkey
        sys.path.insert(0, "tests")
        from harness.loadgen import pump
        assert pump.default_source() is pump.WatcherSource
        from scripted import Responder
        from talking import talking
        with Responder() as server, talking(server.url) as talk:
            for _ in range(3):
                assert talk.client().get("/", expect=b"hello") is not None
            assert talk.errors == [], talk.errors
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=REPOSITORY,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


SERVER = """
import asyncio, resource, sys
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

class Answer(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nhello")

async def main():
    server = await asyncio.get_running_loop().create_server(Answer, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

asyncio.run(main())
"""

CROWD = """
import resource, sys, time
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
sys.path.insert(0, "tests")
import gevent
from talking import talking
url, users = sys.argv[1], int(sys.argv[2])
served = [0] * users

def be(place, client):
    for _ in range(3):
        if client.get("/", expect=b"hello") is not None:
            served[place] += 1

with talking(url) as talk:
    gevent.joinall([gevent.spawn(be, place, talk.client(100)) for place in range(users)], raise_error=True)
    assert talk.pump.waiting == 0
    print(sum(served), min(served), talk.recorder.connections_opened, len(talk.errors))
"""


@pytest.mark.slow
def test_ten_thousand_users_in_one_process() -> None:
    """Ten thousand users have a connection each and are all answered, without an error."""
    users = min(10_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 200)
    if users < 2000:
        pytest.skip(f"only {users + 200} descriptors are permitted here")
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        crowd = subprocess.run(
            [sys.executable, "-c", CROWD, f"http://127.0.0.1:{port}", str(users)],
            cwd=REPOSITORY,
            capture_output=True,
            timeout=200,
            text=True,
            check=False,
        )
        assert crowd.returncode == 0, crowd.stderr
        assert crowd.stdout.split() == [str(3 * users), "3", str(users), "0"]
    finally:
        server.communicate(timeout=10)
    assert server.returncode == 0
