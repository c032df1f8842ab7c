# The same as custom_models/modeling_piglatin.py
"""Pig Latin character transformers: encoder-decoder and decoder-only, both `PreTrainedModel`s that `generate`.

Shapes use B (batch), T (target or whole sequence), S (source), H (hidden size) and V (vocabulary).
"""

import math
from dataclasses import fields

import torch
from torch import nn
from torch.nn import functional as F
from transformers import DynamicCache, EncoderDecoderCache, GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import (
    BaseModelOutput,
    BaseModelOutputWithPastAndCrossAttentions,
    CausalLMOutputWithPast,
    Seq2SeqLMOutput,
)

from .configuration_piglatin import PigLatinConfig
from .layers_piglatin import Block, RotaryPositions, SinusoidalPositions, additive_mask, causal_mask

IGNORE_INDEX = -100
# transformers 5.24 renamed outputs and arguments `past_key_values` to `cache`: `generate` reads and passes this name.
CACHE_NAME = next(field.name for field in fields(CausalLMOutputWithPast) if field.name in ("cache", "past_key_values"))


class PigLatinPreTrainedModel(PreTrainedModel):
    """The part that both models share: initialisation, and their properties for transformers."""

    config_class = PigLatinConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _no_split_modules = ["Block"]

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, (SinusoidalPositions, RotaryPositions)):
            module.fill()


class PigLatinStack(PigLatinPreTrainedModel):
    """Embeddings, positions and a run of blocks; the encoder, the decoder and the decoder-only body are all one.

    Args:
        config: sizes and choices.
        num_layers: how many blocks.
        is_causal: whether a position sees only itself and what came before.
        crosses: whether each block also attends to encoder states.
    """

    main_input_name = "input_ids"

    def __init__(self, config: PigLatinConfig, num_layers: int, is_causal: bool, crosses: bool = False):
        super().__init__(config)
        self.is_causal = is_causal
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        sinusoidal = config.position_type == "sinusoidal"
        width = config.hidden_size if sinusoidal else config.hidden_size // config.num_attention_heads
        self.positions = (SinusoidalPositions if sinusoidal else RotaryPositions)(config.max_position_embeddings, width)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(Block(config, index, crosses) for index in range(num_layers))
        self.norm = nn.LayerNorm(config.hidden_size) if config.layer_norm == "pre" else nn.Identity()
        self.gradient_checkpointing = False
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embed_tokens

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        self.embed_tokens = value

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        encoder_hidden_states=None,
        encoder_attention_mask=None,
        position_ids=None,
        cache=None,
        inputs_embeds=None,
        output_attentions=False,
        output_hidden_states=False,
        return_dict=True,
        **kwargs,
    ):
        """Symbols (B, T) to states (B, T, H).

        Args:
            attention_mask: (B, past + T), 1 for symbols and 0 for padding.
            encoder_hidden_states: (B, S, H), with `encoder_attention_mask` (B, S); for cross-attention.
            position_ids: (B, T); counted from `attention_mask` if not given, so that padding takes no place.

        Raises:
            ValueError: the sequence is longer than `max_position_embeddings`.
        """
        embeds = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        past_length = cache.get_seq_length() if cache is not None else 0
        length = past_length + embeds.shape[1]
        if length > self.config.max_position_embeddings:
            raise ValueError(f"a sequence of {length} symbols: at most {self.config.max_position_embeddings} fit")
        if position_ids is None:
            position_ids = _count_positions(attention_mask, past_length, embeds)
        rotary = encoder_rotary = None
        if self.config.position_type == "rotary":
            rotary = self.positions(position_ids, embeds.dtype)
            # The encoder's keys are rotated when they enter the cache, so that later steps need no angles for them.
            if encoder_hidden_states is not None and past_length == 0:
                encoder_positions = _count_positions(encoder_attention_mask, 0, encoder_hidden_states)
                encoder_rotary = self.positions(encoder_positions, embeds.dtype)
        else:
            embeds = embeds + self.positions(position_ids, embeds.dtype)
        states = self.dropout(embeds)
        mask = self._self_attention_mask(attention_mask, embeds, length)
        encoder_mask = _padding_mask(encoder_attention_mask, embeds.dtype)

        all_states, attentions, cross_attentions = (states,), (), ()
        for layer in self.layers:
            states, weights, cross_weights = layer(
                states,
                mask,
                encoder_hidden_states,
                encoder_mask,
                cache,
                rotary,
                encoder_rotary,
                output_attentions,
            )
            all_states += (states,)
            attentions += (weights,)
            cross_attentions += (cross_weights,)
        states = self.norm(states)
        output = BaseModelOutputWithPastAndCrossAttentions(
            last_hidden_state=states,
            hidden_states=(*all_states[:-1], states) if output_hidden_states else None,
            attentions=attentions if output_attentions else None,
            cross_attentions=cross_attentions if output_attentions and encoder_hidden_states is not None else None,
            **{CACHE_NAME: cache},
        )
        return output if return_dict else output.to_tuple()

    def _self_attention_mask(self, attention_mask, embeds, length) -> torch.Tensor | None:
        if not self.is_causal:
            return _padding_mask(attention_mask, embeds.dtype)
        if attention_mask is None and embeds.shape[1] == 1:
            return None
        allowed = causal_mask(embeds.shape[1], length, embeds.device)[None, None]
        if attention_mask is not None:
            allowed = allowed & attention_mask.bool()[:, None, None, :]
        return additive_mask(allowed, embeds.dtype)


