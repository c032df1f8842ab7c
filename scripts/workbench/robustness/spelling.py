"""Changes below the word: what fingers, scanners and other alphabets do to letters, capitals and marks."""

from collections.abc import Iterator
from random import Random

from . import tables
from .transform import Edit, Transform, words_of


class Typos(Transform):
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
    # Of the words that are long enough, at strength 1.
    SHARE = 0.4
    SHORTEST = 4

    def edits(self, text: str, random: Random) -> Iterator[Edit]:
        share, draw = self.strength * self.SHARE, random.random
        for match in words_of(text):
            word = match[1]
            if len(word) >= self.SHORTEST and draw() < share:
                yield *match.span(1), _slip(word, 1 + int(draw() * (len(word) - 2)), random)


def _slip(word: str, place: int, random: Random) -> str:
    """The word with a neighbouring key, two letters swapped, one dropped or one doubled at an inner place."""
    letter, following = word[place : place + 2]
    kind = random.randrange(4)
    if kind == 0 and (keys := tables.read("keyboard")["neighbours"].get(letter.lower())):
        key = random.choice(keys)
        return word[:place] + (key.upper() if letter.isupper() else key) + word[place + 1 :]
    if kind == 1 and place + 2 < len(word) and following != letter:
        return word[:place] + following + letter + word[place + 2 :]
    return word[:place] + ("" if kind == 2 else 2 * letter) + word[place + 1 :]
