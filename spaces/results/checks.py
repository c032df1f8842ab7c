"""What a `results.json` and a `study.json` must hold, bounded in length and magnitude; the rest of them is left out.

A check takes a value and its place in the file, and returns what is kept of it.
"""

from collections.abc import Callable
from typing import Any, NoReturn

MAX_NAME, MAX_MARKDOWN, MAX_NAMES, MAX_ITEMS = 200, 5_000, 100, 500
MAX_NUMBER, MAX_COUNT = 1e100, 2**53  # sums and quotients stay finite; browsers round larger counts

Check = Callable[[Any, str], Any]


class BrokenFileError(ValueError):
    """A file that cannot be shown; the message says why."""


def refuse(where: str, why: str) -> NoReturn:
    raise BrokenFileError(f"broken: {where} {why}")


def text(value: Any, where: str, most: int = MAX_NAME) -> str:
    if value is None or not isinstance(value, str):
        refuse(where, "is missing" if value is None else "is not a text")
    if len(value) > most:
        refuse(where, f"has {len(value):,} characters; at most {most:,} are possible")
    try:
        value.encode()
    except UnicodeEncodeError:
        refuse(where, "has half a character (a lone surrogate)")
    return value


def markdown(value: Any, where: str) -> str:
    return text(value, where, MAX_MARKDOWN)


def number(value: Any, where: str) -> float:
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        refuse(where, "is missing" if value is None else "is not a number")
    if not abs(value) <= MAX_NUMBER:
        refuse(where, "is not finite" if isinstance(value, float) else "is too large")
    return float(value) if abs(value) > 1 / MAX_NUMBER else 0.0


def whole(value: Any, where: str) -> int:
    number(value, where)
    if not isinstance(value, int) or abs(value) > MAX_COUNT:
        refuse(where, f"is not a whole number up to {MAX_COUNT:,}")
    return value


def count(value: Any, where: str) -> int:
    if whole(value, where) < 0:
        refuse(where, "is negative")
    return value


def truth(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        refuse(where, "is not true or false")
    return value


def optional(check: Check) -> Check:
    return lambda value, where: None if value is None else check(value, where)


def listed(check: Check, most: int) -> Check:
    def checked(value: Any, where: str) -> list:
        if not isinstance(value, list) or len(value) > most:
            refuse(where, f"is not a list of at most {most:,}")
        return [check(item, f"{where}[{index}]") for index, item in enumerate(value)]

    return checked


def named(check: Check, most: int = MAX_NAMES) -> Check:
    """Of an object whose names are free."""

    def checked(value: Any, where: str) -> dict:
        if not isinstance(value, dict) or len(value) > most:
            refuse(where, "is missing" if value is None else f"is not an object with at most {most} names")
        return {text(name, f"a name in {where}"): check(item, f"{where}.{name}") for name, item in value.items()}

    return checked


def record(**fields: Check) -> Check:
    """Of an object whose names are fixed; others are left out."""

    def checked(value: Any, where: str) -> dict:
        if not isinstance(value, dict):
            refuse(where, "is missing" if value is None else "is not an object")
        return {name: check(value.get(name), f"{where}.{name}".lstrip(".")) for name, check in fields.items()}

    return checked


def spanned(check: Check) -> Check:
    """Of an object with the two ends of an interval, or neither."""

    def checked(value: Any, where: str) -> dict:
        ends = (content := check(value, where))["low"], content["high"]
        if (None in ends and ends != (None, None)) or (None not in ends and ends[0] > ends[1]):
            refuse(where, "has no interval from low to high")
        return content

    return checked


def score(value: Any, where: str) -> float | None:
    """Of a number of a fit, beside which `ci` is an object of intervals."""
    return number(value, where) if isinstance(value, int | float) else None


RESULTS = record(
    metrics=named(named(number)),
    fit=optional(named(score)),
    seed=whole,
    parameters=record(total=count, trainable=optional(count)),
    splits=optional(named(count)),
    facts=optional(record(dataset=optional(record(name=optional(text), metric=optional(text))))),
)
DIFFERENCE = spanned(record(mean=number, low=optional(number), high=optional(number), method=text))
ROW = spanned(
    record(
        setting=text,
        runs=listed(text, MAX_ITEMS),
        values=named(number, MAX_ITEMS),
        mean=number,
        sd=optional(number),
        n=count,
        low=optional(number),
        high=optional(number),
        trained=optional(count),
        total=optional(count),
        difference=optional(DIFFERENCE),
        verdict=text,
    )
)
PART = record(
    name=text,
    split=text,
    examples=optional(count),
    metric=text,
    metric_name=text,
    higher_is_better=truth,
    baseline=optional(text),
    reference=optional(record(name=text, value=number)),
    detectable=optional(number),
    rows=listed(ROW, MAX_ITEMS),
)
STUDY = record(title=text, sentences=listed(markdown, MAX_NAMES), parts=listed(PART, MAX_NAMES))
