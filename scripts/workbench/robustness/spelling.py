"""Changes below the word: what fingers, scanners and other alphabets do to letters, capitals, marks and spaces."""

import re
from collections.abc import Iterator
from functools import cache
from random import Random

from . import tables
from .transform import Edit, Transform, sentences_of, words_of


class WordTransform(Transform):
    """A change of some words, each by itself.

    Attributes:
        SHARE: of the words that are long enough, how many change at strength 1.
        SHORTEST: letters of a word that may change.
    """

    SHARE = 1.0
    SHORTEST = 1

    def edits(self, text: str, random: Random) -> Iterator[Edit]:
        share, shortest, draw = self.strength * self.SHARE, self.SHORTEST, random.random
        for match in words_of(text):
            word = match[1]
            if len(word) >= shortest and draw() < share:
                yield *match.span(1), self.change(word, random)

    def change(self, word: str, random: Random) -> str:
        """The word changed, or as it is where nothing fits."""
        raise NotImplementedError


class Typos(WordTransform):
    """A slip of the finger in some words, at most one in each, the first and last letter kept."""

    name = "typos"
    rationale = (
        "Readers understand words whose inner letters are slightly wrong: the first and the last letter and most of "
        "the others stay."
    )
    citation = (
        "Rawlinson, The significance of letter position in word recognition (1976); Belinkov and Bisk, Synthetic and "
        "natural noise both break neural machine translation (ICLR 2018)"
    )
    SHARE = 0.4
    SHORTEST = 4

    def change(self, word: str, random: Random) -> str:
        """The word with a slip at an inner place; as it is where that makes another usual word."""
        slipped = _slip(word, 1 + int(random.random() * (len(word) - 2)), random)
        return word if slipped.lower() in usual_words() else slipped


def _slip(word: str, place: int, random: Random) -> str:
    """The word with a neighbouring key, two letters swapped, one dropped or one doubled at this place."""
    letter, following = word[place : place + 2]
    kind = int(random.random() * 4)
    if kind == 0 and (keys := tables.read("keyboard")["neighbours"].get(letter.lower())):
        key = random.choice(keys)
        return word[:place] + (key.upper() if letter.isupper() else key) + word[place + 1 :]
    if kind == 1 and place + 2 < len(word) and following != letter:
        return word[:place] + following + letter + word[place + 2 :]
    return word[:place] + (2 * letter if kind != 2 and letter.isalpha() else "") + word[place + 1 :]


@cache
def usual_words() -> frozenset[str]:
    """The most frequent English words, and what stands among them."""
    from wordfreq import top_n_list

    return frozenset(top_n_list("en", 30_000))


class OcrConfusions(WordTransform):
    """Letters taken for others of like shape, as scanned pages have them; at most one place in a word."""

    name = "ocr"
    rationale = "The shapes that a scanner confuses look alike to a reader too, who goes by the whole word."
    citation = "Kukich, Techniques for automatically correcting words in text (ACM Computing Surveys 1992)"
    SHARE = 0.4
    SHORTEST = 3

    def change(self, word: str, random: Random) -> str:
        confusions = tables.read("ocr")["confusions"]
        places = [
            (place, size)
            for place in range(len(word))
            for size in (1, 2)
            if place + size <= len(word) and word[place : place + size] in confusions
        ]
        if not places:
            return word
        place, size = random.choice(places)
        return word[:place] + confusions[word[place : place + size]] + word[place + size :]


class Homoglyphs(WordTransform):
    """A letter of some words from another alphabet that looks the same."""

    name = "homoglyphs"
    rationale = "The text looks the same; only the codes of some letters are others."
    citation = "Boucher et al., Bad characters: imperceptible NLP attacks (IEEE S&P 2022)"
    only_if_named = True
    SHARE = 0.6

    def change(self, word: str, random: Random) -> str:
        letters = tables.read("homoglyphs")["letters"]
        places = [place for place, letter in enumerate(word) if letter in letters]
        if not places:
            return word
        place = random.choice(places)
        return word[:place] + letters[word[place]] + word[place + 1 :]


class Casing(Transform):
    """Some sentences written wholly in small letters or wholly in capitals."""

    name = "casing"
    rationale = "Who writes in small letters or in capitals says the same, more carelessly or louder."
    citation = "Ribeiro et al., Beyond accuracy: behavioral testing of NLP models with CheckList (ACL 2020)"

    def edits(self, text: str, random: Random) -> Iterator[Edit]:
        for sentence in sentences_of(text):
            if random.random() < self.strength:
                make = str.upper if random.random() < 0.5 else str.lower
                for match in words_of(sentence[0]):
                    start, end = match.span(1)
                    yield sentence.start() + start, sentence.start() + end, make(match[1])


class Punctuation(Transform):
    """Commas and full stops left out, exclamation and question marks doubled, semicolons for commas."""

    name = "punctuation"
    rationale = "The words and their order carry the label; a question stays a question."
    citation = "Formento et al., Using punctuation as an adversarial attack on deep NLP systems (Findings of EACL 2023)"
    MARK = re.compile(r"(?<=\w)[,.;:!?](?=\s|\Z)")
    CHANGES = {
        ",": ("", ";", " -"),
        ".": ("", "..", "!"),
        ";": (",", "."),
        ":": (",", " -"),
        "!": ("!!", "."),
        "?": ("??",),
    }
    keeps_words = False

    def edits(self, text: str, random: Random) -> Iterator[Edit]:
        for match in self.MARK.finditer(text):
            if random.random() < self.strength:
                yield *match.span(), random.choice(self.CHANGES[match[0]])


class Whitespace(Transform):
    """Spaces doubled, turned into tabs or line ends, or left out."""

    name = "whitespace"
    rationale = "White space between words is layout; where one is missing, a reader still sees two words."
    citation = "Rychalska et al., Models in the wild: on corruption robustness of NLP systems (ICONIP 2019)"
    keeps_words = False
    only_if_named = True
    SHARE = 0.3
    SPACE = re.compile(r"(?<=\w) (?=\w)")

    def edits(self, text: str, random: Random) -> Iterator[Edit]:
        share = self.strength * self.SHARE
        for match in self.SPACE.finditer(text):
            if random.random() < share:
                yield *match.span(), random.choice(("  ", "\t", "\n", ""))
