import asyncio
import json
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import openai
import pytest
from parties import until
from servicing import ServiceRun, is_open, killed

from harness.ground.errors import EnvironmentUnfit, UsageError
from harness.machine.services import llm_stub
from harness.machine.services.llm import KEY, URL, LlmService, behaviour_wanted, start_llm
from harness.machine.services.llm_stub.model import Behaviour, Model

pytestmark = pytest.mark.slow
AT_ONCE = Behaviour(0, 0)
ASKED = b'{"model": "any", "messages": [{"role": "user", "content": "Hello?"}]}'


@pytest.fixture
def run(tmp_path: Path) -> Iterator[ServiceRun]:
    """Begin a run, and end it whatever happens."""
    one = ServiceRun(tmp_path)
    yield one
    one.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlmService]:
    """Serve a model that answers at once."""
    run = ServiceRun(tmp_path_factory.mktemp("llm"))
    yield start(run)
    run.close()


def start(run: ServiceRun, behaviour: Behaviour = AT_ONCE) -> LlmService:
    """Start the service as a run would."""
    return start_llm(run.backend, run.id, cpus=(), log=run.folder / "llm.log", behaviour=behaviour)


def client(service: LlmService, key: str | None = None) -> openai.OpenAI:
    """Return OpenAI's own client, which repeats nothing."""
    return openai.OpenAI(base_url=service.url, api_key=key or service.key, max_retries=0, timeout=10)


def stats(service: LlmService) -> dict[str, int]:
    """Return the service's counters."""
    found: dict[str, int] = httpx.get(service.url.replace("/v1", "/stats"), trust_env=False).json()
    return found


def talk(service: LlmService, sent: bytes, *, ends: bool = True) -> bytes:
    """Send bytes over a connection of one's own and return all that comes, up to its end if it ends.

    Where it does not, that is up to half a second in which nothing comes after something has.
    """
    parts = urlsplit(service.url)
    with socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=10) as peer:
        peer.sendall(sent)
        received = b""
        try:
            while data := peer.recv(65536):
                received += data
                peer.settimeout(10 if ends else 0.5)
        except TimeoutError:
            assert not ends, received
        else:
            assert ends, received
        return received


def post(service: LlmService, *lines: str, body: bytes = ASKED, version: str = "1.1") -> bytes:
    """Return a request for a completion with these further lines in its head."""
    head = [
        f"POST /v1/chat/completions HTTP/{version}",
        "Host: here",
        f"Authorization: Bearer {service.key}",
        *lines,
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def sized(body: bytes = ASKED) -> str:
    """Return the line that tells a body's length."""
    return f"Content-Length: {len(body)}"


def statuses(received: bytes) -> list[int]:
    """Return the statuses of responses, one after the other."""
    return [int(part.split()[0]) for part in received.split(b"HTTP/1.1 ")[1:]]


def test_openais_client_gets_what_the_model_says(service: LlmService) -> None:
    """A completion has text, reason, usage and model; a stream of the same says the same."""
    due = Model(AT_ONCE).reply("Say this.")
    before = stats(service)
    with client(service) as llm:
        whole = llm.chat.completions.create(model="m", messages=[{"role": "user", "content": "Say this."}])
        pieces = list(
            llm.chat.completions.create(
                model="m",
                messages=[{"role": "user", "content": "Say this."}],
                stream=True,
                stream_options={"include_usage": True},
            )
        )
        assert [model.id for model in llm.models.list()] == ["stub"]
    assert whole.choices[0].message.content == due.text
    assert (whole.choices[0].finish_reason, whole.model) == ("stop", "m")
    assert whole.usage is not None
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (3, due.completion_tokens)
    assert abs(whole.created - time.time()) < 60
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces[:-1]) == due.text
    assert pieces[0].choices[0].delta.role == "assistant"
    assert [piece.choices[0].finish_reason for piece in pieces[:-1]][-1] == "stop"
    assert pieces[-1].usage == whole.usage
    assert len({piece.id for piece in pieces}) == 1
    assert pieces[0].id != whole.id
    after = stats(service)
    assert after["calls"] - before["calls"] == 2
    assert after["streams"] - before["streams"] == 1
    assert after["completion_tokens"] - before["completion_tokens"] == 2 * due.completion_tokens
    assert after["prompt_tokens"] - before["prompt_tokens"] == 6


def test_openais_client_is_refused_as_openai_would(service: LlmService) -> None:
    """Wrong key, wrong request and wrong address are the client's own kinds of errors, with their parts."""
    before = stats(service)
    with client(service, key="wrong") as llm, pytest.raises(openai.AuthenticationError) as unknown:
        llm.models.list()
    assert unknown.value.code == "invalid_api_key"
    assert unknown.value.response.headers["www-authenticate"] == "Bearer"
    with client(service) as llm:
        with pytest.raises(openai.BadRequestError) as bad:
            llm.chat.completions.create(model="m", messages=[])
        assert (bad.value.param, bad.value.type) == ("messages", "invalid_request_error")
        with pytest.raises(openai.NotFoundError) as missing:
            llm.embeddings.create(model="m", input="x")
        assert missing.value.code == "unknown_url"
    after = stats(service)
    assert (after["calls"] - before["calls"], after["refused"] - before["refused"]) == (0, 3)


