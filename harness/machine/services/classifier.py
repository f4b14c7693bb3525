"""The text classifier of a run: a model's file, trained on this machine once and kept in the cache."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.ground import process
from harness.ground.errors import EnvironmentUnfit
from harness.machine.environments import cache_folder, lock
from harness.machine.installer import dying_with_us, open_to_all

VARIABLE = "WEBDYNO_CLASSIFIER"
_TRAINING = "harness.machine.services.classifier_training"
_SOURCES = ("classifier_training.py", "classifier_texts.py")
_PACKAGES = ("numpy", "onnx", "onnxruntime", "scipy")
_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Models:
    """A finished training."""

    folder: Path
    """With a file for each precision."""
    accuracy: Mapping[str, float]
    """By precision: the share of held-out texts whose category is found."""

    def path(self, precision: str) -> Path:
        """Return a model's file."""
        return self.folder / f"{precision}.onnx"


@dataclass(frozen=True, slots=True)
class ClassifierService:
    """A model of one precision; no process belongs to it."""

    name: str
    version: str
    path: Path
    origin: str = "trained here"
    party: None = None

    @property
    def variables(self) -> Mapping[str, str]:
        """Return where the model's file is."""
        return {VARIABLE: str(self.path)}

    @property
    def for_clients(self) -> Mapping[str, str]:
        """Return nothing: clients see categories alone."""
        return {}

    def reset(self) -> None:
        """Do nothing: nobody writes to a model."""

    def stop(self) -> None:
        """Do nothing: the model is kept for the next run."""


def offer_classifier(name: str, precision: str) -> ClassifierService:
    """Return the service of a model, which is trained now where it is not there yet."""
    models = ensure_models()
    version = f"{precision}, {models.accuracy[precision]:.1%} right"
    return ClassifierService(name, version, models.path(precision))


def ensure_models() -> Models:
    """Return the models of the training as it stands in this harness.

    Raises EnvironmentUnfit where they can't be made.
    """
    home = cache_folder() / "classifiers" / _key()
    try:
        with lock(home):
            found = _read(home)
            if found is None:
                _make(home)
                found = _read(home)
    except OSError as error:
        raise EnvironmentUnfit(
            f"the classifier can't be written: {error.strerror}",
            where=str(home),
            remedy="make room there, or set WEBDYNO_CACHE to another folder",
        ) from error
    assert found is not None, "it was made a moment ago"
    return found


def _key() -> str:
    """Return a name that changes with whatever the models are made by."""
    sources = [Path(__file__).with_name(name).read_text(encoding="utf-8") for name in _SOURCES]
    versions = [importlib.metadata.version(name) for name in _PACKAGES]
    return hashlib.sha256(json.dumps([sources, versions]).encode()).hexdigest()[:24]


def _make(home: Path) -> None:
    """Train in a folder aside, which becomes the finished one by its name."""
    aside = home.with_suffix(".aside")
    shutil.rmtree(aside, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)
    aside.mkdir()
    done = process.run(
        (*dying_with_us(), sys.executable, "-m", _TRAINING, str(aside)),
        timeout_s=_TIMEOUT_S,
        cwd="/",
        env={
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            "OPENBLAS_NUM_THREADS": "1",  # adds up in one order
            "PYTHONPATH": str(Path(__file__).parents[3]),
        },
    )
    if done.exit != 0:
        shutil.rmtree(aside, ignore_errors=True)
        raise EnvironmentUnfit(
            "the classifier can't be trained",
            where=str(home.parent),
            remedy="make room there, or set WEBDYNO_CACHE to another folder",
            log="\n".join(done.complaint.splitlines()[-15:]),
        )
    open_to_all(aside)
    aside.rename(home)


def _read(home: Path) -> Models | None:
    try:
        accuracy = json.loads((home / "accuracy.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # empty after a loss of power
        return None
    return Models(home, accuracy)
