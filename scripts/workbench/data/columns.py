"""Which columns of a table are the text, its pair and the label: as asked, as registered, or guessed and said.

A guess goes by the usual names first, and where these do not settle it by what stands in the columns.
"""

import re
from dataclasses import dataclass
from itertools import combinations, islice

from workbench.errors import UserError, nearest

from .known_tasks import COLUMN_ALIASES
from .tables import Table

# The first of each list wins over the others; among the others, two in one header are ambiguous.
TEXT_NAMES = (
    "text sentence content review tweet comment message document body utterance title headline description question "
    "sms post abstract query input"
).split()
LABEL_NAMES = (
    "label labels class category target sentiment gold_label polarity topic emotion intent stance score rating stars y"
).split()
PAIR_NAMES = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("sentence_a", "sentence_b"),
    ("query", "passage"),
    ("text", "pair"),
)
# Parts of the names of columns that number, date or count the rows, or tell who wrote or what changed them.
OTHER_NAMES = frozenset(
    "id ids idx index unnamed url link href date time timestamp created at year count counts number num confidence "
    "trust trusted golden gold user username screenname author name lang language coord location timezone "
    "changes".split()
)
UNNAMED = re.compile(r"column \d+|unnamed: \d+", re.IGNORECASE)
ROWS_LOOKED_AT = 2000
MOST_CLASSES = 50
FEWEST_WORDS = 3  # of a text, on average
TIMES_LONGER = 3  # than other texts: the one that is meant


@dataclass(frozen=True)
class Columns:
    """Column names; `pair` is None where an example is one text, `label` where there is none."""

    text: str
    pair: str | None = None
    label: str | None = None

    def __post_init__(self):
        """UserError for one column in two places."""
        named = [name for name in (self.text, self.pair, self.label) if name]
        if len(set(named)) < len(named):
            raise UserError(f"one column for two things ({self.describe()}): give a column of its own for each")

    def describe(self) -> str:
        named = {"text": self.text, "pair": self.pair, "label": self.label}
        return ", ".join(f"{kind} '{name}'" for kind, name in named.items() if name is not None)


def find_column(table: Table, name: str | None) -> str | None:
    """The column called `name`, in any case, or by another name that files give it; None if it is not there."""
    if name is None:
        return None
    # A header may have both 'label' and 'Label': the very name wins, and of others the first.
    by_case = {column.casefold(): column for column in reversed(table.header)}
    for known in (name, *COLUMN_ALIASES.get(name, ())):
        if known in table.header:
            return known
        if known.casefold() in by_case:
            return by_case[known.casefold()]
    return None


def require_column(table: Table, name: str) -> str:
    """`find_column`, or a UserError that lists the header."""
    found = find_column(table, name)
    if found is None:
        raise UserError(
            f"{table.path}: no column '{name}'{nearest(name, table.header)}; there are {', '.join(table.header)[:200]}"
        )
    return found


def choose_columns(table: Table, asked: Columns, known: Columns | None, may_guess: bool, notes: list[str]) -> Columns:
    """The `asked` columns, for the others the `known` ones (a task's, or the training table's), else guessed.

    Args:
        may_guess: False for a task's own table, which has the known columns, but perhaps no label.

    Raises:
        UserError: a column is not there, or a guess fails.
    """
    for name in filter(None, (asked.text, asked.pair, asked.label)):
        require_column(table, name)
    if known is not None:
        wanted = Columns(asked.text or known.text, asked.pair or known.pair, asked.label or known.label)
        if not may_guess:
            text = require_column(table, wanted.text)
            pair = require_column(table, wanted.pair) if wanted.pair else None
            return Columns(text, pair, find_column(table, wanted.label))
        found = [find_column(table, name) for name in (wanted.text, wanted.pair, wanted.label)]
        if found[0] and found[2] and (found[1] or not wanted.pair):
            return Columns(*found)
    reasons: list[str] = []
    guessed = guess_columns(table, asked, reasons=reasons)
    if known is not None and known.pair and not guessed.pair:
        require_column(table, known.pair)
    if guessed != asked:
        notes.append(f"{table.path}: {guessed.describe()} (guessed from {_source(reasons)})")
    return guessed


