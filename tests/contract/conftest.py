"""Real variants on a real PostgreSQL with the seed's rows."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from language_model import LanguageModel, serving_a_model
from served import (
    APPS,
    PATIENCE_S,
    POOL_SIZE,
    VARIANTS,
    Database,
    Serve,
    Served,
    accepts,
    free_port,
    serving,
    wait_until,
)

from harness.ground import process
from harness.ground.clock import SystemClock
from harness.machine.backends.cgroup import CgroupBackend
from harness.machine.custody import collector
from harness.machine.custody.journal import NAME, Journal
from harness.machine.services.classifier import offer_classifier
from harness.machine.services.keys import Keys, draw_keys
from harness.machine.services.owner import home_for
from harness.machine.services.postgres_binaries import choose_binaries
from harness.machine.services.postgres_cluster import make_cluster
from harness.machine.services.postgres_seeding import seed_database
from harness.machine.services.tls import Tls, sign_certificate
from harness.machine.services.valkey import ValkeyService, start_valkey
from harness.records.contract import Case, load_cases

DOCUMENT_KEY = "00112233445566778899aabbccddeeff" * 2


@pytest.fixture(scope="session")
def cases() -> tuple[Case, ...]:
    """Return the contract's cases."""
    return load_cases(APPS / "contract")


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Serve a seeded PostgreSQL for the session."""
    cluster = make_cluster(choose_binaries(), home_for("contract", "postgres"))
    log = tmp_path_factory.mktemp("postgres") / "log"
    port = free_port()
    url = f"postgresql://postgres:{cluster.password}@127.0.0.1:{port}/postgres"
    command = (*cluster.command(port), "-c", "log_statement=all")
    child = process.start(process.Command(command, "/", {"PATH": os.defpath, "LC_ALL": "C"}, str(log)))
    try:
        wait_until(lambda: accepts(url), child, log)
        with psycopg.connect(url, autocommit=True) as connection:
            seed_database(connection, bytes.fromhex(DOCUMENT_KEY))
        yield Database(url, log)
    finally:
        process.signal_group(child.pid, signal.SIGINT)  # does not wait for the clients
        process.end(child, grace_s=PATIENCE_S)
        shutil.rmtree(cluster.home)


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """Return what starts a variant for as long as a `with` block lasts."""

    def start(
        name: str,
        services: Mapping[str, str],
        *,
        apps: Path = APPS,
        cpus: float = 1,
        python: str | None = None,
    ) -> AbstractContextManager[Served]:
        return serving(
            name, services, tmp_path_factory.mktemp(name) / "log", apps=apps, cpus=cpus, python=python
        )

    return start


@pytest.fixture(scope="session")
def with_database(database: Database) -> dict[str, str]:
    """Return the variables of a variant that is given the database and the documents' key."""
    return {
        "WEBDYNO_POSTGRES_URL": database.url,
        "WEBDYNO_DB_POOL_SIZE": str(POOL_SIZE),
        "WEBDYNO_DOCUMENT_KEY": DOCUMENT_KEY,
    }


@pytest.fixture(scope="session")
def with_classifier() -> dict[str, str]:
    """Return the variables of a variant that is given the classifier."""
    return dict(offer_classifier("classifier", "fp32").variables)


@pytest.fixture(scope="session")
def keys() -> Keys:
    """Return secrets for the session."""
    return replace(draw_keys(), document_key=DOCUMENT_KEY)


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyService]:
    """Serve a Valkey for the session."""
    folder, run = tmp_path_factory.mktemp("valkey"), f"test-{secrets.token_hex(4)}"
    journal = Journal(folder / run / NAME, run)
    backend = CgroupBackend(run, journal, SystemClock())
    try:
        service = start_valkey(backend, journal, cpus=(), log=folder / "valkey.log")
        yield service
        service.stop()
    finally:
        backend.close()
        journal.close()
        collector.collect(journal.path)


@pytest.fixture(scope="session")
def model() -> Iterator[LanguageModel]:
    """Serve a language model for the session."""
    with serving_a_model() as served:
        yield served


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    """Sign a certificate for the session."""
    run = f"test-{secrets.token_hex(4)}"
    journal = Journal(tmp_path_factory.mktemp("tls") / run / NAME, run)
    service = sign_certificate(journal)
    yield service
    service.stop()
    journal.close()


@pytest.fixture(scope="session")
def with_everything(
    with_database: dict[str, str],
    with_classifier: dict[str, str],
    keys: Keys,
    valkey: ValkeyService,
    model: LanguageModel,
) -> dict[str, str]:
    """Return the variables of a variant that is given every service."""
    return {
        **with_database,
        **with_classifier,
        **keys.variables,
        **valkey.variables,
        **model.variables,
    }


@pytest.fixture(scope="module")
def all_served(serve: Serve, with_everything: dict[str, str]) -> Iterator[dict[str, Served]]:
    """Serve the three base variants with every service at once."""
    fastapi, flask, django = VARIANTS
    with (
        serve(fastapi, with_everything) as first,
        serve(flask, with_everything) as second,
        serve(django, with_everything) as third,
    ):
        yield {fastapi: first, flask: second, django: third}
