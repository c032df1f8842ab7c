# The same as scripts/workbench/hub/schemas.py
"""Schemas of the JSON that transformers, tokenizers and peft act upon; what could do more than describe is refused.

Each check takes the content of a file and returns what may be read of it, or raises a ValueError that names the key.
It imports nothing of ours: the Spaces carry a copy of this file.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

# The attention that transformers has itself; for another name it may fetch a kernel, which is code, from the Hub.
ATTENTION = (None, "eager", "sdpa")
# What transformers would itself replace by a kernel of the Hub where its library is missing; a wish, no need.
FAST_ATTENTION = ("flash_attention_2", "flash_attention_3", "flex_attention")
# Keys at any depth by which a library would run code, open files, or change what is built, and nothing that we load
# needs: transformers (CVE-2026-4372 and CVE-2026-5241 are the first two), its tokenizers, its generation, peft.
FORBIDDEN = frozenset(
    "_attn_implementation_internal trust_remote_code transformers_weights quantization_config kernel_config "
    "use_kernels use_mamba_kernels custom_generate compile_config assistant_model use_timm_backbone "
    "use_pretrained_backbone init_inputs model_file model_proto mecab_option sudachi_config_path sudachi_resource_dir "
    "layer_replication loftq_config megatron_config corda_config lora_ga_config arrow_config "
    "prompt_tuning_init_state_dict_path tokenizer_kwargs shadow_model gguf_file".split()
)
# Methods of PEFT that open other files or models than the adapter's own.
FORBIDDEN_METHODS = ("CARTRIDGE", "MULTITASK_PROMPT_TUNING", "SHADOW", "XLORA")
# A model that returns tuples is none that we read answers of.
WISHES = ("return_dict", "use_return_dict", "torchscript")
# What reads its vocabulary from a pickled file, as a tokenizer and as a model.
PICKLING = ("TransfoXLTokenizer", "transfo-xl")
EMPTY = (None, False, "", [], {})
# A tokenizer's files are found by their usual names in the folder; paths of where it was saved may lead elsewhere.
TOKENIZER_PATHS = re.compile(r".*_file|.*_files")
LAYERS = re.compile(r"(.*_)?(n_?layers?|layers?|blocks?|block_sizes|block_repeats|depths?|groups|group_num|stages)")
# Of others, such as `exit_layer`, a negative number counts from the top.
COUNTED_LAYERS = re.compile(r"(num_|n_|hidden_|encoder_|decoder_)+layers?")
MOST_LAYERS, MOST_LABELS, LARGEST_INTEGER = 1_000, 100_000, 10_000_000
# transformers 4.57 takes time quadratic in their number: 1.5 s for 20,000.
MOST_ADDED_TOKENS = 20_000
# Numbers that count nothing: seeds, bases of rotary positions, and the like.
UNBOUNDED = re.compile(r".*(seed|theta|_base|_id|_ids|max_length|total_step|max_bias|min|max)")
# What a generation may do of itself.
GENERATION = {"num_beams": 64, "num_beam_groups": 64, "num_return_sequences": 64, "prompt_lookup_num_tokens": 1_000}
GENERATION |= {"max_length": 1_000_000, "max_new_tokens": 1_000_000}
# Families of models whose config.json may be older than the key `model_type`: transformers told them by their name.
OLD_FAMILIES = ("xlm-roberta", "distilbert", "camembert", "roberta", "electra", "albert", "bert")
OWN_CLASS = re.compile(r"([\w.-]+/[\w.-]+--)?\w+\.\w+")

Name = Annotated[str, StringConstraints(pattern=r"^[\w.-]{1,200}\Z")]
Module = Annotated[str, StringConstraints(pattern=r"^[\w.]{1,300}\Z")]
Modules = list[Module] | Annotated[str, Field(max_length=200)] | None
Index = Annotated[int, Field(ge=0, lt=MOST_LAYERS)]
Positive = Annotated[int, Field(ge=1, le=LARGEST_INTEGER)]
Rank = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]
Number = Annotated[float, Field(allow_inf_nan=False, strict=False)]


class Content(BaseModel):
    """Fields with the types that libraries take for granted; others pass, after the checks that hold for all."""

    model_config = ConfigDict(extra="allow", strict=True, regex_engine="python-re", protected_namespaces=())


class ModelConfig(Content):
    """`config.json`, and the configs inside it."""

    model_type: Name | None = None
    architectures: list[Name] | None = None
    id2label: dict[str, str | int | float] | None = Field(None, max_length=MOST_LABELS)
    label2id: dict[str, int | str] | None = Field(None, max_length=MOST_LABELS)
    num_labels: Annotated[int, Field(ge=0, le=MOST_LABELS)] | None = None
    problem_type: str | None = None
    tokenizer_class: Name | None = None
    auto_map: dict[str, str | list[str | None]] | None = None
    is_encoder_decoder: bool = False
    vocab_size: Positive | None = None
    hidden_size: Positive | None = None
    num_attention_heads: Positive | list[int] | None = None
    base_model_name_or_path: str | None = None
    adapters_config: Annotated[str, StringConstraints(pattern=r"^[\w\[\]=,.|' -]{1,500}\Z")] | None = None


class TokenizerConfig(Content):
    """`tokenizer_config.json`."""

    tokenizer_class: Name | None = None
    model_max_length: Annotated[int | float, Field(gt=0)] | None = None
    model_input_names: Annotated[list[str], Field(min_length=1)] | None = None
    added_tokens_decoder: dict[str, dict] | None = Field(None, max_length=MOST_ADDED_TOKENS)
    padding_side: Literal["left", "right"] | None = None
    truncation_side: Literal["left", "right"] | None = None
    auto_map: dict[str, str | list[str | None]] | list[str | None] | None = None


class GenerationConfig(Content):
    """`generation_config.json`."""

    max_length: int | None = None
    cache_implementation: Literal["dynamic"] | None = None


class AdapterConfig(Content):
    """PEFT's `adapter_config.json`, our bottleneck method's included."""

    peft_type: Name
    task_type: Name | None = None
    base_model_name_or_path: Annotated[str, Field(max_length=4096)] | None = None
    revision: Name | None = None
    target_modules: Modules = None
    exclude_modules: Modules = None
    feedforward_modules: Modules = None
    target_parameters: list[Module] | None = None
    modules_to_save: list[Module] | None = None
    layers_to_transform: list[Index] | Index | None = None
    layers_pattern: list[Module] | Module | None = None
    leave_out: list[Index] | None = None
    rank_pattern: dict[Module, Rank | list[bool]] | None = None
    alpha_pattern: dict[Module, Number] | None = None
    r: Rank | None = None
    lora_alpha: Number | None = None
    num_virtual_tokens: Positive | None = None
    bottleneck_size: Positive | None = None
    # Of a fusion: folders below the adapter's own.
    adapters: list[Annotated[str, StringConstraints(pattern=r"^[\w-]{1,200}\Z")]] | None = None
    init_lora_weights: bool | Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,20}\d{0,2}\Z")] | None = None
    megatron_core: Literal["megatron.core"] | None = None


class HubAdapterConfig(Content):
    """`adapter_config.json`, `adapter_fusion_config.json` and `head_config.json` of the `adapters` library."""

    name: Annotated[str, Field(max_length=1_000)] | None = None
    model_type: Name | None = None
    model_name: Annotated[str, Field(max_length=4096)] | None = None
    hidden_size: Positive | None = None
    config: dict | None = None


CONSENT = "pass --trust_remote_code"


def check_model_config(
    content: dict, ours: tuple[str, ...], trust_remote_code: bool, name: str = "", consent: str = CONSENT
) -> dict:
    """A `config.json` that describes a model and does nothing else.

    Args:
        ours: model types that are registered here, so that their own `auto_map` runs nothing.
        trust_remote_code: the code that `auto_map` names was asked for.
        name: of the folder or repository, which tells the family where an old config does not.
        consent: how one asks for that code.
    """
    validate(ModelConfig, content)
    for config in configs_in(content):
        validate(ModelConfig, config)
    check_keys(content)
    check_own_code(content, content.get("model_type") in ours, trust_remote_code, consent)
    for key, value in numbers(content):
        check_size(key, value)
    check_symbols(content)
    if content.get("model_type") is None:
        content = {**content, "model_type": family_of(name)}
    return without_wishes(with_labels(content))


def check_generation_config(content: dict) -> dict:
    """A `generation_config.json` that describes how to decode, in bounds."""
    validate(GenerationConfig, content)
    check_keys(content)
    check_symbols(content)
    for key, value in numbers(content):
        check_size(key, value)
    return content


def check_tokenizer_config(content: dict, trust_remote_code: bool, consent: str = CONSENT) -> dict:
    """A `tokenizer_config.json` without paths of other files, and whose chat templates can be saved nowhere else.

    transformers before 5.10 makes a path of a chat template's name (CVE-2026-9856).
    """
    validate(TokenizerConfig, content)
    check_keys(content)
    check_own_code(content, False, trust_remote_code, consent)
    for name in template_names(content.get("chat_template")):
        if not re.fullmatch(r"[\w-][\w .-]*", str(name)):
            raise ValueError(f"refused, because its chat template {name!r} would be saved outside of the folder")
    return {key: value for key, value in content.items() if not TOKENIZER_PATHS.fullmatch(key)}


def check_adapter_config(content: dict, is_remote: bool) -> dict:
    """An `adapter_config.json` of PEFT, or of the `adapters` library, that opens nothing but the adapter.

    Args:
        is_remote: it came from the Hub, so that its base model can only be there too.
    """
    check_keys(content)
    if "peft_type" not in content:
        return check_hub_adapter(content)
    validate(AdapterConfig, content)
    if content["peft_type"] in FORBIDDEN_METHODS:
        raise ValueError(f"refused, because 'peft_type' {content['peft_type']} opens other files than the adapter's")
    check_auto_mapping(content.get("auto_mapping"))
    check_base(content.get("base_model_name_or_path"), is_remote)
    for key, value in numbers(content):
        check_size(key, value)
    for name in ("target_modules", "exclude_modules", "feedforward_modules"):
        check_pattern(name, content.get(name))
    # What some methods load while they are trained, they do not load for inference.
    return {**content, "inference_mode": True}


def check_hub_adapter(content: dict) -> dict:
    """One of the `adapters` library's configs: names, and plain settings."""
    validate(HubAdapterConfig, content)
    for key, value in numbers(content):
        check_size(key, value)
    return content


