"""The pump: who is woken, who is not, how long others wait, and what is left behind."""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import gevent
import pytest
from gevent import GreenletExit
from gevent.hub import get_hub
from scripted import HELLO, Peer, Responder, replies, serving
from talking import Sources, talking

from harness.loadgen import client as client_module
from harness.loadgen import pump as pump_module
from harness.loadgen.client import OK, Client, Expect
from harness.loadgen.connection import Connection
from harness.loadgen.http import Reading, Response
from harness.loadgen.pump import IN, EpollSource, Pump, WatcherSource
from harness.loadgen.target import target_of

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(params=[EpollSource, WatcherSource], ids=["epoll", "watchers"])
def source(request: pytest.FixtureRequest) -> Sources:
    """Return each source of readiness in turn."""
    chosen: Sources = request.param
    return chosen


def descriptors() -> list[int]:
    """Return the descriptors that this process has open."""
    return [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]


def ask_forever(client: Client, answers: list[bytes], due: Expect = OK) -> None:
    """Be a user."""
    while True:
        response = client.get("/", expect=due)
        if response is not None:
            answers.append(response.body)


def test_a_user_killed_while_it_waits_leaves_nothing_behind(source: Sources) -> None:
    """Killed greenlets leave no waiter, no descriptor and no late wake-up; their requests are counted."""
    release = threading.Event()

    def silent(peer: Peer) -> None:
        peer.request()
        release.wait(10)
        peer.send(HELLO)
        peer.wait_for_end()

    with serving(silent) as server, talking(server.url, source) as talk:
        before = len(descriptors())
        users = [gevent.spawn(ask_forever, talk.client(), []) for _ in range(20)]
        gevent.sleep(0.1)
        gevent.killall(users)
        assert all(user.dead for user in users)
        release.set()
        gevent.sleep(0.3)
        assert talk.pump.waiting == 0
        assert talk.recorder.tally().censored == 20
        assert talk.errors == []
        assert len(descriptors()) <= before + 20  # the server's ends
    assert len(descriptors()) <= before


def test_a_killed_request_never_answers_the_next_one(source: Sources) -> None:
    """A greenlet that survives its own time-out and asks again gets the answer to what it asked."""
    release = threading.Event()

    def late(peer: Peer) -> None:
        peer.request()
        release.wait(10)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
        peer.wait_for_end()

    with serving(late, replies(HELLO)) as server, talking(server.url, source) as talk:
        client = talk.client()
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.1):
            client.get("/")
        assert client.sent_ns is None
        release.set()
        response = client.get("/")
        assert response is not None
        assert response.body == b"hello"
    assert (server.accepted, talk.errors) == (2, [])


class Idle:
    """Something that waits on one end of a pipe."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.events = 0
        self.parked: object = None
        self.blocked = False
        self.deadline_ns = 1 << 62


def test_a_descriptor_that_is_used_again_wakes_its_new_owner_only_for_its_own_events() -> None:
    """Events of a closed connection's number are not delivered to the next one that has it."""
    pump = Pump(time.monotonic_ns)
    woken: list[str] = []
    reading, writing = os.pipe()
    other_reading, other_writing = os.pipe()
    old, new, first = Idle(reading), Idle(reading), Idle(other_reading)

    def replace() -> None:
        pump.wait(first)
        pump.forget(old)  # as a user does that closes; then another one's socket gets the number
        pump.add(new)
        woken.append("first")

    def wait(waiter: Idle, name: str) -> None:
        pump.wait(waiter)
        woken.append(name)

    pump.add(old)
    pump.add(first)
    users = [gevent.spawn(replace), gevent.spawn(wait, new, "new")]
    gevent.sleep(0)
    get_hub().loop.run_callback(pump.turn, [(other_reading, IN), (reading, IN)])
    gevent.sleep(0.05)
    assert woken == ["first"]
    assert (old.events, new.events) == (IN, 0)
    os.write(writing, b"x")
    gevent.sleep(0.05)
    assert woken == ["first", "new"]
    gevent.joinall(users)
    pump.close()
    for descriptor in (reading, writing, other_reading, other_writing):
        os.close(descriptor)


def test_nobody_of_a_batch_waits_for_one_who_ends() -> None:
    """Whether the one before parks again, ends, or fails, the next of the batch runs."""
    pump = Pump(time.monotonic_ns)
    pipes = [os.pipe() for _ in range(4)]
    waiters = [Idle(reading) for reading, _ in pipes]
    woken: list[int] = []

    def wait(number: int) -> None:
        pump.wait(waiters[number])
        woken.append(number)
        if number == 0:
            pump.wait(waiters[number])
        if number == 2:
            raise GreenletExit

    for waiter in waiters:
        pump.add(waiter)
    users = [gevent.spawn(wait, number) for number in range(4)]
    gevent.sleep(0)
    get_hub().loop.run_callback(pump.turn, [(reading, IN) for reading, _ in pipes])
    gevent.joinall(users[1:], timeout=5)
    assert woken == [0, 1, 2, 3]
    assert (pump.waiting, pump.busy) == (1, False)
    users[0].kill()
    pump.close()
    for descriptor in itertools.chain(*pipes):
        os.close(descriptor)


