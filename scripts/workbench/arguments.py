"""Options: a dataclass is the parser, a YAML recipe sets defaults, the command line overrides.

Only the standard library and PyYAML are imported here, so that `--help` answers at once.
"""

import argparse
import dataclasses
import os
import re
import sys
import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial

from .errors import UserError, continue_with, nearest
from .recipes import read_lines
from .values import BATCH, EPOCHS, KINDS, RATE, SEED, Value

RECIPE_SUFFIXES = (".yaml", ".yml")
# What other programs call our options; the first that a script has is suggested.
USUAL_NAMES = {
    "lr": ["learning_rate"],
    "epoch": ["num_train_epochs"],
    "epochs": ["num_train_epochs"],
    "num_epochs": ["num_train_epochs"],
    "steps": ["max_steps"],
    "bs": ["train_batch_size", "batch_size"],
    "batch_size": ["train_batch_size"],
    "model": ["model_name_or_path"],
    "model_name": ["model_name_or_path"],
    "encoder": ["model_name_or_path"],
    "data": ["train_file", "file", "data_dir"],
    "dataset": ["train_file", "data_dir"],
    "input": ["train_file", "file"],
    "output": ["output_dir"],
    "out": ["output_dir"],
    "wd": ["weight_decay"],
    "patience": ["early_stopping_patience"],
    "warmup": ["warmup_steps"],
    "resume": ["resume_from_checkpoint"],
    "overwrite": ["overwrite_output_dir"],
    "recipe": ["config"],
}


def option(default, help: str, **metadata):
    """A dataclass field with its help text.

    `choices`, the ends of a range and the other attributes of `Value` may be added, and `positional` and `advanced`
    (not in `--help`).
    """
    kwargs = {"default_factory": default} if callable(default) else {"default": default}
    return field(**kwargs, metadata={"help": help, **metadata})


@dataclass
class RunArguments:
    """The run: its folder, its seed, and how to go on with it."""

    output_dir: str = option(
        "runs/run", "folder of this run: model, results.json, config.yaml, figures, checkpoints", output="folder"
    )
    seed: int = option(0, "fixes data order, initialisation and dropout", **SEED)
    resume_from_checkpoint: bool = option(
        False, "go on from the run's last whole checkpoint, or start if there is none"
    )
    overwrite_output_dir: bool = option(False, "delete what an earlier run left in output_dir")
    report_to: str = option(
        "none", "where curves also go", choices=("none", "tensorboard", "wandb", "all"), advanced=True
    )


@dataclass
class OptimisationArguments:
    """The optimiser and its schedule; names as in transformers.TrainingArguments where one exists."""

    num_train_epochs: float = option(45.0, "passes over the training split", **EPOCHS)
    max_steps: int = option(
        -1,
        "stop after this many optimiser steps instead (-1: by epochs)",
        minimum=1,
        maximum=10**9,
        also=(-1,),
        advanced=True,
    )
    train_batch_size: int = option(64, "examples per optimiser step, over all processes together", **BATCH)
    eval_batch_size: int = option(
        256, "examples per evaluation batch, over all processes together", advanced=True, **BATCH
    )
    learning_rate: float = option(2e-3, "highest learning rate", **RATE)
    lr_scheduler_type: str = option(
        "cosine", "shape of its decay: cosine, linear, constant, polynomial, …", advanced=True
    )
    lr_decay_per_epoch: float = option(
        0.0,
        "multiply the rate by this after each epoch instead (0.99, say; 0: off)",
        minimum=0,
        maximum=1,
        advanced=True,
    )
    warmup_steps: int = option(
        200,
        "steps of linear rise to the highest rate; at most a tenth of all steps",
        minimum=0,
        maximum=10**9,
        advanced=True,
    )
    weight_decay: float = option(0.1, "AdamW's decoupled weight decay", minimum=0, maximum=100, advanced=True)
    adam_beta2: float = option(0.98, "AdamW's second moment decay", minimum=0, below=1, advanced=True)
    max_grad_norm: float = option(
        1.0, "clip the gradient's norm at this (0: never)", minimum=0, maximum=10**6, advanced=True
    )
    early_stopping_patience: int = option(
        0, "stop after so many evaluations without a better validation loss (0: never)", minimum=0, maximum=10**6
    )
    bf16: bool = option(False, "bfloat16 autocast", advanced=True)
    gradient_checkpointing: bool = option(
        False, "recompute activations in the backward pass: less memory, more time", advanced=True
    )