def validate(schema: type[BaseModel], content: dict) -> None:
    """ValueError, one line that names the key, for a field of another type than the schema's."""
    try:
        schema.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = next((str(part) for part in first["loc"]), "?")
        value = ascii(content.get(key))
        raise ValueError(f"'{key}' is {value[:80]}: {first['msg'].replace(chr(10), ' ')[:120]}") from error


def configs_in(content: dict) -> Iterator[dict]:
    """The configs inside a config: `encoder_config`, `text_config` and the like."""
    for key, value in content.items():
        if isinstance(value, dict) and key.endswith("config"):
            yield value
            yield from configs_in(value)


def entries(content) -> Iterator[tuple[str, object]]:
    """(key, value) at any depth, of dictionaries and of those in lists."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield key, value
            yield from entries(value)
    elif isinstance(content, list):
        for part in content:
            yield from entries(part)


def numbers(content) -> Iterator[tuple[str, int]]:
    """(key, integer) at any depth; those in a list have the list's key."""
    for key, value in entries(content):
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, int) and not isinstance(part, bool):
                yield key, part


def check_keys(content: dict) -> None:
    """ValueError for a key, at any depth, by which a library would do more than was asked for."""
    for key, value in entries(content):
        is_attention = re.fullmatch(r"_?(attn|experts)_implementation.*", key) is not None
        if is_attention and key not in FORBIDDEN and not isinstance(value, bool):
            choices = value.values() if isinstance(value, dict) else [value]
            is_refused = any(choice not in (*ATTENTION, *FAST_ATTENTION) for choice in choices)
        else:
            is_refused = key in FORBIDDEN and value not in EMPTY
        if is_refused:
            raise ValueError(f"refused, because its '{key}' could run code that you did not ask for")
        if key in ("model_type", "tokenizer_class") and value in PICKLING:
            raise ValueError(f"refused, because its '{key}' {value} reads a pickled file")