def test_connections_that_come_and_go_get_their_own_answers(source: Sources) -> None:
    """With a new connection for each request, and kills in between, nobody waits in vain or is mixed up."""
    closing = HELLO.replace(b"Content", b"Connection: close\r\nContent")
    with Responder(closing) as server, talking(server.url, source) as talk:
        answers: list[bytes] = []
        for _ in range(5):
            users = [gevent.spawn(ask_forever, talk.client(2), answers) for _ in range(20)]
            gevent.sleep(0.05)
            gevent.killall(users)
        assert talk.pump.waiting == 0
    assert talk.errors == []
    assert set(answers) == {b"hello"}
    assert len(answers) > 100


def test_timers_are_on_time_while_each_answer_costs_a_millisecond(source: Sources) -> None:
    """A probe that sleeps 1 ms is never kept waiting by more than 10 ms of this process's own work."""

    def costly(_: Response) -> None:
        end_s = time.thread_time() + 0.001
        while time.thread_time() < end_s:
            pass

    with Responder() as server, talking(server.url, source) as talk:
        due = Expect(check=costly, remember=False)
        users = [gevent.spawn(ask_forever, talk.client(), [], due) for _ in range(100)]
        gevent.sleep(0.2)
        worst_s, rounds = 0.0, 0
        end_s = time.monotonic() + 1
        while time.monotonic() < end_s:
            before_s = time.thread_time()  # what others take of the CPU is not the pump's fault
            gevent.sleep(0.001)
            worst_s = max(worst_s, time.thread_time() - before_s)
            rounds += 1
        gevent.killall(users)
    assert talk.errors == []
    assert rounds > 20
    assert worst_s < 0.010


class Flooded(Connection):
    """A connection on which there is always more to read."""

    def receive(self) -> bytes:
        """Return interim answers, without end and without a pause."""
        return b"HTTP/1.1 100 Continue\r\n\r\n" * 1000


def test_one_who_never_has_to_wait_lets_others_run() -> None:
    """A user whose answer never stops coming gives others their turn, and ends with its time-out."""
    with talking("http://127.0.0.1:1") as talk:
        deadline_ns = time.monotonic_ns() + 300_000_000
        connection = Flooded(target_of(talk.url), talk.pump, deadline_ns)
        connection.descriptor = -1
        talk.pump._waiters[-1] = connection
        reader = gevent.spawn(client_module._read_on, connection, Reading("GET"), connection.receive())
        worst_s = 0.0
        while not reader.ready():
            before_s = time.thread_time()
            gevent.sleep(0.001)
            worst_s = max(worst_s, time.thread_time() - before_s)
        with pytest.raises(TimeoutError):
            reader.get()
        assert time.monotonic_ns() - deadline_ns < 200_000_000
        assert worst_s < 0.015
        del talk.pump._waiters[-1]


def test_users_are_served_evenly(source: Sources) -> None:
    """Where all are ready all the time, nobody gets less than half of the mean."""
    answers: list[list[bytes]] = [[] for _ in range(100)]

    def total() -> int:
        return sum(map(len, answers))

    with Responder() as server, talking(server.url, source) as talk:
        users = [gevent.spawn(ask_forever, talk.client(), mine) for mine in answers]
        while not all(answers):
            gevent.sleep(0.01)
        before = list(map(len, answers))
        while total() < sum(before) + 10_000:
            gevent.sleep(0.01)
        gained = [len(mine) - had for mine, had in zip(answers, before, strict=True)]
        gevent.killall(users)
    assert min(gained) > sum(gained) / len(gained) / 2


def test_news_of_a_time_out_that_is_over_wakes_nobody_wrongly() -> None:
    """A time-out that was noted for an earlier wait does not end a later one before its moment."""
    pump = Pump(time.monotonic_ns)
    reading, writing = os.pipe()
    waiter = Idle(reading)
    pump.add(waiter)
    waiting = gevent.spawn(pump.wait, waiter)
    gevent.sleep(0)
    pump.post(waiter, pump_module._EXPIRED)
    waiting.join(5)
    assert waiting.successful()
    assert not waiter.events & pump_module._EXPIRED
    pump.forget(waiter)
    pump.close()
    os.close(reading)
    os.close(writing)


def test_many_time_outs_at_once_are_all_on_time(source: Sources) -> None:
    """Two hundred users whose server is silent are all told within 0.2 s of the moment."""
    done = threading.Event()

    def silent(peer: Peer) -> None:
        peer.request()
        done.wait(10)

    late_s: list[float] = []

    def be_patient(client: Client) -> None:
        start_s = time.monotonic()
        assert client.get("/", timeout=0.5) is None
        late_s.append(time.monotonic() - start_s - 0.5)

    with serving(silent) as server, talking(server.url, source) as talk:
        gevent.joinall([gevent.spawn(be_patient, talk.client()) for _ in range(200)], raise_error=True)
        done.set()
    assert talk.kinds == ["timeout"] * 200
    assert min(late_s) >= 0
    assert max(late_s) < 0.2


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
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(descriptors()) + 1, hard))
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
    gevent.joinall([gevent.spawn(be, place, talk.client(30)) for place in range(users)], raise_error=True)
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
            timeout=60,
            text=True,
            check=False,
        )
        assert crowd.returncode == 0, crowd.stderr
        assert crowd.stdout.split() == [str(3 * users), "3", str(users), "0"]
    finally:
        server.communicate(timeout=10)
    assert server.returncode == 0
