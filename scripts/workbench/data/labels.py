"""Labels as class ids or numbers."""

import math
import re
from dataclasses import replace
from functools import partial

import numpy

from workbench.errors import UserError, nearest

from .examples import Examples
from .known_tasks import Task
from .limits import MOST_CLASSES
from .splits import reference

# Labels with fractions and more different values than this are numbers to predict, not names of classes.
MOST_FRACTIONAL_CLASSES = 10
# A guessed column with more classes than this is no label if it has one for less than two rows, as dates and ids do.
MOST_RARE_CLASSES = 10
# What a table with missing cells makes of whole numbers when it is written.
WHOLE = re.compile(r"(-?[0-9]+)\.0+")
DECIMAL_COMMA = re.compile(r"-?[0-9]+(,[0-9]+)?")
THOUSANDS = re.compile(r"-?[1-9][0-9]{0,2}(,[0-9]{3})+")
NEARLY_ALL = 0.9  # of the training labels
MOST_SHOWN = 60  # characters of a label


def as_number(label) -> float | None:
    """The finite number that a label is or spells; None for text and truth values."""
    if isinstance(label, bool):
        return None
    try:
        number = float(label)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def class_name(label) -> str:
    """A label as the name of a class: 1, 1.0 and '1.0' are '1', true is 'true'; '1.10' is not '1.1'."""
    if isinstance(label, bool):
        return str(label).lower()
    whole = WHOLE.fullmatch(str(label))
    if whole:
        return "0" if whole[1] == "-0" else whole[1]
    is_whole = isinstance(label, float) and label.is_integer()  # 1e16
    return str(int(label)) if is_whole else str(label)


def looks_like_regression(examples: Examples) -> bool:
    """Whether labels are fractions of many different values (or of as many as there are examples, nearly).

    Raises:
        UserError: numbers and text are mixed, or one of many fractions is no number; names both rows.
    """
    numbers = [as_number(label) for label in examples.values]
    fractional = any(number is not None and number != int(number) for number in numbers)
    kinds: dict[str, int] = {}
    for place, (label, number) in enumerate(zip(examples.values, numbers, strict=True)):
        kind = "a number" if number is not None else "a truth value" if isinstance(label, bool) else "text"
        kinds.setdefault(kind, place)
    if len(kinds) > 1:
        told = " but ".join(
            f"'{_shown(examples.values[place])}' ({examples.where(examples.firsts[place])}) is {kind}"
            for kind, place in kinds.items()
        )
        raise UserError(f"labels of different types: {told}; make them all names or all numbers")
    distinct = len(set(numbers))
    return fractional and (distinct > MOST_FRACTIONAL_CLASSES or distinct > len(examples) / 2)


def _with_decimal_points(splits: dict[str, Examples]) -> dict[str, Examples]:
    """The splits with '3.79' for the label '3,79', if nearly all training labels are written so, and many differ.

    Not if all of them may be thousands, such as '1,250'.
    """
    train = reference(splits)
    rows = numpy.bincount(train.labels, minlength=len(train.values)).tolist()
    found = [
        (str(label), n) for label, n in zip(train.values, rows, strict=True) if DECIMAL_COMMA.fullmatch(str(label))
    ]
    commas = [(label, n) for label, n in found if "," in label]
    decimals, with_comma = (sum(n for _, n in part) for part in (found, commas))
    if decimals < NEARLY_ALL * len(train) or with_comma < len(train) / 2:
        return splits
    if len(commas) <= MOST_FRACTIONAL_CLASSES or all(THOUSANDS.fullmatch(label) for label, _ in commas):
        return splits
    return {name: replace(part, values=list(map(_with_decimal_point, part.values))) for name, part in splits.items()}


def _with_decimal_point(label):
    is_decimal = isinstance(label, str) and DECIMAL_COMMA.fullmatch(label)
    return label.replace(",", ".") if is_decimal else label