def check_own_code(content: dict, is_ours: bool, trust_remote_code: bool, consent: str) -> None:
    """ValueError for an `auto_map`, unless its code was asked for or is here already; one further inside never is."""
    brought = {key: value for key, value in content.items() if key != "auto_map"} if is_ours else content
    named = [value for key, value in entries(brought) if key == "auto_map" and value]
    if named and not trust_remote_code:
        raise ValueError(f"this model brings its own code; read it, then {consent} to run it")
    for value in (part for found in named for part in _texts(found)):
        if not OWN_CLASS.fullmatch(value):
            raise ValueError(f"refused, because its 'auto_map' names {value[:80]!r}, which is no class in a file")


def _texts(value) -> list[str]:
    """The texts in a text, a list or a dictionary."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in _texts(part)]


def check_size(key: str, value: int) -> None:
    """ValueError for more layers, beams or whatever an integer counts than any model has."""
    most = GENERATION.get(key, MOST_LAYERS if LAYERS.fullmatch(key) else LARGEST_INTEGER)
    if key not in GENERATION and UNBOUNDED.fullmatch(key):
        most = 2**63
    if abs(value) > most:
        raise ValueError(f"'{key}' is {str(value)[:40]}; at most {most:,} is allowed")
    if value < 0 and COUNTED_LAYERS.fullmatch(key):
        raise ValueError(f"'{key}' is {value}; no model has fewer than none")


def family_of(name: str) -> str:
    """The family that a name tells; ValueError if it tells none."""
    for family in OLD_FAMILIES:
        # A "ClinicalBERT" is no ALBERT.
        if re.search(rf"(?<![a-z]){family}" if family == "albert" else family, name.lower()):
            return family
    raise ValueError('\'model_type\' is missing: write, say, "model_type": "bert" into it')


def check_symbols(content: dict) -> None:
    """ValueError for a symbol of the vocabulary that is no number, or several."""
    for key, value in entries(content):
        parts = value if isinstance(value, list) and value else [value]
        is_number = all(type(part) is int and part >= -1 for part in parts)
        if key.endswith("_token_id") and value is not None and not is_number:
            raise ValueError(f"'{key}' is {ascii(value)[:80]}, where a number of the vocabulary belongs")


def with_labels(content: dict) -> dict:
    """The config with the names of a classifier's labels as texts; ValueError unless they are numbered from 0."""
    names = content.get("id2label")
    if not names:
        return content
    if set(names) != {str(number) for number in range(len(names))}:
        raise ValueError(
            f"'id2label' has the numbers {', '.join([*names][:5])[:60]}: they go from 0 to {len(names) - 1}"
        )
    return {**content, "id2label": {number: str(name) for number, name in names.items()}}