def parse_arguments(
    arguments_class: type,
    description: str,
    extra_options: Mapping[str, Value | str] | None = None,
    argv: list[str] | None = None,
    without: Collection[str] = (),
):
    """The command line, over the recipe that it names, over the dataclass's defaults.

    Args:
        arguments_class: dataclass whose fields come from `option`; a `positional` one is required unless its default
            is None or it takes a list. Without any, a recipe may stand by itself, as it may behind `--config`.
        description: what `--help` begins with, as written.
        extra_options: what is allowed beside the fields, or by a text why a name that others know is not. The values
            come back in the instance's `extra` dictionary.
        without: fields that are no options here: the script gives them their values itself.

    Raises:
        UserError: an unknown option, a wrong value or an unreadable recipe, naming the nearest known option.
    """
    argv = sys.argv[1:] if argv is None else argv
    known = {name: value for name, value in option_values(arguments_class).items() if name not in without}
    parser = _build_parser(arguments_class, known, description, bool(extra_options), "--help_all" in argv)
    given, unknown = parser.parse_known_args(argv)
    given = vars(given)
    path = given.pop("config", None)
    if _takes_recipe(arguments_class):
        path = _take_recipe(path, unknown)
    extra = _read_extra(_pair_up(unknown, list(known)), extra_options or {}, list(known))
    given = {name: known[name].read(name, value) for name, value in given.items()}
    values, others = _recipe_values(path, known, extra_options or {}) if path is not None else ({}, {})
    instance = arguments_class(**{**values, **given})
    if extra_options:
        instance.extra = others | extra
    if "resume_from_checkpoint" in known:
        continue_with(argv)
    return instance


def option_values(arguments_class: type) -> dict[str, Value]:
    """Option -> what it takes, of a dataclass whose fields come from `option`."""
    hints, fields = typing.get_type_hints(arguments_class), dataclasses.fields(arguments_class)
    return {item.name: Value.of(hints[item.name], _metadata(item.name, arguments_class)) for item in fields}


def _metadata(name: str, arguments_class: type) -> dict:
    """What `option` was told of a field, and where a class only has another default, what the class below it was."""
    fields = [vars(kind).get("__dataclass_fields__", {}).get(name) for kind in arguments_class.__mro__]
    return {key: told for item in reversed(fields) if item is not None for key, told in item.metadata.items()}


def _recipe_values(path: str, known: dict[str, Value], extra_options: Mapping) -> tuple[dict, dict]:
    """A recipe's values of the `known` options and of the others; UserError names the file and the line."""
    values, others = {}, {}
    recipe, lines = read_lines(path)
    for key, value in recipe.items():
        try:
            if key in known:
                values[key] = known[key].read(key, value)
            else:
                others |= _read_extra({key: value}, extra_options, list(known))
        except UserError as error:
            raise UserError(f"{path}, line {lines[key]}: {error}") from error
    return values, others


def convert_options(arguments_class: type, values: dict) -> dict:
    """Values of a recipe as those of the dataclass's fields; UserError for one that cannot be."""
    known = option_values(arguments_class)
    return {name: known[name].read(name, value) for name, value in values.items()}


class _Parser(argparse.ArgumentParser):
    """A parser whose help teaches before it lists, and whose mistakes are a UserError."""

    teaching = ""

    def error(self, message: str):
        raise UserError(f"{message} (see --help)")

    def format_help(self) -> str:
        return f"{self.teaching.strip()}\n\n{super().format_help()}"


def _build_parser(
    arguments_class: type, known: dict[str, Value], description: str, has_extra: bool, shows_all: bool
) -> argparse.ArgumentParser:
    """The parser; in its help, a group of options for each dataclass, without the advanced ones unless `shows_all`."""
    items = [item for item in dataclasses.fields(arguments_class) if item.name in known]
    advanced = {item.name for item in items if _metadata(item.name, arguments_class).get("advanced", False)}
    hidden = set() if shows_all else advanced
    parser = _Parser(
        usage=_usage(items, _takes_recipe(arguments_class)),
        epilog=_epilog(len(hidden), has_extra),
        formatter_class=partial(argparse.RawDescriptionHelpFormatter, max_help_position=32),
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
        add_help=False,
    )
    parser.teaching = description
    for name in ("--help", "-h", "--help_all"):
        parser.add_argument(name, action="help", help=argparse.SUPPRESS)
    if _takes_recipe(arguments_class):
        recipe = "a recipe whose values replace the defaults below; --config may be left out"
        parser.add_argument_group("Recipe").add_argument("--config", metavar="RECIPE.yaml", help=recipe)
    for title, members in _groups(arguments_class, items).items():
        group = parser.add_argument_group(title)
        for item in members:
            _add_option(group, item, known[item.name], item.name in hidden)
    return parser


def _usage(items: list[dataclasses.Field], takes_recipe: bool) -> str:
    """`NAME.py POSITIONAL … [--option value …]`."""
    places = ["[RECIPE.yaml]"] if takes_recipe else []
    for item in filter(_is_positional, items):
        optional = item.default is None or item.default is dataclasses.MISSING
        places.append(f"[{item.name.upper()}]" if optional else item.name.upper())
    return " ".join(["%(prog)s", *places, "[--option value …]"])


