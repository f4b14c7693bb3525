"""Each mistake in a variant is one message of file, key and remedy, and leaves nothing running."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from parties import as_root
from running import APPS, Ended, Home

pytestmark = [as_root, pytest.mark.slow]
SERVER = f"python -B {APPS / 'server.py'}"
MANIFEST = 'framework = "x"\nserver = "x"\ninterface = "x"\nconcurrency = "x"\nimplements = ["hello"]\n'


@dataclass(frozen=True, slots=True)
class Mistake:
    """A shell line that starts a variant wrongly, and what is told of it."""

    name: str
    line: str
    says: tuple[str, ...]


def made(home: Home, line: str, name: str = "mine") -> Home:
    """Put a variant into a project that is started by a shell line."""
    folder = home.folder / "apps" / name
    folder.mkdir()
    (folder / "variant.toml").write_text(f"{MANIFEST}start = ['sh', '-c', '''{line}''']\n")
    return home


def told(ended: Ended) -> str:
    """Return what a command complained of, lines joined."""
    return " ".join(ended.complaint.split())


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ("server =", "sever =", "sever", "is not a key did you mean server?"),
        ('server = "x"\n', "", "server", "is missing add a line: server = …"),
        ('server = "x"', "server = 1", "server", "should be a valid string, not '1'"),
        ("{port}", "{prot}", "start", "{prot} is not a placeholder did you mean port?"),
        ("{port}", "8000", "start", "has no {port} let the server listen on {host} and {port}"),
        ('"hello"', '"helo"', "implements", "there is no scenario 'helo' did you mean hello?"),
        ('server = "x"', "server = x", None, "is not TOML"),
    ],
    ids=[
        "unknown key",
        "missing key",
        "wrong type",
        "wrong placeholder",
        "no port",
        "no scenario",
        "no TOML",
    ],
)
def test_a_mistake_in_the_manifest_names_file_key_and_remedy(
    tmp_path: Path, old: str, new: str, key: str | None, says: str
) -> None:
    """A manifest that can't be meant ends the command with 2 before anything is started."""
    home = made(Home(tmp_path / "home"), f"{SERVER} --port {{port}}")
    path = home.folder / "apps/mine/variant.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    ended = home.do("verify", "mine")
    assert ended.status == 2, ended
    assert f"{path}: {f'{key}: ' if key else ''}{says}" in told(ended), ended


SOON = [
    Mistake("exits at once", "exit 7 # {port}", ("ended with status 7", "correct the command")),
    Mistake("no such program", "exec no-such-server {port}", ("ended with status 127", "no-such-server")),
    Mistake(
        "prints megabytes and ends",
        "head -c 90000000 /dev/zero; echo the end is near; exit 3 # {port}",
        ("ended with status", "before it answered GET /healthz"),
    ),
    Mistake(
        "forks away",
        f"setsid {SERVER} --port {{port}} --pause-s 60 & exit 0",
        ("ended with status 0 and left 1 other processes behind", "stay in the foreground"),
    ),
    Mistake(
        "is a daemon",
        f"cd /; setsid {SERVER} --port {{port}} --pause-s 60 >/dev/null 2>&1 & exit 0",
        ("ended with status 0 and left 1 other processes behind", "stay in the foreground"),
    ),
    Mistake(
        "forks without end",
        "sleep 60 & f() {{ f | f & }}; f; sleep 1; exit 5 # {port}",
        ("ended with status", "other processes behind"),
    ),
]


@pytest.mark.parametrize("mistake", SOON, ids=lambda one: one.name)
def test_a_start_that_ends_is_told_with_its_reason(tmp_path: Path, mistake: Mistake) -> None:
    """A first process that ends is status 4 with what is seen of it; what it left is ended with it."""
    home = made(Home(tmp_path / "home"), mistake.line)
    ended = home.do("verify", "mine")
    assert ended.status == 4, ended
    for words in (*mistake.says, f"`start` in {home.folder}/apps/mine/variant.toml"):
        assert words in told(ended), ended
    assert len(ended.complaint) < 10_000


LATE = [
    Mistake(
        "wrong port",
        f"exec {SERVER} --port 19998 # {{port}}",
        ("within 60 s (nothing listens; it listens on 19998)", "let it listen on {host}:{port}"),
    ),
    Mistake(
        "never healthy",
        f"exec {SERVER} --port {{port}} --pause-s 600",
        ("within 60 s (it listens and says nothing)", "answer 200 once it is ready"),
    ),
]


def test_a_start_that_never_answers_is_given_up(tmp_path: Path) -> None:
    """After a minute a variant that does not answer is told as such, with the port that it took instead."""
    homes = {one.name: made(Home(tmp_path / str(n)), one.line) for n, one in enumerate(LATE)}
    commands = {name: home.start("verify", "mine") for name, home in homes.items()}
    for mistake in LATE:
        with commands[mistake.name] as command:
            ended = command.end(bound_s=150)
        assert ended.status == 4, ended
        for words in (*mistake.says, f"`start` in {homes[mistake.name].folder}/apps/mine/variant.toml"):
            assert words in told(ended), ended


def test_who_ignores_sigterm_is_ended_all_the_same(tmp_path: Path) -> None:
    """A variant that does not obey keeps its contract, and is killed after its grace."""
    home = made(Home(tmp_path / "home"), f'trap "" TERM; exec {SERVER} --port {{port}}')
    ended = home.do("verify", "mine")
    assert ended.status == 0, ended
    assert "mine" in ended.output
