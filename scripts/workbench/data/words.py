"""English words, frequent first: wordfreq's list without what is no word, and a table of hyphenated compounds.

The tables are in english_words.json: `onsets`, letters outside which begin acronyms, not English words ("fbi", "dna");
`short_words`, those of two and three letters, where acronyms and names hide; `without_vowel`; `not_words`; `compounds`,
first part to the rest of hyphenated words in ordinary use, and `compounds_by_tail`, the same from the other end.
"""

import json
import re
from functools import cache
from pathlib import Path

TABLES = Path(__file__).with_name("english_words.json")
# wordfreq estimates a compound from its parts: far too common for common parts, too rare for rare ones. Its Zipf value
# is shrunk towards the middle, so that most of them are in the large list and few in the small one.
COMPOUND_INTERCEPT, COMPOUND_SLOPE = 2.5, 0.35
CRUDE = re.compile(
    "(mother|bull|horse|dip)?(fuck|shit).*|cunts?|porn.*|blowjobs?|bitch.*|nigg(a|er)s?|fagg?ots?|whores?|slut.*|wank.*"
    "|masturbat.*|dildos?|hentai|milfs?|jizz|puss(y|ies)|(dumb|jack)?ass(hole)?s?|cocks?|dick(s|head|heads)?"
    "|rap(e[ds]?|ists?)|tits|horny|penis(es)?|vagina[ls]?|anal|anus|orgasms?|nudes?"
)
FOREIGN_LANGUAGES = ("de", "es", "fi", "fr", "id", "it", "nl", "pl", "pt", "sv", "tr")
# A word this many times as frequent in another language is that language's.
FOREIGN_RATIO = 300


@cache
def english_words(count: int) -> tuple[str, ...]:
    """The `count` most frequent words of a-z and inner hyphens, by wordfreq's Zipf frequency.

    Raises:
        ValueError: more words are asked for than the list holds.
    """
    from wordfreq import get_frequency_dict, top_n_list, zipf_frequency

    candidates = [word for word in top_n_list("en", 2 * count + 2000) if is_word(word)]
    english, foreign = get_frequency_dict("en"), _foreign_frequencies()
    own = [word for word in candidates if len(word) <= 3 or foreign.get(word, 0.0) <= FOREIGN_RATIO * english[word]]
    scores = {word: zipf_frequency(word, "en") for word in own}
    for word in compounds():
        scores[word] = COMPOUND_INTERCEPT + COMPOUND_SLOPE * zipf_frequency(word, "en")
    ranked = sorted(scores, key=lambda word: (-scores[word], word))
    if len(ranked) < count:
        raise ValueError(f"{count} words were asked for and there are {len(ranked)}")
    return tuple(ranked[:count])


def is_word(text: str) -> bool:
    """Whether it can be an English word: no acronym, Roman numeral, web address, drawn-out sound or obscenity."""
    tables = _word_tables()
    if len(text) <= 3:
        return text in tables["short_words"] or text in tables["without_vowel"]
    plain = re.fullmatch("[a-z]+", text) and not re.search(r"(.)\1\1", text) and not re.fullmatch("[ivx]+", text)
    if not plain or text in tables["not_words"] or CRUDE.fullmatch(text) or not re.search("[aeiouy]", text):
        return False
    onset = re.match(r"y?(?:qu|[^aeiouy])*", text)[0]
    return onset == "" or onset in tables["onsets"]


def compounds() -> list[str]:
    """The hyphenated words of both tables, each once."""
    tables = _read_tables()
    by_head = (f"{head}-{tail}" for head, tails in tables["compounds"].items() for tail in tails.split())
    by_tail = (f"{head}-{tail}" for tail, heads in tables["compounds_by_tail"].items() for head in heads.split())
    return list(dict.fromkeys((*by_head, *by_tail)))


@cache
def _read_tables() -> dict:
    return json.loads(TABLES.read_text(encoding="utf-8"))


@cache
def _word_tables() -> dict[str, frozenset[str]]:
    """The tables that are lists of words."""
    lists = {name: lines for name, lines in _read_tables().items() if isinstance(lines, list)}
    return {name: frozenset(" ".join(lines).split()) for name, lines in lists.items()}


def _foreign_frequencies() -> dict[str, float]:
    """Each word's highest frequency in another language."""
    from wordfreq import get_frequency_dict

    highest: dict[str, float] = {}
    for language in FOREIGN_LANGUAGES:
        for word, frequency in get_frequency_dict(language, "small").items():
            highest[word] = max(frequency, highest.get(word, 0.0))
    return highest
