"""How much of a text was changed, and whether that is still the text: gibberish is refused by thresholds.

Compared without regard to capitals, and moved words are no changed ones.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from .transform import Change, Transformed

Encoder = Callable[[Sequence[str]], "numpy.ndarray"]  # noqa: F821 (texts to (N, hidden size))
AT_ONCE = 32  # texts that an encoder gets


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


def refuse(
    originals: Sequence[str], results: Sequence[Transformed], limits: Limits, encoder: Encoder | None = None
) -> tuple[list[Transformed], list[str | None]]:
    """The results, the original in the place of each that changed too much, and why that was; None where it did not."""
    reasons = [
        limits.reason(extent) if result.changes else None
        for result, extent in zip(results, measure(originals, results, encoder), strict=True)
    ]
    rows = zip(originals, results, reasons, strict=True)
    return [Transformed(text, ()) if reason else result for text, result, reason in rows], reasons


def measure(originals: Sequence[str], results: Sequence[Transformed], encoder: Encoder | None = None) -> list[Extent]:
    """How much of each text was changed."""
    known = similarities(originals, [result.text for result in results], encoder) if encoder else [None] * len(results)
    return [_extent(*row) for row in zip(originals, results, known, strict=True)]


def _extent(original: str, transformed: Transformed, similarity: float | None) -> Extent:
    letters = sum(edited_letters(change) for change in transformed.changes)
    before, after = (Counter(text.casefold().split()) for text in (original, transformed.text))
    return Extent(letters / max(1, len(original)), (before - after).total() / max(1, before.total()), similarity)


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

    ours, theirs = (_embed(part, encoder) for part in (originals, texts))
    norms = numpy.linalg.norm(ours, axis=1) * numpy.linalg.norm(theirs, axis=1)
    return ((ours * theirs).sum(axis=1) / numpy.maximum(norms, 1e-12)).tolist()


def _embed(texts: Sequence[str], encoder: Encoder):
    """(N, hidden size), some texts at a time."""
    import numpy

    parts = [encoder(texts[start : start + AT_ONCE]) for start in range(0, len(texts), AT_ONCE)]
    return numpy.concatenate([numpy.asarray(part, dtype=numpy.float64) for part in parts] or [numpy.empty((0, 1))])
