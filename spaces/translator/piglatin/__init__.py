"""igpay's character transformers, known to the `Auto*` classes, so that no model has to bring their code."""

from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from .configuration_piglatin import PigLatinConfig
from .modeling_piglatin import PigLatinForCausalLM, PigLatinForConditionalGeneration

AutoConfig.register(PigLatinConfig.model_type, PigLatinConfig, exist_ok=True)
AutoModelForSeq2SeqLM.register(PigLatinConfig, PigLatinForConditionalGeneration, exist_ok=True)
AutoModelForCausalLM.register(PigLatinConfig, PigLatinForCausalLM, exist_ok=True)
