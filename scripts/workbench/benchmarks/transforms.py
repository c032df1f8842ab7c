"""Suite `transforms`: synonyms and typos in texts per second, ours against nlpaug's and TextAttack's.

Each round has texts of its own, so that no cache has seen them; all take the same ones, in one process.
"""

import itertools
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from workbench.data.columns import Columns, guess_columns
from workbench.data.examples import text_of
from workbench.data.tables import read_table
from workbench.data.words import english_words
from workbench.errors import UserError
from workbench.robustness.catalogue import make_transforms

from .timing import Bar, Comparison, measure, per_second

QUICK_TEXTS = 20
WORDS_IN_A_TEXT = 230  # a film review's, on average
HINT = "pip install nlpaug textattack"
Way = Callable[[list[str]], object]


def run(options) -> list[Comparison]:
    """Texts per second of synonyms with typos and of either alone; UserError where no peer can be imported."""
    ways = {"ours": our_way("synonyms", "typos"), "our synonyms": our_way("synonyms"), "our typos": our_way("typos")}
    peers = {name: way for name, make in PEERS.items() if (way := make()) is not None}
    if not peers:
        raise UserError(f"this suite compares with nlpaug and TextAttack, and neither can be imported: {HINT}")
    texts = read_texts(options.file, QUICK_TEXTS if options.quick else options.texts)
    size = max(1, len(texts) // options.rounds)
    # The first ones warm up, and come again at the end if texts are too few.
    figures = measure({name: over_parts(way, texts, size) for name, way in (ways | peers).items()}, options.rounds)
    facts = {"texts_per_round": size, "characters_per_text": sum(map(len, texts)) // len(texts)}
    return [
        Comparison.of(figures, name, "texts per second", ours, theirs, bar, **facts)
        for name, ours, theirs, bar in COMPARED
        if theirs in peers
    ]


def over_parts(way: Way, texts: list[str], size: int) -> Callable[[], float]:
    """A way for `measure`: at each call on the next part of the texts."""
    parts: Iterator[list[str]] = itertools.cycle([texts[at : at + size] for at in range(0, len(texts), size)])
    return lambda: (lambda part: per_second(lambda: way(part), len(part))())(next(parts))


def read_texts(path: str | None, count: int) -> list[str]:
    """So many texts of a file, from its beginning again where it has fewer; without one, of English words."""
    if path is None:
        generator = random.Random(0)
        words = english_words(5000)
        weights = [1 / rank for rank in range(1, len(words) + 1)]
        return [" ".join(generator.choices(words, weights, k=WORDS_IN_A_TEXT)) + "." for _ in range(count)]
    table = read_table(Path(path))
    texts = [text_of(cell, table.place) for cell in table.cells(guess_columns(table, Columns(""), False).text)]
    return list(itertools.islice(itertools.cycle(texts), count))


def our_way(*names: str) -> Way:
    transform = make_transforms(list(names))
    return lambda texts: [transform.transform(text) for text in texts]


def nlpaug_synonyms() -> Way | None:
    """nlpaug's `SynonymAug` by WordNet, at its defaults; None where it is not installed."""
    try:
        from nlpaug.augmenter.word import SynonymAug
    except ImportError:
        return None
    augmenter = SynonymAug(aug_src="wordnet")
    return lambda texts: [augmenter.augment(text) for text in texts]


def nlpaug_typos() -> Way | None:
    """nlpaug's `KeyboardAug`, at its defaults; None where it is not installed."""
    try:
        from nlpaug.augmenter.char import KeyboardAug
    except ImportError:
        return None
    augmenter = KeyboardAug()
    return lambda texts: [augmenter.augment(text) for text in texts]


def nlpaug_both() -> Way | None:
    """One after the other."""
    synonyms, typos = nlpaug_synonyms(), nlpaug_typos()
    if synonyms is None or typos is None:
        return None
    return lambda texts: typos([text for made in synonyms(texts) for text in made])


def textattack_synonyms() -> Way | None:
    """TextAttack's `WordNetAugmenter`, at its defaults; None where it is not installed."""
    try:
        from textattack.augmentation import WordNetAugmenter
    except ImportError:
        return None
    augmenter = WordNetAugmenter()
    return lambda texts: [augmenter.augment(text) for text in texts]


PEERS = {
    "SynonymAug + KeyboardAug": nlpaug_both,
    "SynonymAug": nlpaug_synonyms,
    "KeyboardAug": nlpaug_typos,
    "WordNetAugmenter": textattack_synonyms,
}
COMPARED = (
    ("synonyms_and_typos", "ours", "SynonymAug + KeyboardAug", Bar(10, at_least=True)),
    ("synonyms", "our synonyms", "SynonymAug", None),
    ("typos", "our typos", "KeyboardAug", None),
    ("synonyms_textattack", "our synonyms", "WordNetAugmenter", None),
)
