"""Generated pairs: English words and their Pig Latin by rule."""

import re

from datasets import DatasetDict

from workbench.errors import UserError

from .pairs import split_words, to_datasets
from .words import english_words

SIZES = {"large": 22_402, "small": 3_198}
COLUMNS = ("english", "pig_latin")


def to_pig_latin(word: str) -> str:
    """The rule, for a lower-case word; the parts of a hyphenated word are translated apart.

    >>> [to_pig_latin(word) for word in ("team", "street", "square", "impress", "my", "yes", "well-known")]
    ['eamtay', 'eetstray', 'aresquay', 'impressway', 'ymay', 'esyay', 'ellway-ownknay']
    """
    return "-".join(_translate_part(part) for part in word.split("-"))


def _translate_part(part: str) -> str:
    onset = len(leading_consonants(part))
    if onset == 0:
        return part + "way" if part else part
    return part[onset:] + part[:onset] + "ay"


def leading_consonants(part: str) -> str:
    """The letters before the first vowel: "qu" is a block, y a consonant at the start and a vowel after one."""
    return re.match(r"y?(?:qu|[^aeiouy])*", part)[0]


def pig_latin_pairs(size: str = "large", seed: int = 0) -> DatasetDict:
    """The `large` or `small` word list with its Pig Latin, split 80/10/10 by word.

    The small list is the most frequent part of the large one, and a word is in the same split of both.

    Args:
        size: `large` (22,402 words) or `small` (3,198).
        seed: of the split.
    """
    if size not in SIZES:
        raise UserError(f"unknown data set size '{size}': choose one of {', '.join(SIZES)}")
    words = english_words(SIZES["large"])
    frequent, rest = words[: SIZES["small"]], words[SIZES["small"] :]
    splits = split_words(list(frequent), seed)
    if size == "large":
        splits = {name: splits[name] + more for name, more in split_words(list(rest), seed).items()}
    return to_datasets({name: [(word, to_pig_latin(word)) for word in part] for name, part in splits.items()}, COLUMNS)
