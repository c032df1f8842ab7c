"""Change texts as the world does and their labels do not: typos, synonyms, casing, and transforms of your own.

    python scripts/transform.py reviews.csv --transforms synonyms typos --output_file shifted.csv
    python scripts/transform.py reviews.csv --transforms typos --debug_transformation 5

The first writes the same table with its text changed, and a column of what was changed; the second prints texts before
and after, with the changes «marked». What a text becomes depends on the seed and the text alone. `--list` prints every
transform, why it leaves the label, and where it comes from; with `--transform_file mine.py:shout`, yours is a function
(text, random, strength) that returns the text. Synonyms need WordNet: `make wordnet`.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from workbench.arguments import option, parse_arguments
from workbench.errors import UserError, run_main
from workbench.values import SEED


@dataclass
class TransformArguments:
    """The table, and what becomes of its texts."""

    file: str | None = option(
        None, "a CSV, TSV, JSON lines or Parquet file, or a Hub data set (owner/name)", positional=True
    )
    transforms: list[str] = option(list, "transforms by name, one after the other; `all`; see --list")
    transform_file: str | None = option(None, "a function of your own, after the others: mine.py:shout")
    strength: float = option(0.5, "from 0, which changes nothing, to 1", minimum=0, maximum=1)
    seed: int = option(0, "another seed makes other changes", **SEED)
    output_file: str | None = option(None, "the table to write; its suffix says of which kind", output="file")
    overwrite_output_file: bool = option(False, "write over such a file")
    split: str | None = option(None, "which split of a Hub data set (default: the only one)")
    text_column: str | None = option(None, "column of the text (default: guessed from the header, and said)")
    pair_column: str | None = option(None, "column of the second text, if there is one (default: guessed)")
    num_proc: int = option(1, "processes; the result is the same for any number", minimum=1, maximum=1024)
    debug_transformation: int = option(
        0, "print so many texts before and after, with the changes marked", minimum=0, maximum=10**6
    )
    list: bool = option(False, "print the transforms, each with its reason and its source")


@dataclass
class CheckArguments:
    """What counts as the same text; more change is refused, and the text left alone."""

    max_edits: float = option(0.4, "letters changed, as a share of the text's", minimum=0, maximum=1)
    max_words: float = option(0.6, "words changed, as a share of the text's", minimum=0, maximum=1)
    min_similarity: float = option(
        0.6, "cosine of the embeddings before and after, where an encoder is given", minimum=-1, maximum=1
    )
    encoder: str | None = option(None, "a Hub model or a folder, whose mean token embedding is compared")


@dataclass
class Arguments(TransformArguments, CheckArguments):
    """All options."""


def main() -> None:
    # ---- Arguments
    arguments = parse_arguments(Arguments, __doc__)
    if arguments.list:
        show_catalogue()
        return
    check_arguments(arguments)

    # ---- Texts (heavy imports come after parsing, so that --help is quick)
    table, columns = read(arguments)
    texts = {kind: texts_of(table, name) for kind, name in columns.items()}

    # ---- Transform
    from workbench.robustness.apply import transform_texts
    from workbench.robustness.catalogue import make_transforms
    from workbench.robustness.checks import Limits, refuse
    from workbench.robustness.language_models import load_encoder

    names, own_file = arguments.transforms, arguments.transform_file
    transform = make_transforms(names, arguments.strength, arguments.seed, own_file)
    encoder = load_encoder(arguments.encoder) if arguments.encoder else None
    limits = Limits(arguments.max_edits, arguments.max_words, arguments.min_similarity)
    results = {}
    for kind, part in texts.items():
        made = transform_texts(part, transform, arguments.num_proc)
        results[kind], reasons = refuse(part, made, limits, encoder)
        show_pairs(table, part, results[kind], arguments.debug_transformation)
        tell(columns[kind], part, results[kind], [reason for reason in reasons if reason])

    # ---- Save
    if arguments.output_file:
        write(Path(arguments.output_file), table, columns, results)
        print(f"The table is in {arguments.output_file}")


def show_catalogue() -> None:
    """Each transform's name, why a reader would give the same label, and where it comes from."""
    from workbench.robustness.catalogue import TRANSFORMS

    for name, kind in TRANSFORMS.items():
        print(f"{name}{' (only if named)' if kind.only_if_named else ''}\n  {kind.rationale}\n  {kind.citation}\n")


