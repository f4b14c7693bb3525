from __future__ import annotations

import hashlib
import json
import math
import statistics
from itertools import pairwise

import pytest

from harness.machine.services.llm_stub.asking import Refused, read
from harness.machine.services.llm_stub.desk import Desk, Request
from harness.machine.services.llm_stub.model import Behaviour, Model

PROMPTS = [f"prompt {number}: 总结" for number in range(10_000)]
GOOD = {"model": "any", "messages": [{"role": "user", "content": "Hello?"}]}


def test_a_prompt_has_one_answer() -> None:
    """Two models of one seed say the same after the same time, whatever was asked before; of two, not."""
    one, other, of_another_seed = Model(Behaviour()), Model(Behaviour()), Model(Behaviour(seed=2))
    here = [one.reply(prompt) for prompt in PROMPTS[:50]]
    there = [other.reply(prompt) for prompt in reversed(PROMPTS[:50])]
    assert here == there[::-1]
    assert len({reply.text for reply in here}) == 50
    assert of_another_seed.reply(PROMPTS[0]) != here[0]


def test_an_answer_begins_with_its_prompts_digest() -> None:
    """A scenario can tell by the first 16 characters, in any language, which prompt has come through."""
    for prompt in ("", "a", "总结以下内容(zh):x", "x" * 5000):
        reply = Model(Behaviour()).reply(prompt)
        assert reply.text.split()[0] == hashlib.sha256(prompt.encode()).hexdigest()[:16]
        assert len(reply.text.split(" ")) == reply.completion_tokens
        assert reply.prompt_tokens == math.ceil(len(prompt.encode()) / 4)
        assert json.loads(f'"{reply.text}"') == reply.text


@pytest.mark.parametrize("behaviour", [Behaviour(), Behaviour(20, 300, 30, 100, seed=7)])
def test_latency_and_length_have_the_distributions_that_were_asked_for(behaviour: Behaviour) -> None:
    """Over many prompts median and p99 are those given, and between them it is a log-normal distribution."""
    replies = [Model(behaviour).reply(prompt) for prompt in PROMPTS]
    for values, median, p99 in (
        ([reply.latency_s * 1e3 for reply in replies], behaviour.median_ms, behaviour.p99_ms),
        ([reply.completion_tokens for reply in replies], behaviour.median_tokens, behaviour.p99_tokens),
    ):
        cuts = statistics.quantiles(values, n=100)
        assert cuts[49] == pytest.approx(median, rel=0.05)
        assert cuts[98] == pytest.approx(p99, rel=0.15)
        assert cuts[83] / cuts[49] == pytest.approx((p99 / median) ** (0.9945 / 2.3263), rel=0.05)
    assert all(8 <= reply.completion_tokens <= 512 for reply in replies)


def test_no_latency_is_none() -> None:
    """A median of zero is an answer at once."""
    assert {Model(Behaviour(0, 0)).reply(prompt).latency_s for prompt in PROMPTS[:100]} == {0.0}


def test_an_answer_can_be_cut() -> None:
    """A bound on the tokens shortens the text, and says so; a bound that is not reached changes nothing."""
    model = Model(Behaviour())
    whole = model.reply("a")
    cut = model.reply("a", 5)
    assert (cut.completion_tokens, cut.cut, whole.cut) == (5, True, False)
    assert whole.text.split(" ")[:5] == cut.text.split(" ")
    assert model.reply("a", 1).text == whole.text.split(" ")[0]
    assert model.reply("a", whole.completion_tokens) == model.reply("a", 10_000) == whole


@pytest.mark.parametrize(
    "wrong",
    [
        {"median_ms": 10.0, "p99_ms": 5.0},
        {"median_ms": -1.0},
        {"p99_ms": math.inf},
        {"median_ms": math.nan},
        {"median_tokens": 0.0},
        {"seed": -1},
    ],
)
def test_what_is_no_distribution_is_refused(wrong: dict[str, float]) -> None:
    """A p99 below the median, a negative time, or none at all is no behaviour."""
    with pytest.raises(ValueError):
        Behaviour(**wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_what_is_asked_is_read() -> None:
    """Contents of all messages are the prompt, texts in parts too; the smaller bound holds."""
    asked = read(
        json.dumps(
            {
                "model": "any",
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "assistant", "content": None, "tool_calls": []},
                    {
                        "role": "user",
                        "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                    },
                ],
                "max_tokens": 9,
                "max_completion_tokens": 7,
                "stream": True,
                "stream_options": {"include_usage": True},
                "temperature": 0.7,
                "n": 1,
            }
        ).encode()
    )
    assert asked == ("any", "Be brief.\n\nab", 7, True, True)
    assert read(json.dumps(GOOD).encode()) == ("any", "Hello?", None, False, False)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ["a"]}, "messages[0]"),
        ({"messages": [{"content": "a"}]}, "messages[0]"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content"),
        ({"n": 2}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": True}, "max_completion_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"include_usage": 1}}, "include_usage"),
    ],
)
def test_what_is_asked_wrongly_is_refused(change: dict[str, object], param: str) -> None:
    """Each mistake is a 400 that names its parameter."""
    with pytest.raises(Refused) as caught:
        read(json.dumps({**GOOD, **change}).encode())
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b"5", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    """A body that can't be read is a 400."""
    with pytest.raises(Refused) as caught:
        read(body)
    assert caught.value.status == 400


def test_a_stream_is_spread_over_its_latency() -> None:
    """The first words come after a quarter of the latency, the last after all of it, evenly between."""
    desk = Desk(Model(Behaviour(100, 100)), None)
    body = json.dumps({**GOOD, "stream": True}).encode()
    pieces = desk.answer(Request(b"POST", b"/v1/chat/completions", b"", body, True, True, None))
    moments = [at for at, _ in pieces]
    assert moments[0] == pytest.approx(0.025)
    assert moments[-1] == pytest.approx(0.1)
    steps = [after - before for before, after in pairwise(moments)]
    assert max(steps) == pytest.approx(min(steps))
