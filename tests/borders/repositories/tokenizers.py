"""Repositories whose tokenizer takes no end, orders too much, or is not one."""

import json
from pathlib import Path

from .case import code, each, edit, hostile

TEMPLATE = "{% for a in range(10**9) %}{% for b in range(10**9) %}x{% endfor %}{% endfor %}"
REACHING = "{{ cycler.__init__.__globals__.os.system('echo jinja >> $IGPAY_PAYLOAD') }}"
MODELS = ("translator", "classifier", "encoder")
BOMB = "(w+ ?|w3)+$|(a|a?)+$|(.*)*(.*)*(.*)*x"


@each({"above": "../../../escaped", "absolute": None, "deep": "a/../../../../escaped"}, *MODELS)
def chat_template_with_a_path(folder: Path, name: str | None) -> None:
    """transformers before 5.10 writes it where its name leads."""
    templates = [
        {"name": "default", "template": "x"},
        {"name": name or str(folder.parent / "escaped"), "template": "y"},
    ]
    edit(folder / "tokenizer_config.json", chat_template=templates)


@each(
    {
        "inside": {"chat_template": TEMPLATE},
        "reaching": {"chat_template": REACHING},
        "of numbers": {"chat_template": 7},
    },
    "translator",
    "classifier",
    may_load=True,
)
def chat_template(folder: Path, fields: dict) -> None:
    edit(folder / "tokenizer_config.json", **fields)


@each({"endless": TEMPLATE, "reaching": REACHING, "broken": "{% for"}, "classifier", "encoder", may_load=True)
def chat_template_in_a_file(folder: Path, template: str) -> None:
    (folder / "chat_template.jinja").write_text(template)
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tool.jinja").write_text(template)


CLASSES = {
    "a function": "os.system",
    "a path": "../../evil",
    "base": "PreTrainedTokenizerBase",
    "slow": "PreTrainedTokenizer",
    "of Japanese": "BertJapaneseTokenizer",
    "of two": "RagTokenizer",
    "of letters": "CanineTokenizer",
    "of a model": "BertModel",
    "of sentencepiece": "T5Tokenizer",
    "of speech": "Wav2Vec2CTCTokenizer",
    "listed": ["BertTokenizer"],
    "number": 7,
}


@each(CLASSES, "classifier", may_load=True)
def tokenizer_class(folder: Path, name) -> None:
    edit(folder / "tokenizer_config.json", tokenizer_class=name)
    code(folder / "evil.py")


@each({name: CLASSES[name] for name in ("a function", "base", "of two", "listed")}, "translator", may_load=True)
def tokenizer_class_of_a_translator(folder: Path, name) -> None:
    edit(folder / "tokenizer_config.json", tokenizer_class=name)


SETTINGS = {
    "length of NaN": {"model_max_length": float("nan")},
    "negative length": {"model_max_length": -1},
    "length of zero": {"model_max_length": 0},
    "length of words": {"model_max_length": "many"},
    "padding a list": {"pad_token": ["a"]},
    "padding a number": {"pad_token": 7},
    "padding unknown": {"pad_token": "[NEVER]"},
    "padding null": {"pad_token": None},
    "padding nested": {"pad_token": {"__type": "AddedToken", "content": {"a": 1}}},
    "padding of another type": {"pad_token": {"__type": "evil", "content": "x"}},
    "padding on no side": {"padding_side": "evil", "truncation_side": "evil"},
    "names of numbers": {"model_input_names": [1, 2]},
    "names of nothing": {"model_input_names": []},
    "names that no model takes": {"model_input_names": ["input_ids", "evil"]},
    "names of a method": {"model_input_names": "input_ids"},
    "added ids of words": {"added_tokens_decoder": {"x": {"content": "w2"}}},
    "added ids far away": {"added_tokens_decoder": {"1000000000": {"content": "w2", "special": True}}},
    "added negative ids": {"added_tokens_decoder": {"-5": {"content": "[NEW]", "special": True}}},
    "added as a list": {"added_tokens_decoder": [1]},
    "added null": {"added_tokens_decoder": {"0": None}},
    "special a number": {"additional_special_tokens": 7},
    "special of numbers": {"additional_special_tokens": [1, 2]},
    "extra special": {"extra_special_tokens": {"__class__": "x", "pad_token": "y"}},
    "object": {"tokenizer_object": "evil"},
    "file": {"tokenizer_file": "/etc/passwd"},
    "vocabulary file": {"vocab_file": "/etc/passwd", "merges_file": "/etc/passwd"},
    "gguf": {"gguf_file": "evil.gguf"},
    "from slow": {"from_slow": True},
    "backend": {"backend": "evil", "fix_mistral_regex": True},
    "reserved": {"name_or_path": "/etc", "_commit_hash": "x", "processor_class": "evil", "init_inputs": [1, 2, 3]},
    "inputs": {"init_inputs": ["/etc/passwd"]},
    "spaces": {"clean_up_tokenization_spaces": "x", "split_special_tokens": "x"},
    "a method": {"convert_tokens_to_ids": 1, "pad": 2, "__call__": 3},
    "auto class": {"tokenizer_class": None, "config_class": "evil"},
    "trusting": {"trust_remote_code": True},
}


@each(SETTINGS, "classifier", may_load=True)
def setting(folder: Path, fields: dict) -> None:
    edit(folder / "tokenizer_config.json", **fields)


@each(
    {
        name: SETTINGS[name]
        for name in (
            "padding nested",
            "added ids far away",
            "object",
            "names of numbers",
            "added as a list",
            "from slow",
        )
    },
    "translator",
    "encoder",
    may_load=True,
)
def setting_elsewhere(folder: Path, fields: dict) -> None:
    edit(folder / "tokenizer_config.json", **fields)


