from __future__ import annotations

import json
import re
import ssl
import subprocess
from pathlib import Path

import httpx
import psycopg
import pytest
from served import APPS, POOL_SIZE, VARIANTS, Database, Serve, Served, wait_for

from harness import environments, manifest
from harness.contract import Case
from harness.services import seed
from harness.verify import failures, verify

QUERY = "SELECT content, create_time FROM ai_chat WHERE user_id = $1 ORDER BY create_time, id"


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_every_case_passes_with_a_database(
    name: str, all_served: dict[str, Served], cases: tuple[Case, ...]
) -> None:
    """A base variant keeps every rule of the contract."""
    results = verify(all_served[name].url, cases, services=("postgres",))
    assert failures(results) == ()
    assert sum(result.passed is None for result in results) == 1, "the case without a database"


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_every_case_passes_without_a_database(name: str, serve: Serve, cases: tuple[Case, ...]) -> None:
    """A base variant starts without a database and keeps the rules of everything else."""
    with serve(name, {}) as served:
        results = verify(served.url, cases)
    assert failures(results) == ()
    assert {result.passed for result in results} == {True, None}


@pytest.mark.slow
def test_the_variants_answer_alike(all_served: dict[str, Served], cases: tuple[Case, ...]) -> None:
    """Status and JSON, messages included, are the same in all three for every request of the contract."""
    tls = ssl.create_default_context()  # costs more than a request
    for case in cases:
        answers = [answer(served.url, case, tls) for served in all_served.values()]
        assert answers[0] == answers[1] == answers[2], case.name


@pytest.mark.slow
@pytest.mark.parametrize("user", [1, 500, 1000])
def test_a_history_is_what_the_database_holds(user: int, all_served: dict[str, Served]) -> None:
    """All hundred rows come, to the microsecond and in order."""
    due = [
        {"content": chat.content, "time": chat.create_time.isoformat(timespec="microseconds")}
        for chat in seed.chats_of(user)
    ]
    for served in all_served.values():
        assert httpx.get(f"{served.url}/api/ai/history/{user}").json() == {"user_id": user, "history": due}


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_a_read_is_one_prepared_statement_and_nothing_else(
    name: str, all_served: dict[str, Served], database: Database
) -> None:
    """No BEGIN, COMMIT, SET or reset goes with a query, and none is parsed anew."""
    url = f"{all_served[name].url}/api/ai/history"
    with httpx.Client() as client:
        for user in range(1, 40):  # every connection of the pool has prepared it by then
            client.get(f"{url}/{user}")
        before = database.log.stat().st_size
        for user in range(41, 81):
            assert len(client.get(f"{url}/{user}").json()["history"]) == 100
    logged = statements(database.log, before)
    assert [text for _, text in logged] == [QUERY] * 40
    names = {kind for kind, _ in logged}
    assert all(re.fullmatch(r"execute (?!<unnamed>)\S+", kind) for kind in names), names
    assert prepared_once(database.log)


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_every_worker_opens_its_whole_pool_before_it_serves(
    name: str, serve: Serve, with_database: dict[str, str], database: Database
) -> None:
    """Two workers hold twice the pool's connections from the first healthy answers on, and give them back."""
    with psycopg.connect(database.url, autocommit=True) as watch:
        before = connections(watch)
        with serve(name, with_database, cpus=2):
            wait_for(lambda: connections(watch) - before == 2 * POOL_SIZE)
        wait_for(lambda: connections(watch) == before)


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_a_failing_database_is_an_internal_error(
    name: str, serve: Serve, with_database: dict[str, str], database: Database
) -> None:
    """A query that fails answers 500 in the shape of all errors, and the server goes on."""
    with psycopg.connect(database.url, autocommit=True) as admin, serve(name, with_database) as served:
        admin.execute("ALTER TABLE ai_chat RENAME TO away")
        try:
            broken = httpx.get(f"{served.url}/api/ai/history/1")
        finally:
            admin.execute("ALTER TABLE away RENAME TO ai_chat")
        assert (broken.status_code, broken.json()["code"]) == (500, "internal_error")
        assert httpx.get(f"{served.url}/api/ai/history/1").status_code == 200


def test_shared_packages_have_one_version() -> None:
    """The variants differ in their frameworks, not in the versions of what they share, all pinned."""
    pins: dict[str, set[str]] = {}
    for name in VARIANTS:
        for line in (APPS / name / "requirements.txt").read_text().splitlines():
            package, version = re.fullmatch(r"([a-z0-9-]+)==(\S+)(?: ; .*)?", line).groups()  # type: ignore[union-attr]
            pins.setdefault(package, set()).add(version)
    assert {package: versions for package, versions in pins.items() if len(versions) > 1} == {}


@pytest.mark.slow
def test_the_document_and_the_cases_speak_of_the_same(cases: tuple[Case, ...]) -> None:
    """Every operation of the OpenAPI document has cases, and every case an operation and status of it."""
    environment = environments.ensure(manifest.load_variant(APPS / "fastapi-uvicorn"))
    script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1], encoding='utf-8'))))"
    path = APPS / "contract" / "openapi.yaml"
    read = subprocess.run((environment.python, "-I", "-c", script, path), capture_output=True, check=True)
    paths = json.loads(read.stdout)["paths"]
    documented = {
        f"{method.upper()} {path}": {int(status) for status in operation["responses"]}
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    tested: dict[str, set[int]] = {}
    for case in cases:
        if case.endpoint is not None and case.method == case.endpoint.split()[0]:
            tested.setdefault(case.endpoint, set()).add(case.expect.status)
    assert {endpoint: statuses - {404} for endpoint, statuses in tested.items()} == {
        endpoint: statuses for endpoint, statuses in documented.items() if not endpoint.startswith("HEAD ")
    }


def answer(url: str, case: Case, tls: ssl.SSLContext) -> tuple[int, object]:
    """Return the status and the JSON of one answer."""
    got = httpx.request(
        case.method, url + case.path, headers=dict(case.headers), content=case.body, verify=tls
    )
    return got.status_code, got.json() if got.content else None


def statements(log: Path, start: int) -> list[tuple[str, str]]:
    """Return the kind and text of the statements that the server logged after a position."""
    text = log.read_bytes()[start:].decode()
    return re.findall(r"LOG:  (execute \S+|statement): (.*)", text)


def prepared_once(log: Path) -> bool:
    """Tell that there is nothing in the log that closes or discards a statement."""
    return re.search(r"DEALLOCATE|DISCARD|pg_advisory_unlock_all|RESET ALL", log.read_text()) is None


def connections(watch: psycopg.Connection[tuple[int]]) -> int:
    """Return how many other sessions the server has."""
    row = watch.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    ).fetchone()
    assert row is not None
    return row[0]
