"""Images of variants that were wished for otherwise than their manifests say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import synthetic

from harness.ground.errors import EnvironmentUnfit, VariantFailed
from harness.ground.model import Variant
from harness.machine import environments, images
from harness.machine.environments import Environment


@pytest.fixture
def variant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Variant:
    """Return one with two requirements, whose environments are kept in a folder of the test's own."""
    monkeypatch.setenv("UV_CACHE_DIR", str(environments.cache_folder() / "uv"))
    monkeypatch.setenv("WEBDYNO_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "requirements.txt").write_text("jinja2==3.1.6\nmarkupsafe==3.0.3\n")
    (folder / "app.py").write_text("")
    made = replace(synthetic.variant("tiny"), folder=str(folder), requirements="requirements.txt")
    return replace(made, id="tiny@jinja2==3.1.3", pins=("jinja2==3.1.3",))


def test_an_image_is_given_the_wished_requirements(variant: Variant) -> None:
    """The recipe finds them where the variant's own would be; all other files are as they are."""
    files = {file.path: file.content for file in images._own_files(variant)}
    assert files == {
        "apps/tiny/app.py": b"",
        "apps/tiny/requirements.txt": b"jinja2==3.1.3\nmarkupsafe==3.0.3\n",
    }


@pytest.mark.parametrize("own", [True, False], ids=["its own domain", "ours"])
def test_an_image_holds_the_packages_of_the_variants_checkout(
    variant: Variant, tmp_path: Path, own: bool
) -> None:
    """They are those beside the variant, where there is a `domain`; the recipe is the project's."""
    ours = tmp_path / "ours"
    for folder in (ours / "domain", *([tmp_path / "domain"] if own else [])):
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(str(folder))
    for name in ("Dockerfile", "start.py"):
        (ours / name).write_text("ours")
    files = {file.path: file.content.decode() for file in images._files(replace(variant, pins=()), ours)}
    assert files["apps/domain/__init__.py"] == str((tmp_path if own else ours) / "domain")
    assert files["Dockerfile"] == files["apps/start.py"] == "ours"


@pytest.mark.parametrize(
    ("there", "python", "says"),
    [
        ({"python": "3.12.4", "jinja2": "3.1.3"}, "3.12", ""),
        ({"python": "3.12.4", "jinja2": "3.1.3"}, None, ""),
        ({"python": "3.1.2", "jinja2": "3.1.3"}, "3.12", "its image has python 3.1.2, not 3.12"),
        ({"python": "3.13.0", "jinja2": "3.1.3"}, "3.12", "its image has python 3.13.0, not 3.12"),
        ({"python": "3.12.4", "jinja2": "3.1.6"}, "3.12", "its image has jinja2 3.1.6, not 3.1.3"),
        ({"python": "3.12.4", "jinja2": "3.1.3.0"}, "3.12", ""),
        ({"python": "3.12.4", "jinja2": "3.1.30"}, "3.12", "its image has jinja2 3.1.30"),
        ({}, None, "its image has jinja2 none"),
    ],
)
def test_an_image_that_is_not_what_its_label_says(
    variant: Variant, there: dict[str, str], python: str | None, says: str
) -> None:
    """A base image or a recipe of the variant's own that has other versions is no row of that name."""
    made = Environment(bin=Path("/b"), python=Path("/p"), versions=there, optimised=None)
    wished = replace(variant, python=python)
    if not says:
        images._insist_on_wishes(wished, made)
        return
    with pytest.raises(VariantFailed, match=says):
        images._insist_on_wishes(wished, made)


def test_an_image_takes_no_git_repository(variant: Variant) -> None:
    """It has no git: that is said before anything is pulled or built."""
    engine: Any = None
    wished = replace(variant, pins=("jinja2 @ git+https://host/jinja@main",))
    with pytest.raises(EnvironmentUnfit, match=r"(?s)no git.*--backend cgroup"):
        images.ensure_bases(engine, [wished], lambda _: None)