def test_an_answer_takes_its_time_and_others_do_not_wait(run: ServiceRun) -> None:
    """Each answer comes after its own latency, however many are awaited at once."""
    slow = Behaviour(150, 400)
    service = start(run, slow)
    prompts = [f"prompt {number}" for number in range(40)]

    async def ask(llm: openai.AsyncOpenAI, prompt: str) -> float:
        begun = time.monotonic()
        answer = await llm.chat.completions.create(model="m", messages=[{"role": "user", "content": prompt}])
        assert answer.choices[0].message.content == Model(slow).reply(prompt).text
        return time.monotonic() - begun

    async def ask_all() -> list[float]:
        async with openai.AsyncOpenAI(base_url=service.url, api_key=service.key, max_retries=0) as llm:
            await ask(llm, "first")  # opens what is opened once
            return await asyncio.gather(*(ask(llm, prompt) for prompt in prompts))

    took = asyncio.run(ask_all())
    due = [Model(slow).reply(prompt).latency_s for prompt in prompts]
    late = [real - latency for real, latency in zip(took, due, strict=True)]
    assert min(late) > -0.005
    assert max(took) < sum(due) / 2  # beside each other, not one after the other


def test_a_stream_comes_bit_by_bit(run: ServiceRun) -> None:
    """Words come before the answer is whole, and its end comes after its latency."""
    service = start(run, Behaviour(800, 800))
    with client(service) as llm:
        llm.models.list()  # opens what is opened once
        begun = time.monotonic()
        moments = [
            time.monotonic() - begun
            for _ in llm.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "a"}], stream=True
            )
        ]
    assert moments[0] > 0.15
    assert moments[-1] > max(0.79, moments[0] + 0.2)
    assert len({round(moment, 2) for moment in moments}) > 3


def test_a_connection_is_kept_and_closed_as_asked(service: LlmService) -> None:
    """HTTP/1.1 keeps it, also for requests sent at once, in order; `close` and HTTP/1.0 end it."""
    two = post(service, sized()) + b"GET /stats HTTP/1.1\r\nHost: here\r\n\r\n"
    received = talk(service, two, ends=False)
    assert statuses(received) == [200, 200]
    assert received.index(b"chat.completion") < received.index(b'"calls"')
    assert b"connection: close" not in received.lower()
    closed = talk(service, post(service, sized(), "Connection: close"))
    assert b"connection: close" in closed.lower()
    begun = time.monotonic()
    assert statuses(talk(service, post(service, sized(), version="1.0"))) == [200]
    assert time.monotonic() - begun < 0.9  # the end is told at once, not when a bound is over


def test_many_requests_sent_at_once_are_all_answered(service: LlmService) -> None:
    """However many wait on one connection, each has its answer."""
    received = talk(service, post(service, sized()) * 200 + post(service, sized(), "Connection: close"))
    assert statuses(received) == [200] * 201


def test_a_stream_is_chunked_and_for_http_1_0_it_is_not(service: LlmService) -> None:
    """Over HTTP/1.1 the stream ends with a chunk of no length, over HTTP/1.0 with the connection."""
    body = ASKED[:-1] + b', "stream": true}'
    new = talk(service, post(service, sized(body), body=body), ends=False)
    assert b"Transfer-Encoding: chunked\r\n" in new
    assert new.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    old = talk(service, post(service, sized(body), body=body, version="1.0"))
    assert b"Transfer-Encoding" not in old
    assert old.endswith(b"data: [DONE]\n\n")


def test_a_body_may_come_in_chunks_or_be_announced(service: LlmService) -> None:
    """A chunked body is read, byte by byte too; one that awaits leave gets it."""
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(ASKED), ASKED)
    request = post(service, "Transfer-Encoding: chunked", body=chunked)
    assert statuses(talk(service, request, ends=False)) == [200]
    parts = urlsplit(service.url)
    with socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=10) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request:
            peer.sendall(bytes([byte]))
        assert peer.recv(65536).startswith(b"HTTP/1.1 200 ")
        peer.sendall(post(service, sized(), "Expect: 100-continue", body=b""))
        assert peer.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        peer.sendall(ASKED)
        assert peer.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_an_address_may_be_whole_and_have_a_query(service: LlmService) -> None:
    """A target as to a proxy is understood, and a query means nothing."""
    request = b"GET http://here/stats?a=/v1/models HTTP/1.1\r\nHost: here\r\n\r\n"
    assert b'"calls"' in talk(service, request, ends=False)


