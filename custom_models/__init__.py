"""Models that ship to the Hub. Importing this package registers them with the `Auto*` classes."""

from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification

from .configuration_piglatin import PigLatinConfig
from .configuration_sentence_encoder import SentenceEncoderConfig
from .modeling_piglatin import PigLatinForCausalLM, PigLatinForConditionalGeneration
from .modeling_sentence_encoder import SentenceEncoderForSequenceClassification
from .tokenization_piglatin import build_tokenizer

AutoConfig.register(PigLatinConfig.model_type, PigLatinConfig)
AutoModelForSeq2SeqLM.register(PigLatinConfig, PigLatinForConditionalGeneration)
AutoModelForCausalLM.register(PigLatinConfig, PigLatinForCausalLM)
AutoConfig.register(SentenceEncoderConfig.model_type, SentenceEncoderConfig)
AutoModelForSequenceClassification.register(SentenceEncoderConfig, SentenceEncoderForSequenceClassification)
# `save_pretrained` then puts our source beside the weights, so that a checkpoint loads where igpay is not installed.
PigLatinConfig.register_for_auto_class()
PigLatinForConditionalGeneration.register_for_auto_class("AutoModelForSeq2SeqLM")
PigLatinForCausalLM.register_for_auto_class("AutoModelForCausalLM")
SentenceEncoderConfig.register_for_auto_class()
SentenceEncoderForSequenceClassification.register_for_auto_class("AutoModelForSequenceClassification")

ARCHITECTURES = {"encoder-decoder": PigLatinForConditionalGeneration, "decoder-only": PigLatinForCausalLM}

__all__ = [
    "ARCHITECTURES",
    "PigLatinConfig",
    "PigLatinForCausalLM",
    "PigLatinForConditionalGeneration",
    "SentenceEncoderConfig",
    "SentenceEncoderForSequenceClassification",
    "build_tokenizer",
]
