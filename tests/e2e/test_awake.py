"""CPUs are awake while something is measured, and sleep afterwards; no other run may go on beside."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from parties import kill, until
from running import Home

from harness.machine.idling import DEVICE, can_stay_awake, kept_awake

# Asked of the system and not of what is tested, lest a mistake there skips its own tests.
as_who_may = pytest.mark.skipif(
    not os.access(Path("/", DEVICE), os.W_OK), reason=f"an ordinary user may not write to /{DEVICE}"
)
pytestmark = [pytest.mark.slow, pytest.mark.alone, as_who_may]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Return a project of its own."""
    home = Home(tmp_path / "home")
    yield home
    kill(home.processes())


def latency_us() -> int:
    """Return how long a CPU may take to wake, by the kernel, over all who ask for less."""
    with Path("/", DEVICE).open("rb") as device:
        return int(struct.unpack("=i", device.read(4))[0])


def test_cpus_are_awake_as_long_as_it_is_asked_and_no_longer() -> None:
    """The kernel allows no latency within, and what it allowed before afterwards, an error or none."""
    assert can_stay_awake()
    before = latency_us()

    def fail_awake() -> None:
        with kept_awake():
            assert latency_us() == 0
            raise KeyError

    with pytest.raises(KeyError):
        fail_awake()
    assert latency_us() == before > 0


def test_a_trial_keeps_cpus_awake_and_whoever_is_killed_in_it_does_not(home: Home) -> None:
    """While a trial is measured no latency is allowed; after a kill -9 of the run it is as before."""
    before = latency_us()
    home.suite(window_s="30")
    with home.run() as command:
        assert until(lambda: home.folders() and latency_us() == 0)
        command.child.kill()
        command.child.wait()
        assert until(lambda: latency_us() == before)
    assert before > 0
