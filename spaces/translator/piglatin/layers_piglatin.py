# The same as custom_models/layers_piglatin.py
"""Attention, positions and blocks of the Pig Latin transformers: the one place with the maths.

Shapes use B (batch), T (queries), S (keys), H (hidden size), N (heads) and D = H / N (width of a head).
"""

import math

import torch
from torch import nn
from torch.nn import functional as F
from transformers.modeling_layers import GradientCheckpointingLayer

from .configuration_piglatin import PigLatinConfig


def additive_mask(allowed: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Turns a boolean mask (True: may attend) into one to add to attention scores, same shape.

    The lowest finite number stands for "no", so that a row with nothing to attend to (left padding) stays finite.
    """
    mask = torch.zeros(allowed.shape, dtype=dtype, device=allowed.device)
    return mask.masked_fill(~allowed, torch.finfo(dtype).min)


def causal_mask(query_length: int, key_length: int, device: torch.device) -> torch.Tensor:
    """Boolean (T, S): query t sees keys up to its own place; the last query stands at the last key."""
    keys = torch.arange(key_length, device=device)
    queries = torch.arange(key_length - query_length, key_length, device=device)
    return keys[None, :] <= queries[:, None]


class SinusoidalPositions(nn.Module):
    """Vaswani et al. 2017, section 3.5: PE(p, 2i) = sin(p / 10000^(2i/H)), PE(p, 2i+1) = cos of the same angle.

    The table is computed once; `fill` writes it again where a checkpoint loader has left the buffer empty.
    """

    def __init__(self, max_positions: int, width: int):
        super().__init__()
        self.register_buffer("table", torch.empty(max_positions, width), persistent=False)
        self.fill()

    @torch.no_grad()
    def fill(self) -> None:
        angles = position_angles(*self.table.shape, device=self.table.device)
        self.table[:, 0::2] = angles.sin()
        self.table[:, 1::2] = angles[:, : self.table.shape[1] // 2].cos()

    def forward(self, position_ids: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """(B or 1, T) positions to (B or 1, T, H) encodings."""
        return F.embedding(position_ids, self.table).to(dtype)


class RotaryPositions(nn.Module):
    """Su et al. 2021: each pair of query or key features is rotated by an angle that grows with the position."""

    def __init__(self, max_positions: int, width: int):
        super().__init__()
        self.register_buffer("cos", torch.empty(max_positions, width), persistent=False)
        self.register_buffer("sin", torch.empty(max_positions, width), persistent=False)
        self.fill()

    @torch.no_grad()
    def fill(self) -> None:
        angles = position_angles(*self.cos.shape, device=self.cos.device)
        self.cos.copy_(angles.cos().repeat(1, 2))
        self.sin.copy_(torch.cat((-angles.sin(), angles.sin()), dim=-1))

    def forward(self, position_ids: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """(B or 1, T) positions to the cosines and sines that `rotate` takes, (B or 1, 1, T, D) each."""
        return tuple(F.embedding(position_ids, table).to(dtype).unsqueeze(1) for table in (self.cos, self.sin))


def position_angles(max_positions: int, width: int, device: torch.device) -> torch.Tensor:
    """p / 10000^(2i/width) for p < max_positions and i < width / 2 (rounded up); shape (max_positions, i)."""
    frequencies = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10000.0) / width))
    return torch.arange(max_positions, device=device)[:, None] * frequencies


def rotate(states: torch.Tensor, rotary: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Rotates feature i of each head with feature i + D/2; (B, N, T, D) to the same shape.

    (x, y) becomes (x cos - y sin, y cos + x sin): the table of sines has the signs.
    """
    cos, sin = rotary
    return torch.addcmul(states * cos, states.roll(states.shape[-1] // 2, dims=-1), sin)


def eager_attention(query, key, value, mask=None, dropout: float = 0.0):
    """softmax(Q K^T / sqrt(D) + mask) V, with the weights; Vaswani et al. 2017, equation 1.

    Args:
        query: (B, N, T, D).
        key, value: (B, N, S, D).
        mask: additive, broadcastable to (B, N, T, S), or None.
        dropout: probability of dropping a weight.

    Returns:
        The attended values (B, N, T, D) and the weights (B, N, T, S).
    """
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if mask is not None:
        scores = scores + mask
    weights = F.dropout(scores.float().softmax(dim=-1).to(query.dtype), p=dropout)
    return weights @ value, weights


class Attention(nn.Module):
    """Multi-head attention, over the layer's own states or, given `key_value_states`, across to the encoder's."""

    def __init__(self, config: PigLatinConfig, layer_idx: int):
        super().__init__()
        self.config = config
        self.layer_idx = layer_idx
        self.num_heads = config.num_attention_heads
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.key = nn.Linear(config.hidden_size, config.hidden_size)
        self.value = nn.Linear(config.hidden_size, config.hidden_size)
        projected = config.attention_output_projection
        self.output = nn.Linear(config.hidden_size, config.hidden_size) if projected else nn.Identity()

    def forward(
        self,
        hidden_states,
        mask=None,
        key_value_states=None,
        cache=None,
        query_rotary=None,
        key_rotary=None,
        output_attentions=False,
    ):
        """Attends from `hidden_states` (B, T, H).

        Args:
            mask: additive, broadcastable to (B, N, T, S).
            key_value_states: encoder states (B, S, H) for cross-attention; None for self-attention.
            cache: an `EncoderDecoderCache`, a `DynamicCache`, or None.
            query_rotary, key_rotary: cosines and sines for the positions of the queries and of the new keys, or None.
            output_attentions: take the eager path and return its weights.

        Returns:
            New states (B, T, H), and the weights (B, N, T, S) or None.
        """
        query = self._split(self.query(hidden_states))
        if query_rotary is not None:
            query = rotate(query, query_rotary)
        key, value = self._keys_values(hidden_states, key_value_states, cache, key_rotary)
        dropout = self.config.attention_dropout if self.training else 0.0
        weights = None
        if output_attentions or self.config._attn_implementation == "eager":
            context, weights = eager_attention(query, key, value, mask, dropout)
        else:
            context = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
        return self.output(context.transpose(1, 2).flatten(2)), weights

    def _split(self, states: torch.Tensor) -> torch.Tensor:
        return states.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def _keys_values(self, hidden_states, key_value_states, cache, rotary):
        """Keys and values (B, N, S, D), through the cache: self-attention's grow, the encoder's are kept."""
        crossing = key_value_states is not None
        if crossing and cache is not None and cache.is_updated.get(self.layer_idx):
            layer = cache.cross_attention_cache.layers[self.layer_idx]
            return layer.keys, layer.values
        source = key_value_states if crossing else hidden_states
        key, value = self._split(self.key(source)), self._split(self.value(source))
        if rotary is not None:
            key = rotate(key, rotary)
        if cache is None:
            return key, value
        if crossing:
            cache.is_updated[self.layer_idx] = True
            return cache.cross_attention_cache.update(key, value, self.layer_idx)
        return getattr(cache, "self_attention_cache", cache).update(key, value, self.layer_idx)


class FeedForward(nn.Module):
    """Position-wise layer, (B, T, H) to (B, T, H): Linear, ReLU, Linear; or one Linear and ReLU."""

    def __init__(self, config: PigLatinConfig):
        super().__init__()
        two_layers = config.feed_forward == "two_layer"
        inner = config.intermediate_size if two_layers else config.hidden_size
        self.inner = nn.Linear(config.hidden_size, inner)
        self.output = nn.Linear(inner, config.hidden_size) if two_layers else nn.Identity()

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self.output(F.relu(self.inner(hidden_states)))


class Block(GradientCheckpointingLayer):
    """Self-attention, cross-attention where `crosses`, feed-forward; each added to what came in."""

    def __init__(self, config: PigLatinConfig, layer_idx: int, crosses: bool = False):
        super().__init__()
        self.attention = Attention(config, layer_idx)
        self.attention_norm = self._norm(config)
        self.cross_attention = Attention(config, layer_idx) if crosses else None
        self.cross_attention_norm = self._norm(config) if crosses else None
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = self._norm(config)
        self.dropout = nn.Dropout(config.dropout)

    @staticmethod
    def _norm(config: PigLatinConfig) -> nn.Module:
        return nn.LayerNorm(config.hidden_size) if config.layer_norm == "pre" else nn.Identity()

    def forward(
        self,
        hidden_states,
        mask=None,
        encoder_states=None,
        encoder_mask=None,
        cache=None,
        rotary=None,
        encoder_rotary=None,
        output_attentions=False,
    ):
        """(B, T, H) to (B, T, H), with the self- and cross-attention weights or None."""
        attended, weights = self.attention(
            self.attention_norm(hidden_states), mask, None, cache, rotary, rotary, output_attentions
        )
        hidden_states = hidden_states + self.dropout(attended)
        cross_weights = None
        if self.cross_attention is not None:
            attended, cross_weights = self.cross_attention(
                self.cross_attention_norm(hidden_states),
                encoder_mask,
                encoder_states,
                cache,
                rotary,
                encoder_rotary,
                output_attentions,
            )
            hidden_states = hidden_states + self.dropout(attended)
        hidden_states = hidden_states + self.dropout(self.feed_forward(self.feed_forward_norm(hidden_states)))
        return hidden_states, weights, cross_weights
