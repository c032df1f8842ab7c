"""Word accuracy, character error rate and symbol error rate of predicted words, as an `evaluate` metric."""

import datasets
import evaluate
from rapidfuzz.distance import Levenshtein

_DESCRIPTION = """
Scores words that a model wrote (transliteration, inflection, grapheme to phoneme, Pig Latin) against the right ones:
word accuracy, character error rate (CER) and symbol error rate (SER). CER and SER are corpus ratios: all edits over
all reference symbols, so that long words weigh more than short ones.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions (list of str): the words that the model wrote.
    references (list of str): the right words, in the same order.
    separator (str, optional): what separates a word's symbols, for SER, e.g. " " between phones; without it every
        character is a symbol and SER equals CER.

Returns:
    word_accuracy (float): share of predictions equal to their reference, 0 to 1.
    cer (float): Levenshtein edits between characters, over the references' characters; 0 is best, may exceed 1.
    ser (float): the same over symbols.

Examples:
    >>> metric = evaluate.load("word_accuracy")
    >>> metric.compute(predictions=["eamtay", "eetstray"], references=["eamtay", "eetstrey"])
    {'word_accuracy': 0.5, 'cer': 0.07142857142857142, 'ser': 0.07142857142857142}
    >>> metric.compute(predictions=["tʃ a o"], references=["tʃ a u"], separator=" ")["ser"]
    0.3333333333333333
"""

_CITATION = """
@article{levenshtein1966binary,
  title = {Binary codes capable of correcting deletions, insertions, and reversals},
  author = {Levenshtein, Vladimir I.},
  journal = {Soviet Physics Doklady},
  volume = {10},
  number = {8},
  pages = {707--710},
  year = {1966}
}
"""


def error_rate(predictions: list, references: list) -> float:
    """Edits over reference symbols, summed over the corpus; each item is a sequence of symbols."""
    edits = sum(Levenshtein.distance(ours, right) for ours, right in zip(predictions, references, strict=True))
    return edits / max(sum(map(len, references)), 1)


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class WordAccuracy(evaluate.Metric):
    """See the module's description."""

    def _info(self):
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features(dict.fromkeys(("predictions", "references"), datasets.Value("string"))),
        )

    def _compute(self, predictions, references, separator=None):
        right = sum(ours == reference for ours, reference in zip(predictions, references, strict=True))
        cer = error_rate(predictions, references)
        if separator:
            predictions, references = ([word.split(separator) for word in side] for side in (predictions, references))
        return {
            "word_accuracy": right / max(len(references), 1),
            "cer": cer,
            "ser": error_rate(predictions, references),
        }
