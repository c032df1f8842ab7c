"""Words for others of the same meaning, by WordNet, in the same part of speech, inflection and capitals.

There is no tagger: a word is taken for the part of speech that WordNet's counts give it nearly always, or that the word
before it settles; others stay. A synonym shares the word's most frequent meaning, and has it as one of its own first.
"""

from collections.abc import Iterator
from functools import cache
from random import Random
from typing import NamedTuple

from . import tables, wordnet
from .transform import Edit, Transform, like, words_of

TAGS = {
    "NOUN": ("NN", "NNS"),
    "VERB": ("VB", "VBP", "VBZ", "VBD", "VBN", "VBG"),
    "ADJ": ("JJ", "JJR", "JJS"),
    "ADV": ("RB", "RBR", "RBS"),
}
LETTERS = {"NOUN": "n", "VERB": "v", "ADJ": "a", "ADV": "r"}
# Of the word's counted uses, how many must be in one part of speech for no look at the words around it.
NEARLY_ALWAYS = 0.8
# Zipf values: of a synonym (once in 300,000 words), and how much rarer than the word it may be.
RAREST, MOST_RARER = 3.5, 2.0
# A synonym's own meanings among which the shared one must be.
FIRST_MEANINGS = 2
# Of the word's counted uses as this part of speech, how many its first meaning must have.
FIRST_SHARE = 0.5
DETERMINERS = frozenset("a an the this that these those my your his her its our their some any no every each".split())
BEFORE_VERBS = frozenset(
    "to will would can could shall should may might must not i you we they who don't doesn't didn't can't won't".split()
)
BEFORE_ADJECTIVES = frozenset("very so too quite rather really more most less is are was were be been seems".split())


class Usage(NamedTuple):
    """A word as one part of speech: its share of the word's counted uses, and the words that can stand for it."""

    part: str
    share: float
    synonyms: tuple[str, ...]


class Synonyms(Transform):
    """Some words for synonyms; function words, negations, names and fixed expressions stay."""

    name = "synonyms"
    rationale = (
        "The synonym has the word's most frequent meaning as one of its own first ones, in the same inflection; words "
        "of praise never become words of blame, nor the reverse."
    )
    citation = (
        "Miller, WordNet: a lexical database for English (CACM 1995); Ren et al., Generating natural language "
        "adversarial examples through probability weighted word saliency (ACL 2019)"
    )

    def __init__(self, strength: float = 0.5, seed: int = 0):
        super().__init__(strength, seed)
        # Where it is missing, that is said at once; processes that this one starts share what was read.
        wordnet.reader()

    def edits(self, text: str, random: Random) -> Iterator[Edit]:
        share, draw, stay = self.strength, random.random, words_that_stay()
        before, reached, waiting = "", 0, None
        for match in words_of(text):
            word = match[1]
            start, end = match.span(1)
            if waiting is not None:
                yield from self._edit(text, waiting, word if text[waiting[1] : start].isspace() else "", random)
            previous = before if text[reached:start].isspace() else ""
            small = word.lower()
            waiting = (start, end, word, previous) if draw() < share and small not in stay else None
            before, reached = small, end
        if waiting is not None:
            yield from self._edit(text, waiting, "", random)

    def _edit(self, text: str, place: tuple[int, int, str, str], following: str, random: Random) -> Iterator[Edit]:
        """The edit of the word at `place`, whose neighbours are known: none, or one."""
        start, end, word, previous = place
        small, following = word.lower(), following.lower()
        if not usages_of(small) or not may_change(text, start, end):
            return
        if is_fixed_expression(previous, small) or is_fixed_expression(small, following):
            return
        synonyms = choose_usage(small, previous, following)
        if previous in ("a", "an"):
            synonyms = tuple(synonym for synonym in synonyms if sounds_like_vowel(synonym) == (previous == "an"))
        if synonyms:
            yield start, end, like(random.choice(synonyms), word)


def may_change(text: str, start: int, end: int) -> bool:
    """Whether the word stands free of hyphens and is no name: a capital begins a sentence, or all are capitals."""
    word, around = text[start:end], text[max(0, start - 1) : start] + text[end : end + 1]
    if any(mark in around for mark in "-‐_/") or "'" in word or "’" in word:
        return False
    if word.islower():
        return True
    if word.isupper():
        return len(word) > 3
    begins = text[max(0, start - 12) : start].rstrip(" \t\"'“‘(")
    return word[1:].islower() and (not begins or begins[-1] in ".!?\n>:") and word.lower() not in first_names()


@cache
def words_that_stay() -> frozenset[str]:
    return tables.word_set("words", "function_words")


@cache
def first_names() -> frozenset[str]:
    kinds = (tables.word_set("names", kind) for kind in ("women", "men", "also_names"))
    return frozenset(name.casefold() for names in kinds for name in names)


@cache
def fixed_expressions() -> frozenset[str]:
    """WordNet's expressions of two words, as `high_school`."""
    words = (word.rpartition("%")[0] for word in wordnet.sense_index())
    return frozenset(word for word in words if word.count("_") == 1)


