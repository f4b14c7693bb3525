"""What `setup` of a variant makes: once, confined, beside the variant's folder, anew where that changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from parties import as_root, until
from running import APPS, LEFT_WITHIN_S, Home

pytestmark = [as_root, pytest.mark.slow]
SETUP = """
id -u > who
env | sed 's/=.*//' | sort > variables
pwd > where
mkdir -p node_modules/made
echo '{"name": "made", "version": "1.2.3"}' > node_modules/made/package.json
setsid sleep 600 &
echo $! > begun
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a project with a cache of its own, and a variant that serves only what its setup has made."""
    home = Home(tmp_path / "home")
    home.environment["WEBDYNO_CACHE"] = str(tmp_path / "cache")
    home.environment["A_SECRET"] = "x"
    folder = home.folder / "apps/mine"
    folder.mkdir()
    (folder / "setup.sh").write_text(SETUP)
    (folder / "variant.toml").write_text(
        'framework = "x"\nserver = "x"\ninterface = "x"\nconcurrency = "x"\nimplements = ["hello"]\n'
        'language = "Shell"\nsetup = ["sh", "setup.sh"]\n'
        f"start = ['sh', '-c', 'test -f who && ! grep -qs sleep /proc/$(cat begun)/cmdline && "
        f"exec python -B {APPS / 'server.py'} --port {{port}}']\n"
    )
    return home


def made(tmp_path: Path) -> list[Path]:
    """Return the copies in which setups were run."""
    return sorted(path.parent for path in (tmp_path / "cache/setups").glob("*/mine/who"))


def test_a_setup_is_run_once_and_anew_where_files_change(home: Home, tmp_path: Path) -> None:
    """It runs as nobody, with variables of its own; what it starts ends with it; a copy holds all of it."""
    begun = []
    for _ in range(2):
        ended = home.do("verify", "mine")
        assert ended.status == 0, ended
        (copy,) = made(tmp_path)
        begun.append((copy / "begun").read_text())
    assert begun[0] == begun[1]
    assert (copy / "who").read_text() == "65534\n"
    assert (copy / "where").read_text() == f"{copy}\n"
    assert "A_SECRET" not in (copy / "variables").read_text().split()
    assert {(copy / name).stat().st_uid for name in (".", "who", "node_modules/made")} == {0}
    assert sorted(path.name for path in (home.folder / "apps/mine").iterdir()) == ["setup.sh", "variant.toml"]
    assert json.loads((copy.parent / "webdyno-setup.json").read_text()) == {"made": "1.2.3"}
    assert not (copy.parent / "scratch").exists()
    (home.folder / "apps/mine/setup.sh").write_text(SETUP + "\n# changed\n")
    assert home.do("verify", "mine").status == 0
    assert len(made(tmp_path)) == 2


@pytest.mark.parametrize(
    ("setup", "status", "says"),
    [
        ("echo no such package >&2; exit 9", 4, ("sh ended with status 9", "correct it", "no such package")),
        ("echo getaddrinfo ENOTFOUND x; exit 1", 3, ("the package registry can't be reached", "the proxy")),
    ],
    ids=["fails", "without a network"],
)
def test_a_setup_that_fails_is_told(
    home: Home, tmp_path: Path, setup: str, status: int, says: tuple[str, ...]
) -> None:
    """The message has file, key and the end of the output; nothing is kept, and the next one runs anew."""
    path = home.folder / "apps/mine/setup.sh"
    path.write_text(setup)
    ended = home.do("verify", "mine")
    assert ended.status == status, ended
    for words in (*says, "apps/mine/variant.toml: setup:"):
        assert words in ended.complaint, ended
    assert not [path for path in (tmp_path / "cache/setups").iterdir() if path.is_dir()]
    path.write_text(SETUP)
    assert home.do("verify", "mine").status == 0


def test_a_setup_that_was_killed_is_run_anew(home: Home, tmp_path: Path) -> None:
    """What a setup had made until its harness was killed is not taken for the whole of it."""
    path = home.folder / "apps/mine/setup.sh"
    path.write_text(f"echo > half; until test -e {tmp_path}/go; do sleep 0.1; done; {SETUP}")
    with home.start("verify", "mine") as command:
        assert until(lambda: list((tmp_path / "cache/setups").glob("*/mine/half")))
        command.child.kill()
        command.child.wait()
        assert until(lambda: not home.left({command.child.pid}), bound_s=LEFT_WITHIN_S)
    (tmp_path / "go").touch()
    assert home.do("verify", "mine").status == 0
    assert len(made(tmp_path)) == 1


def test_a_program_that_is_not_there_is_told(home: Home) -> None:
    """A setup whose program is missing is this machine's lack, with what to install."""
    path = home.folder / "apps/mine/variant.toml"
    path.write_text(path.read_text().replace('["sh", "setup.sh"]', '["no-such-npm", "ci"]'))
    ended = home.do("verify", "mine")
    assert ended.status == 3, ended
    assert "apps/mine/variant.toml: setup: no-such-npm can't be started: no such program" in ended.complaint
    assert "install no-such-npm here" in ended.complaint
