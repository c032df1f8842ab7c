"""Options: a dataclass is the parser, a YAML recipe sets defaults, the command line overrides.

Only the standard library and PyYAML are imported here, so that `--help` answers at once.
"""

import argparse
import dataclasses
import sys
import types
import typing
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from .errors import UserError, nearest


def option(default, help: str, **metadata):
    """A dataclass field with its help text; `choices` and `positional` may be added."""
    kwargs = {"default_factory": default} if callable(default) else {"default": default}
    return field(**kwargs, metadata={"help": help, **metadata})


@dataclass
class RunArguments:
    """What every training script accepts."""

    output_dir: str = option("runs/run", "folder of this run: model, results.json, config.yaml, figures, checkpoints")
    seed: int = option(0, "fixes data order, initialisation and dropout")
    resume_from_checkpoint: bool = option(
        False, "go on from the run's last whole checkpoint, or start if there is none"
    )
    overwrite_output_dir: bool = option(False, "delete what an earlier run left in output_dir")
    report_to: str = option("none", "where curves also go", choices=("none", "tensorboard", "wandb", "all"))


@dataclass
class OptimisationArguments:
    """The optimiser and its schedule; names as in transformers.TrainingArguments where one exists."""

    num_train_epochs: float = option(45.0, "passes over the training split")
    max_steps: int = option(-1, "stop after this many optimiser steps instead (-1: by epochs)")
    train_batch_size: int = option(64, "examples per optimiser step, over all processes together")
    eval_batch_size: int = option(256, "examples per evaluation batch, over all processes together")
    learning_rate: float = option(2e-3, "highest learning rate")
    lr_scheduler_type: str = option("cosine", "shape of its decay: cosine, linear, constant, exponential, …")
    lr_decay_per_epoch: float = option(0.0, "multiply the rate by this after each epoch instead (0.99, say; 0: off)")
    warmup_steps: int = option(200, "steps of linear rise to the highest rate; at most a tenth of all steps")
    weight_decay: float = option(0.1, "AdamW's decoupled weight decay")
    adam_beta2: float = option(0.98, "AdamW's second moment decay")
    max_grad_norm: float = option(1.0, "clip the gradient's norm at this")
    early_stopping_patience: int = option(0, "stop after this many epochs without a better validation loss (0: never)")
    bf16: bool = option(False, "bfloat16 autocast")
    gradient_checkpointing: bool = option(False, "recompute activations in the backward pass: less memory, more time")


def parse_arguments(
    arguments_class: type,
    description: str,
    extra_options: Callable[[], dict[str, type]] | None = None,
    argv: list[str] | None = None,
    without: Collection[str] = (),
):
    """The command line, over the recipe that `--config` names, over the dataclass's defaults.

    Args:
        arguments_class: dataclass whose fields come from `option`; a `positional` one is required unless its default
            is None or it takes a list.
        description: shown by `--help`, as written.
        extra_options: called only if an option is not a field; returns the names and types of the others that are
            allowed. Their values come back in the instance's `extra` dictionary.
        without: fields that are no options here: the script gives them their values itself.

    Raises:
        UserError: an unknown option, a wrong value or an unreadable recipe, naming the nearest known option.
    """
    argv = sys.argv[1:] if argv is None else argv
    known = {name: hint for name, hint in typing.get_type_hints(arguments_class).items() if name not in without}
    parser = _build_parser(arguments_class, known, description, bool(extra_options))
    parsed, unknown = parser.parse_known_args(argv)
    given = {name: value for name, value in vars(parsed).items() if name != "config"}
    # Before the recipe: the value of an unknown option may have been taken for its name.
    extra = _check_extra(_pair_up(unknown), extra_options, list(known))
    recipe = read_recipe(parsed.config) if getattr(parsed, "config", None) else {}
    others = {key: value for key, value in recipe.items() if key not in known}
    extra = _check_extra(others, extra_options, list(known)) | extra
    values = {key: _convert(key, value, known[key]) for key, value in recipe.items() if key in known}
    instance = arguments_class(**{**values, **given})
    _check_choices(instance)
    if extra_options:
        instance.extra = extra
    return instance


def read_recipe(path: str) -> dict:
    """A YAML file of options; UserError if it cannot be read or is no mapping."""
    import yaml

    try:
        recipe = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: cannot read this recipe: {error}") from error
    if not isinstance(recipe, dict):
        raise UserError(f"{path}: a recipe is a list of `option: value` lines")
    return recipe


def convert_options(arguments_class: type, values: dict) -> dict:
    """Values of a recipe as the types of the dataclass's fields; UserError for one that cannot be."""
    hints = typing.get_type_hints(arguments_class)
    return {name: _convert(name, value, hints[name]) for name, value in values.items()}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise UserError(f"{message} (see --help)")


