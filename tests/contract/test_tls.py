"""The base variants by TLS: the same contract, versions and ciphers, and nothing else on that port."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from served import EVERYTHING, VARIANTS, Serve, Served

from harness.lifecycle.verify import failures, verify
from harness.machine.services.tls import CA_FILE, Tls
from harness.machine.services.valkey import ValkeyService
from harness.records.contract import Case

pytestmark = pytest.mark.slow
AGREED = {
    ssl.TLSVersion.TLSv1_3: "TLS_AES_256_GCM_SHA384",
    ssl.TLSVersion.TLSv1_2: "ECDHE-ECDSA-AES256-GCM-SHA384",
}


@pytest.fixture(scope="module")
def with_tls(with_everything: dict[str, str], tls: Tls) -> dict[str, str]:
    """Return the variables of a variant that is given every service and a certificate."""
    return {**with_everything, **tls.variables, **tls.for_clients}


@pytest.fixture(scope="module")
def all_by_tls(serve: Serve, with_tls: dict[str, str]) -> Iterator[dict[str, Served]]:
    """Serve the three base variants by TLS."""
    fastapi, flask, django = VARIANTS
    with (
        serve(fastapi, with_tls) as first,
        serve(flask, with_tls) as second,
        serve(django, with_tls) as third,
    ):
        yield {fastapi: first, flask: second, django: third}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_case_passes_by_tls(
    name: str,
    all_by_tls: dict[str, Served],
    cases: tuple[Case, ...],
    with_tls: dict[str, str],
    valkey: ValkeyService,
) -> None:
    """A base variant keeps the whole contract by TLS, too, and tells nobody anything without it."""
    valkey.reset()
    results = verify(all_by_tls[name].url, cases, services=EVERYTHING | {"tls"}, variables=with_tls)
    assert failures(results) == ()
    assert all(result.passed for result in results if result.name.startswith("tls: "))


@pytest.mark.parametrize("newest", AGREED, ids=lambda version: version.name)
def test_the_variants_agree_with_a_client_on_the_same(
    newest: ssl.TLSVersion, all_by_tls: dict[str, Served], tls: Tls
) -> None:
    """For each version there is one cipher suite that is chosen, whatever the server."""
    context = ssl.create_default_context(cafile=tls.for_clients[CA_FILE])
    context.maximum_version = newest
    agreed = {agreement(served.url, context) for served in all_by_tls.values()}
    assert agreed == {(newest.name.replace("_", "."), AGREED[newest])}


def test_only_those_who_trust_the_authority_are_answered(all_by_tls: dict[str, Served]) -> None:
    """With the system's authorities alone, the certificate proves nothing."""
    for served in all_by_tls.values():
        with pytest.raises(ssl.SSLCertVerificationError):
            agreement(served.url, ssl.create_default_context())


def agreement(url: str, context: ssl.SSLContext) -> tuple[str | None, str]:
    """Return the version and the cipher suite that a server agrees on."""
    port = urlsplit(url).port
    assert port is not None
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as spoken,
    ):
        cipher = spoken.cipher()
        assert cipher is not None
        return spoken.version(), cipher[0]
