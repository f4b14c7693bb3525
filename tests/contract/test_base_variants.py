from __future__ import annotations

import json
import re
import shutil
import ssl
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from served import APPS, EVERYTHING, POOL_SIZE, VARIANTS, Database, Serve, Served, wait_for

from harness.ground.errors import EnvironmentUnfit
from harness.lifecycle.credentials import credentials, filled
from harness.lifecycle.verify import failures, verify
from harness.machine import environments, interpreters
from harness.machine.services import seed
from harness.machine.services.catalogue import APART
from harness.machine.services.keys import Keys
from harness.machine.services.valkey import ValkeyService
from harness.records import manifest
from harness.records.contract import Case

OPENS = {
    "fastapi-uvicorn": "domain/bounded_asyncpg.py",
    "flask-gunicorn": "flask_api/resources.py",
    "django-gunicorn": "django_api/resources.py",
}
"""Where each sets its driver up."""
QUERY = "SELECT content, create_time FROM ai_chat WHERE user_id = $1 ORDER BY create_time, id"


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_every_case_passes_with_every_service(
    name: str,
    all_served: dict[str, Served],
    cases: tuple[Case, ...],
    with_everything: dict[str, str],
    valkey: ValkeyService,
) -> None:
    """A base variant keeps every rule of the contract."""
    valkey.reset()
    results = verify(all_served[name].url, cases, services=EVERYTHING, variables=with_everything)
    assert failures(results) == ()
    unchecked = {result.name for result in results if result.passed is None}
    elsewhere = {case.name for case in cases if set(case.needs) - EVERYTHING}  # those that stand apart
    assert unchecked == {case.name for case in cases if set(case.without) & EVERYTHING} | elsewhere
    assert {need for case in cases for need in case.needs} - EVERYTHING <= APART


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_every_case_passes_without_services(name: str, serve: Serve, cases: tuple[Case, ...]) -> None:
    """A base variant starts without any service and keeps the rules of everything else."""
    with serve(name, {}) as served:
        results = verify(served.url, cases)
    assert failures(results) == ()
    assert {result.passed for result in results} == {True, None}


@pytest.mark.slow
@pytest.mark.parametrize("python", ["3.12", "3.13"])
@pytest.mark.parametrize("name", VARIANTS)
def test_every_case_passes_on_other_pythons(
    name: str,
    python: str,
    serve: Serve,
    with_everything: dict[str, str],
    valkey: ValkeyService,
    cases: tuple[Case, ...],
) -> None:
    """The pinned packages install and serve on every Python that is supported."""
    try:
        interpreters.find(python)
    except EnvironmentUnfit:
        pytest.skip(f"there is no Python {python} here")
    valkey.reset()
    with serve(name, with_everything, python=python) as served:
        results = verify(served.url, cases, services=EVERYTHING, variables=with_everything)
    assert failures(results) == ()


