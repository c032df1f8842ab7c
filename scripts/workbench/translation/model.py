"""Trained translators from a run's folder or the Hub."""

from workbench.errors import UserError
from workbench.hub.fetch import BROKEN, check_report, check_vocabulary, fetch_model, loading, read_config, reading

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
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer, GenerationConfig

    import custom_models  # noqa: F401, registers our architectures

    from .decoding import greedy_decode

    auto_class = AutoModelForSeq2SeqLM if config.get("is_encoder_decoder") else AutoModelForCausalLM
    options = {"trust_remote_code": trust_remote_code}
    with loading(name, folder):
        model, report = auto_class.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **options
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, **options)
    check_report(name, report)
    check_vocabulary(name, model, tokenizer)
    model.eval()
    with reading(name, BROKEN):
        kept = {field: getattr(model.generation_config, field) for field in SYMBOLS}
        model.generation_config = GenerationConfig(**kept)
        greedy_decode(model, tokenizer(["a"], return_tensors="pt"), max_new_tokens=1)
    return model, tokenizer
