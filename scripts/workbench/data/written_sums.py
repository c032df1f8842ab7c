"""Sums in words, "forty plus two is forty two": a text to pretrain an encoder on, without a download."""

import random

from .verbal_arithmetic import NUMBERS, OPERATORS

TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
LARGEST = 49  # a result then has two digits
KNOWN = len(NUMBERS) - 1


def in_words(number: int) -> str:
    """
    >>> in_words(-42)
    'minus forty two'
    """
    if number < 0:
        return f"minus {in_words(-number)}"
    if number <= KNOWN:
        return NUMBERS[number]
    tens, ones = divmod(number, 10)
    return TENS[tens - 2] + (f" {NUMBERS[ones]}" if ones else "")


def written_sums(seed: int = 0) -> list[str]:
    """All sums and differences of two numbers up to 49, in random order, but those of verbal arithmetic.

    One of the two numbers is above twenty, so that no text of that task, nor its answer, is among them.
    """
    texts = [
        f"{in_words(a)} {name} {in_words(b)} is {in_words(operator(a, b))}"
        for name, operator in OPERATORS.items()
        for a in range(LARGEST + 1)
        for b in range(LARGEST + 1)
        if max(a, b) > KNOWN
    ]
    random.Random(seed).shuffle(texts)
    return texts
