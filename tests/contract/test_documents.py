from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import psycopg
import pytest
from conftest import DOCUMENT_KEY
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from served import POOL_SIZE, VARIANTS, Database, Serve, Served

from harness.lifecycle.verify import failures, verify
from harness.machine.services.seed_documents import DOCUMENTS, seeded
from harness.records.contract import Case

SECRET = "nobody reads this \N{GREEK SMALL LETTER XI}"
NEW = {"title": "a title", "content": SECRET}

BEGIN, COMMIT = "BEGIN", "COMMIT"
ADD = "INSERT INTO ai_document (title, sealed) VALUES ($1, $2) RETURNING id"
NOTE = "INSERT INTO ai_document_event (document_id, kind) VALUES ($1, 'added')"
READ = "SELECT title, sealed, created FROM ai_document WHERE id = $1"


@pytest.fixture
def admin(database: Database) -> Iterator[psycopg.Connection]:
    """Return a connection of the database's owner."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        yield connection


def add(served: Served) -> int:
    """Add a document and return its id."""
    answer = httpx.post(f"{served.url}/api/ai/documents", json=NEW)
    assert answer.status_code == 201
    return int(answer.json()["id"])


def count(admin: psycopg.Connection, table: str) -> int:
    """Return how many rows a table has."""
    row = admin.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_content_is_sealed_in_the_table(
    name: str, all_served: dict[str, Served], admin: psycopg.Connection
) -> None:
    """The row holds what opens to the content by the key, beside its title, and is never the same twice."""
    ids = [add(all_served[name]), add(all_served[name])]
    rows = admin.execute(
        "SELECT title, sealed, now() - created < interval '1 minute' FROM ai_document WHERE id = ANY(%s)",
        (ids,),
    ).fetchall()
    assert len({sealed[:12] for _, sealed, _ in rows}) == 2, "a nonce of its own for each"
    for title, sealed, new in rows:
        assert (title, new) == (NEW["title"], True)
        assert not any(word in sealed for word in SECRET.encode().split())
        opened = AESGCM(bytes.fromhex(DOCUMENT_KEY)).decrypt(sealed[:12], sealed[12:], title.encode())
        assert opened.decode() == SECRET
    events = admin.execute(
        "SELECT document_id, kind FROM ai_document_event WHERE document_id = ANY(%s) ORDER BY id", (ids,)
    ).fetchall()
    assert events == [(number, "added") for number in ids]


@pytest.mark.slow
def test_each_variant_reads_what_another_wrote(all_served: dict[str, Served]) -> None:
    """They seal alike, and read what was seeded."""
    for number in [add(served) for served in all_served.values()]:
        for served in all_served.values():
            read = httpx.get(f"{served.url}/api/ai/documents/{number}").json()
            assert (read["title"], read["content"]) == (NEW["title"], SECRET)
    for served in all_served.values():
        answer = httpx.get(f"{served.url}/api/ai/documents/{DOCUMENTS}").json()
        assert answer["content"] == seeded(DOCUMENTS).content


@pytest.mark.slow
@pytest.mark.parametrize(
    "change", ["title = title || '.'", "sealed = set_byte(sealed, 20, 1)", "sealed = ''"]
)
@pytest.mark.parametrize("name", VARIANTS)
def test_a_row_that_was_tampered_with_does_not_open(
    name: str, change: str, all_served: dict[str, Served], admin: psycopg.Connection
) -> None:
    """Another title or other bytes are an internal error in the shape of all errors, and no content."""
    number = add(all_served[name])
    admin.execute(f"UPDATE ai_document SET {change} WHERE id = {number}".encode())
    answer = httpx.get(f"{all_served[name].url}/api/ai/documents/{number}")
    for row in (f"ai_document_event WHERE document_id = {number}", f"ai_document WHERE id = {number}"):
        admin.execute(f"DELETE FROM {row}".encode())  # other tests ask for any document
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "nobody" not in answer.text


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_a_document_without_its_event_is_not_kept(
    name: str, all_served: dict[str, Served], admin: psycopg.Connection
) -> None:
    """Where the second statement fails the first is undone, and the next write goes well."""
    before = count(admin, "ai_document")
    admin.execute("ALTER TABLE ai_document_event RENAME TO away")
    try:
        answer = httpx.post(f"{all_served[name].url}/api/ai/documents", json=NEW)
    finally:
        admin.execute("ALTER TABLE away RENAME TO ai_document_event")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert count(admin, "ai_document") == before
    add(all_served[name])
    assert count(admin, "ai_document") == before + 1


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_the_statements_of_a_request_are_the_same_everywhere(
    name: str, all_served: dict[str, Served], database: Database
) -> None:
    """A write is four statements, a read is one, all but BEGIN and COMMIT prepared, and nothing else."""
    with httpx.Client(base_url=f"{all_served[name].url}/api/ai") as client:
        for number in range(1, 40):  # every connection of the pool has prepared them by then
            assert client.post("/documents", json=NEW).status_code == 201
            assert client.get(f"/documents/{number}").status_code == 200
        before = database.log.stat().st_size
        for _ in range(20):
            client.post("/documents", json=NEW)
        between = database.log.stat().st_size
        for number in range(1, 21):
            client.get(f"/documents/{number}")
    log = database.log.read_bytes()
    assert statements(log[before:between]) == [BEGIN, ADD, NOTE, COMMIT] * 20
    assert statements(log[between:]) == [READ] * 20


def statements(log: bytes) -> list[str]:
    """Return the statements of a log; one of ours that was parsed anew is marked."""
    found = re.findall(r"LOG:  (execute \S+|statement): (.*)", log.decode())
    assert len({kind for kind, text in found if text == READ}) <= POOL_SIZE
    anew = {
        text
        for kind, text in found
        if text in (ADD, NOTE, READ) and kind in ("execute <unnamed>", "statement")
    }
    assert not anew, "parsed anew"
    return [text.rstrip(";") for _, text in found]


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["keys", "postgres"])
@pytest.mark.parametrize("name", VARIANTS)
def test_documents_need_both_database_and_key(
    name: str, missing: str, serve: Serve, with_database: dict[str, str], cases: tuple[Case, ...]
) -> None:
    """Without either of the two it is unavailable, whatever is wrong with a request beside."""
    variable = {"keys": "WEBDYNO_DOCUMENT_KEY", "postgres": "WEBDYNO_POSTGRES_URL"}[missing]
    of_documents = [case for case in cases if case.endpoint and "/documents" in case.endpoint]
    given = {key: value for key, value in with_database.items() if key != variable}
    with serve(name, given) as served:
        results = verify(served.url, of_documents, services={"keys", "postgres"} - {missing})
    assert failures(results) == ()
    assert sum(result.passed is True for result in results) > 3
