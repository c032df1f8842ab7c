"""Configs of others: what a library would act upon is refused by name, and honest configs pass."""

import json

import pytest
from support.encoder_folders import word_tokenizer

from workbench.hub import schemas

BERT = {"model_type": "bert", "architectures": ["BertModel"], "num_hidden_layers": 2, "hidden_size": 8}
LORA = {"peft_type": "LORA", "base_model_name_or_path": "owner/name", "r": 4, "target_modules": ["query", "value"]}


def check(**fields) -> dict:
    return schemas.check_model_config(BERT | fields, ("piglatin", "sentence_encoder"), False, "folder")


def check_adapter(**fields) -> dict:
    return schemas.check_adapter_config(LORA | fields, is_remote=True)


def check_tokenizer(**fields) -> dict:
    return schemas.check_tokenizer_config(fields, False)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("_attn_implementation", "owner/kernel"),
        ("attn_implementation", "owner/kernel@main:flash"),
        ("_attn_implementation", {"": "eager", "encoder_config": "owner/kernel"}),
        ("_attn_implementation", ["owner/kernel"]),
        ("_attn_implementation_internal", "owner/kernel"),
        ("_experts_implementation", "owner/kernel"),
        ("trust_remote_code", True),
        ("quantization_config", {"quant_method": "gptq"}),
        ("transformers_weights", "../other.safetensors"),
        ("custom_generate", "owner/code"),
        ("kernel_config", {"a": "b"}),
        ("use_timm_backbone", True),
        ("auto_map", {"AutoConfig": "evil.Config"}),
    ],
)
@pytest.mark.parametrize("place", ["top", "encoder_config", "list"])
def test_keys_by_which_code_would_run_are_refused_at_any_depth(key, value, place):
    fields = {key: value} if place == "top" else {"encoder_config": {key: value}}
    fields = {"parts": [{"more": {key: value}}]} if place == "list" else fields
    with pytest.raises(ValueError, match=f"'{key}'|brings its own code"):
        check(**fields)


@pytest.mark.parametrize("value", ["eager", "sdpa", None, {"": "eager"}])
def test_an_attention_of_transformers_own_stays(value):
    assert check(_attn_implementation=value)["_attn_implementation"] == value
    assert check(_attn_implementation_autoset=True)["_attn_implementation_autoset"] is True


def test_a_wish_for_a_faster_attention_is_dropped():
    """Where its library is missing, transformers would fetch a kernel instead."""
    found = check(attn_implementation="flash_attention_2", encoder_config={"_attn_implementation": "flex_attention"})
    assert "attn_implementation" not in found and found["encoder_config"] == {}


@pytest.mark.parametrize("model_type", ["bert", "piglatin", "sentence_encoder"])
def test_code_named_deep_inside_a_config_is_not_run_unasked(model_type):
    """Nor inside our own architectures, of which only the `auto_map` at the top names code that is here already."""
    content = {"model_type": model_type, "encoder_config": {"parts": [{"auto_map": {"AutoConfig": "other--evil.C"}}]}}
    options = {"ours": ("piglatin", "sentence_encoder"), "consent": "ask"}
    with pytest.raises(ValueError, match="this model brings its own code; read it, then ask to run it"):
        schemas.check_model_config(content, trust_remote_code=False, **options)


def test_our_own_auto_map_runs_nothing_and_others_name_classes():
    ours = {"model_type": "piglatin", "auto_map": {"AutoConfig": "configuration_piglatin.PigLatinConfig"}}
    assert schemas.check_model_config(ours, ("piglatin",), False) == ours
    with pytest.raises(ValueError, match="'auto_map' names '../x.Config', which is no class in a file"):
        schemas.check_model_config(BERT | {"auto_map": {"AutoConfig": "../x.Config"}}, (), True)


