"""The options of an encoder and of how it is reused."""

from dataclasses import dataclass

from workbench.arguments import option

POOLINGS = ("cls", "mean")


@dataclass
class StrategyArguments:
    """The encoder, and how it is reused."""

    model_name_or_path: str = option("bert-base-uncased", "pretrained encoder: a folder, or its name on the Hub")
    strategy: str = option("full", "how the encoder is reused: full, frozen, lora, houlsby, …; `list` explains all")
    pooling: str = option(
        "cls", "the head reads the first token's state, or the mean over all tokens", choices=POOLINGS
    )
    bottleneck_size: int = option(64, "width of bottleneck adapters")
    adapters: list[str] | None = option(
        None, "what fusion and average_fusion combine: folders of runs with adapters, or AdapterHub's, or Hub names"
    )
    lora_rank: int = option(8, "rank of LoRA's update of the query and value projections")
    lora_alpha: int = option(16, "LoRA's update is scaled by this / rank")
    top_k: int = option(2, "layers that the strategy top_k trains, from the top")
    classifier_dropout: float | None = option(None, "dropout in the head, instead of the encoder's own")
    trust_remote_code: bool = option(False, "run the code that the encoder's repository brings")
