from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from harness.ground.errors import EnvironmentUnfit
from harness.machine.services import classifier
from harness.machine.services.classifier import Models, ensure_models, offer_classifier


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep models in a folder of the test's own, and train them in no time."""
    monkeypatch.setenv("WEBDYNO_CACHE", str(tmp_path))
    monkeypatch.setattr(classifier, "_TRAINING", "tests.unit.quick_training")
    return tmp_path / "classifiers"


def test_models_are_made_once_and_everyone_may_read_them(home: Path) -> None:
    """The second asking finds what the first made, with modes for another uid, whatever our umask."""
    before = os.umask(0o077)
    try:
        made = ensure_models()
    finally:
        os.umask(before)
    assert ensure_models() == made
    assert (home / "ran").read_text() == "x"
    assert {path.name: path.stat().st_mode & 0o777 for path in made.folder.iterdir()} == {
        "fp32.onnx": 0o644,
        "int8.onnx": 0o644,
        "accuracy.json": 0o644,
    }
    assert made.folder.stat().st_mode & 0o777 == home.stat().st_mode & 0o777 == 0o755


def test_two_makers_at_once_train_once(home: Path) -> None:
    """The second waits for the first one's lock and takes what that made."""
    made: list[Models] = []
    threads = [threading.Thread(target=lambda: made.append(ensure_models())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (home / "ran").read_text() == "x"
    assert made[0] == made[1] == made[2]


@pytest.mark.usefixtures("home")
def test_half_made_models_are_made_again() -> None:
    """What a killed training, or a loss of power, leaves behind is no model."""
    made = ensure_models()
    (made.folder / "accuracy.json").write_text("")
    (made.folder / "fp32.onnx").write_text("")
    aside = made.folder.with_suffix(".aside")
    aside.mkdir()
    (aside / "rubbish").touch()
    assert ensure_models() == made
    assert made.path("fp32").read_bytes() == b"fp32"
    assert not aside.exists()


def test_a_failed_training_is_told_and_leaves_nothing(home: Path) -> None:
    """The trainer's last words are in the message; the next asking begins anew."""
    home.mkdir()
    (home / "fail").touch()
    with pytest.raises(EnvironmentUnfit) as caught:
        ensure_models()
    assert "no room on the device" in str(caught.value.log)
    assert [path for path in home.iterdir() if path.is_dir()] == []
    (home / "fail").unlink()
    assert ensure_models().accuracy == {"fp32": 0.5, "int8": 0.25}


@pytest.mark.usefixtures("home")
def test_other_sources_make_other_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of what the models are made by is a change of their folder's name."""
    first = ensure_models()
    monkeypatch.setattr(classifier, "_SOURCES", ("classifier.py",))
    second = ensure_models()
    monkeypatch.setattr(classifier, "_PACKAGES", ("numpy",))
    third = ensure_models()
    assert len({first.folder, second.folder, third.folder}) == 3


@pytest.mark.usefixtures("home")
def test_each_service_offers_its_own_model() -> None:
    """A SUT is told the path of one file; the record says how good it is."""
    exact, small = offer_classifier("classifier", "fp32"), offer_classifier("classifier-int8", "int8")
    assert Path(exact.variables["WEBDYNO_CLASSIFIER"]).read_bytes() == b"fp32"
    assert Path(small.variables["WEBDYNO_CLASSIFIER"]).read_bytes() == b"int8"
    assert (exact.version, small.version) == ("fp32, 50.0% right", "int8, 25.0% right")
