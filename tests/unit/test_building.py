"""What an engine is given to build an image of."""

from pathlib import Path

import pytest

from harness.machine.building import GIVEN, File, files_of


def test_links_stand_for_what_they_lead_to(tmp_path: Path) -> None:
    """Files of linked folders are there, bytecode is not, and a folder that holds itself has an end."""
    shared, folder = tmp_path / "shared", tmp_path / "x"
    for one in (shared / "deep", folder / "__pycache__"):
        one.mkdir(parents=True)
    (shared / "deep/a.py").write_bytes(b"a")
    (folder / "__pycache__/b.pyc").write_bytes(b"b")
    (folder / "linked").symlink_to(shared)
    (shared / "deep/again").symlink_to(folder)
    assert tuple(files_of(folder, "apps/x")) == (File("apps/x/linked/deep/a.py", b"a"),)


@pytest.mark.parametrize(("content", "mode", "executable"), [(b"\x7fELF", 0o755, True), (b"x", 0o644, False)])
def test_a_program_stays_one(tmp_path: Path, content: bytes, mode: int, executable: bool) -> None:
    """What may be executed here may be executed in the image, scripts or not."""
    path = tmp_path / "program"
    path.write_bytes(content)
    path.chmod(mode)
    assert File.of(path, "bin/program") == File("bin/program", content, executable)


def test_proxies_are_given_however_they_are_spelt() -> None:
    """A build inherits the proxies by their names in capitals and in small letters."""
    assert {"HTTPS_PROXY", "https_proxy", "http_proxy", "no_proxy"} <= set(GIVEN)