def test_head_has_no_body(service: LlmService) -> None:
    """HEAD has the head of GET alone, errors included."""
    for path, status in (("/stats", 200), ("/none", 404)):
        request = f"HEAD {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode()
        received = talk(service, request, ends=False)
        assert statuses(received) == [status]
        assert received.endswith(b"\r\n\r\n")
        assert b"Content-Length: 0" not in received


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"what is this\r\n\r\n", 400),
        (b"GET /stats HTTP/1.1\r\n\r\n", 400),
        (b"GET /stats HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"POST /stats HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST /stats HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", 400),
        (b"GET /stats HTTP/1.1\r\nHost: a\r\nX: " + b"x" * (300 << 10), 431),
        (b"POST /stats HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 9_000_000, 413),
    ],
    ids=[
        "garbage",
        "no host",
        "two hosts",
        "two lengths",
        "a negative length",
        "a great head",
        "a great body",
    ],
)
def test_what_is_no_good_request_is_answered_and_closed(
    service: LlmService, request_: bytes, status: int
) -> None:
    """What breaks the protocol, or a bound, gets its error in OpenAI's shape, and the connection ends."""
    received = talk(service, request_)
    assert statuses(received) == [status]
    error = json.loads(received.partition(b"\r\n\r\n")[2])["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert stats(service)  # it is well


def test_a_method_that_an_address_has_not_is_named(service: LlmService) -> None:
    """A wrong method is a 405 with those that are allowed."""
    for method, path, allowed in (
        ("GET", "/v1/chat/completions", "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("DELETE", "/stats", "GET, HEAD"),
    ):
        answer = httpx.request(method, service.url.replace("/v1", path), trust_env=False)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_clients_that_leave_are_forgotten(run: ServiceRun) -> None:
    """Clients that leave while they wait, or break off, cost the others nothing."""
    service = start(run, Behaviour(300, 300))
    parts = urlsplit(service.url)
    for _ in range(50):
        with socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=10) as peer:
            peer.sendall(post(service, sized()) + b"POST")
    with client(service) as llm:
        assert llm.chat.completions.create(model="m", messages=[{"role": "user", "content": "a"}]).choices
    log = run.folder / "llm.log"
    assert not log.exists() or log.read_text() == ""


def test_it_is_a_party_without_rights_that_leaves_nothing(run: ServiceRun) -> None:
    """Its CPU is seen, its uid is one that nothing else has, its key can't be read beside it, and it ends."""
    service = start(run)
    (pid,) = service.party.look().pids
    used = service.party.look().counters.cpu_ns
    assert used is not None
    with client(service) as llm:
        for _ in range(200):
            llm.chat.completions.create(model="m", messages=[{"role": "user", "content": "a"}])
    later = service.party.look().counters.cpu_ns
    assert later is not None
    assert later > used
    if os.geteuid() == 0:
        assert until(lambda: Path("/proc", str(pid)).stat().st_uid == 65533)
    assert service.key.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert service.key not in repr(service)
    assert not [path for path in run.folder.rglob("*") if path.is_file() and service.key in path.read_text()]
    assert run.left()
    service.stop()
    assert run.left() == []
    assert not is_open(service.url)
    service.stop()


def test_it_listens_on_loopback_alone(service: LlmService) -> None:
    """Nothing of another address of this machine leads to it."""
    port = urlsplit(service.url).port
    found = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True).stdout
    assert [line.split()[3] for line in found.splitlines()] == [f"127.0.0.1:{port}"]


def test_two_runs_have_different_keys(run: ServiceRun, service: LlmService) -> None:
    """The key of one run opens no other's."""
    other = start(run)
    assert other.variables[KEY] != service.variables[KEY]
    with client(other, key=service.key) as llm, pytest.raises(openai.AuthenticationError):
        llm.models.list()


def test_a_killed_harness_leaves_no_server(tmp_path: Path) -> None:
    """After kill -9 of the harness the server and its port are gone within 10 s."""
    where = killed(tmp_path, f"test-{secrets.token_hex(4)}", "llm", URL)
    assert where.startswith("http://127.0.0.1:")
    assert not is_open(where)


def test_a_stub_that_will_not_start_is_told_with_its_log(
    run: ServiceRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log's last lines are shown, and nothing is left."""
    monkeypatch.setattr(llm_stub, "__name__", "harness.no_such_stub")
    with pytest.raises(EnvironmentUnfit, match="the LLM stub ended as it was started") as caught:
        start(run)
    assert "no_such_stub" in caught.value.log
    assert run.left() == []


def test_its_latency_is_the_environments_wish() -> None:
    """Median and p99 can be given; what is no distribution is told with the variables' names."""
    assert behaviour_wanted({}) == Behaviour()
    wanted = behaviour_wanted({"WEBDYNO_LLM_MEDIAN_MS": "20", "WEBDYNO_LLM_P99_MS": "90.5"})
    assert (wanted.median_ms, wanted.p99_ms) == (20, 90.5)
    for wrong in ({"WEBDYNO_LLM_MEDIAN_MS": "fast"}, {"WEBDYNO_LLM_P99_MS": "5"}):
        with pytest.raises(UsageError, match="WEBDYNO_LLM_MEDIAN_MS, WEBDYNO_LLM_P99_MS"):
            behaviour_wanted(wrong)
