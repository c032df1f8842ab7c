"""Verbal arithmetic: "four minus ten" is negative, zero or positive; a task that needs no download."""

import random

LABELS = ("negative", "zero", "positive")
NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
).split()
OPERATORS = {"plus": int.__add__, "minus": int.__sub__}
# 22, 3 and 75 % of the examples, as far as the numbers go: of the 882 expressions only 22 are zero.
COUNTS = {"train": {"negative": 141, "zero": 18, "positive": 481}, "test": {"negative": 35, "zero": 4, "positive": 121}}


def expressions() -> dict[str, str]:
    """All 882 expressions of two numbers from zero to twenty, with the sign of their result.

    >>> expressions()["four minus ten"]
    'negative'
    """
    return {
        f"{left} {name} {right}": sign(operator(a, b))
        for name, operator in OPERATORS.items()
        for a, left in enumerate(NUMBERS)
        for b, right in enumerate(NUMBERS)
    }


def sign(result: int) -> str:
    """The name of the label of a result."""
    return LABELS[1 + (result > 0) - (result < 0)]


def verbal_arithmetic(seed: int = 0) -> dict[str, list[tuple[str, str]]]:
    """640 training and 160 test expressions, no two alike, as (text, label name), in random order.

    Guessing "positive" is right for 75 % of them.
    """
    generator = random.Random(seed)
    by_label = {label: [text for text, kind in expressions().items() if kind == label] for label in LABELS}
    for texts in by_label.values():
        generator.shuffle(texts)
    splits = {
        split: [(by_label[label].pop(), label) for label in LABELS for _ in range(counts[label])]
        for split, counts in COUNTS.items()
    }
    for rows in splits.values():
        generator.shuffle(rows)
    return splits