def _count_positions(attention_mask: torch.Tensor | None, past_length: int, states: torch.Tensor) -> torch.Tensor:
    """(B or 1, T) positions of `states` (B, T, H), behind `past_length` others; padding takes none."""
    if attention_mask is None:
        return torch.arange(past_length, past_length + states.shape[1], device=states.device)[None]
    return (attention_mask.long().cumsum(dim=-1) - 1).clamp(min=0)[:, -states.shape[1] :]


def _padding_mask(attention_mask: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor | None:
    """(B, S) of ones and zeros to an additive (B, 1, 1, S)."""
    return None if attention_mask is None else additive_mask(attention_mask.bool()[:, None, None, :], dtype)


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor, num_items_in_batch=None) -> torch.Tensor:
    """Mean over the labels that are not -100 of -log p(label), in nats.

    Args:
        logits: (B, T, V).
        labels: (B, T).
        num_items_in_batch: labels in the whole optimiser step, across accumulation and processes; divides the sum.
    """
    reduction = "mean" if num_items_in_batch is None else "sum"
    loss = F.cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORE_INDEX, reduction=reduction
    )
    return loss if num_items_in_batch is None else loss / num_items_in_batch


class PigLatinForConditionalGeneration(PigLatinPreTrainedModel, GenerationMixin):
    """Encoder-decoder: reads the whole source, writes the target symbol by symbol."""

    main_input_name = "input_ids"

    def __init__(self, config: PigLatinConfig):
        config.is_encoder_decoder = True
        super().__init__(config)
        self.encoder = PigLatinStack(config, config.encoder_layers, is_causal=False)
        self.decoder = PigLatinStack(config, config.decoder_layers, is_causal=True, crosses=True)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size)
        self.post_init()

    def get_encoder(self, modality=None) -> PigLatinStack:
        return self.encoder

    def get_decoder(self) -> PigLatinStack:
        return self.decoder

    def get_input_embeddings(self) -> nn.Embedding:
        return self.encoder.embed_tokens

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        self.encoder.embed_tokens = value

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head

    def set_output_embeddings(self, value: nn.Linear) -> None:
        self.lm_head = value

    def prepare_decoder_input_ids_from_labels(self, labels: torch.Tensor) -> torch.Tensor:
        """Labels (B, T) shifted right behind the start symbol; -100 becomes padding."""
        start = labels.new_full((labels.shape[0], 1), self.config.decoder_start_token_id)
        shifted = torch.cat((start, labels[:, :-1]), dim=1)
        return shifted.masked_fill(shifted == IGNORE_INDEX, self.config.pad_token_id)

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        decoder_input_ids=None,
        decoder_attention_mask=None,
        encoder_outputs=None,
        past_key_values=None,
        inputs_embeds=None,
        labels=None,
        use_cache=None,
        output_attentions=None,
        output_hidden_states=None,
        return_dict=None,
        num_items_in_batch=None,
        cache=None,
        **kwargs,
    ):
        """Source (B, S) and target so far (B, T) to logits (B, T, V); with `labels` (B, T), also the loss.

        `past_key_values` and `cache` are one argument: transformers renamed it in 5.24.

        Raises:
            ValueError: neither `labels` nor `decoder_input_ids` is given, or a sequence is too long.
        """
        output_attentions = self.config.output_attentions if output_attentions is None else output_attentions
        return_dict = self.config.return_dict if return_dict is None else return_dict
        options = {"output_attentions": output_attentions, "output_hidden_states": output_hidden_states}
        if encoder_outputs is None:
            encoder_outputs = self.encoder(input_ids, attention_mask, inputs_embeds=inputs_embeds, **options)
        elif isinstance(encoder_outputs, tuple):
            encoder_outputs = BaseModelOutput(*encoder_outputs)
        if decoder_input_ids is None:
            if labels is None:
                raise ValueError("give labels, or decoder_input_ids; to translate, call generate()")
            decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
        cache = past_key_values if cache is None else cache
        if use_cache and cache is None:
            cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        decoded = self.decoder(
            decoder_input_ids,
            decoder_attention_mask,
            encoder_outputs[0],
            attention_mask,
            cache=cache,
            **options,
        )
        logits = self.lm_head(decoded.last_hidden_state)
        output = Seq2SeqLMOutput(
            loss=None if labels is None else cross_entropy(logits, labels, num_items_in_batch),
            logits=logits,
            decoder_hidden_states=decoded.hidden_states,
            decoder_attentions=decoded.attentions,
            cross_attentions=decoded.cross_attentions,
            encoder_last_hidden_state=encoder_outputs[0],
            encoder_hidden_states=encoder_outputs.get("hidden_states"),
            encoder_attentions=encoder_outputs.get("attentions"),
            **{CACHE_NAME: cache},
        )
        return output if return_dict else output.to_tuple()


