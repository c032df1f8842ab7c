"""The strategies `peft:<method>`: any method of PEFT by its name, with the options of its configuration.

`peft:lora[r=4,use_dora=true]` gives options in brackets, as the adapters library spells them; `peft_options` in a
recipe gives them as a mapping. What is not given is PEFT's own default; the target modules are those that PEFT knows
for the family, of LoRA if it knows none for the method, else every Linear of the encoder.
"""

import dataclasses
import inspect
import re
import sys
import types
import typing

import yaml

from workbench.errors import UserError, nearest

from .encoders import encoder_of, pooler_name, trained_heads
from .injection import LORA_TARGETS

PEFT_PREFIX = "peft:"
# Other names of methods that are a method with an option.
ALIASES = {"dora": ("lora", {"use_dora": True}), "rslora": ("lora", {"use_rslora": True})}
# Methods that no sentence classifier can be trained with, and why.
UNFIT = {
    "adaption_prompt": "it is made for decoders such as LLaMA",
    "cartridge": "it distils a long context into a decoder",
    "cpt": "it is made for text generation",
    "multitask_prompt_tuning": "it needs several tasks and an id of each example's",
    "poly": "it needs several tasks and an id of each example's",
    "shadow": "it is made for text generation",
    "trainable_tokens": "it trains single tokens of the vocabulary, and takes no head",
    "xlora": "it mixes trained LoRA adapters of a decoder",
}
# What we set ourselves, or what says nothing of the method.
RESERVED = {
    *("task_type", "peft_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision"),
    *("inference_mode", "modules_to_save"),
}
# What PEFT raises for options that it cannot take; a pattern may be no regular expression.
PEFT_REFUSALS = (
    *(ValueError, TypeError, AttributeError, KeyError, RuntimeError, AssertionError, ImportError),
    *(re.error, RecursionError),
)


def add_peft_method(model, arguments):
    """The method that `arguments.strategy` names, with its options over `arguments.peft_options`.

    Raises:
        UserError: no such method or option, a value of another type, or a method that does not fit the encoder.
    """
    from peft import get_peft_model

    method, given = parse_method(arguments.strategy)
    options = {**(arguments.peft_options or {}), **given}
    config_class = find_config(method)
    check_options(method, config_class, options)
    names = {item.name for item in dataclasses.fields(config_class)}
    options = {**_defaults(model, arguments, method, names, options), **options}
    try:
        config = config_class(task_type="SEQ_CLS", modules_to_save=trained_heads(model, arguments), **options)
        if config.is_prompt_learning:
            _check_prompts(model, arguments, method, config)
        return get_peft_model(model, config)
    except PEFT_REFUSALS as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"strategy: PEFT refuses '{arguments.strategy}' for this encoder: {reason}") from error


def parse_method(name: str) -> tuple[str, dict[str, object]]:
    """`peft:lora[r=4,use_dora=true]` as `lora` and its options; values are read as YAML."""
    method, bracket, inside = name.removeprefix(PEFT_PREFIX).partition("[")
    if bool(bracket) != name.endswith("]"):
        raise UserError(f"strategy: '{name}': options are written peft:method[option=value,option=value]")
    options: dict[str, object] = {}
    for part in _split(inside[:-1]) if bracket else ():
        option, is_pair, value = part.partition("=")
        if not is_pair:
            raise UserError(f"strategy: '{name}': '{part}' is not option=value")
        try:
            options[option.strip()] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise UserError(f"strategy: '{name}': cannot read the value of {option.strip()}: '{value}'") from error
    method, more = ALIASES.get(method, (method, {}))
    return method, {**more, **options}


def _split(text: str) -> list[str]:
    """`a=1,b=[2,3]` at its commas outside brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "[{(") - (letter in ")}]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part for part in parts if part.strip()]


def known_methods() -> dict[str, type]:
    """PEFT's own methods by their name in lower letters, with their configuration, but for those in `UNFIT`."""
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    own = {kind.value.lower(): config for kind, config in PEFT_TYPE_TO_CONFIG_MAPPING.items() if _is_pefts(config)}
    return {name: config for name, config in sorted(own.items()) if name not in UNFIT}


def _is_pefts(config: type) -> bool:
    return config.__module__.split(".")[0] == "peft"


def find_config(method: str) -> type:
    """A method's configuration class; UserError names the nearest and all, or says why it cannot classify."""
    if method in UNFIT:
        raise UserError(f"strategy: '{PEFT_PREFIX}{method}' cannot train a sentence classifier: {UNFIT[method]}")
    known = known_methods()
    if method not in known:
        names = sorted([*known, *ALIASES])
        raise UserError(
            f"strategy: PEFT has no method '{method}'{nearest(method, names)}; choose one of {', '.join(names)}, "
            "perhaps with [option=value]"
        )
    return known[method]


def check_options(method: str, config_class: type, options: dict[str, object]) -> None:
    """UserError for an option that the configuration does not have, or a value of another type; converts `1e-3`."""
    known = {item.name for item in dataclasses.fields(config_class)} - RESERVED
    hints = typing.get_type_hints(config_class)
    for name, value in options.items():
        if name not in known:
            why = "; --head and --train_pooler say what of the head is trained" if name == "modules_to_save" else ""
            why = why or nearest(str(name), sorted(known)) or f"; it has {', '.join(sorted(known))}"
            raise UserError(f"strategy: peft:{method} has no option '{name}'{why}")
        kinds = _plain_kinds(hints[name])
        if isinstance(value, str) and float in kinds and str not in kinds:
            value = options[name] = _number(value)  # YAML reads 1e-3 as a text
        if kinds and not any(_is_a(value, kind) for kind in kinds):
            allowed = " or ".join(sorted({"nothing" if kind is type(None) else kind.__name__ for kind in kinds}))
            raise UserError(f"strategy: peft:{method}: {name} is '{value}'; give {allowed}")


