"""The pump: who is woken, who is not, how long others wait, and what is left behind."""

from __future__ import annotations

import itertools
import os
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
from harness.loadgen.pump import IN, Pump
from harness.loadgen.target import target_of

FEW = 15
"""What three slices of 4 ms leave time for, at a millisecond each and one that is begun before each end."""


def spend_a_millisecond() -> None:
    """Do a check, by the clock that slices go by: a slow machine fits less into one, not more."""
    end_ns = time.monotonic_ns() + 1_000_000
    while time.monotonic_ns() < end_ns:
        pass


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
        while talk.recorder.sent < 20:
            gevent.sleep(0.01)
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
        for had in range(0, 500, 100):
            users = [gevent.spawn(ask_forever, talk.client(), answers) for _ in range(20)]
            while len(answers) < had + 100:
                gevent.sleep(0.01)
            gevent.killall(users)
        assert talk.pump.waiting == 0
    assert talk.errors == []
    assert set(answers) == {b"hello"}


def test_timers_are_on_time_while_each_answer_costs_a_millisecond(source: Sources) -> None:
    """A probe that sleeps 1 ms waits for the answers of a few slices, not for those of all who are ready."""
    answered = itertools.count()

    def costly(_: Response) -> None:
        next(answered)
        spend_a_millisecond()

    with Responder() as server, talking(server.url, source) as talk:
        due = Expect(check=costly, remember=False)
        users = [gevent.spawn(ask_forever, talk.client(), [], due) for _ in range(100)]
        while talk.recorder.sent < 500:
            gevent.sleep(0.01)
        between = []
        for _ in range(100):
            before = next(answered)
            gevent.sleep(0.001)
            between.append(next(answered) - before - 1)
        gevent.killall(users)
    assert talk.errors == []
    assert 0 < max(between) <= FEW


class Flooded(Connection):
    """A connection on which there is always more to read."""

    received = 0

    def receive(self) -> bytes:
        """Return interim answers, without end and without a pause."""
        self.received += 1
        spend_a_millisecond()
        return b"HTTP/1.1 100 Continue\r\n\r\n" * 1000


def test_one_who_never_has_to_wait_lets_others_run() -> None:
    """A user whose answer never stops coming gives others their turn, and ends with its time-out."""
    with talking("http://127.0.0.1:1") as talk:
        deadline_ns = time.monotonic_ns() + 300_000_000
        connection = Flooded(target_of(talk.url), talk.pump, deadline_ns)
        connection.descriptor = -1
        talk.pump._waiters[-1] = connection
        reader = gevent.spawn(client_module._read_on, connection, Reading("GET"), connection.receive())
        between = []
        while not reader.ready():
            before = connection.received
            gevent.sleep(0.001)
            between.append(connection.received - before)
        with pytest.raises(TimeoutError):
            reader.get()
        assert time.monotonic_ns() - deadline_ns < 200_000_000
        assert 0 < max(between) <= FEW
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
    """Two hundred users whose server is silent are all told within 0.2 s of it, in one of three tries."""
    done = threading.Event()

    def silent(peer: Peer) -> None:
        peer.request()
        done.wait(10)

    def be_patient(client: Client) -> float:
        start_s = time.monotonic()
        assert client.get("/", timeout=0.5) is None
        return time.monotonic() - start_s - 0.5

    latest_s = []
    with serving(silent) as server, talking(server.url, source) as talk:
        for _ in range(3):  # another virtual machine may be in the way
            crowd = [gevent.spawn(be_patient, talk.client()) for _ in range(200)]
            late_s = [one.value for one in gevent.joinall(crowd, raise_error=True)]
            assert min(late_s) >= 0
            latest_s.append(max(late_s))
        done.set()
    assert talk.kinds == ["timeout"] * 600
    assert min(latest_s) < 0.2