def check_arguments(arguments: Arguments) -> None:
    """UserError for options that are missing or exclude each other, before anything is read."""
    from workbench.robustness.writing import check_suffix

    if arguments.file is None:
        raise UserError("no file is given: name a table of texts (or --list)")
    if not arguments.transforms and not arguments.transform_file:
        raise UserError("no transform is named: give --transforms (see --list) or --transform_file")
    if arguments.output_file is None:
        if not arguments.debug_transformation:
            raise UserError("give --output_file, or --debug_transformation N to look first")
        return
    path = Path(arguments.output_file)
    check_suffix(path)
    if path.exists() and not arguments.overwrite_output_file:
        raise UserError(f"{path}: there is such a file; add --overwrite_output_file, or choose another name")


def read(arguments: Arguments):
    """The table, and its columns of texts: `text` and perhaps `pair` -> name."""
    from workbench.data.columns import Columns, guess_columns
    from workbench.data.tables import is_hub_name, read_table

    table = read_hub(arguments) if is_hub_name(arguments.file) else read_table(arguments.file)
    asked = Columns(arguments.text_column or "", arguments.pair_column)
    chosen = guess_columns(table, asked, needs_label=False)
    for note in table.notes:
        print(note, file=sys.stderr)
    if chosen != asked:
        print(f"{table.path}: {chosen.describe()} (guessed from the header)", file=sys.stderr)
    return table, {"text": chosen.text} | ({"pair": chosen.pair} if chosen.pair else {})


def read_hub(arguments: Arguments):
    """The split that is asked for, or the only one; UserError names them."""
    from workbench.data.tables import load_hub

    splits = load_hub(arguments.file, hint="; there is no such file either")
    name = arguments.split or (next(iter(splits)) if len(splits) == 1 else None)
    if name not in splits:
        raise UserError(f"{arguments.file}: which --split? There are {', '.join(splits)}")
    return splits[name]


def texts_of(table, column: str) -> list[str]:
    """The column's cells as texts, white space included."""
    from workbench.data.examples import text_of

    cells = zip(table.numbers, table.cells(column), strict=True)
    checked = ((cell, text_of(cell, f"{table.place} {number}")) for number, cell in cells)
    return [cell if isinstance(cell, str) else text for cell, text in checked]


def show_pairs(table, texts: list[str], results: list, count: int) -> None:
    """The first texts that changed, before and after."""
    from workbench.robustness.transform import marked

    changed = [place for place, text in enumerate(texts) if results[place].text != text]
    for place in changed[:count]:
        before, after = marked(texts[place], results[place].text)
        print(f"{table.place} {table.numbers[place]}\nbefore: {before}\nafter:  {after}\n")


def tell(column: str, texts: list[str], results: list, refusals: list[str]) -> None:
    """How much of a column changed, and what was refused, on standard error."""
    from workbench.robustness.checks import measure

    extents = [extent for extent, result in zip(measure(texts, results), results, strict=True) if result.changes]
    words = sum(extent.words for extent in extents) / max(1, len(extents))
    share = f"in them {words:.1%} of the words on average"
    print(f"{column}: {len(extents):,} of {len(texts):,} texts changed, {share}", file=sys.stderr)
    if refusals:
        why = f"too much would change, in the first {refusals[0]}"
        print(f"{column}: {len(refusals):,} refused, left as they were: {why}", file=sys.stderr)


def write(path: Path, table, columns: dict[str, str], results: dict[str, list]) -> None:
    """The table with its transformed texts, and a column of what was changed for each of them."""
    from workbench.robustness.transform import changes_to_json
    from workbench.robustness.writing import write_columns

    named = {name: table.column(name) for name in table.header}
    for kind, name in columns.items():
        named[name] = [result.text for result in results[kind]]
        record = free_name("changes" if kind == "text" else "changes_pair", named)
        named[record] = [changes_to_json(result.changes) for result in results[kind]]
    write_columns(path, named)


def free_name(name: str, taken) -> str:
    """The name, or with the next number behind it where a column has it: a table may be transformed again."""
    names = [name, *(f"{name}_{number}" for number in range(2, len(taken) + 3))]
    return next(free for free in names if free not in taken)


if __name__ == "__main__":
    run_main(main)
