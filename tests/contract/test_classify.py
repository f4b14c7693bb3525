"""Classification beside other requests: the model computes, and the worker answers on."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from served import APPS, VARIANTS, Serve, wait_for

TAKES_S = 2
SLOW = f"""
    def classify(self, request):
        import pathlib, time

        pathlib.Path(__file__).with_name("begun").touch()
        time.sleep({TAKES_S})  # stands for a model that takes its time
        return {{"category": self.categories[0]}}

    def _as_it_was("""
"""What takes the place of `def classify(` in the domain's module."""


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_a_worker_answers_while_it_classifies(
    name: str, tmp_path: Path, serve: Serve, with_classifier: Mapping[str, str]
) -> None:
    """A health check beside a classification of two seconds is answered long before that ends."""
    assert health_during(slowed(tmp_path), name, serve, with_classifier) < TAKES_S / 2


@pytest.mark.slow
def test_a_blocked_loop_is_seen(tmp_path: Path, serve: Serve, with_classifier: Mapping[str, str]) -> None:
    """Called without a thread, FastAPI's loop stands still for as long as the model computes."""
    apps = slowed(tmp_path)
    change(
        apps / "fastapi_api" / "classify.py",
        "await asyncio.to_thread(classifier.classify, request)",
        "classifier.classify(request)",
    )
    assert health_during(apps, "fastapi-uvicorn", serve, with_classifier) > TAKES_S / 2


def slowed(folder: Path) -> Path:
    """Return a copy of the variants with a model that takes two seconds."""
    apps = folder / "apps"
    shutil.copytree(APPS, apps, ignore=shutil.ignore_patterns("__pycache__"))
    change(apps / "domain" / "classifier.py", "    def classify(", SLOW)
    return apps


def change(path: Path, kept: str, broken: str) -> None:
    """Replace what stands in a file once."""
    text = path.read_text()
    assert text.count(kept) == 1, "the change no longer fits the code"
    path.write_text(text.replace(kept, broken))


def health_during(apps: Path, name: str, serve: Serve, services: Mapping[str, str]) -> float:
    """Return how long a health check takes, in seconds, that is sent while a text is being classified."""
    with serve(name, services, apps=apps) as served, httpx.Client(base_url=served.url) as client:
        client.get("/healthz")  # this one's connection is there already
        answers: list[int] = []

        def ask() -> None:
            answers.append(httpx.post(f"{served.url}/api/ai/classify", json={"text": "x"}).status_code)

        asking = threading.Thread(target=ask)
        asking.start()
        wait_for((apps / "domain" / "begun").exists)
        begun = time.monotonic()
        assert client.get("/healthz").status_code == 200
        took = time.monotonic() - begun
        assert not answers or took > TAKES_S / 2, "the classification had ended before"
        asking.join()
    assert answers == [200]
    return took
