"""Running text to words and back."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

WORD = re.compile(r"([^\W\d_]+(?:['’-][^\W\d_]+)*)")
APOSTROPHE = re.compile("['’]")
LINES_AT_ONCE = 1000
# A word whose translation has more letters than this, and more than so many times its own, is one that never ended.
LONGEST_SHOWN, TIMES_LONGER = 24, 4


class TextTranslator:
    """Translates the words of running text; capitals, apostrophes, punctuation and spaces stay in place.

    Args:
        translate: words to their translations, in order (`decoding.decode_words`).
        known_characters: what the model can read; a word with others is left as it is.
        longest: characters that fit the model; a longer word is left as it is.

    Attributes:
        left_out: the words that were left as they are.
        cut: the words whose translation did not end, and is cut.
    """

    def __init__(self, translate: Callable[[list[str]], list[str]], known_characters: set[str], longest: int):
        self.translate = translate
        self.known_characters = known_characters
        self.longest = longest
        self.left_out: set[str] = set()
        self.cut: set[str] = set()

    def lines(self, lines: Iterable[str], at_once: int = LINES_AT_ONCE) -> Iterator[str]:
        """The translated lines, as soon as `at_once` of them are read; equal words are translated once."""
        lines = iter(lines)
        while chunk := [WORD.split(unicodedata.normalize("NFC", line)) for line in islice(lines, at_once)]:
            words = sorted({self.plain(word) for pieces in chunk for word in pieces[1::2]} - {None})
            translations = dict(zip(words, self.translate(words), strict=True))
            for pieces in chunk:
                pieces[1::2] = [self._restore(word, translations) for word in pieces[1::2]]
                yield "".join(pieces)

    def plain(self, word: str) -> str | None:
        """The word as the model reads it, lower-cased and without apostrophes where it must be; None if it cannot."""
        plain = word if self._knows(word) else APOSTROPHE.sub("", word)
        plain = plain if self._knows(plain) else plain.lower()
        if self._knows(plain) and len(plain) <= self.longest:
            return plain
        self.left_out.add(word)
        return None

    def _knows(self, word: str) -> bool:
        return self.known_characters.issuperset(word)

    def _restore(self, word: str, translations: dict[str, str]) -> str:
        plain = self.plain(word)
        if plain is None:
            return word
        translated = shortened(translations[plain], plain)
        if translated != translations[plain]:
            self.cut.add(word)
        if plain != word:
            translated = restore_capitals(word, restore_apostrophe(word, translated))
        return translated


def shortened(translation: str, word: str) -> str:
    """The translation, cut behind LONGEST_SHOWN letters if it does not end, as of a barely trained model."""
    if len(translation) <= max(LONGEST_SHOWN, TIMES_LONGER * len(word)):
        return translation
    return f"{translation[:LONGEST_SHOWN]}…"


def restore_capitals(word: str, translation: str) -> str:
    """Gives `translation` the capitals of `word`: all, the first, or none."""
    if word.isupper() and len(word) > 1:
        return translation.upper()
    return translation[:1].upper() + translation[1:] if word[:1].isupper() else translation


def restore_apostrophe(word: str, translation: str) -> str:
    """Puts the apostrophe of `word` back behind the letters that it followed: don't, ontday → on'tday."""
    found = APOSTROPHE.search(word)
    if found is None:
        return translation
    before = word[: found.start()].lower()
    kept = next((before[at:] for at in range(len(before)) if translation.startswith(before[at:])), "")
    return translation[: len(kept)] + found[0] + translation[len(kept) :] if kept else translation