def without_wishes(content):
    """The config without wishes that we do not grant: an attention that needs a library, outputs as plain tuples."""
    if isinstance(content, list):
        return [without_wishes(part) for part in content]
    if not isinstance(content, dict):
        return content
    return {
        key: without_wishes(value)
        for key, value in content.items()
        if key not in WISHES and not ("attn_implementation" in key and value in FAST_ATTENTION)
    }


def template_names(templates) -> list:
    """Names of chat templates: keys, or entries `name` of a list; one template alone has none."""
    if isinstance(templates, dict):
        return list(templates)
    if isinstance(templates, list):
        return [entry.get("name") if isinstance(entry, dict) else entry for entry in templates]
    return []


def check_auto_mapping(mapping) -> None:
    """ValueError unless PEFT's note of the base model's class names a module of transformers, or of ours."""
    library = mapping.get("parent_library") if isinstance(mapping, dict) else mapping
    if library is not None and not re.fullmatch(r"(transformers|custom_models)(\.\w+)*", str(library)):
        raise ValueError(f"refused, because its 'auto_mapping' names {str(library)[:80]!r}, which could run code")


def check_base(name: str | None, is_remote: bool) -> None:
    """ValueError for a base model outside of where an adapter may look for it."""
    if not name:
        return
    is_hub_name = re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?", name) is not None
    if ".." in re.split(r"[/\\]", name) or "\0" in name or (is_remote and not is_hub_name):
        raise ValueError(f"refused, because its 'base_model_name_or_path' {name[:80]!r} is no Hub model's name")


def check_pattern(key: str, value) -> None:
    """ValueError for a regular expression that could take forever: two groups and two `.*` may be in it.

    PEFT reads a text as one, except for `all-linear`; a list as names.
    """
    if not isinstance(value, str) or value == "all-linear":
        return
    parts = value.split(".*")
    if len(parts) > 3 or value.count("(") > 2 or not all(re.fullmatch(r"(\\\.|[\w.|()$^-])*", part) for part in parts):
        raise ValueError(f"refused, because its '{key}' {value[:80]!r} is no simple pattern: list the modules' names")


def count_rows(tokenizer) -> int:
    """How many embeddings its symbols need: they may be numbered with gaps."""
    return max(tokenizer.get_vocab().values(), default=-1) + 1


def check_words(tokenizer, rows: int | None = None) -> None:
    """ValueError unless this is a tokenizer that knows more than its special symbols.

    Without its files, transformers 5 makes one that knows nothing else.

    Args:
        rows: the embeddings that the model has, which must do for all symbols.
    """
    if not hasattr(tokenizer, "all_special_ids") or len(tokenizer) <= len(set(tokenizer.all_special_ids)):
        raise ValueError("it has no tokenizer that knows any word; is a file of it missing?")
    if rows is not None and count_rows(tokenizer) > rows:
        raise ValueError(f"its tokenizer needs embeddings of {count_rows(tokenizer):,} symbols, the model has {rows:,}")
