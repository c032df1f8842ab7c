"""Trained translators from a run's folder or the Hub."""

from workbench.errors import UserError
from workbench.hub.fetch import BROKEN, check_report, check_vocabulary, fetch_model, loading, read_config, reading
from workbench.hub.schemas import check_words

# What decides where an answer begins and ends; all else that a stranger's generation_config.json sets is ours to set.
SYMBOLS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id", "max_length")


def load_translator(name: str, trust_remote_code: bool = False):
    """Model (evaluation mode) and tokenizer of a translator.

    Args:
        name: a run's folder, or a model's name on the Hub.
        trust_remote_code: run the repository's own code, if its architecture is not ours.

    Raises:
        UserError: nothing of that name, no config, no weights or not all of them, or a config that is not safe to read.
    """
    folder = fetch_model(name, trust_remote_code)
    config = read_config(folder)
    if any("ForSequenceClassification" in kind for kind in config.get("architectures") or ()):
        raise UserError(f"{name}: a classifier, not a translator; scripts/classify.py uses it")
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    import custom_models  # noqa: F401, registers our architectures

    auto_class = AutoModelForSeq2SeqLM if config.get("is_encoder_decoder") else AutoModelForCausalLM
    options = {"trust_remote_code": trust_remote_code}
    with loading(name, folder):
        model, report = auto_class.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **options
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, **options)
        check_words(tokenizer)
    check_report(name, report)
    check_vocabulary(name, model, tokenizer)
    with reading(name, BROKEN):
        _try_translator(model.eval(), tokenizer)
    return model, tokenizer


def _try_translator(model, tokenizer) -> None:
    """Keeps of the generation's settings only `SYMBOLS`, and translates a letter; raises whatever there is to raise."""
    from transformers import GenerationConfig

    from .decoding import greedy_decode

    kept, rows = {key: getattr(model.generation_config, key) for key in SYMBOLS}, model.config.vocab_size
    for key in SYMBOLS[:-1]:
        if isinstance(kept[key], int) and not 0 <= kept[key] < rows:
            raise ValueError(f"its {key} is {kept[key]}, of {rows} symbols")
    model.generation_config = GenerationConfig(**kept)
    greedy_decode(model, tokenizer(["a"], return_tensors="pt"), max_new_tokens=1)