def growing(times: int) -> dict:
    """Each w becomes ten, again and again."""
    step = {"type": "Replace", "pattern": {"String": "w"}, "content": "w" * 10}
    return {"type": "Sequence", "normalizers": [step] * times}


PARTS = {
    "normalizer that grows": {"normalizer": growing(10)},
    "normalizer of a bomb": {"normalizer": {"type": "Replace", "pattern": {"Regex": BOMB}, "content": "x"}},
    "splitter of a bomb": {
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": BOMB}, "behavior": "Removed", "invert": False}
    },
    "broken expression": {"normalizer": {"type": "Replace", "pattern": {"Regex": "(((("}, "content": ""}},
    "unknown normalizer": {"normalizer": {"type": "Evil"}},
    "precompiled": {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA" * 1000}},
    "padded to a billion": {
        "padding": {
            "strategy": {"Fixed": 10**9},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "[PAD]",
        }
    },
    "padded to multiples": {
        "padding": {
            "strategy": "BatchLongest",
            "direction": "Right",
            "pad_to_multiple_of": 10**9,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "[PAD]",
        }
    },
    "cut to nothing": {"truncation": {"direction": "Right", "max_length": 0, "strategy": "LongestFirst", "stride": 0}},
    "stride beyond": {"truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 9}},
    "unknown model": {"model": {"type": "Evil", "vocab": {}}},
    "model of another type": {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["b", "c"]]}},
    "no vocabulary": {"model": {"type": "WordLevel", "vocab": {}, "unk_token": "[UNK]"}},
    "ids far away": {
        "model": {
            "type": "WordLevel",
            "vocab": {"[PAD]": 0, "[UNK]": 1, "w3": 10**9, "w9": 4_000_000_000},
            "unk_token": "[UNK]",
        }
    },
    "ids beyond the model": {
        "model": {"type": "WordLevel", "vocab": {"[PAD]": 0, "[UNK]": 61, "w3": 60, "w9": 99}, "unk_token": "[UNK]"}
    },
    "ids negative": {"model": {"type": "WordLevel", "vocab": {"[PAD]": -1, "w3": -7}, "unk_token": "[UNK]"}},
    "unknown never": {"model": {"type": "WordLevel", "vocab": {"[PAD]": 0, "x": 1}, "unk_token": "[NEVER]"}},
    "word pieces of a bomb": {
        "model": {
            "type": "WordPiece",
            "vocab": {"[PAD]": 0, "[UNK]": 1},
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "",
            "max_input_chars_per_word": 10**18,
        }
    },
    "a template beyond": {
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[X]", "type_id": 9}}, {"Sequence": {"id": "A", "type_id": 7}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"[X]": {"id": "[X]", "ids": [10**6], "tokens": ["[X]"]}},
        }
    },
    "version": {"version": "99.0"},
    "added many": {
        "added_tokens": [
            {
                "id": 100 + number,
                "content": f"t{number}",
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": True,
                "special": False,
            }
            for number in range(100_000)
        ]
    },
    "added empty": {
        "added_tokens": [
            {
                "id": 0,
                "content": "",
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": True,
                "special": True,
            }
        ]
    },
}
SAFE = {
    "broken expression",
    "version",
    "cut to nothing",
    "stride beyond",
    "precompiled",
    "added many",
    "added empty",
    "word pieces of a bomb",
    "normalizer of a bomb",
    "splitter of a bomb",
    "padded to a billion",
    "unknown never",
    "a template beyond",
    "padded to multiples",
    "normalizer that grows",
    "no vocabulary",
}


@each(PARTS, "classifier", may_load=SAFE)
def part(folder: Path, fields: dict) -> None:
    edit(folder / "tokenizer.json", **fields)


CHOSEN = (
    "normalizer that grows",
    "ids far away",
    "ids beyond the model",
    "padded to a billion",
    "unknown model",
    "splitter of a bomb",
)


@each({name: PARTS[name] for name in CHOSEN}, "encoder", "lora", may_load=SAFE)
def part_elsewhere(folder: Path, fields: dict) -> None:
    edit(folder / "tokenizer.json", **fields)


@each(
    {
        "normalizer that grows": {"normalizer": growing(12)},
        "no letters": {"model": {"type": "WordLevel", "vocab": {}, "unk_token": "<unk>"}},
    },
    "translator",
    may_load=True,
)
def part_of_a_translator(folder: Path, fields: dict) -> None:
    text = json.dumps(fields).replace('"w', '"s').replace("wwwwwwwwww", "ssssssssss")
    edit(folder / "tokenizer.json", **json.loads(text))


@each(
    {"binary": b"\xff\xfe\0\x01" * 1000, "one line": b"x" * 5_000_000, "empty": b"", "many lines": b"a\n" * 2_000_000},
    "classifier",
)
def vocabulary_alone(folder: Path, content: bytes) -> None:
    (folder / "tokenizer.json").unlink()
    edit(folder / "tokenizer_config.json", tokenizer_class="BertTokenizer")
    (folder / "vocab.txt").write_bytes(content)


@each({"sentencepiece": "spiece.model", "of Roberta": "vocab.json", "tiktoken": "tokenizer.model"}, "classifier")
def vocabulary_of_noise(folder: Path, name: str) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "merges.txt").write_bytes(b"\xff" * 100)
    (folder / name).write_bytes(b"\0\x01\xff" * 1000)
    edit(folder / "tokenizer_config.json", "tokenizer_class")


@hostile("classifier", "encoder")
def no_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)


@each({"escapes": "\x1b[2Jw3", "page": "<script>alert(1)</script>"}, "classifier", may_load=True)
def padding_named(folder: Path, name: str) -> None:
    edit(folder / "tokenizer_config.json", pad_token=name)
