"""Translators whose generation config orders too much, or another way to write."""

from pathlib import Path

from .case import each, edit

FIELDS = {
    "length huge": {"max_length": 10**12},
    "new tokens huge": {"max_new_tokens": 10**9, "min_new_tokens": 10**9},
    "beams huge": {"num_beams": 10**6},
    "beams negative": {"num_beams": -1},
    "answers huge": {"num_return_sequences": 10**6},
    "length of words": {"max_length": "many"},
    "length of NaN": {"max_length": float("nan")},
    "cache unknown": {"cache_implementation": "evil"},
    "cache static": {"cache_implementation": "static"},
    "cache offloaded": {"cache_implementation": "offloaded_hybrid_chunked"},
    "cache quantized": {"cache_implementation": "quantized", "cache_config": {"backend": "evil"}},
    "compiled": {"compile_config": {"fullgraph": True, "backend": "evil"}, "disable_compile": False},
    "watermark": {"watermarking_config": {"seeding_scheme": "evil"}},
    "lookup": {"prompt_lookup_num_tokens": 10**9},
    "assistant": {"is_assistant": True, "num_assistant_tokens": 10**9},
    "layers skipped": {"assistant_early_exit": 1},
    "bad words": {"bad_words_ids": [[10**12]]},
    "forced": {"forced_decoder_ids": [[1, 10**9]], "forced_bos_token_id": 10**9},
    "constraints": {"constraints": ["x"], "force_words_ids": [[1]]},
    "sampling of NaN": {"do_sample": True, "temperature": float("nan"), "top_k": -1},
    "temperature of words": {"temperature": "hot"},
    "stop strings": {"stop_strings": ["a"] * 1000},
    "end of words": {"eos_token_id": "x"},
    "end a list": {"eos_token_id": [[1]]},
    "end null": {"eos_token_id": None},
    "start far away": {"decoder_start_token_id": 10**9},
    "padding far away": {"pad_token_id": 10**9},
    "contrast": {"penalty_alpha": 0.6, "top_k": 4},
    "layers contrasted": {"dola_layers": "high"},
    "tables returned": {"return_dict_in_generate": True, "output_scores": True, "output_attentions": True},
    "no cache": {"use_cache": False},
    "repetition": {"repetition_penalty": -1},
    "n-grams": {"no_repeat_ngram_size": 10**9, "encoder_no_repeat_ngram_size": 10**9},
    "a time": {"max_time": -1},
    "groups": {"num_beam_groups": 7, "diversity_penalty": 1.0, "num_beams": 7},
    "guidance": {"guidance_scale": 9.0},
    "bias of sequences": {"sequence_bias": [[[10**9], 1.0]]},
    "a method": {"validate": 1, "update": 2, "to_dict": 3, "get_generation_mode": 4},
    "unknown": {"evil": {"a": [1]}},
}


# That what is asked for is not done is as good as a refusal: the script has options of its own.
@each(FIELDS, "translator", may_load=True)
def field(folder: Path, fields: dict) -> None:
    edit(folder / "generation_config.json", **fields)


CHOSEN = ("length huge", "beams huge", "cache unknown", "end of words", "tables returned", "start far away")


@each({name: FIELDS[name] for name in CHOSEN}, "decoder", may_load=True)
def field_of_a_decoder(folder: Path, fields: dict) -> None:
    edit(folder / "generation_config.json", **fields)


@each(
    {name: FIELDS[name] for name in ("length huge", "beams huge", "tables returned", "end of words")},
    "translator",
    may_load=True,
)
def field_in_the_models_config(folder: Path, fields: dict) -> None:
    """transformers before 5 takes generation's settings from there too."""
    edit(folder / "config.json", **fields)
    (folder / "generation_config.json").unlink()
