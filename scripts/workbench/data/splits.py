"""Splits that share no text: made from the training part where one is missing, by class, and always the same."""

import random
from collections import defaultdict

from workbench.errors import UserError

from .examples import Example

SPLITS = ("train", "validation", "test")
SPLIT_SEED = 0  # whatever the run's seed: runs that are compared see the same examples
FEWEST = 2


def remove_shared(splits: dict[str, list[Example]], notes: list[str]) -> dict[str, list[Example]]:
    """Takes texts of the test split out of validation and training, and those of validation out of training."""
    splits = dict(splits)
    for holder, others in (("test", ("validation", "train")), ("validation", ("train",))):
        held = {example.key for example in splits.get(holder, ())}
        for other in others:
            if other not in splits or not held:
                continue
            kept = [example for example in splits[other] if example.key not in held]
            removed = len(splits[other]) - len(kept)
            if removed:
                notes.append(f"{other}: {removed:,} example(s) left out whose text is in the {holder} split too")
            splits[other] = kept
    return splits


def hold_out(
    splits: dict[str, list[Example]],
    wanted: tuple[str, ...],
    is_regression: bool,
    notes: list[str],
    left_out: list[str] = (),
):
    """Makes the missing ones of `wanted`, each a tenth of the training examples, by class; equal texts stay together.

    Every class keeps an example to train on.

    Args:
        left_out: sentences about rows that are not there; a refusal tells them.
    """
    missing = [name for name in wanted if name not in splits]
    if not missing:
        return splits
    train = splits["train"]
    by_key: dict[str, list[Example]] = defaultdict(list)
    for example in train:
        by_key[example.key].append(example)
    order = stratified_order([group[0] for group in by_key.values()], is_regression)
    count = max(FEWEST, len(order) // 10)
    classes = FEWEST if is_regression else len({example.label for example in train})
    if len(order) < max(FEWEST, classes) + count * len(missing):
        rest = "the rest" if is_regression else f"the rest, of {classes:,} class(es)"
        raise UserError(
            f"{_file(train)}: {len(order)} different text(s) are too few to hold out {' and '.join(missing)}, "
            f"{count} each, and train on {rest}; add rows, or give "
            + " and ".join(f"--{name}_file" for name in missing)
            + _told(left_out)
        )
    if not is_regression:
        order = _with_each_class_first(order, by_key)
    # From the end of the order: at its beginning stands one example of each class, which stays in training.
    parts = {name: order[-count * (place + 1) : len(order) - count * place] for place, name in enumerate(missing)}
    home = {example.key: name for name, part in parts.items() for example in part}
    made = {name: [] for name in ("train", *missing)}
    for example in train:
        made[home.get(example.key, "train")].append(example)
    for name in missing:
        notes.append(
            f"{name}: no split of its own; {len(made[name]):,} of the {len(train):,} training examples, held out by "
            f"{'value' if is_regression else 'class'} (always the same ones)"
        )
    return {**splits, **made}


def _with_each_class_first(order: list[Example], groups: dict[str, list[Example]]) -> list[Example]:
    """The order, at its beginning for each class the first text that has it.

    A text's own label puts it there already, unless the text has several labels.
    """
    first: dict[int, Example] = {}
    for example in order:
        for label in {member.label for member in groups[example.key]}:
            first.setdefault(label, example)
    chosen = {example.key for example in first.values()}
    return sorted(order, key=lambda example: example.key not in chosen)


def _file(examples: list[Example]) -> str:
    return examples[0].place.rpartition(", ")[0]


def _told(left_out: list[str]) -> str:
    return f" ({'; '.join(left_out)})" if left_out else ""


def stratified_order(examples: list[Example], is_regression: bool) -> list[Example]:
    """The examples such that any first part has the classes in their proportions, each at least once if it can.

    A number's class is its decile. Shuffled within the classes by `SPLIT_SEED`.
    """
    generator = random.Random(SPLIT_SEED)
    strata: dict[int, list[Example]] = defaultdict(list)
    for example, stratum in zip(examples, _strata(examples, is_regression), strict=True):
        strata[stratum].append(example)
    placed = []
    for stratum in sorted(strata):
        members = strata[stratum]
        generator.shuffle(members)
        # Within a class at even distances from 0 to 1; the classes' first examples before all others.
        placed += [(place / len(members), generator.random(), member) for place, member in enumerate(members)]
    return [member for _, _, member in sorted(placed, key=lambda item: item[:2])]


def _strata(examples: list[Example], is_regression: bool) -> list[int]:
    if not is_regression:
        return [example.label for example in examples]
    ranked = sorted(range(len(examples)), key=lambda place: (examples[place].label, place))
    deciles = [0] * len(examples)
    for rank, place in enumerate(ranked):
        deciles[place] = rank * 10 // len(examples)
    return deciles


def limit(train: list[Example], most: int | None, is_regression: bool, notes: list[str]) -> list[Example]:
    """At most so many training examples, the classes in their proportions; a smaller part lies within a larger one."""
    if most is None:
        return train
    classes = FEWEST if is_regression else len({example.label for example in train})
    if most < classes:
        raise UserError(f"max_train_examples: {most} is too few; {classes} or more, so that every class is there")
    if most >= len(train):
        notes.append(f"max_train_examples: all {len(train):,} training examples are used, {most:,} were allowed")
        return train
    chosen = set(map(id, stratified_order(train, is_regression)[:most]))
    kinds = "values" if is_regression else "classes"
    notes.append(f"train: {most:,} of {len(train):,} examples, the {kinds} in their proportions (max_train_examples)")
    return [example for example in train if id(example) in chosen]


def check_splits(
    splits: dict[str, list[Example]], names: list[str], is_regression: bool, left_out: list[str] = ()
) -> None:
    """UserError for a split with fewer than two examples, one class only, or a held-out class never trained on."""
    told = _told(left_out)
    for split, examples in splits.items():
        if len(examples) < FEWEST:
            raise UserError(f"the {split} split has {len(examples)} example(s); at least {FEWEST} are needed{told}")
    trained = {example.label for example in splits["train"]}
    if len(trained) < 2:
        label = trained.pop() if is_regression else names[trained.pop()]
        raise UserError(
            f"{_file(splits['train'])}: every training label is '{label}'; there is nothing to learn from one class"
            f"{told}"
        )
    if is_regression:
        return
    for split in SPLITS[1:]:
        for example in splits.get(split, ()):
            if example.label not in trained:
                raise UserError(
                    f"{example.where}: the label '{names[example.label]}' of the {split} split is not in the training "
                    f"split; there is no way to learn it{told}"
                )


def describe_conflicts(splits: dict[str, list[Example]], notes: list[str]) -> None:
    """Counts texts that occur in one split with different labels; they stay."""
    for split, examples in splits.items():
        labels: dict[str, set] = defaultdict(set)
        for example in examples:
            labels[example.key].add(example.label)
        conflicts = {key for key, found in labels.items() if len(found) > 1}
        if conflicts:
            first = next(example for example in examples if example.key in conflicts)
            notes.append(
                f"{split}: {len(conflicts):,} text(s) occur more than once with different labels, the first in "
                f"{first.where}; they stay"
            )
