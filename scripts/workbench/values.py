"""Values of options: what an option takes, and text or YAML read as that.

Only the standard library is imported here, so that `--help` answers at once.
"""

import json
import math
import types
import typing
from dataclasses import dataclass

from .errors import UserError, nearest
from .files import check_output

# What stands for a value in the help.
KINDS = {int: "N", float: "X", dict: "MAPPING"}
PLAIN = {str: "text", int: "a whole number", float: "a number", bool: "true or false", dict: "a mapping in a recipe"}
BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
LONGEST_SHOWN = 60
MOST_DIGITS = 400
DEEPEST = 20

# Ranges that many options have.
SEED = {"minimum": 0, "maximum": 2**32 - 1}  # what numpy takes
COUNT = {"minimum": 1, "maximum": 10**9}
BATCH = {"minimum": 1, "maximum": 65_536}
SEEDS = {"minimum": 1, "maximum": 1_000}
WIDTH = {"minimum": 1, "maximum": 65_536}
LAYERS = {"minimum": 1, "maximum": 256}
HEADS = {"minimum": 1, "maximum": 1_024}
LENGTH = {"minimum": 1, "maximum": 65_536}
RATE = {"above": 0, "maximum": 100}
EPOCHS = {"above": 0, "maximum": 10**6}
DROPOUT = {"minimum": 0, "below": 1}


@dataclass(frozen=True)
class Value:
    """What an option takes.

    Attributes:
        kind: bool, int, float, str or dict.
        is_list: it takes several, each of which is held against what follows.
        is_optional: it may be null.
        minimum, maximum, above, below: the ends of the range; the last two do not belong to it.
        also: numbers outside of the range that mean something of their own.
        choices: the texts that are allowed.
        members: of a mapping, what its values are.
        output: `folder` or `file` for the path of something that is written.
    """

    kind: type = str
    is_list: bool = False
    is_optional: bool = False
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    also: tuple[float, ...] = ()
    choices: tuple[str, ...] | None = None
    members: "Value | None" = None
    output: str | None = None

    @classmethod
    def of(cls, hint, metadata: dict) -> "Value":
        """What a field with this type hint and the metadata of `option` takes."""
        own = {name: metadata[name] for name in metadata if name in cls.__dataclass_fields__}
        if isinstance(hint, types.UnionType):
            hint, own["is_optional"] = next(part for part in hint.__args__ if part is not type(None)), True
        inner = typing.get_args(hint)
        if typing.get_origin(hint) is list:
            return cls(inner[0], is_list=True, **own)
        if typing.get_origin(hint) is dict:
            return cls(dict, members=cls(inner[1]), **own)
        return cls(hint, **own)

    def read(self, name: str, given):
        """Text or a recipe's value as this one.

        Raises:
            UserError: it is none, naming the option, what was got and what is allowed.
        """
        if given is None and self.is_optional:
            return None
        if self.is_list:
            return [self._read_one(name, part) for part in (given if isinstance(given, list) else [given])]
        return self._read_one(name, given)

    def _read_one(self, name: str, given):
        try:
            value = READERS[self.kind](given)
        except (TypeError, ValueError, LookupError, OverflowError, RecursionError) as error:
            raise UserError(f"{name}: {shown(given)}; give {self.describe()}") from error
        if self.kind in (int, float) and not self._is_in_range(value):
            raise UserError(f"{name}: {shown(given)}; give {self.describe()}")
        if self.choices and value not in self.choices:
            raise UserError(
                f"{name}: unknown value {shown(value)}{nearest(value, list(self.choices))}; choose one of "
                f"{', '.join(self.choices)}"
            )
        if self.kind is str:
            check_text(name, value)
        if self.members is not None:
            value = {key: self.members.read(f"{name}: {shown(key)}", part) for key, part in value.items()}
        return value if self.output is None else check_output(name, value, self.output)

    def _is_in_range(self, value: float) -> bool:
        return (isinstance(value, int) or math.isfinite(value)) and (
            value in self.also
            or (self.minimum is None or value >= self.minimum)
            and (self.maximum is None or value <= self.maximum)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def describe(self) -> str:
        """`a whole number from 0 to 5`."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        written = {name: number(getattr(self, name)) for name in ("minimum", "maximum", "above", "below")}
        ends = {"minimum": "from {}", "above": "above {}", "maximum": "at most {}", "below": "below {}"}
        parts = [form.format(written[end]) for end, form in ends.items() if written[end]]
        if self.minimum is not None and self.maximum is not None:
            parts = [f"from {written['minimum']} to {written['maximum']}"]
        also = f", or {' or '.join(map(number, self.also))}" if self.also else ""
        return f"{PLAIN[self.kind]} {' and '.join(parts)}".strip() + also


def number(value: float | None) -> str:
    """A limit as it is written to people; '' for none."""
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:g}"


def shown(value) -> str:
    """A value in a message: on one line, and not longer than that."""
    if value is None:
        return "null"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**MOST_DIGITS:
        return "a number of very many digits"
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "a mapping"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    cut = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
    return cut if isinstance(value, (int, float)) or _is_number(cut) else f"'{cut}'"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def check_text(name: str, text: str) -> None:
    """UserError for a text that no file can hold, or no path: half a character, or the character NUL."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{name}: is not UTF-8, from character {error.start + 1} on; give plain text") from error
    if "\0" in text:
        raise UserError(f"{name}: has the character NUL, which no name and no text may have")


def _boolean(given) -> bool:
    return given if isinstance(given, bool) else BOOLEANS[str(given).lower()]


def _number(given) -> int | float:
    """A number as Python has it, or as text writes it."""
    if isinstance(given, str):
        if len(given) > MOST_DIGITS:
            raise ValueError(given)
        try:
            return int(given)
        except ValueError:
            return float(given)
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise TypeError(given)
    return given


def _whole_number(given) -> int:
    value = _number(given)
    if value != int(value):
        raise ValueError(given)
    return int(value)


def _text(given) -> str:
    # A column's number and a year are texts that YAML takes for numbers.
    if isinstance(given, bool) or not isinstance(given, (str, int, float)):
        raise TypeError(given)
    return str(given)


def _mapping(given) -> dict:
    """A mapping of a recipe, or JSON's of the command line."""
    value = json.loads(given) if isinstance(given, str) else given
    if not isinstance(value, dict):
        raise TypeError(given)
    _check_tree(value, DEEPEST)
    return value


def _check_tree(value, depth: int) -> None:
    """TypeError or ValueError unless a mapping is of texts, finite numbers, truth values, and lists and mappings."""
    if depth == 0:
        raise ValueError("too deep")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(value)
    if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
        raise TypeError(value)
    if not isinstance(value, (str, int, float, list, dict, types.NoneType)):
        raise TypeError(value)
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_tree(part, depth - 1)


READERS = {
    bool: _boolean,
    int: _whole_number,
    float: lambda given: float(_number(given)),
    str: _text,
    dict: _mapping,
}