def _source(reasons: list[str]) -> str:
    return f"the cells: {'; '.join(reasons)}" if reasons else "the header"


def guess_columns(table: Table, asked: Columns, needs_label: bool = True, reasons: list[str] | None = None) -> Columns:
    """Columns by the usual names, else by their cells; `asked` ones (empty text: none) are taken as they are.

    Args:
        needs_label: False for new texts: a column of labels in them is not looked for, nor taken for the text.
        reasons: gets a sentence about each choice that the names alone did not settle.

    Raises:
        UserError: several columns fit, or none; says which options settle it.
    """
    reasons = [] if reasons is None else reasons
    text = require_column(table, asked.text) if asked.text else None
    pair = require_column(table, asked.pair) if asked.pair else None
    label = require_column(table, asked.label) if asked.label else None
    index = _index_of(table)
    free = [name for name in table.header if name not in (text, pair, label, index)]
    if text is None:
        text, guessed_pair = _guess_text(table, free, bool(pair), needs_label, label, reasons)
        pair = pair or guessed_pair
        free = [name for name in free if name not in (text, pair)]
    if label is None and needs_label:
        label = _guess_label(table, free, reasons)
    return Columns(text, pair, label)


def find_labels(table: Table, columns: Columns) -> str | None:
    """The column of labels beside new texts, as `guess_columns` would take it; None if it would refuse."""
    taken = (columns.text, columns.pair, _index_of(table))
    try:
        label = _guess_label(table, [name for name in table.header if name not in taken], [])
    except UserError:
        return None
    return label if label.casefold() in LABEL_NAMES or _is_low_cardinality(table, label) else None


def usual_pair(names: list[str]) -> tuple[str, str] | None:
    """Those two of the names that are one of the usual pairs, in any case."""
    by_case = {name.casefold(): name for name in names}
    usual = ((first, second) for first, second in PAIR_NAMES if first in by_case and second in by_case)
    return next(((by_case[first], by_case[second]) for first, second in usual), None)


def _index_of(table: Table) -> str | None:
    """The first column, if it only counts the rows: whole numbers without a name, or one after the other."""
    name, cells = table.header[0], _cells(table, table.header[0])
    if len(table.header) == 1 or name.casefold() in (*TEXT_NAMES, *LABEL_NAMES) or not all(map(_is_count, cells)):
        return None
    if UNNAMED.fullmatch(name) and len(set(cells)) == len(cells):
        return name
    steps = {int(after) - int(before) for before, after in zip(cells, cells[1:], strict=False)}
    return name if len(cells) > 2 and len(steps) == 1 and min(steps) > 0 else None


def _guess_text(table: Table, free: list[str], has_pair: bool, needs_label: bool, label: str | None, reasons):
    """(text, pair or None): a usual pair of names, a usual name, what is left beside the label, or running text."""
    pair = None if has_pair else usual_pair(free)
    if pair:
        return pair
    named = _named(free, TEXT_NAMES, 2)
    if len(named) > 1:
        return _longest(table, named, reasons) or _ask_which(table, "text", named), None
    if named:
        return named[0], None
    others = [name for name in free if name.casefold() not in LABEL_NAMES]
    rest = others if label is None and (others or needs_label) else free
    if len(rest) == 1:
        return rest[0], None
    texts = [name for name in rest if _is_running_text(table, name)]
    if len(texts) == 1:
        reasons.append(f"only '{texts[0]}' is running text")
        return texts[0], None
    options = "--text_column and --label_column" if needs_label else "--text_column"
    return _longest(table, texts, reasons) or _refuse(table, "text", options), None


def _guess_label(table: Table, free: list[str], reasons: list[str]) -> str:
    """A usual name, the only column that is left, or the one with few different values; UserError if none is it."""
    named = _named(free, LABEL_NAMES, 1)
    if len(named) == 1 or (not named and len(free) == 1):
        return (named or free)[0]
    classes = [name for name in named or free if _is_low_cardinality(table, name)]
    classes = _without_codes(table, classes, reasons)
    if len(classes) > 1 and not named:
        # Beside others of few values, a name such as airline_sentiment says what is meant.
        classes = [name for name in classes if not {*LABEL_NAMES}.isdisjoint(_parts(name))] or classes
    if len(classes) == 1:
        count = len(set(_cells(table, classes[0])))
        reasons.append(f"'{classes[0]}' has {count} different values")
        return classes[0]
    if named or classes:
        _ask_which(table, "label", classes or named)
    return _refuse(table, "label", "--label_column")


