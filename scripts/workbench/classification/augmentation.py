"""Training on transformed copies of training examples too: which ones, and what becomes of them.

The transforms come from outside, as a function: this subject does not know them.
Heavy libraries are imported inside the functions, so that scripts answer `--help` at once.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from workbench.arguments import option
from workbench.errors import UserError
from workbench.files import write_whole

TEXTS = ("text", "pair")
AUGMENTED_FILE = "augmented.jsonl"
# Between two rounds over the training split: the same example must not become the same text again.
ROUND = 1_000_003
MOST_ROUNDS = 10


@dataclass
class AugmentationArguments:
    """Augmentation with transformed training examples."""

    augment: int | None = option(
        None, "add so many randomly transformed training examples, and train on both", minimum=1, maximum=10**9
    )
    transforms: list[str] | None = option(None, "the transforms to draw from, such as synonyms typos; see transform.py")
    strength: float | None = option(None, "how much they change, from 0 to 1 (default: 0.5)", minimum=0, maximum=1)
    transform_file: str | None = option(None, "a transform of your own, mine.py:shout", advanced=True)


def check_augmentation(arguments: AugmentationArguments) -> bool:
    """Whether there are examples to add; UserError for half of an augmentation, or one that cannot be."""
    given = [name for name in ("transforms", "strength", "transform_file") if getattr(arguments, name) is not None]
    if arguments.augment is None:
        if given:
            raise UserError(f"{given[0]} is given, but not augment: say how many examples to add, as in --augment 5000")
        return False
    if not names_of(arguments):
        raise UserError("augment: name the transforms to draw from, as in --transforms synonyms typos")
    if arguments.streaming:
        raise UserError("augment: not with streaming, for the training split is not read whole")
    return True


def names_of(arguments: AugmentationArguments) -> list[str]:
    """The different names, which stand apart or have commas or + between them; the user's own file is one."""
    names = [name for part in arguments.transforms or () for name in re.split(r"[,+]", part) if name]
    return list(dict.fromkeys([*names, *filter(None, [arguments.transform_file])]))


def augment(data, arguments, make_transforms: Callable) -> tuple:
    """The task with transformed examples behind those of its training split, and a record of each of them.

    Each example is drawn at random, and so are the transforms that it goes through, one or more of those asked for. A
    text that no transform has changed is not added, nor one that a held-out split has or that is there already.

    Args:
        data: `TaskData`.
        make_transforms: from names, strength and seed, a function of a text that returns its `text` and `changes`.

    Returns:
        The task, and the records: `text`, of pairs `pair`, `label`, the `source` that it was made of, the `transforms`,
        and for each text the `changes`.

    Raises:
        UserError: nothing could be added.
    """
    from datasets import Dataset, concatenate_datasets

    from workbench.data.tasks import held_out_keys

    train, left_out = data.splits["train"], Counter()
    records = list(_transformed(train, held_out_keys(data), arguments, make_transforms, left_out))
    names = ", ".join(names_of(arguments))
    if not records:
        raise UserError(f"augment: {names} changed none of the {len(train):,} training texts")
    columns = {name: [record[name] for record in records] for name in train.column_names}
    both = concatenate_datasets([train, Dataset.from_dict(columns, features=train.features)])
    told = "".join(f"; {count:,} {reason}" for reason, count in left_out.items())
    note = f"train: {len(records):,} transformed examples added ({names}){told}"
    splits = type(data.splits)({**data.splits, "train": both})
    return replace(data, splits=splits, notes=[*data.notes, note]), records


def _transformed(train, held_out: frozenset, arguments, make_transforms, left_out: Counter) -> Iterator[dict]:
    """The records; `left_out` counts what was not taken, by reason."""
    from workbench.data.examples import text_key

    # Capitals alone may be the change: here they count.
    taken = {(row["text"], row.get("pair")) for row in train}
    count = 0
    for row, names, transform in _draws(train, arguments, make_transforms):
        record = _record(row, names, transform)
        texts = (record["text"], record.get("pair"))
        if text_key(*texts) in held_out:
            left_out["left out that a held-out split has"] += 1
        elif texts in taken:
            left_out["left out that were there already"] += 1
        else:
            taken.add(texts)
            yield record
            count += 1
            if count == arguments.augment:
                return


def _draws(train, arguments, make_transforms) -> Iterator[tuple[dict, list[str], Callable]]:
    """(example, names, transform): rounds over the training split, each in an order of its own."""
    draw, names = random.Random(arguments.seed), names_of(arguments)
    rounds = -(-arguments.augment // len(train)) + MOST_ROUNDS
    for number in range(rounds):
        made: dict[tuple, Callable] = {}
        for place in draw.sample(range(len(train)), len(train)):
            count = draw.randint(1, len(names))
            chosen = tuple(sorted(draw.sample(names, count), key=names.index))
            if chosen not in made:
                made[chosen] = make_transforms(list(chosen), arguments.strength, arguments.seed + ROUND * number)
            yield train[place], list(chosen), made[chosen]


def _record(row: dict, names: list[str], transform: Callable) -> dict:
    texts = [name for name in TEXTS if name in row]
    results = {name: transform(row[name]) for name in texts}
    record = {name: result.text for name, result in results.items()}
    changes = {name: [change._asdict() for change in result.changes] for name, result in results.items()}
    source = {name: row[name] for name in texts}
    return record | {"label": row["label"], "source": source, "transforms": names, "changes": changes}


def write_augmented(folder: Path, records: list[dict], label_names: list[str]) -> None:
    """Writes the records as a data set, JSON lines, with the labels' names."""
    if label_names:
        records = [record | {"label": label_names[record["label"]]} for record in records]
    lines = (json.dumps(record, ensure_ascii=False) for record in records)
    write_whole(folder / AUGMENTED_FILE, "".join(f"{line}\n" for line in lines))


def describe_augmentation(arguments, records: list[dict]) -> dict[str, object]:
    """Facts for `results.json`: how many examples, the transforms, their strength."""
    told = {"examples": len(records), "transforms": [name.rpartition(":")[2] for name in names_of(arguments)]}
    return told | {"strength": arguments.strength}
