"""One user who asks for texts that were all answered before: each is a hit, as `text` in everything else.

With one user nothing queues, so the response time is what a hit takes.
"""

import text

NEEDS = ("keys", "valkey", "llm")
ENDPOINTS = ("POST /token", "POST /api/ai/text")
USERS = 1
HIT_RATE = 1.0


class TextAgain(text.Text):
    """Asks for the same texts again and again, once the first were answered."""

    numbers = text.Numbers(HIT_RATE)
