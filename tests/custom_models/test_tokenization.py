"""The character tokenizer: exact round trips, special symbols, and loading without code of ours."""

import subprocess
import sys
import unicodedata

import pytest
from transformers import AutoTokenizer

from custom_models import build_tokenizer

TEXTS = ["street", "naïve", "Ünïcödé", "日本語", "שלום", "a b\tc\nd", "👩‍🚀", "e\u0301", "<s>", "<pad>x</s>", "-"]


@pytest.fixture
def tokenizer():
    return build_tokenizer(TEXTS)


@pytest.mark.parametrize("text", TEXTS)
def test_decoding_gives_the_normalised_text_back_exactly(tokenizer, text):
    ids = tokenizer(text)["input_ids"]
    normalised = unicodedata.normalize("NFC", text)
    assert tokenizer.decode(ids, skip_special_tokens=True) == normalised
    assert len(ids) == len(normalised) + 1 and ids[-1] == tokenizer.eos_token_id
    assert tokenizer.unk_token_id not in ids


def test_special_symbols_have_the_first_ids_and_29_symbols_write_pig_latin(tokenizer):
    letters = build_tokenizer(["abcdefghijklmnopqrstuvwxyz-"])
    assert letters.convert_ids_to_tokens(range(5)) == ["<pad>", "<s>", "</s>", "<eop>", "<unk>"]
    assert len(letters) == 27 + 5
    assert letters("é")["input_ids"] == [letters.unk_token_id, letters.eos_token_id]


def test_decoder_only_sequences_hold_prompt_and_target():
    tokenizer = build_tokenizer(["ab"], "decoder-only")
    prompt = tokenizer.convert_ids_to_tokens(tokenizer("ab")["input_ids"])
    whole = tokenizer.convert_ids_to_tokens(tokenizer("ab", "ba")["input_ids"])
    assert prompt == ["<s>", "a", "b", "<eop>"]
    assert whole == ["<s>", "a", "b", "<eop>", "b", "a", "</s>"]
    batch = tokenizer(["a", "abab"], padding=True)
    assert batch["attention_mask"][0] == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("architecture", ["encoder-decoder", "decoder-only"])
def test_a_saved_tokenizer_loads_where_igpay_is_not_installed(tmp_path, architecture):
    tokenizer = build_tokenizer(TEXTS, architecture)
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert [loaded(text)["input_ids"] for text in TEXTS] == [tokenizer(text)["input_ids"] for text in TEXTS]
    program = (
        "import sys; sys.modules['custom_models'] = None\n"
        "from transformers import AutoTokenizer\n"
        f"print(AutoTokenizer.from_pretrained({str(tmp_path)!r})('<s>street')['input_ids'])"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == str(tokenizer("<s>street")["input_ids"])