def encode_labels(
    splits: dict[str, Examples],
    task: Task,
    classes: list[str] | None,
    notes: list[str],
    guessed_column: str | None = None,
):
    """The splits with ids (or, for regression, numbers) for labels.

    Args:
        task: its `labels`, if any, are the names by id.
        classes: names by id that the training file states.
        guessed_column: the labels', unless the user named it.

    Returns:
        the splits, the label names by id ([] for regression).

    Raises:
        UserError: a label that does not fit, or a guessed column whose labels are all different, nearly.
    """
    guessed = not task.is_regression and task.labels is None and classes is None
    numbers = _as_numbers(splits, guessed, notes) if guessed or task.is_regression else None
    if numbers is not None:
        return numbers, []
    names = list(task.labels or classes or _sorted_names(reference(splits)))
    if guessed and guessed_column:
        _check_guess(guessed_column, names, reference(splits))
    if len(names) > MOST_CLASSES:
        raise UserError(
            f"{reference(splits).file}: {len(names):,} classes; at most {MOST_CLASSES:,} are possible; if another "
            "column has the labels, name it with --label_column"
        )
    if guessed:
        shown = ", ".join(map(_shown, names[:10])) + (", …" if len(names) > 10 else "")
        notes.append(f"{len(names)} classes: {shown}")
    split = "training" if "train" in splits else "validation"
    fault = f"is not in the {split} split" if guessed else f"is none of {task.name}'s"
    encode = label_encoder(names, not guessed, fault)
    return {name: _encoded(part, encode, int) for name, part in splits.items()}, names


def label_encoder(names: list[str], may_be_ids: bool, fault: str):
    """A function of (label, where): the class's id, or, without names, the number that the label is.

    Args:
        may_be_ids: a label may be a class's number too, where no class is called by a number.
        fault: what errors say of a label that is none.
    """
    if not names:
        return _to_number
    return partial(_to_id, ids=_ids_by_name(names, may_be_ids), names=names, fault=fault)


def _as_numbers(splits: dict[str, Examples], guessed: bool, notes: list[str]) -> dict[str, Examples] | None:
    """The splits with numbers for labels; None if `guessed` and they look like classes."""
    pointed = _with_decimal_points(splits)
    if guessed:
        if not looks_like_regression(reference(pointed)):
            return None
        count = len(set(map(as_number, reference(pointed).values)))
        notes.append(f"the labels are {count:,} different numbers: a number is predicted (regression)")
    if pointed is not splits:
        notes.append("the labels' commas are read as decimal points: '3,79' as 3.79")
    return {name: _encoded(part, _to_number, float) for name, part in pointed.items()}


def _encoded(examples: Examples, encode, kind: type) -> Examples:
    """The examples with what `encode` makes of (label, its first row's place) for labels."""
    wheres = map(examples.where, examples.firsts)
    encoded = [encode(label, where) for label, where in zip(examples.values, wheres, strict=True)]
    return replace(examples, labels=numpy.array(encoded, dtype=kind)[examples.labels])


def _check_guess(column: str, names: list[str], train: Examples) -> None:
    """UserError if the column that looked like the label has another one in nearly every row."""
    if len(names) > max(MOST_RARE_CLASSES, len(train) / 2):
        raise UserError(
            f"{train.file}: the label column '{column}' was guessed, but has {len(names):,} "
            f"different labels in {len(train):,} rows, such as '{_shown(names[0])}' and '{_shown(names[1])}'; name the "
            "right one with --label_column (this one too, if it is)"
        )


def _shown(label) -> str:
    """The beginning of a label, in one line."""
    return " ".join(str(label).split())[:MOST_SHOWN]


def _sorted_names(examples: Examples) -> list[str]:
    """The classes: numbers by value, text by its letters."""
    names = set(map(class_name, examples.values))
    return sorted(names, key=lambda name: (as_number(name) is None, as_number(name) or 0.0, name))


def _ids_by_name(names: list[str], may_be_ids: bool) -> dict[str, int]:
    """Ids by name and by name in lower case; by the id itself where a file may have that and no name is a number."""
    if may_be_ids and all(as_number(name) is None for name in names):
        ids = {str(number): number for number in range(len(names))}
    else:
        ids = {}
    folded = {name.casefold(): number for number, name in enumerate(names)}
    if len(folded) == len(names):
        ids |= folded
    return ids | {name: number for number, name in enumerate(names)}


def _to_number(label, where: str) -> float:
    number = as_number(label)
    if number is None:
        raise UserError(f"{where}: the label '{_shown(label)}' is no number, and this is a regression")
    return number


def _to_id(label, where: str, ids: dict[str, int], names: list[str], fault: str) -> int:
    name = class_name(label)
    found = ids.get(name, ids.get(name.casefold()))
    if found is None:
        raise UserError(
            f"{where}: the label '{_shown(name)}' {fault}{_nearest(name, names)}; there are {', '.join(names)[:200]}"
        )
    return found


def _nearest(name: str, names: list[str]) -> str:
    """`nearest` among a few short names; among many long ones it would take minutes."""
    return (
        nearest(name, [other for other in names[:1000] if len(other) <= MOST_SHOWN]) if len(name) <= MOST_SHOWN else ""
    )