@pytest.mark.parametrize(
    "fields",
    [
        {"num_hidden_layers": 10**6},
        {"num_hidden_layers": -(10**6)},
        {"encoder_layers": 10**6},
        {"decoder_layers": -3},
        {"n_layer": 10**6},
        {"block_sizes": [10**6]},
        {"num_labels": 10**8},
        {"vocab_size": 10**12},
        {"hidden_size": 0},
        {"hidden_size": 10**9},
        {"num_attention_heads": 0},
        {"max_position_embeddings": 10**9},
        {"encoder_config": {"num_hidden_layers": 10**6}},
        {"num_beams": 100_000},
        {"hidden_size": "8"},
        {"hidden_size": True},
        {"model_type": ["bert"]},
        {"architectures": "BertModel"},
        {"id2label": [1]},
        {"eos_token_id": "x"},
        {"pad_token_id": []},
        {"encoder_config": {"num_hidden_layers": 2, "eos_token_id": 1.5}},
        {"id2label": {str(index): "x" for index in range(100_001)}},
    ],
)
def test_sizes_and_types_that_no_model_has_are_refused_by_name(fields):
    with pytest.raises(ValueError, match=f"'({'|'.join([*fields, 'num_hidden_layers', 'eos_token_id'])})' is ") as no:
        check(**fields)
    assert "\n" not in str(no.value) and len(str(no.value)) < 300


def test_names_of_labels_are_texts_numbered_from_0():
    assert check(id2label={"0": 5, "1": "x"})["id2label"] == {"0": "5", "1": "x"}
    for numbers in (["1", "2"], ["0", "2"], ["-1", "0"], ["a"]):
        with pytest.raises(ValueError, match="'id2label' has the numbers"):
            check(id2label=dict.fromkeys(numbers, "x"))


def test_a_family_that_an_old_config_does_not_tell_is_told_by_the_name():
    old = {"hidden_size": 8}
    for name, family in (("emily/Bio_ClinicalBERT", "bert"), ("x/xlm-roberta-base", "xlm-roberta")):
        assert schemas.check_model_config(old, (), False, name)["model_type"] == family
    with pytest.raises(ValueError, match="'model_type' is missing"):
        schemas.check_model_config(old, (), False, "x/y")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"auto_map": {"AutoTokenizer": ["evil.T", None]}}, "brings its own code"),
        ({"auto_map": ["evil.T", None]}, "brings its own code"),
        ({"init_inputs": ["/etc/passwd"]}, "'init_inputs'"),
        ({"sp_model_kwargs": {"model_file": "/etc/passwd"}}, "'model_file'"),
        ({"mecab_kwargs": {"mecab_option": "-o /tmp/x"}}, "'mecab_option'"),
        ({"tokenizer_class": "../x"}, "'tokenizer_class'"),
        ({"model_max_length": "512"}, "'model_max_length'"),
        ({"chat_template": [{"name": "../../x", "template": ""}]}, "would be saved outside"),
        ({"chat_template": ["../x"]}, "would be saved outside"),
        ({"added_tokens_decoder": [1]}, "'added_tokens_decoder'"),
        ({"model_input_names": []}, "'model_input_names'"),
        ({"added_tokens_decoder": {str(number): {} for number in range(20_001)}}, "'added_tokens_decoder'"),
        ({"tokenizer_class": "TransfoXLTokenizer"}, "'tokenizer_class' TransfoXLTokenizer reads a pickled file"),
    ],
)
def test_a_tokenizers_config_opens_nothing_else(fields, says):
    with pytest.raises(ValueError, match=says):
        check_tokenizer(**fields)


