"""What the stub says to a prompt, and how long it takes: a pure function of the prompt and a seed.

So every variant that asks the same gets the same, after the same time, in whatever order the requests come.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import random
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

_NORMAL = NormalDist()
_Z99 = _NORMAL.inv_cdf(0.99)
_BYTES_PER_TOKEN = 4
"""Of a prompt: what tokenisers come to in English, roughly."""
_LEAST_TOKENS, _MOST_TOKENS = 8, 512
_VOCABULARY = (  # noqa: SIM905 - for people to read
    "a able about after again all also among and answer any are as at be because been before being between "
    "both but by can case cause change come could course day did different do does down each end even every "
    "example fact few find first for form found from general give given go good great group had has have "
    "here high how however if important in into is it its just keep kind know large last later less level "
    "life like line little long made make many may mean measure might more most much must name near need "
    "never new next no not now number of often old on one only open or order other our out over own part "
    "people place point possible present problem question rather reason result right same say see seem set "
    "several should show side since small so some state still such system take than that the their them then "
    "there these they thing think this those though through time to too turn under until up use used very "
    "want was water way we well were what when where which while who why will with without word work world "
    "would year yet you"
).split()


def _corpus(words: int) -> tuple[str, tuple[int, ...]]:
    """Return a long text without meaning, and where each of its words begins."""
    chosen = random.Random(1).choices(_VOCABULARY, k=words)  # noqa: S311 - no secret
    return " ".join(chosen), tuple(itertools.accumulate((len(word) + 1 for word in chosen), initial=0))


_WORDS = 8192
_TEXT, _BEGINS = _corpus(_WORDS)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Two log-normal distributions, each given by its median and its 99th percentile."""

    median_ms: float = 50.0
    """Of the time from a request to the end of its answer; 0 for none."""
    p99_ms: float = 200.0
    median_tokens: float = 64.0
    """Of an answer; the distribution ends at 8 and at 512."""
    p99_tokens: float = 200.0
    seed: int = 1

    def __post_init__(self) -> None:
        """Raise ValueError for what is no distribution."""
        if not 0 <= self.median_ms <= self.p99_ms < math.inf:
            raise ValueError(f"a median of {self.median_ms:g} ms with a p99 of {self.p99_ms:g} ms")
        if not 0 < self.median_tokens <= self.p99_tokens < math.inf:
            raise ValueError(f"a median of {self.median_tokens:g} tokens, a p99 of {self.p99_tokens:g}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"a seed of {self.seed}")


class Reply(NamedTuple):
    """An answer to a prompt."""

    text: str
    """Begins with the prompt's digest; ASCII letters, digits and spaces alone, so it is JSON as it is."""
    latency_s: float
    prompt_tokens: int
    completion_tokens: int
    """Words of the text, its digest included."""
    cut: bool
    """It is shorter than it would have been, since the request allowed no more tokens."""


class Model:
    """A model that understands nothing."""

    def __init__(self, behaviour: Behaviour) -> None:
        """Take the distributions and the seed."""
        self._key = behaviour.seed.to_bytes(8, "big")
        self._latency = _LogNormal(behaviour.median_ms / 1e3, behaviour.p99_ms / 1e3)
        self._tokens = _LogNormal(behaviour.median_tokens, behaviour.p99_tokens)

    def reply(self, prompt: str, most_tokens: int | None = None) -> Reply:
        """Return the one answer that a prompt has, cut to `most_tokens`."""
        data = prompt.encode("utf-8", "surrogatepass")
        chance = hashlib.blake2b(data, digest_size=24, key=self._key).digest()
        latency_s = self._latency.at(chance[:8])
        due = min(max(round(self._tokens.at(chance[8:16])), _LEAST_TOKENS), _MOST_TOKENS)
        tokens = due if most_tokens is None or most_tokens >= due else most_tokens
        first = int.from_bytes(chance[16:], "big") % (_WORDS - _MOST_TOKENS)
        words = _TEXT[_BEGINS[first] : _BEGINS[first + tokens - 1] - 1] if tokens > 1 else ""
        return Reply(
            text=f"{digest_of(data)} {words}" if words else digest_of(data),
            latency_s=latency_s,
            prompt_tokens=-(-len(data) // _BYTES_PER_TOKEN),
            completion_tokens=tokens,
            cut=tokens < due,
        )


def digest_of(prompt: bytes) -> str:
    """Return what an answer begins with: the first 16 hexadecimal digits of the prompt's SHA-256."""
    return hashlib.sha256(prompt).hexdigest()[:16]


class _LogNormal:
    def __init__(self, median: float, p99: float) -> None:
        self._median = median
        self._sigma = math.log(p99 / median) / _Z99 if median else 0.0

    def at(self, chance: bytes) -> float:
        """Return the quantile at eight bytes, read as a number between 0 and 1."""
        if not self._sigma:
            return self._median
        share = ((int.from_bytes(chance, "big") >> 11) + 0.5) / (1 << 53)
        return self._median * math.exp(self._sigma * _NORMAL.inv_cdf(share))
