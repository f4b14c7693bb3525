"""Texts by a language model that nobody asked for before: each is a miss, as `text` in everything else.

A worker of threads waits for the model in each of them, so threads and the model's latency bound its rate;
with more users than these requests only queue.
"""

import text

NEEDS = ("keys", "valkey", "llm")
ENDPOINTS = ("POST /token", "POST /api/ai/text")
USERS = 100
HIT_RATE = 0.0


class TextCold(text.Text):
    """Asks for one new text after the other."""

    numbers = text.Numbers(HIT_RATE)
