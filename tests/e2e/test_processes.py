"""`deploy/processes.py`: what Prometheus is told of a SUT's processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError

import pytest
from observing import figures_of, telling_processes
from parties import until

pytestmark = pytest.mark.slow

_FAMILY = """
import os, signal, time
child = os.fork()
held = bytearray(32 << 20)
for place in range(0, len(held), 4096):
    held[place] = 1
if not child:
    while time.process_time() < 0.5:
        pass
    signal.pause()
print(child, flush=True)
os.waitpid(child, 0)
print("alone", flush=True)
signal.pause()
"""
"""Two processes that hold 32 MiB each; the younger has spun for half a second."""


@pytest.fixture
def family() -> Iterator[subprocess.Popen[str]]:
    """Start the two, and end them in the end."""
    with subprocess.Popen(
        (sys.executable, "-c", _FAMILY), stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        yield parent
        with suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)


def test_it_sums_over_the_processes(family: subprocess.Popen[str], tmp_path: Path) -> None:
    """Memory and CPU are of parent and child; a child that ends takes its memory along, not its CPU time."""
    assert family.stdout is not None
    child = next(int(line) for line in family.stdout if line.strip().isdigit())
    with telling_processes(family.pid, tmp_path / "log") as url:
        assert until(lambda: figures_of(url)["sut_memory_bytes"] >= 64 << 20)
        assert until(lambda: figures_of(url)["sut_cpu_seconds_total"] >= 0.5)
        both = figures_of(url)
        assert both["sut_memory_bytes"] < 128 << 20
        assert (both["sut_cpu_limit_cores"], both["sut_memory_limit_bytes"]) == (1.0, 1 << 30)
        subprocess.run(("kill", str(child)), check=True)
        assert "alone\n" in iter(family.stdout.readline, "")
        one = figures_of(url)
        assert 32 << 20 <= one["sut_memory_bytes"] < both["sut_memory_bytes"] - (30 << 20)
        assert one["sut_cpu_seconds_total"] >= both["sut_cpu_seconds_total"]


def test_a_sut_that_is_gone_is_no_zero(family: subprocess.Popen[str], tmp_path: Path) -> None:
    """Where the process has ended the answer is an error, so that Prometheus has no figure."""
    with telling_processes(family.pid, tmp_path / "log") as url:
        assert figures_of(url)["sut_memory_bytes"] > 0
        family.send_signal(signal.SIGKILL)
        family.wait()
        with pytest.raises(HTTPError, match="503") as caught:
            figures_of(url)
        caught.value.close()


@pytest.mark.parametrize(("written", "size"), [("1g", 1 << 30), ("512m", 512 << 20), ("1.5GB", 3 << 29)])
def test_sizes_are_those_of_compose_files(tmp_path: Path, written: str, size: int) -> None:
    """The cap of memory may be written as for `mem_limit`."""
    with telling_processes(os.getpid(), tmp_path / "log", memory=written) as url:
        assert figures_of(url)["sut_memory_limit_bytes"] == size
