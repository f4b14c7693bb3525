from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import described
import httpx
import journey
import pytest
from described import Described
from served import APPS, VARIANTS, Serve, Served

from harness.machine import environments
from harness.machine.services.keys import Keys
from harness.records import manifest

PAGES = ("/openapi.json", "/docs", "/redoc")


@pytest.fixture(scope="module")
def contract() -> Described:
    """Return what the contract asks of a client."""
    environment = environments.ensure(manifest.load_variant(APPS / "flask-gunicorn"))
    return described.contract(str(environment.python), APPS / "contract" / "openapi.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_the_document_agrees_with_the_contract(
    name: str, all_served: dict[str, Served], contract: Described
) -> None:
    """Operations, parameters, bodies, statuses, headers and security of the document are the contract's."""
    found = described.described(httpx.get(f"{all_served[name].url}/openapi.json").json())
    assert set(found) == set(contract)
    for operation in found:
        assert found[operation] == contract[operation], operation


def test_another_rule_is_seen() -> None:
    """Documents that differ in a bound, a status, a header, a required field or a token's need differ."""
    document: dict[str, Any] = {
        "paths": {
            "/a": {
                "post": {
                    "operationId": "a",
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}},
                    },
                    "responses": {"200": {}, "422": {}},
                }
            }
        },
        "components": {
            "schemas": {
                "A": {
                    "type": "object",
                    "title": "A",
                    "required": ["b"],
                    "properties": {
                        "b": {"type": "integer", "maximum": 3},
                        "title": {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "Title"},
                    },
                }
            }
        },
    }
    same = copy.deepcopy(document)
    same["components"]["schemas"]["A"]["properties"]["title"] = {"type": ["string", "null"]}
    assert described.described(same) == described.described(document)
    for change in (
        lambda a, _: a["properties"]["b"].update(maximum=4),
        lambda a, _: a["required"].clear(),
        lambda a, _: a["properties"].pop("title"),
        lambda _, operation: operation["responses"].pop("422"),
        lambda _, operation: operation["responses"]["200"].update(headers={"X-Cache": {}}),
        lambda _, operation: operation.update(security=[{"bearer": []}]),
    ):
        other = copy.deepcopy(document)
        change(other["components"]["schemas"]["A"], other["paths"]["/a"]["post"])
        assert described.described(other) != described.described(document)


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_the_pages_answer_get_and_head_alone(name: str, all_served: dict[str, Served]) -> None:
    """The document and its pages are read as every other GET operation is, and their paths are exact."""
    for path in PAGES:
        url = all_served[name].url + path
        got, head, post = httpx.get(url), httpx.head(url), httpx.post(url)
        assert (got.status_code, head.status_code, post.status_code) == (200, 200, 405)
        assert got.headers["content-type"] == head.headers["content-type"]
        assert int(head.headers["content-length"]) == len(got.content)
        assert sorted(post.headers["allow"].split(", ")) == ["GET", "HEAD"]
        assert post.json()["code"] == "method_not_allowed"
        assert httpx.get(f"{url}/").json()["code"] == "not_found"


@pytest.mark.slow
def test_the_pages_are_the_same_everywhere(all_served: dict[str, Served]) -> None:
    """All variants show their document by the same pages, which name no server."""
    for path in ("/docs", "/redoc"):
        first, *others = (httpx.get(served.url + path).text for served in all_served.values())
        assert all(other == first for other in others)
        assert 'src="http' not in first
        assert "cdn.redoc.ly" not in first


@pytest.mark.slow
def test_the_documents_are_of_one_size(serve: Serve, all_served: dict[str, Served]) -> None:
    """A variant writes as much as another, to a quarter; what the null SUT answers is of that order."""
    sizes = [len(httpx.get(f"{served.url}/openapi.json").content) for served in all_served.values()]
    assert max(sizes) <= 1.25 * min(sizes), sizes
    with serve("null-uvloop", {}) as null:
        canned = len(httpx.get(f"{null.url}/openapi.json").content)
    assert max(sizes) / 1.5 <= canned <= min(sizes) * 1.5


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_nothing_is_logged(name: str, serve: Serve) -> None:
    """Making the document complains of nothing."""
    with serve(name, {}) as served:
        for path in PAGES:
            httpx.get(served.url + path)
    assert served.log.read_text() == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_who_does_not_ask_does_not_pay(name: str) -> None:
    """A worker that was not asked for the document has loaded neither its generator nor the pages."""
    variant = manifest.load_variant(APPS / name)
    environment = environments.ensure(variant)
    script = (
        "import sys; import app; getattr(app, 'create_app', lambda: None)();"
        " print(*(name for name in ('apispec', 'offapi', 'domain.pages', 'domain.openapi',"
        " 'prometheus_client', 'limits', 'flask_limiter', 'valkey', 'langchain_openai', 'openai', 'redis',"
        " 'httpx2', 'onnxruntime', 'numpy')"
        " if name in sys.modules))"
    )
    path = f"{APPS / name}:{APPS}"
    ran = subprocess.run(
        (environment.python, "-c", script),
        env={"PYTHONPATH": path},
        capture_output=True,
        check=True,
        text=True,
    )
    assert ran.stdout.strip() == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_a_generated_client_makes_the_journey(
    name: str, all_served: dict[str, Served], keys: Keys, tmp_path: Path
) -> None:
    """A client that is generated from a variant's document finds its way through the service."""
    url = all_served[name].url
    (tmp_path / "openapi.json").write_bytes(httpx.get(f"{url}/openapi.json").content)
    (tmp_path / "config.yaml").write_text("post_hooks: []\n")  # nobody reads the code: it need not be tidied
    generate = ("-m", "openapi_python_client", "generate", "--meta", "none", "--fail-on-warning")
    where = ("--path", "openapi.json", "--output-path", "client", "--config", "config.yaml")
    run(tmp_path, *generate, *where)
    run(tmp_path, str(Path(journey.__file__)), str(tmp_path), url, keys.password)


def run(folder: Path, *arguments: str) -> None:
    """Run our own Python; fail with what it says where it fails."""
    ran = subprocess.run(
        (sys.executable, *arguments), cwd=folder, capture_output=True, check=False, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
