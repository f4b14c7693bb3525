import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.ground.errors import EnvironmentUnfit, UsageError
from harness.machine.custody import journal as j
from harness.machine.custody.collector import collect, collect_leftovers
from harness.machine.custody.guard import machine_lock
from harness.machine.custody.identity import Identity, identify, is_running

ENTRIES: tuple[j.Made, ...] = (
    j.ControlGroup(("/sys/fs/cgroup/cpu/webdyno-x", "/sys/fs/cgroup/memory/webdyno-x")),
    j.Evacuation("/sys/fs/cgroup", "/sys/fs/cgroup/webdyno-leaf"),
    j.Controllers("/sys/fs/cgroup", ("cpu",)),
    j.Session(1, "2", "b"),
    j.Scope("webdyno-x.scope"),
    j.Folder("/tmp/webdyno-x"),
    j.Database("webdyno_x", "me@db:5432"),
)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that does nothing, and end it after the test."""
    with subprocess.Popen(("sleep", "60"), start_new_session=True) as child:
        yield child
        child.kill()


def test_journal_is_read_back_as_written(tmp_path: Path) -> None:
    """Each kind of entry comes back as it was noted, after its owner, from a file for our eyes alone."""
    journal = j.Journal(tmp_path / "run/journal.jsonl", "r1")
    for made in ENTRIES:
        journal.note(made)
    journal.close()
    entries = j.read(journal.path)
    assert entries is not None
    assert entries.made == ENTRIES
    assert entries.owner.run == "r1"
    assert entries.owner.identity == identify()
    assert entries.same_boot
    assert journal.path.stat().st_mode & 0o777 == 0o600


def test_torn_last_line_is_ignored(tmp_path: Path) -> None:
    """A line that a crash cut short does not hide those before it."""
    journal = j.Journal(tmp_path / "journal.jsonl", "r1")
    journal.note(ENTRIES[0])
    with open(journal.path, "ab") as file:
        file.write(b'{"made": "folder", "pa')
    entries = j.read(journal.path)
    assert entries is not None
    assert entries.made == ENTRIES[:1]


@pytest.mark.parametrize("run", ["", "../x", "a/b", "a b", "x" * 101])
def test_run_id_is_checked(tmp_path: Path, run: str) -> None:
    """A run's id can't lead out of the state folder."""
    with pytest.raises(UsageError):
        j.Journal(tmp_path / "journal.jsonl", run)


def test_server_keeps_no_secret() -> None:
    """What the journal says of a server holds neither password nor parameters."""
    assert j.server_of("postgresql://me:secret@db.example:5433/x?password=secret") == "me@db.example:5433"


def test_collect_removes_only_what_is_ours(tmp_path: Path) -> None:
    """A folder of our name goes; one of another name, a link and what it leads to stay."""
    ours, foreign, target = tmp_path / "webdyno-a", tmp_path / "precious", tmp_path / "target"
    link = tmp_path / "webdyno-link"
    for folder in (ours, foreign, target):
        folder.mkdir()
        (folder / "file").touch()
    link.symlink_to(target)
    journal = j.Journal(tmp_path / "state/r1/journal.jsonl", "r1")
    for folder in (ours, foreign, link):
        journal.note(j.Folder(str(folder)))
    assert collect(journal.path) == ()
    assert not ours.exists()
    assert (foreign / "file").exists()
    assert (target / "file").exists()
    assert not (tmp_path / "state/r1").exists()
    assert collect(journal.path) == ()


def test_collect_keeps_the_journal_of_what_it_could_not_undo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database whose server's address is unknown is told, and stays written down."""
    monkeypatch.delenv("WEBDYNO_POSTGRES_URL", raising=False)
    journal = j.Journal(tmp_path / "r1/journal.jsonl", "r1")
    journal.note(j.Database("webdyno_r1", "me@db:5432"))
    assert "webdyno_r1 on me@db:5432" in collect(journal.path)[0]
    assert journal.path.exists()


