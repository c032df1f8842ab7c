"""How much was changed, and what is too much."""

import numpy
import pytest

from workbench.robustness.checks import Limits, measure, refuse
from workbench.robustness.transform import Change, Transformed


def changed(before: str, after: str) -> Transformed:
    return Transformed(after, (Change(0, len(before), before, after, "own"),))


@pytest.mark.parametrize(
    ("before", "after", "edits", "words"),
    [
        ("a good film", "a goof film", 1 / 11, 1 / 3),
        ("a good film", "A GOOD FILM", 0, 0),
        ("one two. three four.", "three four. one two.", 0, 0),
        ("abcd", "wxyz", 1, 1),
        ("", "abc", 3, 0),
    ],
)
def test_letters_and_words_that_changed(before, after, edits, words):
    [extent] = measure([before], [changed(before, after)])
    assert (extent.edits, extent.words, extent.similarity) == (pytest.approx(edits), pytest.approx(words), None)


def test_what_changes_too_much_is_the_original_again_and_said():
    texts = ["a good film", "a bad film", "a fine film"]
    results = [changed(texts[0], "a goof film"), changed(texts[1], "zzzzzzzzzz"), Transformed(texts[2], ())]
    kept, reasons = refuse(texts, results, Limits())
    assert [result.text for result in kept] == ["a goof film", "a bad film", "a fine film"]
    assert reasons[0] is reasons[2] is None and "40% are allowed" in reasons[1]
    assert "30% are allowed" in refuse(texts[:1], results[:1], Limits(words=0.3))[1][0]


def test_an_encoder_sees_texts_that_are_no_longer_similar():
    """Embeddings by letters: the second text shares hardly any with its original."""

    def encode(texts):
        return numpy.array([[text.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts])

    texts = ["a good film"] * 40
    results = [changed(texts[0], "a goof film")] * 39 + [changed(texts[0], "a good zzzzzz")]
    extents = measure(texts, results, encode)
    assert extents[0].similarity > 0.9 > extents[39].similarity
    kept, reasons = refuse(texts, results, Limits(edits=9, words=9, similarity=0.9), encode)
    assert [reason is None for reason in reasons] == [True] * 39 + [False]
    assert kept[39].text == texts[0] and "0.90 is wanted" in reasons[39]
