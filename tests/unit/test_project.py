from pathlib import Path

import pytest

import harness
from harness.ground.errors import UsageError
from harness.records.project import Project, apps_of, find_project

ROOT = Path(harness.__file__).resolve().parent.parent


def test_the_nearest_project_around_a_folder_is_found(tmp_path: Path) -> None:
    """A folder inside a checkout means that checkout, any other the harness's own."""
    for name in ("apps", "scenarios", "apps/mine/deep"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    assert find_project(tmp_path / "apps/mine/deep") == Project(tmp_path)
    assert find_project(Path("/")) == Project(ROOT)


def test_suites_are_found_by_name_and_by_file(tmp_path: Path) -> None:
    """A name means the project's own; what ends in .toml is a file; an unknown name is told."""
    project = Project(ROOT)
    assert project.suite("smoke").name == "smoke"
    mine = tmp_path / "mine.toml"
    mine.write_text((ROOT / "scenarios/suites/smoke.toml").read_text())
    assert project.suite(str(mine)).name == "mine"
    with pytest.raises(UsageError, match="did you mean smoke"):
        project.suite("smok")
    with pytest.raises(UsageError, match=r"no\.toml: can't be read"):
        project.suite("no.toml")


def test_a_checkout_stands_for_its_apps(tmp_path: Path) -> None:
    """Its root means the folder of its variants; one that has variants, or nothing, means itself."""
    inner = tmp_path / "other/apps"
    assert apps_of(tmp_path / "other") == tmp_path / "other"
    inner.mkdir(parents=True)
    assert apps_of(tmp_path / "other") == inner
    assert apps_of(inner) == inner
    (inner / "variant.toml").touch()  # a variant called apps
    assert apps_of(tmp_path / "other") == tmp_path / "other"


def test_variants_of_further_folders_join_the_projects_own(tmp_path: Path) -> None:
    """A further folder adds to the project's variants; a missing one is told."""
    folder = tmp_path / "more/mine"
    folder.mkdir(parents=True)
    (folder / "variant.toml").write_text(
        'framework = "x"\nserver = "x"\ninterface = "x"\nconcurrency = "x"\nstart = ["x", "{port}"]\n'
    )
    found = Project(ROOT).variants((tmp_path / "more",))
    assert {"mine", "flask-gunicorn"} <= set(found)
    with pytest.raises(UsageError, match="no such apps folder"):
        Project(ROOT).variants((tmp_path / "none",))
