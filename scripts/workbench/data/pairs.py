"""Pairs of words: any two columns of a user's file, split by word."""

import random
import unicodedata
from dataclasses import dataclass

from datasets import Dataset, DatasetDict

from workbench.errors import UserError

from .tables import Table, check_unicode, is_hub_name, is_there, load_hub, read_table

SPLITS = ("train", "validation", "test")
CONTROLS = ("Cc", "Zl", "Zp")  # also what ends a line or a paragraph to some programs
FEWEST_TO_SPLIT = 10
HEADER_WORDS = frozenset(
    "english pig_latin piglatin pig-latin source target src tgt word words translation input output lemma form "
    "spelling pronunciation grapheme graphemes phoneme phonemes text label from to".split()
)


def split_words(items: list, seed: int) -> dict[str, list]:
    """Shuffles by `seed` and cuts at 80 and 90 %."""
    items = list(items)
    random.Random(seed).shuffle(items)
    held_out = len(items) // 10
    cut = len(items) - 2 * held_out
    return dict(zip(SPLITS, (items[:cut], items[cut : cut + held_out], items[cut + held_out :]), strict=True))


def to_datasets(splits: dict[str, list[tuple[str, str]]], columns: tuple[str, str]) -> DatasetDict:
    return DatasetDict(
        {
            name: Dataset.from_dict(dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True)))
            for name, rows in splits.items()
        }
    )


@dataclass(frozen=True)
class PairFile:
    """Where word pairs come from: a file, or a data set on the Hub, and the two columns to take."""

    path: str
    source_column: str | None = None
    target_column: str | None = None
    max_length: int = 256

    @property
    def columns(self) -> tuple[str, str]:
        named = [name for name in (self.source_column, self.target_column) if name and not name.isdigit()]
        return tuple(named) if len(named) == 2 else ("source", "target")

    def read(self) -> list[tuple[str, str]]:
        """All pairs, NFC-normalised, without duplicates; the first target of a source stays.

        Raises:
            UserError: the file cannot be read, or a line of it is no pair; names the file and the line.
        """
        table = read_table(self.path, name_columns=self._numbers, spaces=True) if self._is_file() else self._load_hub()
        for note in table.notes:
            print(note)
        cells = (table.cells(name) for name in self._choose(table))
        rows = zip(table.numbers, *cells, strict=True)
        return self._first_targets([self._clean(f"{table.place} {number}", pair) for number, *pair in rows])

    def _is_file(self) -> bool:
        return is_there(self.path) or not is_hub_name(self.path)

    def _load_hub(self) -> Table:
        splits = load_hub(self.path, hint="; there is no such file either")
        if "train" not in splits:
            raise UserError(f"{self.path}: no split 'train'; there are {', '.join(splits)}")
        return splits["train"]

    def _numbers(self, first: list[str]) -> list[str] | None:
        """The columns' numbers from 1 as their names, if the first line's cells do not look like names."""
        names = [cell.lower() for cell in first]
        asked = [name for name in (self.source_column, self.target_column) if name]
        if not asked or all(name.isdigit() for name in asked):
            is_header = len(names) == len(set(names)) and sum(name in HEADER_WORDS for name in names) > 1
            if asked or not is_header:
                return [str(number) for number in range(1, len(first) + 1)]
        return None

    def _choose(self, table: Table) -> tuple[str, str]:
        """The source and target columns: as asked, or the only two."""
        where = f"{self.path}, line 1" if table.unit == "line" else self.path
        names, asked = table.header, (self.source_column, self.target_column)
        if not any(asked):
            if len(names) == 2:
                return tuple(names)
            hint = "name two with --source_column and --target_column" if len(names) > 2 else "two are needed"
            raise UserError(f"{where}: {len(names)} column(s) ({', '.join(names)[:80]}); {hint}")
        if None in asked or asked[0] == asked[1]:
            raise UserError(f"source_column {asked[0]}, target_column {asked[1]}: give two different columns")
        for name in asked:
            if name not in names:
                raise UserError(f"{where}: no column '{name}'; there are {', '.join(names)[:80]}")
        return asked

    def _clean(self, where: str, pair: list) -> tuple[str, str]:
        if not all(isinstance(cell, str) and cell.strip() for cell in pair):
            raise UserError(f"{where}: an empty cell; both columns need text")
        longest = max(len(cell.strip()) for cell in pair)
        if longest > self.max_length:
            raise UserError(f"{where}: {longest:,} characters; at most {self.max_length} fit a word")
        cells = [check_unicode(cell, where) for cell in pair]
        controls = [mark for cell in cells for mark in cell if unicodedata.category(mark) in CONTROLS]
        if {*controls} & {*"\t\r\n"}:
            raise UserError(
                f"{where}: a tab or line break inside a word; is there a quotation mark too many before it?"
            )
        if controls:
            raise UserError(f"{where}: a control character (U+{ord(controls[0]):04X}) inside a word")
        source, target = (unicodedata.normalize("NFC", cell.strip()) for cell in cells)
        return source, target

    def _first_targets(self, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        targets: dict[str, str] = {}
        repeated = conflicting = 0
        for source, target in pairs:
            kept = targets.setdefault(source, target)
            conflicting += kept != target
        repeated = len(pairs) - len(targets)
        if repeated:
            print(
                f"{self.path}: {repeated} repeated word(s) left out, {conflicting} of them with another translation "
                "than the first, which is kept"
            )
        return list(targets.items())


def load_pairs(train: PairFile, validation: PairFile | None, test: PairFile | None, seed: int) -> DatasetDict:
    """Reads a user's pairs; what has no file of its own is held out of `train` by word, 10 % each.

    A source word of a given validation or test file is dropped from the training pairs, with a word about it.
    """
    splits = {"train": train.read()}
    given = {"validation": validation, "test": test}
    splits |= {name: file.read() for name, file in given.items() if file is not None}
    held = {source for name in given if name in splits for source, _ in splits[name]}
    kept = [pair for pair in splits["train"] if pair[0] not in held]
    if len(kept) < len(splits["train"]):
        print(f"{train.path}: {len(splits['train']) - len(kept)} word(s) of the held-out files left out of training")
    missing = [name for name in given if name not in splits]
    if missing:
        if len(kept) < FEWEST_TO_SPLIT:
            raise UserError(
                f"{train.path}: {len(kept)} pair(s); at least {FEWEST_TO_SPLIT} are needed to hold out "
                f"{' and '.join(missing)}: add pairs, or give --validation_file and --test_file"
            )
        parts = split_words(kept, seed)
        splits |= {name: parts[name] for name in missing}
        kept = [pair for name, part in parts.items() if name not in missing for pair in part]
    if not kept:
        raise UserError(f"{train.path}: no pair is left to train on")
    return to_datasets({"train": kept, **{name: splits[name] for name in given}}, train.columns)


def describe_unseen(tokenizer, pairs: DatasetDict) -> str | None:
    """One line about the held-out characters that training never showed, which become `<unk>`; or None."""
    known = tokenizer.get_vocab()
    held_out = (text for name in SPLITS[1:] for column in pairs[name].column_names for text in pairs[name][column])
    unseen: dict[str, int] = {}
    for character in (character for text in held_out for character in text if character not in known):
        unseen[character] = unseen.get(character, 0) + 1
    if not unseen:
        return None
    shown = " ".join(sorted(unseen)[:20])
    return f"{sum(unseen.values())} held-out character(s) were never seen in training and become <unk>: {shown}"
