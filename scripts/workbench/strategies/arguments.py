"""The options of an encoder and of how it is reused."""

from dataclasses import dataclass

from workbench.arguments import option
from workbench.values import DROPOUT, LAYERS, WIDTH

POOLINGS = ("cls", "mean")
HEADS = ("linear", "pooler", "two_layer")


@dataclass
class StrategyArguments:
    """The encoder, and how it is reused."""

    model_name_or_path: str = option("bert-base-uncased", "pretrained encoder: a folder, or its name on the Hub")
    strategy: str = option("full", "how the encoder is reused: full, frozen, lora, houlsby, …; `list` explains all")
    pooling: str = option(
        "cls", "the head reads the first token's state, or the mean over all tokens", choices=POOLINGS
    )
    head: str | None = option(
        None,
        "what reads that state (default: the strategy's; see --strategy table): linear is one Linear; pooler is the "
        "family's own head: BERT's and ALBERT's pretrained pooler and one Linear, elsewhere two new layers, as for "
        "--pooling mean; two_layer is two Linears with a tanh between, above the pooler where one was pretrained, "
        "else the same as pooler",
        choices=HEADS,
    )
    train_pooler: bool | None = option(
        None, "train a pretrained pooler, or keep it as it is (default: the strategy's; not of the linear head)"
    )
    peft_options: dict | None = option(
        None, "in a recipe: options of the strategy peft:<method>, such as {r: 4}; as are peft:lora[r=4]'s brackets"
    )
    bottleneck_size: int = option(64, "width of bottleneck adapters", **WIDTH)
    adapters: list[str] | None = option(
        None, "what fusion and average_fusion combine: folders of runs with adapters, or AdapterHub's, or Hub names"
    )
    lora_rank: int = option(8, "rank of LoRA's update of the query and value projections", **WIDTH)
    lora_alpha: int = option(16, "LoRA's update is scaled by this / rank", **WIDTH)
    top_k: int = option(2, "layers that the strategy top_k trains, from the top", **LAYERS)
    classifier_dropout: float | None = option(None, "dropout in the head, instead of the encoder's own", **DROPOUT)
    trust_remote_code: bool = option(False, "run the code that the encoder's repository brings")
