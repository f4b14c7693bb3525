"""Real runs by TLS: what is spoken and recorded, what is refused, and what is left."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from parties import as_root, until
from running import APPS, ROOT, Home, codes, row_of

from harness.machine.custody.journal import Folder, read
from harness.machine.services.certificates import certificates

pytestmark = [as_root, pytest.mark.slow]
BASE = ("django-gunicorn", "fastapi-uvicorn", "flask-gunicorn")
RULES_BROKEN_BY_TLS = {"tls-differs": "warning"}
SPEAKS = ("--tls", "{tls_cert}", "{tls_key}")


def add(home: Home, name: str, tls: Sequence[str]) -> None:
    """Make a variant that speaks TLS by these arguments."""
    folder = home.folder / "apps" / name
    folder.mkdir()
    start = ["python", str(APPS / "server.py"), "--port", "{port}"]
    (folder / "variant.toml").write_text(
        'framework = "x"\nserver = "x"\ninterface = "x"\nconcurrency = "x"\n'
        f"start = {json.dumps(start)}\ntls = {json.dumps(list(tls))}\n"
    )


def agreed(home: Home) -> dict[str, dict[str, int]]:
    """Return what the connections of each variant's trial of `tls` agreed on."""
    records = [json.loads(path.read_bytes()) for path in home.results.glob("*/trials/*/trial.json")]
    assert [record["failure"] for record in records] == [None] * len(records)
    cells = [(record["cell"], record["load"]["tls"]) for record in records]
    return {cell["variant"]: found for cell, found in cells if cell["scenario"] == "tls"}


def test_the_base_variants_agree_on_the_same(tmp_path: Path) -> None:
    """All three, and the null SUT, are measured by TLS: the same version and cipher for every connection."""
    home = Home(tmp_path / "home")
    for name in (*BASE, "null-uvloop"):
        (home.folder / "apps" / name).symlink_to(ROOT / "apps" / name)
    home.suite(blocks="1", scenarios='["tls"]', variants=json.dumps(BASE))
    with home.run("--json") as command:
        ended = command.end(bound_s=150)
    seen = agreed(home)
    assert seen.keys() == set(BASE)
    assert len({tuple(one) for one in seen.values()}) == 1, seen
    ((agreement, connections),) = seen[BASE[0]].items()
    assert (agreement.split()[0], connections) == ("TLSv1.3", 20)
    cells = json.loads(ended.output)["cells"]
    assert [cell["tls"] for cell in cells] == [[agreement]] * 3
    assert not any(RULES_BROKEN_BY_TLS.keys() & found.keys() for found in codes(ended).values())
    (run,) = home.folders()
    record = json.loads((run / "run.json").read_text())
    assert record["services"] == {"tls": "ECDSA P-256 (signed for the run)"}
    (ceiling,) = record["calibration"]
    assert ceiling["requests_per_s"] > 0


def test_variants_that_agree_on_other_things_are_told(tmp_path: Path) -> None:
    """One that speaks TLS 1.2 at most breaks the rule for both; plain cells beside them keep it."""
    home = Home(tmp_path / "home")
    add(home, "new", SPEAKS)
    add(home, "old", (*SPEAKS, "--tls-at-most", "TLSv1_2"))
    home.suite(blocks="1", scenarios='["hello", "tls"]', variants='["new", "old"]')
    with home.run("--json") as command:
        ended = command.end()
    versions = {name: [one.split(" ")[0] for one in found] for name, found in agreed(home).items()}
    assert versions == {"new": ["TLSv1.3"], "old": ["TLSv1.2"]}
    cells = json.loads(ended.output)["cells"]
    told = {
        (cell["scenario"], cell["variant"]["id"]): {
            finding["code"]: finding["severity"]
            for finding in cell["findings"]
            if finding["code"] in RULES_BROKEN_BY_TLS
        }
        for cell in cells
    }
    assert told == {
        ("hello", "new"): {},
        ("hello", "old"): {},
        ("tls", "new"): RULES_BROKEN_BY_TLS,
        ("tls", "old"): RULES_BROKEN_BY_TLS,
    }


def test_a_certificate_of_somebody_else_ends_the_run(tmp_path: Path) -> None:
    """A variant that shows another certificate than the run's is not measured, and the reason is told."""
    home = Home(tmp_path / "home")
    _, cert, key = certificates(datetime.now(UTC))
    files = [home.folder / "cert.pem", home.folder / "key.pem"]
    for path, data in zip(files, (cert, key), strict=True):
        path.write_bytes(data)
    add(home, "other", ("--tls", *map(str, files)))
    home.suite(blocks="1", scenarios='["tls"]', variants='["other"]')
    with home.run() as command:
        ended = command.end()
    assert ended.status == 4, ended
    assert "other: shows a certificate that can't be trusted (unable to get local issuer" in ended.complaint


def certificate_of(home: Home) -> Path:
    """Return the folder of the certificate of the run that is going on."""
    (path,) = (home.folder / "state").glob("*/journal.jsonl")
    entries = read(path)
    assert entries is not None
    (folder,) = [Path(one.path) for one in entries.made if isinstance(one, Folder) and "-tls-" in one.path]
    assert (folder / "key.pem").exists()
    return folder


def test_a_run_leaves_no_certificate(tmp_path: Path) -> None:
    """Its folder is gone after the end, and within 10 s of kill -9 under load; that run can be resumed."""
    home = Home(tmp_path / "home")
    add(home, "new", SPEAKS)
    home.suite(scenarios='["tls"]', variants='["new"]')
    with home.run() as command:
        command.await_load()
        first = certificate_of(home)
        command.end()
    assert not first.exists()
    with home.run() as command:
        command.await_load()
        second = certificate_of(home)
        command.signal(signal.SIGKILL)
        command.child.wait()
        assert until(lambda: not (second.exists() or home.left({command.child.pid})), bound_s=10)
    assert second != first
    resumed = home.do("resume", "--yes")
    assert row_of(home.do("list", "--json"), home.folders()[-1].name)["state"] == "sealed", resumed


def test_a_variant_that_speaks_no_tls_is_left_out(tmp_path: Path) -> None:
    """Beside others it has no row; alone there is nothing to do, which is told."""
    home = Home(tmp_path / "home")
    add(home, "new", SPEAKS)
    home.suite(blocks="1", scenarios='["tls"]', variants='["new", "plain"]')
    with home.run("--json") as command:
        ended = command.end()
    assert [cell["variant"]["id"] for cell in json.loads(ended.output)["cells"]] == ["new"]
    with home.run("--variant", "plain") as command:
        refused = command.end()
    assert refused.status == 2
    assert "no variant implements" in refused.complaint