def _epilog(hidden: int, has_extra: bool) -> str:
    told = f"{hidden} more options: --help_all." if hidden else ""
    extra = (
        "Most other fields of transformers.TrainingArguments are accepted under their own names." if has_extra else ""
    )
    return " ".join(filter(None, (told, extra)))


def _groups(arguments_class: type, items: list[dataclasses.Field]) -> dict[str, list[dataclasses.Field]]:
    """Title -> options: the script's own first, then those of each dataclass that it is made of."""
    homes = [kind for kind in arguments_class.__mro__ if dataclasses.is_dataclass(kind)]
    groups = {kind: [] for kind in homes}
    for item in items:
        # An option with another default in the script's own class belongs where it was first defined.
        groups[next(kind for kind in reversed(homes) if item.name in kind.__annotations__)].append(item)
    return {_title(kind): members for kind, members in groups.items() if members}


def _title(kind: type) -> str:
    """A dataclass's docstring up to the first full stop or semicolon."""
    written = (kind.__doc__ or "").strip()
    return "Options" if not written or written.startswith(f"{kind.__name__}(") else re.split(r"[.;]", written)[0]


def _takes_recipe(arguments_class: type) -> bool:
    """Whether a script takes a recipe: none whose command line has places of its own does."""
    return not any(_is_positional(item) for item in dataclasses.fields(arguments_class))


def _take_recipe(named: str | None, tokens: list[str]) -> str | None:
    """The recipe that `--config` named, or that stands by itself among the `tokens` left over, and leaves them."""
    for place, token in enumerate(tokens):
        is_value = place > 0 and tokens[place - 1].startswith("--") and "=" not in tokens[place - 1]
        if is_value or token.startswith("-") or not (token.endswith(RECIPE_SUFFIXES) or os.path.isfile(token)):  # noqa: PTH113
            continue
        if named is not None:
            raise UserError(f"two recipes, {named} and {token}: give one, with its values over the defaults")
        return tokens.pop(place)
    return named


def _is_positional(item: dataclasses.Field) -> bool:
    return item.metadata.get("positional", False)


def _add_option(group, item: dataclasses.Field, value: Value, is_hidden: bool) -> None:
    default = item.default_factory() if item.default is dataclasses.MISSING else item.default
    shown = "" if default is False or default in (None, "", [], {}) else f" (default: {default})"
    kwargs = {"help": argparse.SUPPRESS if is_hidden else item.metadata.get("help", "").replace("%", "%%") + shown}
    kwargs["metavar"] = "{" + ",".join(value.choices) + "}" if value.choices else KINDS.get(value.kind, "TEXT")
    if value.kind is bool:
        kwargs |= {"nargs": "?", "const": True, "metavar": "true|false"}
    elif value.is_list:
        kwargs["nargs"] = "*"
    if not _is_positional(item):
        group.add_argument(f"--{item.name}", **kwargs)
        return
    if item.default is not dataclasses.MISSING and default is None:
        kwargs["nargs"] = "?"
    group.add_argument(item.name, **kwargs | ({} if value.choices else {"metavar": item.name.upper()}))


def _pair_up(tokens: list[str], known: list[str]) -> dict[str, str | bool]:
    """`--name value`, `--name=value` and `--name` (true) that no field took."""
    pairs: dict[str, str | bool] = {}
    tokens = list(tokens)
    while tokens:
        token = tokens.pop(0)
        if not token.startswith("--"):
            name = token.lstrip("-").partition("=")[0]
            hint = suggestion(name, known) if token.startswith("-") else ""
            raise UserError(f"unexpected argument '{token}'{hint} (see --help)")
        name, has_value, value = token[2:].partition("=")
        if not has_value:
            value = tokens.pop(0) if tokens and not tokens[0].startswith("--") else True
        pairs[name] = value
    return pairs


def suggestion(name: str, known: list[str]) -> str:
    """'; did you mean NAME?' for the option that other programs call so, or that is spelt nearly so; or ''."""
    usual = [ours for ours in USUAL_NAMES.get(name, ()) if ours in known]
    return f"; did you mean '{usual[0]}'?" if usual else nearest(name.replace("-", "_"), known)


def _read_extra(others: dict, extra_options: Mapping[str, Value | str], known: list[str]) -> dict:
    """The values of options that are not fields; UserError for one that does not exist, or is refused."""
    for name in others:
        if name not in extra_options:
            hint = suggestion(name, known) or f"{nearest(name, [*known, *extra_options])} (see --help)"
            raise UserError(f"unknown option '{name}'{hint}")
        if isinstance(extra_options[name], str):
            raise UserError(f"{name}: transformers has this option, igpay has not: {extra_options[name]}")
    return {name: extra_options[name].read(name, value) for name, value in others.items()}
