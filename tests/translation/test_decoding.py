"""Decoding: our fast loop writes what `generate` writes, in any batch, on both architectures."""

import pytest
import torch

from custom_models import ARCHITECTURES, PigLatinConfig, build_tokenizer
from workbench.translation.decoding import attention_of, decode_words, greedy_decode, longest_word, pad_prompts

WORDS = ["a", "street", "quick", "impress", "my", "shopping", "zz", "team", "extraordinary", "i"] * 3


@pytest.fixture(params=list(ARCHITECTURES))
def translator(request):
    """An untrained model whose end mark is likely enough that its words end, at different lengths."""
    torch.manual_seed(3)
    tokenizer = build_tokenizer(["abcdefghijklmnopqrstuvwxyz"], request.param)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "encoder_layers": 2, "decoder_layers": 2}
    config = PigLatinConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **sizes)
    model = ARCHITECTURES[request.param](config).eval()
    with torch.no_grad():
        model.lm_head.weight *= 4
        model.lm_head.bias[tokenizer.eos_token_id] = 2.0
    return model, tokenizer


def by_generate(model, tokenizer, word: str, **options) -> str:
    inputs = tokenizer(word, return_tensors="pt")
    written = model.generate(**inputs, do_sample=False, max_new_tokens=longest_word(model), **options)[0]
    prompt = 1 if model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
    return tokenizer.decode(written[prompt:], skip_special_tokens=True)


def test_words_end_at_different_lengths_so_that_rows_leave_the_batch(translator):
    lengths = {len(word) for word in decode_words(*translator, WORDS)}
    assert len(lengths) > 3 and min(lengths) < 5


@pytest.mark.parametrize("num_beams", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_batches_of_any_size_write_what_generate_writes_word_by_word(translator, batch_size, num_beams):
    model, tokenizer = translator
    written = decode_words(model, tokenizer, WORDS, batch_size=batch_size, num_beams=num_beams)
    assert written[:10] == [by_generate(model, tokenizer, word, num_beams=num_beams) for word in WORDS[:10]]


def test_equal_words_in_different_places_get_equal_translations_in_order(translator):
    written = decode_words(*translator, WORDS)
    assert written[:10] == written[10:20] == written[20:]


def test_decoding_stops_at_the_limit_without_an_end_mark(translator):
    model, tokenizer = translator
    with torch.no_grad():
        model.lm_head.bias[tokenizer.eos_token_id] = -100.0
    rows = greedy_decode(model, pad_prompts(tokenizer, tokenizer(["ab", "abc"])["input_ids"], model.device), 7)
    assert [len(row) for row in rows] == [7, 7]


def test_no_words_give_no_translations(translator):
    assert decode_words(*translator, []) == []


def test_attention_maps_have_a_row_per_output_symbol_and_sum_to_one(translator):
    model, tokenizer = translator
    translation, panels, source, output = attention_of(model, tokenizer, "street")
    assert translation == decode_words(model, tokenizer, ["street"])[0]
    assert "".join(symbol for symbol in output if len(symbol) == 1) == translation and output[-1] == "</s>"
    assert "street" in "".join(source)
    assert len(panels) == model.config.decoder_layers
    for rows in panels.values():
        assert len(rows) == len(output) and len(rows[0]) == len(source)
        sums = torch.tensor(rows).sum(dim=-1)
        if model.config.is_encoder_decoder:
            assert torch.allclose(sums, torch.ones_like(sums), atol=1e-5)
        else:
            assert sums[0] == pytest.approx(1.0, abs=1e-5) and (sums <= 1.0 + 1e-5).all()