def test_recycled_pid_is_not_touched(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    """A process with a journalled pid and another start time is somebody else's."""
    real = identify(sleeper.pid)
    assert real is not None
    journal = j.Journal(tmp_path / "r1/journal.jsonl", "r1")
    journal.note(j.Session(real.pid, str(int(real.start) - 1), real.boot))
    assert collect(journal.path, grace_s=0.1) == ()
    assert is_running(real)


def test_session_is_ended(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    """The same process with its own start time is ended."""
    real = identify(sleeper.pid)
    assert real is not None
    journal = j.Journal(tmp_path / "r1/journal.jsonl", "r1")
    journal.note(j.Session(real.pid, real.start, real.boot))
    assert collect(journal.path, grace_s=1) == ()
    assert not is_running(real)


def test_processes_of_another_boot_are_not_touched(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    """After a restart of the machine pids mean nothing; folders are still removed."""
    real = identify(sleeper.pid)
    assert real is not None
    folder = tmp_path / "webdyno-f"
    folder.mkdir()
    journal = j.Journal(tmp_path / "r1/journal.jsonl", "r1")
    journal.note(j.Session(real.pid, real.start, real.boot))
    journal.note(j.Folder(str(folder)))
    journal.path.write_text(journal.path.read_text().replace(real.boot, "another"))
    assert collect(journal.path, grace_s=0.1) == ()
    assert is_running(real)
    assert not folder.exists()


def test_leftovers_of_a_running_owner_stay(tmp_path: Path) -> None:
    """The next start collects the journals of ended owners alone."""
    alive, dead = tmp_path / "webdyno-alive", tmp_path / "webdyno-dead"
    for folder in (alive, dead):
        folder.mkdir()
        journal = j.Journal(tmp_path / f"state/{folder.name}/journal.jsonl", "r1")
        journal.note(j.Folder(str(folder)))
    mine = identify()
    assert mine is not None
    text = journal.path.read_text().replace(f'"start": "{mine.start}"', '"start": "1"')
    journal.path.write_text(text)
    assert collect_leftovers(tmp_path / "state") == ()
    assert alive.exists()
    assert not dead.exists()


def test_zombie_is_not_running() -> None:
    """A process that has ended and was not waited for does not count as running."""
    child = subprocess.Popen(("sleep", "60"))
    real = identify(child.pid)
    assert real is not None
    assert is_running(real)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_running(real)
    child.wait()
    assert not is_running(real)
    assert dataclasses.replace(real, start="1") != real
    assert isinstance(real, Identity)


def test_second_lock_names_the_first(tmp_path: Path) -> None:
    """While one run holds the machine another is refused, and told which; afterwards it is free."""
    path = tmp_path / "lock"
    with machine_lock("first", path):
        with pytest.raises(EnvironmentUnfit, match=rf"first \(pid {os.getpid()}\)"), machine_lock("b", path):
            pass
        # A child does not hold it on.
        child = subprocess.Popen(("sleep", "60"))
    try:
        with machine_lock("third", path):
            pass
    finally:
        child.kill()
        child.wait()
    assert path.read_text() == ""


def test_lock_is_no_link(tmp_path: Path) -> None:
    """A link or a second name in the lock's place is refused, and what it leads to is left as it is."""
    target = tmp_path / "precious"
    target.write_text("text")
    (tmp_path / "link").symlink_to(target)
    (tmp_path / "hard").hardlink_to(target)
    for name in ("link", "hard"):
        with pytest.raises(EnvironmentUnfit), machine_lock("x", tmp_path / name):
            pass
    assert target.read_text() == "text"


def test_reaper_starts_at_once() -> None:
    """The reaper imports nothing that is slow to import."""
    code = "import sys, harness.machine.custody.reaper; print(*sys.modules)"
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True)
    assert not {"pandas", "numpy", "psycopg", "locust", "pydantic"} & set(done.stdout.split())