def _build_parser(arguments_class: type, hints: dict, description: str, has_extra: bool) -> argparse.ArgumentParser:
    epilog = "Any other field of transformers.TrainingArguments is accepted under its own name." if has_extra else None
    parser = _Parser(
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    if not any(_is_positional(item) for item in dataclasses.fields(arguments_class)):
        parser.add_argument("--config", metavar="RECIPE.yaml", help="a recipe whose values replace the defaults below")
    for item in dataclasses.fields(arguments_class):
        if item.name in hints:
            _add_option(parser, item, hints[item.name])
    return parser


def _is_positional(item: dataclasses.Field) -> bool:
    return item.metadata.get("positional", False)


def _add_option(parser: argparse.ArgumentParser, item: dataclasses.Field, hint) -> None:
    kind, is_list = _plain_type(hint)
    default = item.default_factory() if item.default is dataclasses.MISSING else item.default
    shown = "" if default in (None, "", []) else f" (default: {default})"
    choices = item.metadata.get("choices")
    kwargs = {"help": item.metadata.get("help", "").replace("%", "%%") + shown}
    kwargs["metavar"] = "{" + ",".join(choices) + "}" if choices else item.name.upper()
    if kind is bool:
        kwargs |= {"nargs": "?", "const": True, "type": _boolean, "metavar": "true|false"}
    else:
        kwargs |= {"type": kind, "nargs": "*" if is_list else None}
    if _is_positional(item):
        kwargs["nargs"] = (
            "*" if is_list else "?" if item.default is not dataclasses.MISSING and default is None else None
        )
        parser.add_argument(item.name, **kwargs)
    else:
        parser.add_argument(f"--{item.name}", **kwargs)


def _plain_type(hint) -> tuple[type, bool]:
    """The value's type, and whether the option takes a list: `int | None` is int, `list[str]` is a list of str."""
    if isinstance(hint, types.UnionType):
        hint = next(part for part in hint.__args__ if part is not type(None))
    if typing.get_origin(hint) is list:
        return typing.get_args(hint)[0], True
    return hint, False


def _boolean(text: str) -> bool:
    values = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"'{text}' is neither true nor false")
    return values[text.lower()]


def _convert(name: str, value, hint):
    """A recipe's value as the option's type."""
    kind, is_list = _plain_type(hint)
    if value is None:
        return None
    try:
        if is_list:
            return [_scalar(item, kind) for item in (value if isinstance(value, list) else [value])]
        return _scalar(value, kind)
    except (TypeError, ValueError, argparse.ArgumentTypeError) as error:
        raise UserError(f"{name}: '{value}' is not of type {kind.__name__}") from error


def _scalar(value, kind: type):
    if kind is bool:
        return value if isinstance(value, bool) else _boolean(str(value))
    if isinstance(value, (bool, list, dict)) and kind is not dict:
        raise TypeError(value)
    if kind is int and float(value) != int(float(value)):
        raise ValueError(value)
    return kind(float(value)) if kind is int else kind(value)


def _pair_up(tokens: list[str]) -> dict[str, str | bool]:
    """`--name value`, `--name=value` and `--name` (true) that no field took."""
    pairs: dict[str, str | bool] = {}
    tokens = list(tokens)
    while tokens:
        token = tokens.pop(0)
        if not token.startswith("--"):
            raise UserError(f"unexpected argument '{token}' (see --help)")
        name, has_value, value = token[2:].partition("=")
        if not has_value:
            value = tokens.pop(0) if tokens and not tokens[0].startswith("--") else True
        pairs[name] = value
    return pairs


def _check_extra(others: dict, extra_options, known: list[str]) -> dict:
    """The values of options that are not fields, converted; UserError for one that does not exist."""
    if not others:
        return {}
    close = next((name for name in others if nearest(name, known)), None)
    if close is not None and close not in (allowed := extra_options() if extra_options else {}):
        raise UserError(f"unknown option '{close}'{nearest(close, known)}")
    allowed = extra_options() if extra_options else {}
    for name in others:
        if name not in allowed:
            raise UserError(f"unknown option '{name}'{nearest(name, [*known, *allowed])} (see --help)")
    return {name: _convert(name, value, allowed[name]) for name, value in others.items()}


def _check_choices(instance) -> None:
    for item in dataclasses.fields(instance):
        choices, value = item.metadata.get("choices"), getattr(instance, item.name)
        if choices and value is not None and value not in choices:
            raise UserError(
                f"{item.name}: unknown value '{value}'{nearest(str(value), list(choices))}; choose one of "
                f"{', '.join(choices)}"
            )
