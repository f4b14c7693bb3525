from dataclasses import replace
from pathlib import Path

from harness.ground.observations import Counters
from harness.machine.backends.counters import group_counters
from harness.machine.control_groups import Group
from harness.machine.hierarchies import Place

V1 = {
    "cpu.stat": "nr_periods 100\nnr_throttled 40\nthrottled_time 1500000\nnr_bursts 0\nburst_time 0\n",
    "cpuacct.usage": "2500000000\n",
    "memory.stat": "cache 7000\nrss 1\nrss_huge 4096\nshmem 1\ntotal_cache 9000\ntotal_rss 50000\n"
    "total_rss_huge 20000\ntotal_shmem 3000\n",
    "memory.max_usage_in_bytes": "80000\n",
    "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
}
V2 = {
    "cpu.stat": "usage_usec 2500000\nuser_usec 1\nsystem_usec 2\nnr_periods 100\nnr_throttled 40\n"
    "throttled_usec 1500\n",
    "memory.stat": "anon 50000\nfile 9000\nkernel 1\nshmem 3000\n",
    "memory.peak": "80000\n",
    "memory.events": "low 0\nhigh 0\nmax 5\noom 2\noom_kill 2\noom_group_kill 0\n",
}
PRESSED = {
    "cpu.pressure": "some avg10=1.00 avg60=0.50 avg300=0.10 total=4000\n"
    "full avg10=0.00 avg60=0.00 avg300=0.00 total=9\n",
    "memory.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=70\n",
}
ALL = frozenset({"cpu", "cpuacct", "memory"})
EXPECTED = Counters(
    at_ns=7,
    cpu_ns=2_500_000_000,
    periods=100,
    throttled_periods=40,
    throttled_ns=1_500_000,
    anon_bytes=50_000,
    shmem_bytes=3_000,
    cache_bytes=6_000,
    kernel_peak_bytes=80_000,
    oom_kills=2,
    processes=3,
)


def recorded(folder: Path, files: dict[str, str]) -> Path:
    """Write a group's files as a kernel showed them."""
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def test_v1_counters(tmp_path: Path) -> None:
    """On v1 anon is `total_rss` alone, which has the huge pages in it, and shmem is not counted as cache."""
    group = Group((Place(recorded(tmp_path, V1), 1, ALL),))
    assert group_counters(group, 7, 3) == EXPECTED


def test_v2_counters(tmp_path: Path) -> None:
    """On v2 the same figures come from its own files and units."""
    group = Group((Place(recorded(tmp_path, V2), 2, ALL),))
    assert group_counters(group, 7, 3) == EXPECTED


def test_pressure_is_v2s_alone(tmp_path: Path) -> None:
    """The total of the line `some`, in ns; on v1, which has none, it is None."""
    pressed = recorded(tmp_path, V2 | PRESSED)
    found = group_counters(Group((Place(pressed, 2, ALL),)), 7, 3)
    assert found == replace(EXPECTED, cpu_pressure_ns=4_000_000, memory_pressure_ns=70_000)
    assert group_counters(Group((Place(recorded(tmp_path, V1), 1, ALL),)), 7, 3) == EXPECTED


def test_missing_files_are_none(tmp_path: Path) -> None:
    """What the kernel does not offer is None, never zero."""
    for version in (1, 2):
        assert group_counters(Group((Place(tmp_path, version, ALL),)), 7, None) == Counters(at_ns=7)
    assert group_counters(Group(()), 7, None) == Counters(at_ns=7)