def is_fixed_expression(first: str, second: str) -> bool:
    """Whether WordNet has both words as one expression, or its plural."""
    expression = f"{first}_{second}"
    expressions = fixed_expressions()
    return expression in expressions or (expression[-1] == "s" and expression[:-1] in expressions)


def sounds_like_vowel(word: str) -> bool:
    """Whether 'an' stands before it, by its spelling."""
    if word.startswith(("hour", "honest", "honor", "honour", "heir")):
        return True
    return word[0] in "aeiou" and not word.startswith(("uni", "use", "usu", "eu", "one", "once", "ufo"))


def choose_usage(word: str, previous: str, following: str) -> tuple[str, ...]:
    """The synonyms in the part of speech that the word has here; none where that is in doubt."""
    usages = usages_of(word)
    if not usages:
        return ()
    if usages[0].share >= NEARLY_ALWAYS:
        return usages[0].synonyms
    by_part = {usage.part: usage.synonyms for usage in usages}
    if previous in BEFORE_VERBS:
        return by_part.get("VERB", ())
    if previous in BEFORE_ADJECTIVES and "NOUN" in by_part:
        return by_part.get("ADJ", ())
    if previous in DETERMINERS and "ADJ" not in by_part:
        return by_part.get("NOUN", ())
    if previous in DETERMINERS and following and following not in words_that_stay():
        return by_part["ADJ"]
    return ()


@cache
def usages_of(word: str) -> tuple[Usage, ...]:
    """The parts of speech that the word can be, the most frequent first; none of a word without any synonym."""
    from lemminflect import getAllLemmas

    counted = []
    for part, lemmas in getAllLemmas(word).items():
        for lemma in lemmas if part in TAGS else ():
            if senses := senses_of(lemma, part):
                counted.append((part, lemma, sum(sense.count for sense in senses)))
    total = sum(count for _, _, count in counted) + len(counted)
    ranked = sorted(counted, key=lambda item: -item[2])
    usages = tuple(Usage(part, (count + 1) / total, synonyms(word, lemma, part)) for part, lemma, count in ranked)
    return usages if any(usage.synonyms for usage in usages) else ()


def senses_of(lemma: str, part: str) -> tuple[wordnet.Sense, ...]:
    """The word's meanings as this part of speech, the most frequent first."""
    return wordnet.sense_index().get(f"{lemma}%{LETTERS[part]}", ())


def synonyms(word: str, lemma: str, part: str) -> tuple[str, ...]:
    """The words that can stand for this form of the lemma, in WordNet's order."""
    tags = [tag for tag in TAGS[part] if word in inflections(lemma, tag)]
    return tuple(
        form
        for candidate in lemmas_of_first_meaning(lemma, part)
        if (form := common_form(candidate, tags)) and form != word and fits(form, word, part)
    )


@cache
def lemmas_of_first_meaning(lemma: str, part: str) -> tuple[str, ...]:
    """The other words of the lemma's first meaning, if it has most of the lemma's uses, and is one of their first."""
    senses = senses_of(lemma, part)
    if not senses or senses[0].count < FIRST_SHARE * sum(sense.count for sense in senses):
        return ()
    first, letter = senses[0], LETTERS[part]
    members = wordnet.synset(letter, first).lemmas()
    opposite = {antonym.name() for member in members for antonym in member.antonyms()}
    found = []
    for candidate in (member.name() for member in members):
        theirs = senses_of(candidate, part)[:FIRST_MEANINGS]
        is_known = any(sense.place == first.place and (sense.count or not first.count) for sense in theirs)
        is_plain = candidate.isalpha() and candidate.islower() and candidate not in opposite
        if is_known and is_plain and candidate != lemma and may_stand_for(candidate, lemma):
            found.append(candidate)
    return tuple(found)


def may_stand_for(candidate: str, lemma: str) -> bool:
    """Whether a reader takes one for the other: both praise, blame or neither, and no pair that is known to jar."""
    return same_polarity(candidate, lemma) and f"{lemma}>{candidate}" not in tables.word_set("misfits", "pairs")


@cache
def inflections(lemma: str, tag: str) -> tuple[str, ...]:
    from lemminflect import getInflection

    return getInflection(lemma, tag, inflect_oov=False)


def common_form(lemma: str, tags: list[str]) -> str | None:
    """The lemma's form for all these tags; None where they differ, as past tense and participle may."""
    forms = {inflections(lemma, tag)[:1] for tag in tags}
    return next(iter(forms.pop()), None) if len(forms) == 1 else None


def fits(form: str, word: str, part: str) -> bool:
    """Whether a form is frequent enough, and an adverb in -ly one where the word is one."""
    return is_usual(form, word) and (part != "ADV" or form.endswith("ly") == word.endswith("ly"))


def is_usual(form: str, word: str) -> bool:
    """Whether a form is frequent enough to be read without a stumble."""
    from wordfreq import zipf_frequency

    return zipf_frequency(form, "en") >= max(RAREST, zipf_frequency(word, "en") - MOST_RARER)


def same_polarity(lemma: str, other: str) -> bool:
    """Whether not one of the words is praise and the other one blame."""
    praise, blame = (tables.word_set("words", kind) for kind in ("praise", "blame"))
    return not (lemma in praise and other in blame or lemma in blame and other in praise)
