"""New texts to classify: from the columns that the model was trained on, or from those that look like texts."""

from pathlib import Path

from workbench.errors import UserError

from .columns import TEXT_NAMES, Columns, find_column, find_labels, guess_columns, require_column, usual_pair
from .examples import text_of
from .known_tasks import Task
from .tables import Table, first_line, read_lines, read_table


def read_texts(
    path: str | Path,
    text_column: str | None = None,
    pair_column: str | None = None,
    task: Task | None = None,
    notes: list[str] | None = None,
    label_column: str | None = None,
    with_labels: bool = False,
) -> list[dict[str, object]]:
    """New texts, in their order: `text`, of two columns `pair`, and of a column of labels its cell as `label`.

    An empty cell is an empty text.

    Args:
        path: CSV, TSV, JSON lines or Parquet with column names, or .txt with one text per line (empty lines skipped).
        text_column, pair_column: as the user names them; else the task's where the header has them, else guessed.
        task: what the model was trained on, where that is known.
        notes: gets a sentence about what is read as the texts.
        label_column: as the user names it.
        with_labels: whether the column that looks like the labels is read, if there is one and none is named.

    Raises:
        UserError: a file that cannot be read, no such column, or pairs for a model of single texts, or the reverse.
    """
    notes = [] if notes is None else notes
    if label_column is None and _has_lines(path, text_column, task):
        notes.append(f"{path}: one text per line")
        check_kind(False, task, f"{path}: one text per line")
        return _read_lines(path)
    table = read_table(path)
    columns = _choose(table, Columns(text_column or "", pair_column), task, notes)
    check_kind(columns.pair is not None, task, f"{path}: {columns.describe()[:200]}")
    found = {name: table.column(getattr(columns, name)) for name in ("text", "pair") if getattr(columns, name)}
    rows = zip(table.numbers, *found.values(), strict=True)
    texts = [
        {name: text_of(cell, f"{table.place} {number}") for name, cell in zip(found, cells, strict=True)}
        for number, *cells in rows
    ]
    found_label = find_labels(table, columns) if with_labels else None
    label = require_column(table, label_column) if label_column else found_label
    if label is None:
        return texts
    notes.append(f"{path}: label '{label}'")
    return [text | {"label": cell} for text, cell in zip(texts, table.column(label), strict=True)]


def check_kind(is_pair: bool, task: Task | None, given: str) -> None:
    """UserError that begins with `given` if these are pairs and the model's task has single texts, or the reverse."""
    if task is None or is_pair == (task.pair_column is not None):
        return
    if is_pair:
        raise UserError(
            f"{given}: a pair, but the model ({task.name}) was trained on single texts; leave the second text out "
            "(of a table, name the one to read with --text_column)"
        )
    raise UserError(
        f"{given}: no pair, but the model ({task.name}) was trained on pairs of texts; give the second text too "
        "(of a table, name it with --pair_column)"
    )


def _has_lines(path: str | Path, text_column: str | None, task: Task | None) -> bool:
    """Whether these are plain lines: a .txt file without the column that is asked for, or was for the training file."""
    if Path(path).suffix.lower() != ".txt" or not text_column:
        return Path(path).suffix.lower() == ".txt"
    return task is not None and text_column == task.text_column and text_column not in first_line(path)


def _read_lines(path: str | Path) -> list[dict[str, str]]:
    numbered = enumerate(read_lines(path), start=1)
    texts = [{"text": text_of(line, f"{path}, line {number}")} for number, line in numbered if line.strip()]
    if not texts:
        raise UserError(f"{path}: an empty file")
    return texts


def _choose(table: Table, asked: Columns, task: Task | None, notes: list[str]) -> Columns:
    """The `asked` columns, for the others the task's, else guessed; `notes` tell which."""
    notes += table.notes
    for name in filter(None, (asked.text, asked.pair)):
        require_column(table, name)
    known = _known_columns(table, asked, task) if task else None
    chosen = known or guess_columns(table, asked, needs_label=False)
    if chosen != asked:
        reason = "as in training" if known else "guessed from the header"
        is_odd = not known and len(table.header) == 1 and chosen.text.casefold() not in TEXT_NAMES
        # Where names are on every line, as in JSON, the first line is a row too.
        doubt = "; the first line was taken for the names of the columns" if is_odd and table.numbers[0] > 1 else ""
        notes.append(f"{table.path}: {chosen.describe()[:200]} ({reason}){doubt}")
    return chosen


def _known_columns(table: Table, asked: Columns, task: Task) -> Columns | None:
    """The task's columns if the table has them; None if not, or if its text is one of a usual pair's."""
    text = find_column(table, asked.text or task.text_column)
    pair = find_column(table, asked.pair or task.pair_column)
    wants_pair = (asked.pair or task.pair_column) is not None
    if text is None or (wants_pair and pair is None):
        return None
    if not wants_pair and not asked.text and text in (usual_pair(table.header) or ()):
        return None
    return Columns(text, pair)
