from __future__ import annotations

import os
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from harness.ground.errors import EnvironmentUnfit, UsageError, VariantFailed
from harness.ground.model import Variant
from harness.machine import environments, interpreters
from harness.machine.installer import explain
from harness.machine.requirements import may_be, with_commits

PACKAGE = "markupsafe==3.0.3\n"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep environments in a folder of the test's own; uv's downloads are shared between tests."""
    shared = environments.cache_folder() / "uv"
    monkeypatch.setenv("UV_CACHE_DIR", str(shared))
    monkeypatch.setenv("WEBDYNO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return tmp_path / "cache"


def variant_in(folder: Path, requirements: str, python: str | None = None) -> Variant:
    """Make a variant that has these requirements."""
    folder.mkdir(exist_ok=True)
    (folder / "requirements.txt").write_text(requirements)
    return Variant(
        id="tiny",
        folder=str(folder),
        framework="none",
        language="Python",
        server="none",
        interface="none",
        concurrency="none",
        tuning="default",
        start=("python",),
        requirements="requirements.txt",
        python=python,
    )


def test_an_environment_is_made_once_with_bytecode(tmp_path: Path, cache: Path) -> None:
    """A real package is installed and compiled, for all to read; the second time nothing is made."""
    variant = variant_in(tmp_path / "tiny", PACKAGE)
    reports: list[str] = []
    before = os.umask(0o077)
    try:
        made = environments.ensure(variant, reports.append)
    finally:
        os.umask(before)
    assert made.versions == {"markupsafe": "3.0.3", "python": interpreters.find(None).version}
    assert made.bin.is_relative_to(cache)
    assert list(made.bin.parent.rglob("markupsafe/__pycache__/*.pyc"))
    closed = [
        path for path in cache.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o044 != 0o044
    ]
    assert [path for path in closed if path.suffix != ".lock"] == []
    where = subprocess.run(
        [made.python, "-c", "import markupsafe; print(markupsafe.__file__)"], capture_output=True, text=True
    )
    assert where.stdout.startswith(str(cache))
    assert len(reports) == 1
    assert environments.ensure(variant, reports.append) == made
    assert len(reports) == 1


def test_other_requirements_make_another_environment(tmp_path: Path) -> None:
    """The name follows the requirements and the interpreter, how it was built included."""
    del tmp_path
    own = interpreters.find(None)
    other = interpreters.Interpreter("/python", "CPython", "3.13.0", own.platform, True)
    names = {environments.key(text, python) for text in ("", "a==1\n") for python in (own, other)}
    assert len(names) == 4
    assert environments.key("a==1\n", own) in names


def test_a_half_made_environment_is_remade(tmp_path: Path, cache: Path) -> None:
    """A folder whose seal was never written is thrown away and made again, with all its packages."""
    variant = variant_in(tmp_path / "tiny", PACKAGE)
    made = environments.ensure(variant)
    home = made.bin.parent
    next(home.glob("webdyno-environment.json")).unlink()
    for path in home.rglob("markupsafe/__init__.py"):
        path.unlink()
    (home / "rubbish").write_text("")
    assert environments.ensure(variant) == made
    assert list(home.rglob("markupsafe/__init__.py"))
    assert not (home / "rubbish").exists()
    assert cache.is_dir()


@pytest.mark.usefixtures("cache")
def test_two_makers_at_once_make_it_once(tmp_path: Path) -> None:
    """The second maker waits for the first one's lock and takes what that made."""
    variant = variant_in(tmp_path / "tiny", PACKAGE)
    reports: list[str] = []
    made: list[environments.Environment] = []
    threads = [
        threading.Thread(target=lambda: made.append(environments.ensure(variant, reports.append)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reports) == 1
    assert made[0] == made[1] == made[2]


@pytest.mark.usefixtures("cache")
def test_a_requirement_that_is_none_is_told_with_uvs_words(tmp_path: Path) -> None:
    """A requirement that can't be met is the variant's fault, and leaves no environment behind."""
    variant = variant_in(tmp_path / "tiny", "markupsafe==99.99\n")
    with pytest.raises(VariantFailed) as caught:
        environments.ensure(variant)
    assert caught.value.where.endswith("tiny/requirements.txt")
    assert "markupsafe==99.99" in caught.value.log
    assert not list(environments.cache_folder().glob("environments/*/bin"))


@pytest.mark.usefixtures("cache")
def test_no_network_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing answers, the environment is unfit, not the variant."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(EnvironmentUnfit, match="can't be reached"):
        environments.ensure(variant_in(tmp_path / "tiny", PACKAGE))


def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    """Words of uv about a full disk become an error that says where to make room."""
    error = explain(
        "error: No space left on device (os error 28)", variant_in(tmp_path / "tiny", ""), tmp_path
    )
    assert isinstance(error, EnvironmentUnfit)
    assert error.where == str(tmp_path)
    assert "WEBDYNO_CACHE" in error.remedy


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(
    "line", ["-r other.txt", "-e .", "--constraint=c.txt", "./wheel.whl", "file:///x.whl"]
)
def test_a_reference_to_another_file_is_refused(tmp_path: Path, line: str) -> None:
    """What lies in other files would not change the environment's name, so it is a usage error."""
    with pytest.raises(UsageError) as caught:
        environments.ensure(variant_in(tmp_path / "tiny", f"# fine\n{line}\n"))
    assert caught.value.where.endswith("requirements.txt:2")


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(
    "line", ["flask", "flask>=3", "uvicorn[standard]  # fast", "flask; python_version > '3'"]
)
def test_a_requirement_without_a_version_is_refused(tmp_path: Path, line: str) -> None:
    """What would be another package on another day is told with file and line, and what to write."""
    with pytest.raises(UsageError, match=r"has no version(.|\n)*==VERSION") as caught:
        environments.ensure(variant_in(tmp_path / "tiny", f"# fine\n{line}\n"))
    assert caught.value.where == f"{tmp_path}/tiny/requirements.txt:2"


def test_a_package_that_another_one_needs_is_missed(tmp_path: Path, cache: Path) -> None:
    """What the file leaves out is not chosen in silence: the error names it, and nothing half-made stays."""
    with pytest.raises(VariantFailed) as caught:
        environments.ensure(variant_in(tmp_path / "tiny", "jinja2==3.1.6\n"))
    assert "markupsafe" in caught.value.log
    assert not list(cache.glob("environments/*/bin"))


def test_a_python_that_is_not_here_is_told(tmp_path: Path) -> None:
    """A variant that wants a Python which is not installed makes the environment unfit."""
    with pytest.raises(EnvironmentUnfit, match=r"there is no Python 3\.99 here"):
        environments.ensure(variant_in(tmp_path / "tiny", "", python="3.99"))


def test_the_newest_of_pyenvs_versions_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of pyenv's 3.42.9 and 3.42.10 the latter is taken, by number and not by letter."""
    for version in ("3.42.9", "3.42.10", "3.42.bad"):
        program = tmp_path / "versions" / version / "bin" / "python3.42"
        program.parent.mkdir(parents=True)
        answer = (
            f'{{"executable": "{program}", "implementation": "CPython", "version": "{version}", '
            '"platform": "linux", "configured": "--enable-optimizations", "prefix": "/x"}'
        )
        program.write_text(f"#!/bin/sh\necho '{answer}'\n" if "bad" not in version else "#!/bin/sh\nexit 1\n")
        program.chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    found = interpreters.find("3.42")
    assert found.version == "3.42.10"
    assert found.optimised


@pytest.mark.parametrize(
    ("configured", "prefix", "expected"),
    [
        ("'--enable-optimizations' '--with-lto'", "/usr/local", True),
        ("'--enable-shared'", "/root/.pyenv/versions/3.11.7", False),
        ("'--enable-shared'", "/usr", None),
        ("", "C:\\Python", None),
    ],
)
def test_a_slow_build_is_known_by_its_flags(configured: str, prefix: str, expected: bool | None) -> None:
    """Without the flag a build is slow, but for a distribution's, of which that can't be told."""
    assert interpreters.optimised(configured, prefix) is expected


def test_a_sut_gets_only_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of our environment reaches a SUT, and no variable stops bytecode."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    environment = environments.Environment(tmp_path / "bin", tmp_path / "bin/python", {}, None)
    variant = variant_in(tmp_path / "tiny", "")
    variables = environments.sut_environment(environment, variant, {"DATABASE_URL": "x"}, apps_root=tmp_path)
    assert variables == {
        "DATABASE_URL": "x",
        "PATH": f"{tmp_path}/bin:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": f"{tmp_path}/tiny:{tmp_path}",
        "PYTHONUNBUFFERED": "1",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HOME": "/nonexistent",
    }


@pytest.mark.usefixtures("cache")
def test_bytecode_of_the_variant_is_written_beforehand(tmp_path: Path) -> None:
    """The variant's code and what is shared are compiled by its interpreter; a mistake there is no error."""
    variant = variant_in(tmp_path / "tiny", "")
    (tmp_path / "tiny" / "app.py").write_text("x = 1\n")
    (tmp_path / "tiny" / "broken.py").write_text("x = (\n")
    (tmp_path / "domain").mkdir()
    (tmp_path / "domain" / "__init__.py").touch()
    (tmp_path / "domain" / "chat.py").write_text("x = 1\n")
    environments.compile_bytecode(environments.ensure(variant), variant, apps_root=tmp_path)
    assert list(tmp_path.glob("tiny/__pycache__/app.*.pyc"))
    assert list(tmp_path.glob("domain/__pycache__/chat.*.pyc"))


def test_a_variant_imports_its_own_checkouts_packages(tmp_path: Path) -> None:
    """The folder around it is on its path where that has a `domain`; else it is the project's."""
    ours = tmp_path / "ours"
    variant = variant_in(tmp_path / "tiny", "")
    assert environments.root_of(variant, ours) == ours
    (tmp_path / "domain").mkdir()
    assert environments.root_of(variant, ours) == ours  # any folder may be called so
    (tmp_path / "domain/__init__.py").touch()
    assert environments.root_of(variant, ours) == tmp_path


def test_a_wished_version_is_installed_beside_the_others(tmp_path: Path, cache: Path) -> None:
    """It stands in its line's place; what does not go with it changes too, all else keeps its version."""
    lines = "# locked\nblinker==1.8.2\njinja2==3.1.6\nmarkupsafe==3.0.3\nabsent==9 ; python_version < '3'\n"
    plain = variant_in(tmp_path / "tiny", lines)
    older = replace(plain, id="tiny@jinja2==3.1.3", pins=("jinja2==3.1.3",))
    due = {"blinker": "1.8.2", "markupsafe": "3.0.3", "python": interpreters.find(None).version}
    assert environments.ensure(plain).versions == {**due, "jinja2": "3.1.6"}
    assert environments.ensure(older).versions == {**due, "jinja2": "3.1.3"}
    apart = variant_in(tmp_path / "apart", "flask==3.1.3\nwerkzeug==3.1.4\nblinker==1.9.0\n")
    oldest = replace(apart, pins=("werkzeug==2.3.8",))
    made = environments.ensure(oldest).versions
    assert made["werkzeug"] == "2.3.8"
    assert made["flask"] < "3.1"
    assert made["blinker"] == "1.9.0"
    assert list((cache / "requirements").glob("*.in")) == []


def test_a_version_that_there_is_not_is_told_as_uv_does(tmp_path: Path, cache: Path) -> None:
    """What uv says goes to the user, and nothing of it is kept."""
    variant = replace(variant_in(tmp_path / "tiny", PACKAGE), pins=("markupsafe==99.1",))
    with pytest.raises(VariantFailed) as caught:
        environments.ensure(variant)
    assert "no version of markupsafe==99.1" in caught.value.log
    assert list((cache / "requirements").iterdir()) == []


def test_a_python_that_is_not_here_names_those_that_are(tmp_path: Path) -> None:
    """The message offers what could be asked for instead."""
    with pytest.raises(EnvironmentUnfit, match=r"(?s)no Python 3\.99 here.*here are .*3\.11"):
        environments.ensure(variant_in(tmp_path / "tiny", PACKAGE, python="3.99"))


@pytest.mark.slow
@pytest.mark.usefixtures("cache")
def test_a_git_branch_is_its_commit(tmp_path: Path) -> None:
    """A package of a repository is installed by its branch's commit, and anew where the branch has moved."""
    repository = tmp_path / "markupsafe"
    repository.mkdir()

    def git(*arguments: str) -> str:
        told = subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
            cwd=repository,
            capture_output=True,
            text=True,
            check=True,
        )
        return told.stdout.strip()

    def commit(version: str) -> str:
        (repository / "markupsafe.py").write_text(f"mine = {version!r}\n")
        (repository / "pyproject.toml").write_text(
            f'[project]\nname = "markupsafe"\nversion = "{version}"\n'
            '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        )
        git("add", ".")
        git("commit", "-qm", version)
        return git("rev-parse", "HEAD")

    git("init", "-q", "-b", "trunk")
    pin = f"markupsafe @ git+file://{repository}@trunk"
    variant = replace(variant_in(tmp_path / "tiny", PACKAGE), pins=(pin,))
    for version in ("9.1", "9.2"):
        head = commit(version)
        made = with_commits(variant)
        assert made.pins == (f"markupsafe @ git+file://{repository}@{head}",)
        assert environments.ensure(made).versions["markupsafe"] == f"{version} ({head[:12]})"
        assert may_be(made.pins, variant.pins)
    assert not may_be((f"markupsafe @ git+file:///elsewhere@{head}",), variant.pins)
    assert not may_be((pin.replace("trunk", "other"),), variant.pins)
    assert not may_be((), variant.pins)
    with pytest.raises(VariantFailed, match="no branch or tag 'other'"):
        with_commits(replace(variant, pins=(pin.replace("trunk", "other"),)))
    with pytest.raises(VariantFailed, match="can't read the repository"):
        with_commits(replace(variant, pins=("x @ git+file:///nowhere@trunk",)))
