import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from servicing import ServiceRun, killed

from harness.ground.errors import EnvironmentUnfit
from harness.machine.services.tls import CA_FILE, CERT, KEY, sign_certificate

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path: Path) -> Iterator[ServiceRun]:
    """Begin a run, and end it whatever happens."""
    one = ServiceRun(tmp_path)
    yield one
    one.close()


def test_the_key_is_the_suts_alone(run: ServiceRun) -> None:
    """A SUT can read its key and change nothing; clients have the authority; all is gone after the end."""
    service = run.serve("tls")
    cert, key, ca = (
        Path(path) for path in (service.variables[CERT], service.variables[KEY], service.for_clients[CA_FILE])
    )
    assert cert.stat().st_mode & 0o777 == ca.stat().st_mode & 0o777 == 0o644
    if os.geteuid() == 0:
        assert (key.stat().st_mode & 0o777, key.stat().st_uid, key.stat().st_gid) == (0o440, 0, 65534)
        assert {path.stat().st_uid for path in (cert, ca, key.parent)} == {0}
    else:
        assert key.stat().st_mode & 0o777 == 0o400
    assert key.parent.stat().st_mode & 0o022 == 0
    assert {path.name for path in key.parent.iterdir()} == {"ca.pem", "cert.pem", "key.pem"}
    context = ssl.create_default_context(cafile=ca)
    assert len(context.get_ca_certs()) == 1
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)  # they belong together
    service.stop()
    assert run.left() == []
    service.stop()


def test_each_run_has_an_authority_of_its_own(run: ServiceRun) -> None:
    """What one run trusts is nothing to another."""
    first, second = run.serve("tls"), run.serve("tls")
    assert Path(first.for_clients[CA_FILE]).read_bytes() != Path(second.for_clients[CA_FILE]).read_bytes()


def test_a_kill_leaves_no_certificate(tmp_path: Path) -> None:
    """A killed run's folder is removed by its reaper."""
    key = killed(tmp_path, "run-tls", "tls", KEY)
    assert Path(key).name == "key.pem"
    assert not Path(key).parent.exists()


def test_no_room_is_said(run: ServiceRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the files can't be written, the message names the folder and what to do."""
    monkeypatch.setattr("harness.machine.services.tls.home_for", lambda *_: run.folder / "missing" / "a")
    with pytest.raises(EnvironmentUnfit, match="certificate can't be written"):
        sign_certificate(run.journal)
