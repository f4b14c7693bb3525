"""Labelled texts for the classifier: made up from vocabulary and templates, the same for the same seed.

They are synthetic, and so is an accuracy on them: it says that training and quantising worked, and nothing of
real texts. They are made hard on purpose: many words belong to two categories, a third of the texts strays
into another category for a sentence, letters get lost, and some texts hardly say what they are about.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

VOCABULARY: Mapping[str, str] = {
    "billing": "invoice refund payment account charge balance receipt subscription fee discount statement "
    "deposit credit transfer tax debt order instalment plan reminder bank card due amount penalty record "
    "contract cheque",
    "cooking": "recipe oven flour butter onion garlic pan dough sauce pepper stew dessert bread cheese spoon "
    "kitchen boil roast season plate salt menu soup slice dish vegetable order sugar",
    "health": "doctor patient symptom fever medicine therapy surgery diet headache clinic nurse pulse "
    "vaccine allergy recovery appointment sleep blood plan muscle injury dose plate pain scan salt lung "
    "record",
    "sport": "match team goal coach league referee stadium season player tournament sprint training champion "
    "defender injury score penalty muscle marathon pitch record racket medal transfer run race whistle "
    "captain",
    "technology": "laptop software server keyboard update battery browser network password screen program "
    "database memory chip cable device robot cloud update charge account scan code printer run sensor drive "
    "backup",
    "travel": "flight hotel passport luggage airport ticket beach train museum itinerary visa tourist island "
    "cabin border harbour map guide departure booking menu card ferry hostel suitcase delay route network",
}
"""By category, in the order of the model's outputs."""
CATEGORIES = tuple(VOCABULARY)

_TEMPLATES = (
    "The {0} and the {1} were not what we had expected.",
    "Could you tell me more about the {0} for my {1}?",
    "I had a question about the {0}.",
    "After the {0} we talked about the {1} until late.",
    "Yesterday the {0} was worse than the {1}.",
    "My {0} needs another {1} before Friday.",
    "Nobody here knows what to do with a {0} like this.",
    "First came the {0}, then the {1}, and in the end another {2}.",
    "We were told to keep the {0} away from the {1}.",
    "It is the best {0} that I have seen this year, apart from the {1}.",
    "Please look at the {0} again, because the {1} seems wrong.",
    "A new {0} costs more than the old {1} and the {2} together.",
    "Everyone was waiting for the {0}.",
)
_FILLERS = (
    "Thank you for your help.",
    "It was a long day for all of us.",
    "I will write again next week.",
    "My sister said the same thing.",
    "Nothing more happened after that.",
    "Perhaps we should have asked earlier.",
    "The weather was fine, as always.",
    "I hope that this makes sense.",
)
_STRAYING = 0.35
"""The share of texts with a sentence about another category."""
_TYPO = 0.04
"""The share of words that lose a letter or have two swapped."""


def labelled_texts(number: int, seed: int) -> Iterator[tuple[str, int]]:
    """Yield texts with the positions of their categories in CATEGORIES, which take turns."""
    source = random.Random(seed)  # noqa: S311 - texts, not secrets
    for position in range(number):
        label = position % len(CATEGORIES)
        yield _text(CATEGORIES[label], source), label


def _text(category: str, source: random.Random) -> str:
    own = source.choices((1, 2, 3, 4), weights=(3, 4, 3, 2))[0]
    sentences = [_sentence(category, source) for _ in range(own)]
    if source.random() < _STRAYING:
        other = source.choice([name for name in CATEGORIES if name != category])
        sentences.append(_sentence(other, source))
    sentences += source.sample(_FILLERS, source.randint(0, 3))
    source.shuffle(sentences)
    return " ".join(_misspelt(word, source) for sentence in sentences for word in sentence.split())


def _sentence(category: str, source: random.Random) -> str:
    return source.choice(_TEMPLATES).format(*source.sample(VOCABULARY[category].split(), 3))


def _misspelt(word: str, source: random.Random) -> str:
    """Return a word, now and then with a letter lost or two swapped."""
    if len(word) < 4 or source.random() >= _TYPO:
        return word
    place = source.randrange(1, len(word) - 1)
    if source.random() < 0.5:
        return word[:place] + word[place + 1 :]
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
