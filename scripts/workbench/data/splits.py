"""Splits that share no text: made from the training part where one is missing, by class, and always the same."""

import random

import numpy

from workbench.errors import UserError

from .examples import Examples

SPLITS = ("train", "validation", "test")
SPLIT_SEED = 0  # whatever the run's seed: runs that are compared see the same examples
FEWEST = 2


def remove_shared(splits: dict[str, Examples], notes: list[str]) -> dict[str, Examples]:
    """Takes texts of the test split out of validation and training, and those of validation out of training."""
    splits = dict(splits)
    for holder, others in (("test", ("validation", "train")), ("validation", ("train",))):
        for other in others:
            if other not in splits or holder not in splits:
                continue
            is_shared = numpy.isin(splits[other].keys, splits[holder].keys)
            if is_shared.any():
                notes.append(
                    f"{other}: {is_shared.sum():,} example(s) left out whose text is in the {holder} split too"
                )
                splits[other] = splits[other].select(numpy.flatnonzero(~is_shared))
    return splits


def hold_out(
    splits: dict[str, Examples],
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
    # The first row of each text, in the order of the rows.
    firsts = numpy.sort(numpy.unique(train.keys, return_index=True)[1])
    order = firsts[stratified_order(train.labels[firsts], is_regression)]
    count = max(FEWEST, len(order) // 10)
    classes = FEWEST if is_regression else len(numpy.unique(train.labels))
    if len(order) < max(FEWEST, classes) + count * len(missing):
        rest = "the rest" if is_regression else f"the rest, of {classes:,} class(es)"
        raise UserError(
            f"{train.file}: {len(order)} different text(s) are too few to hold out {' and '.join(missing)}, "
            f"{count} each, and train on {rest}; add rows, or give "
            + " and ".join(f"--{name}_file" for name in missing)
            + _told(left_out)
        )
    keys = train.keys[order]
    if not is_regression:
        keys = _with_each_class_first(keys, train)
    # From the end of the order: at its beginning stands one example of each class, which stays in training.
    parts = {name: keys[-count * (place + 1) : len(keys) - count * place] for place, name in enumerate(missing)}
    made = {name: train.select(numpy.flatnonzero(numpy.isin(train.keys, part))) for name, part in parts.items()}
    held = numpy.concatenate(list(parts.values()))
    made["train"] = train.select(numpy.flatnonzero(~numpy.isin(train.keys, held)))
    for name in missing:
        notes.append(
            f"{name}: no split of its own; {len(made[name]):,} of the {len(train):,} training examples, held out by "
            f"{'value' if is_regression else 'class'} (always the same ones)"
        )
    return {**splits, **made}


def _with_each_class_first(keys: numpy.ndarray, examples: Examples) -> numpy.ndarray:
    """The order of texts, at its beginning for each class the first text that has it.

    A text's own label puts it there already, unless the text has several labels.
    """
    rank = numpy.empty(examples.keys.max() + 1, dtype=numpy.int64)
    rank[keys] = numpy.arange(len(keys))
    first = numpy.full(examples.labels.max() + 1, len(keys))
    numpy.minimum.at(first, examples.labels, rank[examples.keys])
    is_first = numpy.isin(numpy.arange(len(keys)), first)
    return numpy.concatenate((keys[is_first], keys[~is_first]))


def _told(left_out: list[str]) -> str:
    return f" ({'; '.join(left_out)})" if left_out else ""


def stratified_order(labels: numpy.ndarray, is_regression: bool) -> numpy.ndarray:
    """The examples' places such that any first part has the classes in their proportions, each at least once if it can.

    A number's class is its decile. Shuffled within the classes by `SPLIT_SEED`.
    """
    generator = random.Random(SPLIT_SEED)
    strata = _deciles(labels) if is_regression else labels
    order, positions, draws = [], [], []
    by_stratum = numpy.argsort(strata, kind="stable")
    ends = numpy.flatnonzero(numpy.diff(strata[by_stratum])) + 1
    for members in map(numpy.ndarray.tolist, numpy.split(by_stratum, ends)):
        generator.shuffle(members)
        order.append(members)
        # Within a class at even distances from 0 to 1; the classes' first examples before all others.
        positions.append(numpy.arange(len(members)) / len(members))
        draws.append([generator.random() for _ in members])
    order, positions, draws = map(numpy.concatenate, (order, positions, draws))
    return order[numpy.lexsort((draws, positions))]


def _deciles(values: numpy.ndarray) -> numpy.ndarray:
    ranked = numpy.argsort(values, kind="stable")
    deciles = numpy.empty(len(values), dtype=numpy.int64)
    deciles[ranked] = numpy.arange(len(values)) * 10 // len(values)
    return deciles


def limit(train: Examples, most: int | None, is_regression: bool, notes: list[str]) -> Examples:
    """At most so many training examples, the classes in their proportions; a smaller part lies within a larger one."""
    if most is None:
        return train
    classes = FEWEST if is_regression else len(numpy.unique(train.labels))
    if most < classes:
        raise UserError(f"max_train_examples: {most} is too few; {classes} or more, so that every class is there")
    if most >= len(train):
        notes.append(f"max_train_examples: all {len(train):,} training examples are used, {most:,} were allowed")
        return train
    kinds = "values" if is_regression else "classes"
    notes.append(f"train: {most:,} of {len(train):,} examples, the {kinds} in their proportions (max_train_examples)")
    return train.select(numpy.sort(stratified_order(train.labels, is_regression)[:most]))


def reference(splits: dict[str, Examples]) -> Examples:
    """The split that says what labels there are: training, or validation where the training split streams."""
    return splits["train" if "train" in splits else "validation"]


def check_splits(splits: dict[str, Examples], names: list[str], is_regression: bool, left_out: list[str] = ()) -> None:
    """UserError for a split with fewer than two examples, one class only, or a held-out class never trained on."""
    told = _told(left_out)
    for split, examples in splits.items():
        if len(examples) < FEWEST:
            raise UserError(f"the {split} split has {len(examples)} example(s); at least {FEWEST} are needed{told}")
    first = reference(splits)
    known = numpy.unique(first.labels)
    if len(known) < 2:
        label = known[0] if is_regression else names[known[0]]
        kind = "training label" if "train" in splits else "label"
        raise UserError(f"{first.file}: every {kind} is '{label}'; there is nothing to learn from one class{told}")
    if is_regression or "train" not in splits:
        return
    for split in SPLITS[1:]:
        if split not in splits:
            continue
        strange = numpy.flatnonzero(~numpy.isin(splits[split].labels, known))
        if len(strange):
            raise UserError(
                f"{splits[split].where(strange[0])}: the label '{names[splits[split].labels[strange[0]]]}' of the "
                f"{split} split is not in the training split; there is no way to learn it{told}"
            )


def describe_conflicts(splits: dict[str, Examples], notes: list[str]) -> None:
    """Counts texts that occur in one split with different labels; they stay."""
    for split, examples in splits.items():
        order = numpy.lexsort((examples.labels, examples.keys))
        keys, labels = examples.keys[order], examples.labels[order]
        conflicts = numpy.unique(keys[1:][(keys[1:] == keys[:-1]) & (labels[1:] != labels[:-1])])
        if len(conflicts):
            first = int(numpy.isin(examples.keys, conflicts).argmax())
            notes.append(
                f"{split}: {len(conflicts):,} text(s) occur more than once with different labels, the first in "
                f"{examples.where(first)}; they stay"
            )
