from __future__ import annotations

from datetime import UTC, datetime, timedelta

import jwt
import pytest
from scripted import Peer, serving

from harness.ground.redaction import mask, redact, secrets_of
from harness.lifecycle.credentials import credentials, filled
from harness.lifecycle.verify import verify
from harness.machine.services.keys import draw_keys
from harness.records.contract import PLACEHOLDERS, Case, Expectation

KEYS = draw_keys()
NOW = datetime(2025, 1, 31, 12, tzinfo=UTC)


def claims(token: str, key: str) -> dict[str, object]:
    """Return what a token says if it was signed with a key, whenever it ends."""
    found: dict[str, object] = jwt.decode(token, key, algorithms=["HS256"], options={"verify_exp": False})
    return found


def test_every_run_has_keys_of_its_own() -> None:
    """Two draws share nothing; a document key is 32 bytes; no secret is shown with the service."""
    other = draw_keys()
    assert not set(KEYS.variables.values()) & set(other.variables.values())
    assert len(bytes.fromhex(KEYS.variables["WEBDYNO_DOCUMENT_KEY"])) == 32
    assert len(KEYS.variables["WEBDYNO_JWT_KEY"]) >= 32
    assert KEYS.for_clients == {"WEBDYNO_PASSWORD": KEYS.variables["WEBDYNO_PASSWORD"]}
    assert not [secret for secret in KEYS.variables.values() if secret in repr(KEYS)]


def test_tokens_are_good_late_and_forged() -> None:
    """The good token lasts an hour from now, the late one ended an hour ago, the forged has another key."""
    values = credentials(KEYS.variables, NOW)
    assert tuple(values) == PLACEHOLDERS
    assert values["password"] == KEYS.password
    begun = int(NOW.timestamp())
    assert claims(values["token"], KEYS.jwt_key) == {"sub": "webdyno", "iat": begun, "exp": begun + 3600}
    assert claims(values["expired_token"], KEYS.jwt_key)["exp"] == begun - 3600
    with pytest.raises(jwt.InvalidSignatureError):
        claims(values["foreign_token"], KEYS.jwt_key)
    assert jwt.get_unverified_header(values["foreign_token"]) == jwt.get_unverified_header(values["token"])


def test_without_keys_nothing_is_filled_in() -> None:
    """What no service gave has no value, and its placeholder stays, as does every other brace."""
    assert credentials({}, NOW) == {}
    assert filled(b'{"a": "{token}", "b": {}}', {"password": "x"}) == b'{"a": "{token}", "b": {}}'
    assert filled(b"p={password}&q={passwords}", {"password": "x"}) == b"p=x&q={passwords}"


def test_verify_fills_in_what_it_sends_and_shows_none_of_it() -> None:
    """Headers and bodies arrive with the password and a token that is good now; a difference has neither."""
    arrived: list[bytes] = []

    def echo(peer: Peer) -> None:
        arrived.append(peer.request())
        peer.send(b"HTTP/1.1 401 No\r\ncontent-length: %d\r\n\r\n" % len(arrived[0]) + arrived[0])

    case = Case(
        name="a case",
        endpoint=None,
        needs=("keys",),
        without=(),
        method="POST",
        path="/token",
        headers={"authorization": "Bearer {token}"},
        body=b"username=webdyno&password={password}",
        times=1,
        connections=None,
        expect=Expectation(200, {}, {}, empty=False),
    )
    with serving(echo) as server:
        (result,) = verify(server.url, [case], services=("keys",), variables=KEYS.variables)
    head, _, body = arrived[0].partition(b"\r\n\r\n")
    assert body.decode() == f"username=webdyno&password={KEYS.password}"
    (line,) = [line for line in head.decode().splitlines() if line.lower().startswith("authorization:")]
    token = line.split()[-1]
    ends = claims(token, KEYS.jwt_key)["exp"]
    assert isinstance(ends, int)
    assert timedelta(minutes=59) < datetime.fromtimestamp(ends, UTC) - datetime.now(UTC) <= timedelta(hours=1)
    assert result.passed is False
    assert "status: 200 due, 401 seen" in result.difference
    assert KEYS.password not in result.difference
    assert token not in result.difference


def test_secrets_are_known_by_the_names_and_addresses_of_variables() -> None:
    """Keys, passwords, and the passwords of addresses are secret; the rest of an address is not."""
    variables = {
        **KEYS.variables,
        "WEBDYNO_VALKEY_URL": "redis://:hush@127.0.0.1:1/0",
        "WEBDYNO_LLM_URL": "http://127.0.0.1:9000/v1",
        "WEBDYNO_LLM_KEY": "sesame",
        "WEBDYNO_DB_POOL_SIZE": "16",
    }
    assert set(secrets_of(variables)) == {*KEYS.variables.values(), "hush", "sesame"}
    assert mask(b"a hush b", secrets_of(variables)) == b"a *** b"
    assert redact("say sesame", secrets_of(variables)) == "say ***"
