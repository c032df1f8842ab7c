"""The transforms that this page offers, and a text changed by several of them."""

from typing import NamedTuple

from reading import InputError
from transforms.errors import UserError
from transforms.spelling import Casing, Homoglyphs, OcrConfusions, Punctuation, Typos, Whitespace
from transforms.transform import Compose, difference
from transforms.wording import Contractions, Fillers, Names, SentenceOrder, SpellingVariants

KINDS = (
    Typos,
    OcrConfusions,
    Casing,
    Punctuation,
    Contractions,
    Fillers,
    SpellingVariants,
    SentenceOrder,
    Names,
    Homoglyphs,
    Whitespace,
)
TRANSFORMS = {kind.name: kind for kind in KINDS}


class Changed(NamedTuple):
    """A text, what became of it, and the words that differ: (start, end, what stands there now)."""

    before: str
    after: str
    edits: list[tuple[int, int, str]]


def change(text: str, names: list[str], strength: float, seed: float) -> Changed:
    """A text through the transforms of these names; InputError for an unknown one, a bad strength or seed."""
    unknown = next((name for name in names or () if name not in TRANSFORMS), None)
    if unknown is not None:
        raise InputError(f"There is no transform '{str(unknown)[:100]}'; there are {', '.join(TRANSFORMS)}.")
    if not names:
        raise InputError("Please choose a transform.")
    if not isinstance(seed, (int, float)) or seed != int(seed):
        raise InputError("The seed is a whole number.")
    try:
        transform = Compose([TRANSFORMS[name](strength, int(seed)) for name in TRANSFORMS if name in names])
        after = transform.transform(text).text
    except (UserError, TypeError) as error:
        raise InputError(f"The strength is a number from 0 to 1; it is {strength}.") from error
    return Changed(text, after, difference(text, after))
