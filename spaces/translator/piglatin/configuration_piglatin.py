# The same as custom_models/configuration_piglatin.py
"""Configuration of the Pig Latin character transformers, and its named presets."""

from transformers import PretrainedConfig

PRESETS = {
    # The best that we measured on the generated pairs; see the README's results table. Deep encoder, shallow decoder
    # (Kasai et al. 2021): the encoder runs once for a word, the decoder once for each symbol.
    "default": {},
    # The architecture that a course notebook has people write by hand: one head, no LayerNorm, no output
    # projection, and one Linear + ReLU as the feed-forward layer.
    "notebook": {
        "hidden_size": 32,
        "encoder_layers": 4,
        "decoder_layers": 4,
        "num_attention_heads": 1,
        "attention_output_projection": False,
        "feed_forward": "one_layer",
        "layer_norm": "none",
        "position_type": "sinusoidal",
        "dropout": 0.0,
        "attention_dropout": 0.0,
    },
}
# What a decoder-only model has otherwise: without an encoder, more blocks.
DECODER_ONLY_PRESETS = {"default": {"decoder_layers": 6}, "notebook": {}}
CHOICES = {
    "feed_forward": ("two_layer", "one_layer"),
    "layer_norm": ("pre", "none"),
    "position_type": ("sinusoidal", "rotary"),
}


class PigLatinConfig(PretrainedConfig):
    """Sizes and choices of a character transformer; both architectures read the same fields.

    Args:
        vocab_size: number of symbols, special ones included.
        hidden_size: width of every hidden state; a multiple of `num_attention_heads`.
        encoder_layers: blocks in the encoder (the decoder-only model has none and ignores it).
        decoder_layers: blocks in the decoder.
        num_attention_heads: attention heads per layer.
        intermediate_size: width inside a `two_layer` feed-forward; `one_layer` has none.
        feed_forward: `two_layer` (Linear, ReLU, Linear) or `one_layer` (Linear, ReLU).
        layer_norm: `pre` (before each sub-layer and after the last block) or `none`.
        position_type: `sinusoidal` (added to the embeddings, Vaswani et al. 2017, section 3.5) or `rotary`
            (queries and keys are rotated by their positions, Su et al. 2021, equation 34; in cross-attention too, so
            that the decoder sees how far it stands from each source symbol).
        attention_output_projection: whether heads are mixed by a Linear after attention.
        dropout: probability on embeddings and on each sub-layer's output.
        attention_dropout: probability on attention weights.
        max_position_embeddings: longest sequence, in symbols.
        is_encoder_decoder: set by the model that is built from this config.

    Raises:
        ValueError: a choice that does not exist, or a width that the heads do not divide.
    """

    model_type = "piglatin"
    attribute_map = {"num_hidden_layers": "decoder_layers"}
    keys_to_ignore_at_inference = ["past_key_values", "cache", "encoder_last_hidden_state"]

    def __init__(
        self,
        vocab_size: int = 32,
        hidden_size: int = 64,
        encoder_layers: int = 5,
        decoder_layers: int = 1,
        num_attention_heads: int = 4,
        intermediate_size: int = 128,
        feed_forward: str = "two_layer",
        layer_norm: str = "pre",
        position_type: str = "rotary",
        attention_output_projection: bool = True,
        dropout: float = 0.1,
        attention_dropout: float = 0.1,
        max_position_embeddings: int = 512,
        use_cache: bool = True,
        is_encoder_decoder: bool = False,
        pad_token_id: int = 0,
        bos_token_id: int = 1,
        eos_token_id: int = 2,
        decoder_start_token_id: int = 1,
        tie_word_embeddings: bool = False,
        **kwargs,
    ):
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.encoder_layers = encoder_layers
        self.decoder_layers = decoder_layers
        self.num_attention_heads = num_attention_heads
        self.intermediate_size = intermediate_size
        self.feed_forward = feed_forward
        self.layer_norm = layer_norm
        self.position_type = position_type
        self.attention_output_projection = attention_output_projection
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.max_position_embeddings = max_position_embeddings
        self.use_cache = use_cache
        self._check()
        super().__init__(
            is_encoder_decoder=is_encoder_decoder,
            pad_token_id=pad_token_id,
            bos_token_id=bos_token_id,
            eos_token_id=eos_token_id,
            decoder_start_token_id=decoder_start_token_id,
            tie_word_embeddings=tie_word_embeddings,
            **kwargs,
        )

    @classmethod
    def from_preset(cls, name: str, architecture: str = "encoder-decoder", **overrides) -> "PigLatinConfig":
        """The preset `name` of an architecture with `overrides` on top; ValueError names the presets there are."""
        if name not in PRESETS:
            raise ValueError(f"unknown preset '{name}': choose one of {', '.join(PRESETS)}")
        own = DECODER_ONLY_PRESETS[name] if architecture == "decoder-only" else {}
        return cls(**{**PRESETS[name], **own, **overrides})

    def _check(self) -> None:
        for field, allowed in CHOICES.items():
            if getattr(self, field) not in allowed:
                raise ValueError(f"{field} is '{getattr(self, field)}': choose one of {', '.join(allowed)}")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(f"hidden_size {self.hidden_size} is not a multiple of {self.num_attention_heads} heads")
        if self.position_type == "rotary" and (self.hidden_size // self.num_attention_heads) % 2:
            raise ValueError("rotary positions need an even width per head: hidden_size / num_attention_heads")
