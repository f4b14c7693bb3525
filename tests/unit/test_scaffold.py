import os
import stat
from pathlib import Path

import pytest

from harness.cli import main
from harness.ground.errors import UsageError
from harness.records.heads import load_scenario
from harness.records.manifest import load_variant
from harness.records.scaffold import new_scenario, new_variant, own_files

MANIFEST = 'framework = "x"\nserver = "x"\ninterface = "x"\nconcurrency = "x"\nstart = ["./run", "{port}"]\n'


@pytest.fixture
def like(tmp_path: Path) -> Path:
    """Return a variant with what has to be copied, and what has not."""
    folder = tmp_path / "theirs/like"
    for name in ("views", "__pycache__", "node_modules/x", "views/__pycache__"):
        (folder / name).mkdir(parents=True)
        (folder / name / "file").write_text(name)
    (folder / "variant.toml").write_text(MANIFEST)
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    (folder / "outside").symlink_to("/etc/hostname")
    (folder / "elsewhere").symlink_to("/etc")
    return folder


def test_a_variant_is_copied_without_caches_and_links(tmp_path: Path, like: Path) -> None:
    """A copy has the files of its model, with their right to be run, and nothing that tools made of them."""
    folder, files = new_variant(tmp_path / "mine", "copy", like)
    assert files == ("run", "variant.toml", "views/file")
    assert sorted(str(path) for path in own_files(folder)) == list(files)
    assert not [path for path in folder.rglob("*") if path.is_symlink()]
    assert (folder / "run").stat().st_mode & stat.S_IXUSR
    assert load_variant(folder).id == "copy"


def test_the_template_is_a_variant(tmp_path: Path) -> None:
    """Without a model a variant is three files, and implements what it says."""
    folder, files = new_variant(tmp_path, "mine", None)
    assert files == ("app.py", "requirements.txt", "variant.toml")
    assert load_variant(folder).implements == ("hello",)
    compile((folder / "app.py").read_text(), "app.py", "exec")


@pytest.mark.parametrize("name", ["", "Mine", "a b", "../mine", "a/b", ".mine", "mine\n"])
def test_a_bad_name_is_told_and_writes_nothing(tmp_path: Path, name: str) -> None:
    """What could be no variant or no scenario leaves nothing behind."""
    with pytest.raises(UsageError, match="can't be a variant's name"):
        new_variant(tmp_path / "apps", name, None)
    with pytest.raises(UsageError, match="a scenario can't be called"):
        new_scenario(tmp_path / "apps", name)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays(tmp_path: Path, like: Path) -> None:
    """A name that is taken is told, and nothing of what has it is changed."""
    before = (like / "variant.toml").read_bytes()
    with pytest.raises(UsageError, match="like: is there already"):
        new_variant(like.parent, "like", None)
    assert (like / "variant.toml").read_bytes() == before
    new_scenario(tmp_path, "mine").write_text("mine")
    with pytest.raises(UsageError, match=r"mine\.py: is there already"):
        new_scenario(tmp_path, "mine")
    assert (tmp_path / "mine.py").read_text() == "mine"


@pytest.mark.parametrize("name", ["json", "string"])
def test_no_scenario_hides_a_standard_module(tmp_path: Path, name: str) -> None:
    """Locust puts the folder on the path, so such a file would take the module's place."""
    with pytest.raises(UsageError, match="standard library"):
        new_scenario(tmp_path, name)


def test_a_half_written_variant_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk is full the message says so, with the path, and no half of a variant is left."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.records.scaffold.shutil.copy", full)
    with pytest.raises(UsageError, match="mine: can't be written: No space left"):
        new_variant(tmp_path, "mine", None)
    assert list(tmp_path.iterdir()) == []