class PigLatinForCausalLM(PigLatinPreTrainedModel, GenerationMixin):
    """Decoder-only: reads `<s> source <eop>` and goes on with `target </s>`; the loss is on what labels do not hide."""

    main_input_name = "input_ids"

    def __init__(self, config: PigLatinConfig):
        config.is_encoder_decoder = False
        super().__init__(config)
        self.model = PigLatinStack(config, config.decoder_layers, is_causal=True)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size)
        self.post_init()

    def get_decoder(self) -> PigLatinStack:
        return self.model

    def get_input_embeddings(self) -> nn.Embedding:
        return self.model.embed_tokens

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        self.model.embed_tokens = value

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head

    def set_output_embeddings(self, value: nn.Linear) -> None:
        self.lm_head = value

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        inputs_embeds=None,
        labels=None,
        use_cache=None,
        output_attentions=None,
        output_hidden_states=None,
        return_dict=None,
        num_items_in_batch=None,
        logits_to_keep=0,
        cache=None,
        **kwargs,
    ):
        """Symbols (B, T) to logits (B, T, V), or of the last `logits_to_keep`; with `labels` (B, T), also the loss.

        `labels` is `input_ids` with -100 over the prompt and the padding; the shift by one happens here.
        `past_key_values` and `cache` are one argument: transformers renamed it in 5.24.
        """
        return_dict = self.config.return_dict if return_dict is None else return_dict
        cache = past_key_values if cache is None else cache
        if use_cache and cache is None:
            cache = DynamicCache()
        decoded = self.model(
            input_ids,
            attention_mask,
            position_ids=position_ids,
            cache=cache,
            inputs_embeds=inputs_embeds,
            output_attentions=self.config.output_attentions if output_attentions is None else output_attentions,
            output_hidden_states=output_hidden_states,
        )
        logits = self.lm_head(decoded.last_hidden_state[:, -logits_to_keep:])
        loss = None if labels is None else cross_entropy(logits[:, :-1], labels[:, 1:], num_items_in_batch)
        output = CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            hidden_states=decoded.hidden_states,
            attentions=decoded.attentions,
            **{CACHE_NAME: cache},
        )
        return output if return_dict else output.to_tuple()