@pytest.mark.slow
def test_the_variants_answer_alike(
    all_served: dict[str, Served], cases: tuple[Case, ...], keys: Keys
) -> None:
    """Status and JSON, messages included, are the same in all three for every request of the contract."""
    tls = ssl.create_default_context()  # costs more than a request
    values = credentials(keys.variables, datetime.now(UTC))
    for case in cases:
        answers = [answer(served.url, case, values, tls) for served in all_served.values()]
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
    assert waste(all_served[name].url, database.log) == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kept", "broken", "seen"),
    [
        ("fastapi-uvicorn", "reset=_keep_session,", "", "SELECT pg_advisory_unlock_all();"),
        (
            "fastapi-uvicorn",
            "reset=_keep_session,",
            "reset=_keep_session, statement_cache_size=0,",
            "parsed anew",
        ),
        ("flask-gunicorn", '"autocommit": True', '"autocommit": False', "BEGIN"),
        ("flask-gunicorn", '"prepare_threshold": 0', '"prepare_threshold": None', "parsed anew"),
        ("django-gunicorn", '"prepare_threshold": 0', '"prepare_threshold": None', "parsed anew"),
        ("django-gunicorn", '"server_side_binding": True', '"server_side_binding": False', "parsed anew"),
    ],
)
def test_a_wasteful_read_is_seen(
    name: str,
    kept: str,
    broken: str,
    seen: str,
    tmp_path: Path,
    serve: Serve,
    with_database: dict[str, str],
    database: Database,
) -> None:
    """A driver that is set up otherwise does work that the server's log shows."""
    apps = tmp_path / "apps"
    shutil.copytree(APPS, apps, ignore=shutil.ignore_patterns("__pycache__"))
    path = apps / OPENS[name]
    text = path.read_text()
    assert text.count(kept) == 1, "the mutation no longer fits the code"
    path.write_text(text.replace(kept, broken))
    with serve(name, with_database, apps=apps) as served:
        assert seen in waste(served.url, database.log)


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_every_worker_opens_its_whole_pool_before_it_serves(
    name: str, serve: Serve, with_database: dict[str, str], database: Database
) -> None:
    """Two workers hold twice the pool's connections from the first healthy answers on, and give them back."""
    with psycopg.connect(database.url, autocommit=True) as watch:
        others = sessions(watch)  # of variants that go on, and of those that are on their way out
        with serve(name, with_database, cpus=2):
            wait_for(lambda: len(sessions(watch) - others) == 2 * POOL_SIZE)
        wait_for(lambda: sessions(watch) <= others)


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_a_failing_database_is_an_internal_error(
    name: str, serve: Serve, with_database: dict[str, str], database: Database
) -> None:
    """A query that fails answers 500 in the shape of all errors, its log says why, and the server goes on."""
    with psycopg.connect(database.url, autocommit=True) as admin, serve(name, with_database) as served:
        admin.execute("ALTER TABLE ai_chat RENAME TO away")
        try:
            broken = httpx.get(f"{served.url}/api/ai/history/1")
        finally:
            admin.execute("ALTER TABLE away RENAME TO ai_chat")
        assert (broken.status_code, broken.json()["code"]) == (500, "internal_error")
        assert httpx.get(f"{served.url}/api/ai/history/1").status_code == 200
        wait_for(lambda: 'relation "ai_chat" does not exist' in served.log.read_text())


@pytest.mark.parametrize("name", VARIANTS)
def test_a_host_that_is_none_is_answered_in_the_shape_of_all(
    name: str, all_served: dict[str, Served]
) -> None:
    """Whether or not a framework looks at the header, nobody sees a page of its own."""
    answer = httpx.get(f"{all_served[name].url}/json", headers={"host": "a b"})
    if answer.status_code != 200:
        assert (answer.status_code, answer.json()["status"]) == (400, "error")


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
            due_here = (case.expect, case.then or case.expect)
            tested.setdefault(case.endpoint, set()).update(one.status for one in due_here)
    due = {endpoint: seen for endpoint, seen in documented.items() if not endpoint.startswith("HEAD ")}
    assert {endpoint: seen | {404} for endpoint, seen in tested.items()} == {
        endpoint: seen | {404}
        for endpoint, seen in due.items()  # 404 stands for an unknown path too
    }
    assert [endpoint for endpoint, seen in due.items() if not seen <= tested[endpoint]] == []


def answer(url: str, case: Case, values: Mapping[str, str], tls: ssl.SSLContext) -> tuple[int, object]:
    """Return the status and the JSON of one answer, without what tells the time or which row it is."""
    headers = {name: filled(value.encode(), values).decode() for name, value in case.headers.items()}
    content = filled(case.body, values)
    got = httpx.request(case.method, url + case.path, headers=headers, content=content, verify=tls)
    body: Any = got.json() if got.content else None
    if got.status_code == 201:
        del body["id"]  # each row has one of its own
    if case.path == "/token" and got.status_code == 200:
        del body["access_token"]
    return got.status_code, body


def waste(url: str, log: Path) -> set[str]:
    """Return what forty reads made the server do beside executing a statement that was prepared before."""
    with httpx.Client(base_url=f"{url}/api/ai/history/") as client:
        for user in range(1, 40):  # every connection of the pool has prepared it by then
            client.get(str(user))
        before = log.stat().st_size
        for user in range(41, 81):
            assert len(client.get(str(user)).json()["history"]) == 100
    logged = re.findall(r"LOG:  (execute \S+|statement): (.*)", log.read_bytes()[before:].decode())
    others = {text for _, text in logged if "FROM ai_chat" not in text}
    reads = [kind for kind, text in logged if text == QUERY and kind != "execute <unnamed>"]
    anew = len(reads) != 40 or len(set(reads)) > POOL_SIZE
    return others | ({"parsed anew"} if anew else set())


def sessions(watch: psycopg.Connection[tuple[int]]) -> set[int]:
    """Return the pids of the server's other sessions."""
    rows = watch.execute(
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    return {pid for (pid,) in rows}
