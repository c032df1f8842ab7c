"""A sentence classifier on any encoder of transformers, with mean pooling and a learned mix of all layers.

Shapes use B (batch), T (tokens), H (hidden size), L (layers) and C (classes; 1 for regression).
"""

import torch
from torch import nn
from torch.nn import functional as F
from transformers import AutoModel, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from .configuration_sentence_encoder import SentenceEncoderConfig


class ScalarMix(nn.Module):
    """gamma · sum_j softmax(s)_j h_j over the embeddings and all layers (Peters et al. 2018, equation 1)."""

    def __init__(self, num_states: int):
        super().__init__()
        self.scores = nn.Parameter(torch.empty(num_states))
        self.gamma = nn.Parameter(torch.empty(1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The plain mean of all layers."""
        nn.init.zeros_(self.scores)
        nn.init.ones_(self.gamma)

    def forward(self, states: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """L + 1 states (B, T, H) to their mix (B, T, H)."""
        if len(states) != len(self.scores):
            raise ValueError(f"{len(states)} hidden states to mix with {len(self.scores)} scores")
        weights = self.scores.softmax(dim=0)
        return self.gamma * sum(weight * state for weight, state in zip(weights, states, strict=True))


class SentencePooler(nn.Module):
    """Linear and tanh, as BERT's pooler, from whose weights it begins."""

    def __init__(self, config: SentenceEncoderConfig):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """(B, H) to (B, H)."""
        return torch.tanh(self.dense(vectors))


class SentenceHead(nn.Module):
    """Linear, tanh, dropout, Linear; the linear head is dropout and the last Linear alone."""

    def __init__(self, config: SentenceEncoderConfig):
        super().__init__()
        self.dense = None if config.head == "linear" else nn.Linear(config.hidden_size, config.hidden_size)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.out_proj = nn.Linear(config.hidden_size, config.num_labels)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """(B, H) to logits (B, C)."""
        hidden = vectors if self.dense is None else torch.tanh(self.dense(vectors))
        return self.out_proj(self.dropout(hidden))


class SentenceEncoderForSequenceClassification(PreTrainedModel):
    """An encoder, a learned mix of its layers if asked for, pooling over the tokens, and a head."""

    config_class = SentenceEncoderConfig
    base_model_prefix = "encoder"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    # The encoder refuses what it cannot do itself.
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    # Its loss is a mean over the batch; the Trainer need not pass what else there is in the optimiser step.
    accepts_loss_kwargs = False

    def __init__(self, config: SentenceEncoderConfig):
        super().__init__(config)
        self.encoder = AutoModel.from_config(config.encoder_config)
        # A pooler that no loss reaches would stop distributed training; what we need of it is in the head.
        if getattr(self.encoder, "pooler", None) is not None:
            self.encoder.pooler = None
        self.scalar_mix = ScalarMix(config.num_hidden_layers + 1) if config.use_scalar_mix else None
        self.pooler = SentencePooler(config) if config.head == "two_layer" else None
        self.classifier = SentenceHead(config)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=getattr(self.config.encoder_config, "initializer_range", 0.02))
            nn.init.zeros_(module.bias)
        elif isinstance(module, ScalarMix):
            module.reset_parameters()

    def get_input_embeddings(self) -> nn.Module:
        return self.encoder.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.encoder.set_input_embeddings(value)

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        token_type_ids=None,
        inputs_embeds=None,
        past_key_values=None,
        labels=None,
        output_attentions=None,
        output_hidden_states=None,
        return_dict=None,
        **kwargs,
    ):
        """Tokens (B, T) to logits (B, C); with `labels` (B,), also the loss.

        Args:
            attention_mask: (B, T), 1 for tokens and 0 for padding, which mean pooling leaves out.
            token_type_ids: (B, T), for encoders that have them.
            past_key_values: keys and values before the text's, which the mask covers too (prefix tuning), for encoders
                that take them.
            labels: classes as int64 (cross-entropy, in nats), or numbers (mean squared error) if C is 1.
        """
        wanted = {"token_type_ids": token_type_ids, "inputs_embeds": inputs_embeds, "input_ids": input_ids}
        wanted["past_key_values"] = past_key_values
        given = {name: value for name, value in wanted.items() if value is not None}
        encoded = self.encoder(
            attention_mask=attention_mask,
            output_attentions=output_attentions,
            output_hidden_states=bool(output_hidden_states or self.scalar_mix is not None),
            return_dict=True,
            **given,
            **kwargs,
        )
        states = encoded.last_hidden_state if self.scalar_mix is None else self.scalar_mix(encoded.hidden_states)
        vectors = pool(states, attention_mask, self.config.pooling)
        logits = self.classifier(vectors if self.pooler is None else self.pooler(vectors))
        output = SequenceClassifierOutput(
            loss=None if labels is None else classification_loss(logits, labels),
            logits=logits,
            hidden_states=encoded.hidden_states if output_hidden_states else None,
            attentions=encoded.get("attentions"),
        )
        return output if return_dict in (None, True) else output.to_tuple()


def pool(states: torch.Tensor, attention_mask: torch.Tensor | None, pooling: str) -> torch.Tensor:
    """States (B, T, H) to vectors (B, H): the first token's, or the mean over those that are no padding."""
    if pooling == "cls":
        return states[:, 0]
    if attention_mask is None:
        return states.mean(dim=1)
    weights = attention_mask[:, -states.shape[1] :, None].to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def classification_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy in nats of logits (B, C) for classes (B,); for C = 1, mean squared error from numbers (B,)."""
    if logits.shape[-1] == 1:
        return F.mse_loss(logits.float().squeeze(-1), labels.float().view(-1))
    return F.cross_entropy(logits.float(), labels.view(-1))