def test_a_tokenizers_paths_of_where_it_was_saved_are_dropped():
    left = {"vocab_file": "/etc/passwd", "special_tokens_map_file": "/root/x", "fast_tokenizer_files": ["../x"]}
    kept = {"tokenizer_class": "BertTokenizer", "model_max_length": 10**30, "init_inputs": [], "do_lower_case": True}
    assert check_tokenizer(**left, **kept) == kept


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"layer_replication": [[0, 10**6]]}, "'layer_replication'"),
        ({"loftq_config": {"loftq_bits": 4}}, "'loftq_config'"),
        ({"megatron_config": {"a": 1}}, "'megatron_config'"),
        ({"megatron_core": "evil"}, "'megatron_core'"),
        ({"auto_mapping": {"base_model_class": "system", "parent_library": "os"}}, "'auto_mapping' names 'os'"),
        ({"prompt_tuning_init_state_dict_path": "x.pt"}, "'prompt_tuning_init_state_dict_path'"),
        ({"tokenizer_kwargs": {"trust_remote_code": True}}, "'trust_remote_code'|'tokenizer_kwargs'"),
        ({"peft_type": "XLORA"}, "'peft_type' XLORA"),
        ({"peft_type": None}, "'peft_type'"),
        ({"r": 10**9}, "'r'"),
        ({"r": -1}, "'r'"),
        ({"bottleneck_size": 10**9}, "'bottleneck_size'"),
        ({"peft_type": "VBLORA", "num_vectors": 10**9}, "'num_vectors'"),
        ({"layers_to_transform": [10**6]}, "'layers_to_transform'"),
        ({"target_modules": r"(.*a)*b"}, "'target_modules'"),
        ({"target_modules": r"(.+)+$"}, "'target_modules'"),
        ({"target_modules": "(a|a)" * 30}, "'target_modules'"),
        ({"target_modules": ".*a.*b.*c.*d"}, "'target_modules'"),
        ({"exclude_modules": "(a*)*"}, "'exclude_modules'"),
        ({"modules_to_save": ["(a+)+"]}, "'modules_to_save'"),
        ({"rank_pattern": {"(a+)+": 4}}, "'rank_pattern'"),
        ({"layers_pattern": "(a+)+"}, "'layers_pattern'"),
        ({"adapters": ["../x", "y"]}, "'adapters'"),
        ({"init_lora_weights": "pissa_niter_1000000"}, "'init_lora_weights'"),
        ({"base_model_name_or_path": "../../x"}, "'base_model_name_or_path'"),
        ({"base_model_name_or_path": "/etc"}, "'base_model_name_or_path'"),
        ({"base_model_name_or_path": 3}, "'base_model_name_or_path'"),
    ],
)
def test_an_adapters_config_opens_and_orders_nothing_else(fields, says):
    with pytest.raises(ValueError, match=says):
        check_adapter(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"target_modules": "all-linear", "loftq_config": {}, "megatron_config": None, "megatron_core": "megatron.core"},
        {"target_modules": r".*\.(query|value)$"},
        {"target_modules": ["attn.q", "attn.v"], "rank_pattern": {}, "modules_to_save": ["classifier", "bert.pooler"]},
        {"auto_mapping": {"base_model_class": "BertModel", "parent_library": "transformers.models.bert.modeling_bert"}},
        {"peft_type": "ADALORA", "total_step": 2**63 - 1},
        {"peft_type": "IA3", "feedforward_modules": []},
        {"init_lora_weights": "pissa_niter_16"},
    ],
)
def test_configs_as_peft_writes_them_pass(fields):
    assert check_adapter(**fields)["inference_mode"] is True


def test_a_local_adapter_may_name_a_folder():
    assert schemas.check_adapter_config(LORA | {"base_model_name_or_path": "/home/me/encoder"}, is_remote=False)
    with pytest.raises(ValueError, match="'base_model_name_or_path'"):
        schemas.check_adapter_config(LORA | {"base_model_name_or_path": "/home/../etc"}, is_remote=False)


@pytest.mark.parametrize(
    "fields",
    [{"num_beams": 10**5}, {"max_length": 10**12}, {"cache_implementation": "x"}, {"compile_config": {"a": 1}}],
)
def test_a_generation_config_stays_in_bounds(fields):
    with pytest.raises(ValueError, match=f"'{[*fields][0]}'"):
        schemas.check_generation_config(fields)
    assert schemas.check_generation_config({"max_length": 64, "eos_token_id": [1, 2], "num_beams": 4})


def test_what_a_check_returns_is_plain_json():
    for content in (check(), check_adapter(), check_tokenizer(tokenizer_class="X")):
        assert json.loads(json.dumps(content)) == content


def test_a_tokenizer_knows_more_than_its_special_symbols():
    """Without its files, transformers 5 makes one that does not, and one class's reader returns no tokenizer at all."""
    tokenizer = word_tokenizer()
    schemas.check_words(tokenizer, 60)
    with pytest.raises(ValueError, match="needs embeddings of 60 symbols, the model has 59"):
        schemas.check_words(tokenizer, 59)
    tokenizer.add_special_tokens({"additional_special_tokens": [f"w{index}" for index in range(2, 60)]})
    for nothing in (tokenizer, True):
        with pytest.raises(ValueError, match="no tokenizer that knows any word"):
            schemas.check_words(nothing)
