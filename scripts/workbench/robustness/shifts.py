"""Test sets beside the original one: its texts transformed, or other texts; the same ones for every run."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy

from workbench.data.examples import text_key
from workbench.data.splits import stratified_order
from workbench.errors import UserError
from workbench.runs.predictions import example_ids

from .catalogue import make_transforms
from .transform import Change, Transformed, difference

ORIGINAL = "original texts"
TEXTS = ("text", "pair")


@dataclass(frozen=True)
class Shift:
    """A test set.

    Attributes:
        name: of the transforms, with + between them, or of other texts.
        examples: `text`, perhaps `pair`, and `label` (a class's name, or a number).
        ids: of the texts that they were made of, so that the answers to both can be paired.
        changes: of each example, for each of its texts; None for other texts.
    """

    name: str
    examples: list[dict]
    ids: list[str]
    changes: list[dict[str, tuple[Change, ...]]] | None = None

    @property
    def is_paired(self) -> bool:
        """Whether these are the original examples, changed or not."""
        return self.changes is not None

    @property
    def digest(self) -> str:
        """16 hexadecimal digits of all texts and labels."""
        content = json.dumps([self.ids, self.examples], ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def touched(self) -> float:
        """The share of the examples that differ from the original ones."""
        return sum(any(its.values()) for its in self.changes or ()) / len(self.examples)


def make_named(names: Sequence[str], strength: float | None, seed: int) -> Callable[[str], Transformed]:
    """The transforms of these names one after the other, as a function of a text; `mine.py:shout` is the user's own.

    Args:
        strength: from 0 to 1; None: the default.
    """
    own = [name for name in names if ":" in name]
    if len(own) > 1:
        raise UserError(f"transform_file: {own[0]} and {own[1]}; give one transform of your own")
    given = {} if strength is None else {"strength": strength}
    known = [name for name in names if name not in own]
    return make_transforms(known, seed=seed, transform_file=own[0] if own else None, **given).transform


def original(examples: list[dict], most: int | None = None, is_regression: bool = False) -> Shift:
    """The original test set, or of a larger one `most` examples, the classes in their proportions, always the same.

    Raises:
        UserError: one class alone: whatever is done to such texts, a score on them says nothing.
    """
    if most is not None and most < len(examples):
        values = [example["label"] for example in examples]
        # Of classes, any numbers for their names.
        labels = numpy.unique(values, return_inverse=True)[1] if not is_regression else numpy.array(values)
        chosen = numpy.sort(stratified_order(labels, is_regression)[:most])
        examples = [examples[place] for place in chosen]
    check_balance(examples, "the test split", is_regression)
    return Shift(ORIGINAL, examples, ids_of(examples), [{} for _ in examples])


def ids_of(examples: list[dict]) -> list[str]:
    return example_ids(text_key(example["text"], example.get("pair")) for example in examples)


def check_balance(examples: list[dict], where: str, is_regression: bool = False) -> None:
    """UserError where all examples have the same label."""
    labels = Counter(example["label"] for example in examples)
    if len(labels) < 2:
        only, kind = next(iter(labels), None), "values" if is_regression else "classes"
        raise UserError(f"{where}: every label is '{only}'; give examples of two or more {kind}")


def transformed(base: Shift, names: str, strength: float | None, seed: int, progress: Callable = iter) -> Shift:
    """The original examples through the transforms `names`, with + between them; of a pair both texts.

    Args:
        progress: wraps the examples.
    """
    transform = make_named(names.split("+"), strength, seed)
    examples, changes = [], []
    for example in progress(base.examples):
        results = {name: transform(example[name]) for name in TEXTS if name in example}
        examples.append(example | {name: result.text for name, result in results.items()})
        changes.append({name: result.changes for name, result in results.items()})
    # Of the user's own file, the function's name is enough.
    return Shift("+".join(map(short_name, names.split("+"))), examples, base.ids, changes)


def short_name(name: str) -> str:
    """A transform's name: of the user's own, `mine.py:shout`, the function's."""
    return name.rpartition(":")[2]


def other_texts(name: str, examples: list[dict]) -> Shift:
    """A test set of other texts."""
    check_balance(examples, name)
    return Shift(name, examples, ids_of(examples))


def marked(before: str, after: str, around: int = 60, most: int = 600) -> str:
    """A text with its words that were changed as `[before→after]`, and `around` characters beside each; one line.

    Args:
        most: characters of the text, after which it is cut.
    """
    pieces, reached = [], 0
    for start, end, put in difference(before, after):
        gap = before[reached:start]
        if len(gap) > 2 * around + 1:
            gap = (gap[:around] if reached else "") + "…" + gap[-around:]
        pieces += (gap, f"[{before[start:end]}→{put}]")
        reached = end
    rest = before[reached:]
    text = " ".join("".join([*pieces, rest[:around], "…" if len(rest) > around else ""]).split())
    return text if len(text) <= most else f"{text[:most]}…"
