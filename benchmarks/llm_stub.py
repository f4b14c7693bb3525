"""How many requests/s the LLM stub answers on one core, without latency to wait for.

    .venv/bin/python benchmarks/llm_stub.py --rounds 5

The stub on the last CPU, the client on the first; every connection asks again as soon as it is answered. The
client must not be the limit: the stub's CPU, which is printed beside, has to be near 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import uvloop

from harness.ground.clock import SystemClock
from harness.machine.backends.backend import Party
from harness.machine.backends.cgroup import CgroupBackend
from harness.machine.custody.guard import guard
from harness.machine.placement import usable_cpus
from harness.machine.services.llm import start_llm
from harness.machine.services.llm_stub.model import Behaviour

PROMPT = "Summarise this in English: " + "Some text of which there is a little more than one line. " * 6
SETTLE_S = 1.0


def request(key: str) -> bytes:
    """Return a request with the headers that OpenAI's client sends, or as many."""
    body = json.dumps(
        {"model": "stub", "messages": [{"role": "user", "content": PROMPT}], "temperature": 0.7}
    )
    lines = (
        "POST /v1/chat/completions HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {key}",
        "Accept: application/json",
        "Content-Type: application/json",
        "User-Agent: OpenAI/Python",
        "X-Stainless-Lang: python",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body.encode()


class Client(asyncio.Protocol):
    """Asks again at each answer; an answer is one packet here."""

    answered = 0

    def __init__(self, asked: bytes) -> None:
        self._asked = asked

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self._transport.write(self._asked)

    def data_received(self, data: bytes) -> None:
        """Count the answer and ask again."""
        assert data.startswith(b"HTTP/1.1 200 ")
        Client.answered += 1
        self._transport.write(self._asked)


async def measure(
    port: int, asked: bytes, party: Party, connections: int, seconds: float
) -> tuple[float, float]:
    """Return requests/s and the stub's CPUs."""
    loop = asyncio.get_running_loop()
    made = [
        (await loop.create_connection(lambda: Client(asked), "127.0.0.1", port))[0]
        for _ in range(connections)
    ]
    await asyncio.sleep(SETTLE_S)
    first, before = Client.answered, party.look().counters
    await asyncio.sleep(seconds)
    last, after = Client.answered, party.look().counters
    for transport in made:
        transport.abort()
    elapsed_ns = after.at_ns - before.at_ns
    assert after.cpu_ns is not None
    assert before.cpu_ns is not None
    return (last - first) * 1e9 / elapsed_ns, (after.cpu_ns - before.cpu_ns) / elapsed_ns


def main() -> None:
    """Measure in rounds and print each, and the median."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=4.0)
    given = parser.parse_args()
    cpus = usable_cpus()
    with guard("benchmark-llm-stub") as journal, tempfile.TemporaryDirectory() as folder:
        backend = CgroupBackend(journal.run, journal, SystemClock())
        os.sched_setaffinity(0, cpus[:1])
        stub = start_llm(
            backend, journal.run, cpus=cpus[-1:], log=Path(folder) / "log", behaviour=Behaviour(0, 0)
        )
        rates = []
        try:
            for number in range(1, given.rounds + 1):
                rate, used = uvloop.run(
                    measure(
                        urlsplit(stub.url).port or 0,
                        request(stub.key),
                        stub.party,
                        given.connections,
                        given.seconds,
                    )
                )
                rates.append(rate)
                print(
                    f"round {number}: {rate:.0f} requests/s, {used:.2f} CPUs, {rate / used:.0f} a CPU second"
                )
        finally:
            stub.stop()
            backend.close()
        print(f"median of {len(rates)}: {statistics.median(rates):.0f} requests/s")


if __name__ == "__main__":
    main()