def _plain_kinds(hint) -> tuple[type, ...]:
    """The plain types that a hint allows; none: anything, or what cannot be told."""
    parts = typing.get_args(hint) if _is_union(hint) else (hint,)
    kinds: list[type] = []
    for part in parts:
        origin = typing.get_origin(part) or part
        if origin is typing.Literal:
            kinds += [type(value) for value in typing.get_args(part)]
        elif _is_union(part):
            kinds += _plain_kinds(part)
        elif isinstance(origin, type) and (origin.__module__ == "builtins"):
            kinds.append(origin)
        else:
            return ()
    return tuple(kinds)


def _is_union(hint) -> bool:
    return typing.get_origin(hint) is typing.Union or isinstance(hint, types.UnionType)


def _is_a(value, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float)) if kind is float else isinstance(value, kind)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _defaults(model, arguments, method: str, names: set[str], given: dict) -> dict[str, object]:
    """The fields that a configuration lacks for this encoder: its target modules, or the sizes of the prompts."""
    encoder = encoder_of(model)
    found: dict[str, object] = {}
    if "target_modules" in names and given.get("target_modules") is None:
        found |= _targets(model, method)
    frozen = pooler_name(model) if arguments.train_pooler is False else None
    if "exclude_modules" in names and frozen:
        found["exclude_modules"] = [frozen, f"{frozen}.dense"]
    if "num_virtual_tokens" in names:
        found |= {"token_dim": encoder.config.hidden_size, "num_layers": encoder.config.num_hidden_layers}
        found |= {"num_attention_heads": encoder.config.num_attention_heads, "num_virtual_tokens": 20}
    if "total_step" in names:
        found["total_step"] = sys.maxsize  # until the Trainer knows: see `AllocatesRanks`
    return found


def _targets(model, method: str) -> dict[str, object]:
    import peft.utils.constants as constants

    encoder = encoder_of(model)
    kind = encoder.config.model_type
    if method == "ln_tuning":
        names = [name for name, part in encoder.named_modules() if type(part).__name__.endswith("Norm")]
        return {"target_modules": [f"{model.base_model_prefix}.{name}" for name in names]}
    table = f"TRANSFORMERS_MODELS_TO_{method.upper()}_TARGET_MODULES_MAPPING"
    lora = constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
    known = {**lora, **LORA_TARGETS, **getattr(constants, table, {})}
    if method != "ia3":
        return {"target_modules": known.get(kind, "all-linear")}
    own = getattr(constants, table)
    feedforward = constants.TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING
    is_known = kind in own and kind in feedforward
    return {
        "target_modules": own[kind] if is_known else known.get(kind, "all-linear"),
        "feedforward_modules": feedforward[kind] if is_known else [],
    }


def _check_prompts(model, arguments, method: str, config) -> None:
    """UserError where prompts, or keys and values, cannot stand before this encoder's tokens."""
    encoder = encoder_of(model)
    if getattr(arguments, "gradient_checkpointing", False) and method == "prefix_tuning":
        raise UserError("strategy: prefix tuning does not work with gradient checkpointing")
    if method == "prefix_tuning":
        own, inside = (set(inspect.signature(part.forward).parameters) for part in (model, encoder))
        if not inside & {"past_key_values", "cache"}:
            kind = encoder.config.model_type
            raise UserError(f"strategy: prefix tuning: a '{kind}' encoder takes no keys and values")
        if "past_key_values" not in own and not ("past_key_values" in inside and pooler_name(model)):
            raise UserError("strategy: prefix tuning does not reach this encoder's own head: give --head linear")
        return
    most, length = getattr(encoder.config, "max_position_embeddings", None), getattr(arguments, "max_length", 0)
    if most and length + config.num_virtual_tokens > most:
        raise UserError(
            f"max_length: {length} tokens and {config.num_virtual_tokens} virtual ones are more than the {most:,} that "
            "this encoder takes"
        )


def allocation_callback():
    """A callback that lets AdaLoRA share its ranks out while the Trainer trains."""
    from transformers import TrainerCallback

    class AllocatesRanks(TrainerCallback):
        """Tells AdaLoRA how many steps there are, and of each step before its gradients are gone."""

        def on_train_begin(self, args, state, control, model=None, **kwargs):
            allocator = _unwrapped(model).base_model.rankallocator
            held = allocator.peft_config.tinit + allocator.peft_config.tfinal
            if state.max_steps < held + 2:
                raise UserError(
                    f"strategy: AdaLoRA's tinit and tfinal take {held} of {state.max_steps} steps: give fewer"
                )
            allocator.set_total_step(state.max_steps)

        def on_optimizer_step(self, args, state, control, model=None, **kwargs):
            _unwrapped(model).base_model.update_and_allocate(state.global_step + 1)

    return AllocatesRanks()


def _unwrapped(model):
    return getattr(model, "module", model)
