"""Configuration of a sentence encoder: any pretrained encoder, how its states become one vector, and the head."""

from transformers import AutoConfig, PretrainedConfig

POOLINGS = ("cls", "mean")
HEADS = ("linear", "pooler", "two_layer")


class SentenceEncoderConfig(PretrainedConfig):
    """A head that `AutoModelForSequenceClassification` lacks, around the configuration of any encoder of transformers.

    Args:
        encoder_config: the encoder's own configuration, or its dictionary; BERT's defaults if not given.
        pooling: `cls` (the first token's state) or `mean` (over the tokens that are no padding).
        use_scalar_mix: pool a learned mix of all layers (Peters et al. 2018, equation 1) instead of the last one.
        head: what reads the vector: `linear` (one Linear), `pooler` (Linear, tanh, Linear; as BERT's pooler and
            classifier) or `two_layer` (BERT's pooler, then Linear, tanh, Linear).
        classifier_dropout: probability on the head's hidden vector.

    Raises:
        ValueError: a pooling or head that does not exist, or an encoder that transformers does not know.
    """

    model_type = "sentence_encoder"
    sub_configs = {"encoder_config": AutoConfig}

    def __init__(
        self,
        encoder_config: dict | PretrainedConfig | None = None,
        pooling: str = "cls",
        use_scalar_mix: bool = False,
        head: str = "pooler",
        classifier_dropout: float = 0.1,
        **kwargs,
    ):
        if not isinstance(encoder_config, PretrainedConfig):
            fields = {"model_type": "bert", **(encoder_config or {})}
            encoder_config = AutoConfig.for_model(fields.pop("model_type"), **fields)
        if pooling not in POOLINGS:
            raise ValueError(f"pooling is '{pooling}': choose one of {', '.join(POOLINGS)}")
        if head not in HEADS:
            raise ValueError(f"head is '{head}': choose one of {', '.join(HEADS)}")
        self.encoder_config = encoder_config
        self.pooling = pooling
        self.use_scalar_mix = use_scalar_mix
        self.head = head
        self.classifier_dropout = classifier_dropout
        kwargs.setdefault("pad_token_id", encoder_config.pad_token_id)
        super().__init__(**kwargs)

    @property
    def hidden_size(self) -> int:
        return self.encoder_config.hidden_size

    @property
    def num_hidden_layers(self) -> int:
        return self.encoder_config.num_hidden_layers

    def get_text_config(self, *args, **kwargs) -> PretrainedConfig:
        """The encoder's: where others look for the size of its vocabulary."""
        return self.encoder_config
