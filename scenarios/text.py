"""Texts by a language model behind a cache: the article's service, 62 % of whose requests were made before.

`POST /api/ai/text`. A text that is asked for again was answered at least a second ago, whatever the variant's
speed, so a faster one hits no more often; all others are new. Each user gets a token and a text before it
begins. A text costs milliseconds of CPU time; with more users than these they only queue.
"""

import hashlib
import itertools
import os
import random
import secrets
import time
from collections import deque
from urllib.parse import urlencode

from locust import task

from harness.loadgen.client import Expect
from harness.loadgen.http import Response
from harness.loadgen.user import BenchUser

NEEDS = ("keys", "valkey", "llm")
ENDPOINTS = ("POST /token", "POST /api/ai/text")
USERS = 200
HIT_RATE = 0.62

FORM = urlencode({"username": "webdyno", "password": os.environ.get("WEBDYNO_PASSWORD", "")})
FORM_TYPE = {"Content-Type": "application/x-www-form-urlencoded"}
PROMPTS = {
    "summary": "总结以下内容(en):{}",
    "translation": "翻译为en:{}",
    "creation": "基于以下内容创作en文案:{}",
}
TASKS = tuple(PROMPTS)
ABOUT = "A dynamometer holds an engine at a speed and measures its torque; power is the product of both. " * 4
SETTLED_NS = 1_000_000_000
MOST_KNOWN = 4096


class Numbers:
    """Which text is asked for next, by its number: new ones, and a fixed share of those answered before."""

    def __init__(self, repeated: float) -> None:
        """Begin without any; `repeated` is the share."""
        self._repeated = repeated
        self._due = 0.0
        self._new = itertools.count()
        self._fresh: deque[tuple[int, int]] = deque()
        self._known: list[int] = []

    def next(self, chance: random.Random, now_ns: int) -> tuple[int, bool]:
        """Return a number, and whether it is new; the share is kept over all users, not left to chance."""
        while self._fresh and self._fresh[0][0] <= now_ns - SETTLED_NS:
            self._remember(self._fresh.popleft()[1], chance)
        self._due += self._repeated
        if self._due < 1 or not self._known:
            self._due = min(self._due, 1.0)
            return next(self._new), True
        self._due -= 1
        return chance.choice(self._known), False

    def answered(self, number: int, now_ns: int) -> None:
        """Note that a new text was answered."""
        self._fresh.append((now_ns, number))

    def _remember(self, number: int, chance: random.Random) -> None:
        if len(self._known) < MOST_KNOWN:
            self._known.append(number)
        else:
            self._known[chance.randrange(MOST_KNOWN)] = number


NUMBERS = Numbers(HIT_RATE)
NONCE = secrets.token_hex(4)
"""Of this process: no other one asks for the same texts."""


def question(number: int) -> dict[str, str]:
    """Return what is asked by a number."""
    content = f"{ABOUT}Text {NONCE}, number {number}."
    return {"task_type": TASKS[number % 3], "content": content, "target_language": "en"}


def text_for(asked: dict[str, str]) -> Expect:
    """Return the check of an answer: its task, and that the model was asked by the very prompt."""
    prompt = PROMPTS[asked["task_type"]].format(asked["content"])
    begins = hashlib.sha256(prompt.encode()).hexdigest()[:16]

    def check(response: Response) -> str | None:
        body = response.json()
        good = set(body) == {"task_type", "result"} and body["task_type"] == asked["task_type"]
        good = good and body["result"].startswith(begins)
        return None if good else f"not the text that was asked for: {response.text[:80]}"

    return Expect(200, check, remember=False, counts="X-Cache")


class Text(BenchUser):
    """Asks for one text after the other."""

    numbers = NUMBERS
    chance: random.Random
    """For texts alone: how often it is drawn from depends on how soon answers come, and so on the variant."""

    def on_start(self) -> None:
        """Get a token, and a first text, so that there are texts to repeat from the beginning."""
        given = self.client.post("/token", data=FORM, headers=FORM_TYPE)
        if given is None:
            raise RuntimeError("there is no token: POST /token was not answered as it must be")
        self.headers = {"Authorization": f"Bearer {given.json()['access_token']}"}
        self.chance = random.Random(self.random.random())  # noqa: S311 - to be repeated, no secret
        self.text()

    @task
    def text(self) -> None:
        """Ask for one."""
        number, is_new = self.numbers.next(self.chance, time.monotonic_ns())
        asked = question(number)
        answer = self.client.post("/api/ai/text", json=asked, headers=self.headers, expect=text_for(asked))
        if is_new and answer is not None:
            self.numbers.answered(number, time.monotonic_ns())
