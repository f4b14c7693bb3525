import os
from pathlib import Path

import pytest

from harness.ground.observations import HostUsage
from harness.machine import host

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def recorded(root: Path, used: dict[int, int], steal: tuple[int, int] = (0, 0), kernel: int = 0) -> Path:
    """Write a /proc with the processes' CPU ticks and each CPU's steal; one process is a kernel thread."""
    (root / "proc").mkdir(parents=True)
    lines = [f"cpu{n} 1 2 3 4 5 6 7 {stolen} 0 0" for n, stolen in enumerate(steal)]
    (root / "proc/stat").write_text("\n".join(["cpu 9 9 9 9 9 9 9 9 0 0", *lines, "ctxt 4"]) + "\n")
    for pid, ticks in used.items():
        folder = root / "proc" / str(pid)
        folder.mkdir()
        flags = 0x00200040 if pid == kernel else 0x00400040
        (folder / "stat").write_text(
            f"{pid} (odd) name) S 1 1 1 0 -1 {flags} 0 0 0 0 {ticks} 0 0 0 20 0 1 0 777 0"
        )
        (folder / "comm").write_text("odd) name\n")
    return root


@pytest.fixture(autouse=True)
def affinities(monkeypatch: pytest.MonkeyPatch) -> None:
    """Process 30 may run on CPU 1 alone, all others anywhere."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1} if pid == 30 else {0, 1})


def between(tmp_path: Path, first: dict[int, int], last: dict[int, int], **more: object) -> HostUsage | None:
    """Return what is told between two recorded moments, the SUT being process 10 on CPU 0."""
    start = host.look(0, recorded(tmp_path / "a", first))
    root = recorded(tmp_path / "b", last, **more)  # type: ignore[arg-type]
    return host.usage_between(start, host.look(8 * 10**9, root), [10], [0], [0, 1], root)


def test_the_sut_itself_is_no_noise(tmp_path: Path) -> None:
    """What the SUT's own processes use is theirs."""
    usage = between(tmp_path, {10: 100, 20: 5}, {10: 900, 20: 5})
    assert usage == HostUsage(8 * 10**9, 0, None, None, 0)


def test_others_count_where_they_may_use_the_suts_cpus(tmp_path: Path) -> None:
    """50 ticks of a process that may run there count, 70 of one that may not do not; new ones count whole."""
    usage = between(tmp_path, {10: 0, 20: 100, 30: 0}, {10: 0, 20: 150, 30: 70, 40: 20})
    assert usage is not None
    assert usage.foreign_ns == 70 * TICK_NS
    assert usage.foreign_most == "odd) name"


def test_kernel_threads_do_not_count(tmp_path: Path) -> None:
    """They carry the SUT's own packets."""
    usage = between(tmp_path, {20: 0}, {20: 90}, kernel=20)
    assert usage is not None
    assert usage.foreign_ns == 0


def test_steal_is_that_of_the_cpu_that_lost_most(tmp_path: Path) -> None:
    """12 ticks of CPU 1 count, not 3 of CPU 0."""
    usage = between(tmp_path, {}, {}, steal=(3, 12))
    assert usage is not None
    assert usage.steal_ns == 12 * TICK_NS


def test_full_listen_queues_are_counted(tmp_path: Path) -> None:
    """The counter's growth between the two looks, found by its name."""
    looks = []
    for folder, count in (("a", 5), ("b", 17)):
        root = recorded(tmp_path / folder, {})
        (root / "proc/net").mkdir()
        (root / "proc/net/netstat").write_text(
            f"TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 {count} 3\nIpExt: A\nIpExt: 2\n"
        )
        looks.append(host.look(0, root))
    start, end = looks
    usage = host.usage_between(start, end, [], [0], [0])
    assert usage is not None
    assert usage.listen_overflows == 12


def test_no_proc_is_not_measured(tmp_path: Path) -> None:
    """Where there is nothing to look at nothing is told, rather than zero."""
    assert host.look(0, tmp_path) is None
    assert host.usage_between(None, None, [], [0], [0]) is None


def test_this_machine_is_read() -> None:
    """A loop of this very process is seen as somebody else's work."""
    start = host.look(0)
    if start is None:
        pytest.skip("there is no /proc here")
    used = os.times().user + os.times().system
    while os.times().user + os.times().system < used + 0.06:
        pass
    end = host.look(10**8)
    assert end is not None
    (own,) = [key for key in end.used_ns if key[0] == os.getpid()]
    assert end.used_ns[own] - start.used_ns[own] >= 40_000_000
    usage = host.usage_between(start, end, [], [0, 1], [0])
    assert usage is not None
    assert usage.foreign_ns >= 40_000_000
    assert usage.foreign_most
