"""How much of a text was changed, and whether that is still the text: gibberish is refused by thresholds.

Compared without regard to capitals, and moved words are no changed ones.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from .transform import Change, Transform, Transformed

Encoder = Callable[[Sequence[str]], "numpy.ndarray"]  # noqa: F821 (texts to (N, hidden size))


@dataclass(frozen=True)
class Extent:
    """How much was changed.

    Args:
        edits: letters changed, over the letters of the text: 0 to 1, or more.
        words: share of the text's words that are not in the new text.
        similarity: cosine of the two texts' embeddings; None without an encoder.
    """

    edits: float
    words: float
    similarity: float | None = None


@dataclass(frozen=True)
class Limits:
    """The most that may be changed, and the least similarity, for a text to count as the same text."""

    edits: float = 0.4
    words: float = 0.6
    similarity: float = 0.6

    def reason(self, extent: Extent) -> str | None:
        """What is too much; None where nothing is."""
        if extent.edits > self.edits:
            return f"{extent.edits:.0%} of the letters changed, {self.edits:.0%} are allowed"
        if extent.words > self.words:
            return f"{extent.words:.0%} of the words changed, {self.words:.0%} are allowed"
        if extent.similarity is not None and extent.similarity < self.similarity:
            return f"similarity {extent.similarity:.2f}, at least {self.similarity:.2f} is wanted"
        return None


def measure(original: str, transformed: Transformed, encoder: Encoder | None = None) -> Extent:
    """How much of the original was changed; every letter and word where there was none."""
    similarity = similarities([original], [transformed.text], encoder)[0] if encoder else None
    letters = sum(edited_letters(change) for change in transformed.changes)
    before, after = (Counter(text.casefold().split()) for text in (original, transformed.text))
    lost = (before - after).total()
    return Extent(letters / max(1, len(original)), lost / max(1, before.total()), similarity)


def edited_letters(change: Change) -> int:
    """Letters put in, taken out or changed; none for words that only moved within the change."""
    before, after = change.before.casefold(), change.after.casefold()
    in_order = Levenshtein.distance(before, after)
    if in_order and " " in before and " " in after:
        return min(in_order, Levenshtein.distance(*(" ".join(sorted(text.split())) for text in (before, after))))
    return in_order


def similarities(originals: Sequence[str], texts: Sequence[str], encoder: Encoder) -> list[float]:
    """The cosine of each text's embedding with its original's."""
    import numpy

    ours, theirs = (numpy.asarray(encoder(list(part)), dtype=numpy.float64) for part in (originals, texts))
    norms = numpy.linalg.norm(ours, axis=1) * numpy.linalg.norm(theirs, axis=1)
    return ((ours * theirs).sum(axis=1) / numpy.maximum(norms, 1e-12)).tolist()


class Checked(Transform):
    """Another transform, whose result is refused, and the text left alone, where more changed than `limits` allow."""

    def __init__(self, transform: Transform, limits: Limits | None = None, encoder: Encoder | None = None):
        super().__init__(transform.strength, transform.seed)
        self.inner, self.limits, self.encoder = transform, limits or Limits(), encoder
        self.name, self.rationale, self.citation = transform.name, transform.rationale, transform.citation
        self.keeps_words, self.only_if_named = transform.keeps_words, transform.only_if_named
        self.steps = transform.steps

    @property
    def identity(self) -> str | None:
        return f"{self.inner.identity} {self.limits}" if self.inner.identity and self.encoder is None else None

    def transform(self, text: str, step: int = 0) -> Transformed:
        transformed = self.inner.transform(text, step)
        return Transformed(text, ()) if self.refusal(text, transformed) else transformed

    def refusal(self, original: str, transformed: Transformed) -> str | None:
        """Why this is not the same text any more; None where it is."""
        if not transformed.changes:
            return None
        return self.limits.reason(measure(original, transformed, self.encoder))