def test_what_both_node_variants_have_is_one() -> None:
    """Their copies of the query and of the shape of errors are the same, so that they do equal work."""
    apps = Path(__file__).parents[2] / "apps"
    for name in ("history.js", "problems.js"):
        assert (apps / "node-http" / name).read_bytes() == (apps / "node-fastify" / name).read_bytes()
    for folder in ("node-http", "node-fastify"):
        assert '"resolved"' not in (apps / folder / "package-lock.json").read_text()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, like: Path) -> Path:
    """Return a project of one variant, and stand in it."""
    for name in ("apps", "scenarios"):
        (tmp_path / "project" / name).mkdir(parents=True)
    like.rename(tmp_path / "project/apps/like")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["like"], "apps/like: is there already\n  choose another name"),
        (["Mine"], "Mine: 'Mine' can't be a variant's name"),
        (["mine", "--like", "lik"], "there is no variant 'lik'\n  did you mean like?"),
        (["mine", "--apps", "scenarios/hello"], "can't be written"),
        (["like", "--apps", "elsewhere"], "apps/like: is there already"),
    ],
    ids=["taken", "bad", "unknown", "unwritable", "taken in the project"],
)
def test_a_mistake_is_one_message(
    project: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each mistake ends with 2 and says what, where and what to do; nothing is written."""
    (project / "scenarios/hello").write_text("a file where a folder is due")
    assert main.run_command_line(["new-variant", *arguments]) == 2
    said = capsys.readouterr()
    assert told in said.err
    assert said.out == ""
    assert [path.name for path in (project / "apps").iterdir()] == ["like"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_elses_is_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing may be written the message says so."""
    (project / "apps").chmod(0o555)
    assert main.run_command_line(["new-variant", "mine"]) == 2
    assert "apps/mine: can't be written: Permission denied" in capsys.readouterr().err


def test_the_next_steps_are_printed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The commands name the variant, and the folder where it is not the project's own."""
    assert main.run_command_line(["new-variant", "mine", "--like", "like", "--apps", "my apps"]) == 0
    assert capsys.readouterr().out == (
        "made my apps/mine: run, variant.toml, views/file\n"
        "next:\n"
        "  webdyno verify mine --apps 'my apps'\n"
        "  webdyno serve mine --apps 'my apps'\n"
        "  webdyno run --suite smoke --scenario hello --variant mine --apps 'my apps'\n"
    )
    assert load_variant(project / "my apps/mine").id == "mine"


@pytest.fixture
def with_hello(project: Path) -> Path:
    """Return the project with a scenario of its own."""
    (project / "scenarios/hello.py").write_text("")
    return project


def test_a_scenario_of_ones_own_lies_beside_ones_variants(
    with_hello: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a folder of variants it is put into its scenarios; the printed command names the folder."""
    assert main.run_command_line(["new-scenario", "mine", "--apps", "my apps"]) == 0
    assert capsys.readouterr().out == (
        "made my apps/scenarios/mine.py\n"
        "next:\n"
        "  webdyno run --suite smoke --variant flask-gunicorn --scenario mine --apps 'my apps'\n"
    )
    assert load_scenario(with_hello / "my apps/scenarios/mine.py").endpoints == ("GET /json",)


def test_no_two_scenarios_have_one_name(with_hello: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that the project or the folder has is refused, with the file, and nothing is written."""
    assert main.run_command_line(["new-scenario", "hello", "--apps", "mine"]) == 2
    assert f"{with_hello}/scenarios/hello.py: is there already" in capsys.readouterr().err
    assert not (with_hello / "mine").exists()
    assert main.run_command_line(["new-scenario", "own", "--apps", "mine"]) == 0
    assert main.run_command_line(["new-scenario", "own", "--apps", "mine"]) == 2


def test_a_checkout_gets_it_into_its_apps(project: Path) -> None:
    """What is named by a checkout's root is put where its variants are."""
    (project / "other/apps").mkdir(parents=True)
    assert main.run_command_line(["new-variant", "mine", "--apps", "other"]) == 0
    assert load_variant(project / "other/apps/mine").id == "mine"
