"""Models that ship to the Hub. Importing this package registers them with the `Auto*` classes."""

from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from .configuration_piglatin import PigLatinConfig
from .modeling_piglatin import PigLatinForCausalLM, PigLatinForConditionalGeneration
from .tokenization_piglatin import build_tokenizer

AutoConfig.register(PigLatinConfig.model_type, PigLatinConfig)
AutoModelForSeq2SeqLM.register(PigLatinConfig, PigLatinForConditionalGeneration)
AutoModelForCausalLM.register(PigLatinConfig, PigLatinForCausalLM)
# `save_pretrained` then puts our source beside the weights, so that a checkpoint loads where igpay is not installed.
PigLatinConfig.register_for_auto_class()
PigLatinForConditionalGeneration.register_for_auto_class("AutoModelForSeq2SeqLM")
PigLatinForCausalLM.register_for_auto_class("AutoModelForCausalLM")

ARCHITECTURES = {"encoder-decoder": PigLatinForConditionalGeneration, "decoder-only": PigLatinForCausalLM}

__all__ = [
    "ARCHITECTURES",
    "PigLatinConfig",
    "PigLatinForCausalLM",
    "PigLatinForConditionalGeneration",
    "build_tokenizer",
]
