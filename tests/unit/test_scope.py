"""systemd scopes, with a systemd-run that records how it was called and plays the manager's part."""

import os
import time
from pathlib import Path

import pytest

from harness.ground.clock import SystemClock
from harness.ground.errors import EnvironmentUnfit
from harness.ground.model import Caps
from harness.ground.process import Command
from harness.machine.backends.backend import Confinement
from harness.machine.backends.cgroup import CgroupBackend
from harness.machine.custody.journal import Journal, Scope, read

FAKE = """#!/bin/sh
printf '%s\\n' "$@" > {root}/arguments
for word; do case "$word" in --unit=*) unit="${{word#--unit=}}";; esac; done
folder={root}/sys/fs/cgroup/app.slice/$unit
mkdir -p "$folder" {root}/proc/$$
echo $$ > "$folder/cgroup.procs"
echo "{quota} 100000" > "$folder/cpu.max"
echo 134217728 > "$folder/memory.max"
echo "usage_usec 5" > "$folder/cpu.stat"
{enter}
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""
ENTER = 'echo "0::/app.slice/$unit" > {root}/proc/$$/cgroup'


def machine(root: Path, monkeypatch: pytest.MonkeyPatch, *, quota: int = 50000, fake: str = ENTER) -> Path:
    """Lay out a user's machine: cgroup v2 that is not ours to write, and a systemd of our own."""
    for name in ("proc/self", "run/systemd", "bin"):
        (root / name).mkdir(parents=True)
    (root / "proc/self/mountinfo").write_text("30 23 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    (root / "proc/self/cgroup").write_text("0::/session.scope\n")
    (root / "run/systemd/private").touch()
    program = root / "bin/systemd-run"
    program.write_text(FAKE.format(root=root, quota=quota, enter=fake.format(root=root)))
    program.chmod(0o755)
    (root / "bin/systemctl").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {root}/stopped\n')
    (root / "bin/systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{root}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/run/bus")
    return root


def confinement(root: Path) -> Confinement:
    """Return a party that tells its environment and waits."""
    path = os.environ["PATH"]
    command = Command(
        ("sh", "-c", "env; exec sleep 60"), str(root), {"PATH": path, "A": "b"}, str(root / "log")
    )
    return Confinement("sut", command, (0,), Caps(0.5, 128 << 20), unprivileged=False)


def test_scope_is_asked_for_the_caps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scope is journalled, gets every cap as a property, and hands the program its own environment."""
    root = machine(tmp_path / "m", monkeypatch)
    journal = Journal(tmp_path / "journal.jsonl", "r1")
    backend = CgroupBackend("r1", journal, SystemClock(), root)
    assert backend.method.kind == "scope"
    party = backend.start(confinement(root))
    look = party.look()
    assert party.caps_enforced
    assert look.counters.cpu_ns == 5000
    assert len(look.pids) == 1
    deadline = time.monotonic() + 60
    while "A=b" not in (root / "log").read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    arguments = (root / "arguments").read_text().split()
    for expected in ("CPUQuota=50%", "MemoryMax=134217728", "MemorySwapMax=0", "AllowedCPUs=0", "--scope"):
        assert expected in arguments
    entries = read(journal.path)
    assert entries is not None
    unit = next(made.unit for made in entries.made if isinstance(made, Scope))
    # The recorded tree is no kernel's: its files do not vanish with the process.
    folder = root / "sys/fs/cgroup/app.slice" / unit
    os.kill(look.pids[0], 9)
    for file in folder.iterdir():
        file.unlink()
    assert party.stop(grace_s=0) == -9
    assert unit in (root / "stopped").read_text().split()
    environment = (root / "log").read_text().split()
    assert "A=b" in environment
    assert not any(word.startswith(("XDG_RUNTIME_DIR", "DBUS_SESSION")) for word in environment)


def test_scope_whose_caps_were_dropped_is_not_enforced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where systemd takes a cap and the kernel does not show it, the caps are not called enforced."""
    root = machine(tmp_path / "m", monkeypatch, quota=100000)
    party = CgroupBackend("r1", Journal(tmp_path / "j.jsonl", "r1"), SystemClock(), root).start(
        confinement(root)
    )
    assert not party.caps_enforced
    os.kill(party.look().pids[0], 9)
    for file in (root / "sys/fs/cgroup/app.slice").glob("*/*"):
        file.unlink()
    party.stop(grace_s=0)


def test_scope_that_is_refused_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where systemd-run fails its own words are shown, and nothing is left."""
    root = machine(tmp_path / "m", monkeypatch, fake='echo "no bus for {root}" >&2; exit 1')
    backend = CgroupBackend("r1", Journal(tmp_path / "j.jsonl", "r1"), SystemClock(), root)
    with pytest.raises(EnvironmentUnfit, match="no bus"):
        backend.start(confinement(root))