def _named(free: list[str], names: list[str], first: int) -> list[str]:
    """The columns with a usual name: one of the `first` ones wins over the others."""
    for known in (names[:first], names):
        named = [name for name in free if name.casefold() in known]
        if named:
            return named
    return []


def _longest(table: Table, names: list[str], reasons: list[str]) -> str | None:
    """The column whose texts are some times longer than those of all others; None if there is none."""
    lengths = {name: sum(map(len, cells := _cells(table, name))) / max(1, len(cells)) for name in names}
    ranked = sorted(names, key=lengths.get, reverse=True)
    if len(ranked) < 2 or lengths[ranked[0]] < TIMES_LONGER * lengths[ranked[1]]:
        return None
    others = " and ".join(f"'{name}'" for name in ranked[1:])
    reasons.append(f"'{ranked[0]}' has longer texts than {others}")
    return ranked[0]


def _without_codes(table: Table, names: list[str], reasons: list[str]) -> list[str]:
    """The columns without those that only number the classes which another one names."""
    codes: dict[str, str] = {}
    for pair in combinations(names, 2):
        numbers, words = sorted(pair, key=lambda name: not all(map(_is_number, _cells(table, name))))
        same = set(zip(_cells(table, numbers), _cells(table, words), strict=False))
        if len(same) == len({number for number, _ in same}) == len({word for _, word in same}):
            codes[numbers] = words
    reasons += [f"'{numbers}' only numbers what '{words}' names" for numbers, words in codes.items()]
    return [name for name in names if name not in codes]


def _is_low_cardinality(table: Table, name: str) -> bool:
    """Whether a column may hold classes: filled, of few different values, and none that numbers or dates the rows."""
    cells = _cells(table, name)
    kinds = len(set(cells))
    if name.startswith("_") or not OTHER_NAMES.isdisjoint(_parts(name)) or "" in cells:
        return False
    is_whole = all(not _is_number(cell) or float(cell).is_integer() for cell in cells)
    return 2 <= kinds <= min(MOST_CLASSES, len(cells) // 2) and is_whole


def _is_running_text(table: Table, name: str) -> bool:
    """Whether the cells have some words each, and most of them differ."""
    cells = list(filter(None, _cells(table, name)))
    if not cells or not OTHER_NAMES.isdisjoint(_parts(name)):
        return False
    words = sum(len(cell.split()) for cell in cells) / len(cells)
    return words >= FEWEST_WORDS and len(set(cells)) > len(cells) / 2


def _parts(name: str) -> set[str]:
    """The words of a name: airline_sentiment, airlineSentiment."""
    return {part.casefold() for part in re.findall(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+", name)}


def _cells(table: Table, name: str) -> list[str]:
    """The column's cells as texts, of a long table some thousands at even distances; missing ones are empty."""
    chosen = islice(table.cells(name), 0, None, max(1, len(table) // ROWS_LOOKED_AT))
    return ["" if cell is None else str(cell).strip() for cell in chosen]


def _is_count(cell: str) -> bool:
    """Whether a cell may be a row's number: its digits fit 64 bits."""
    return cell.isdecimal() and len(cell) < 19


def _is_number(cell: str) -> bool:
    try:
        return abs(float(cell)) < float("inf")
    except ValueError:
        return False


def _ask_which(table: Table, kind: str, names: list[str]):
    raise UserError(
        f"{table.path}: which column is the {kind}, {' or '.join(names)}? Give --{kind}_column"
        + (" (and --pair_column, if both are)" if kind == "text" else "")
    )


def _refuse(table: Table, kind: str, options: str):
    raise UserError(
        f"{table.path}: no column looks like the {kind}; there are {', '.join(table.header)[:200]}. Give {options} "
        "(the first line of a file must name its columns)"
    )
