"""Which columns of a table are the text, its pair and the label: as asked, as registered, or guessed and said."""

from dataclasses import dataclass

from workbench.errors import UserError, nearest

from .known_tasks import COLUMN_ALIASES
from .tables import Table

# The first of each list wins over the others; among the others, two in one header are ambiguous.
TEXT_NAMES = (
    "text sentence content review tweet comment message document body utterance title headline description question "
    "sms post abstract query"
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


@dataclass(frozen=True)
class Columns:
    """Column names; `pair` is None where an example is one text, `label` where there is none."""

    text: str
    pair: str | None = None
    label: str | None = None

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
    guessed = guess_columns(table, asked)
    if known is not None and known.pair and not guessed.pair:
        require_column(table, known.pair)
    if guessed != asked:
        notes.append(f"{table.path}: {guessed.describe()} (guessed from the header)")
    return guessed


def guess_columns(table: Table, asked: Columns, needs_label: bool = True) -> Columns:
    """Columns by the usual names; `asked` ones (empty text: none) are taken as they are.

    Args:
        needs_label: False for new texts: a column of labels in them is not looked for, nor taken for the text.

    Raises:
        UserError: several columns fit, or none; says which options settle it.
    """
    text = require_column(table, asked.text) if asked.text else None
    pair = require_column(table, asked.pair) if asked.pair else None
    label = require_column(table, asked.label) if asked.label else None
    free = [name for name in table.header if name not in (text, pair, label)]
    if text is None:
        text, guessed_pair = _guess_text(table, free, bool(pair), needs_label, label)
        pair = pair or guessed_pair
        free = [name for name in free if name not in (text, pair)]
    if label is None and needs_label:
        label = _pick(table, free, LABEL_NAMES, 1, "label") or _refuse(table, "label", "--label_column")
    return Columns(text, pair, label)


def usual_pair(names: list[str]) -> tuple[str, str] | None:
    """Those two of the names that are one of the usual pairs, in any case."""
    by_case = {name.casefold(): name for name in names}
    usual = ((first, second) for first, second in PAIR_NAMES if first in by_case and second in by_case)
    return next(((by_case[first], by_case[second]) for first, second in usual), None)


def _guess_text(table: Table, free: list[str], has_pair: bool, needs_label: bool, label: str | None):
    """(text, pair or None): a usual pair of names, one usual name, or what is left beside the label."""
    pair = None if has_pair else usual_pair(free)
    if pair:
        return pair
    text = _pick(table, free, TEXT_NAMES, 2, "text", leave_rest=True)
    if text is None:
        others = [name for name in free if name.casefold() not in LABEL_NAMES]
        rest = others if label is None and (others or needs_label) else free
        options = "--text_column and --label_column" if needs_label else "--text_column"
        text = rest[0] if len(rest) == 1 else _refuse(table, "text", options)
    return text, None


def _pick(table: Table, free: list[str], names: list[str], first: int, kind: str, leave_rest=False) -> str | None:
    """The column with one of the usual names, the first `first` of which win; or the only one that is left."""
    for known in (names[:first], names):
        named = [name for name in free if name.casefold() in known]
        if len(named) > 1:
            raise UserError(
                f"{table.path}: which column is the {kind}, {' or '.join(named)}? Give --{kind}_column"
                + (" (and --pair_column, if both are)" if kind == "text" else "")
            )
        if named:
            return named[0]
    return free[0] if len(free) == 1 and not leave_rest else None


def _refuse(table: Table, kind: str, options: str):
    raise UserError(
        f"{table.path}: no column looks like the {kind}; there are {', '.join(table.header)[:200]}. Give {options} "
        "(the first line of a file must name its columns)"
    )
