"""Ways of reusing a pretrained sentence encoder, by name; a new one is an entry here.

Heavy libraries are imported inside the functions, so that scripts answer `--help` at once.
"""

from collections.abc import Callable
from pathlib import Path

from workbench.errors import UserError, nearest

from .adapters_library import ADAPTERS_PREFIX, add_library_adapters, check_adapters_library
from .arguments import StrategyArguments
from .freezing import (
    extract_features,
    train_all,
    train_biases,
    train_gradually,
    train_layer_norms,
    train_top_layers,
)
from .injection import add_bottlenecks, add_lora
from .peft_methods import PEFT_PREFIX, add_peft_method, allocation_callback, find_config, parse_method
from .strategy import Strategy


def find_strategy(name: str) -> Strategy:
    """The strategy of that name, `adapters:<config>` and `peft:<method>` included; UserError names the nearest, all."""
    every = STRATEGIES | FUSIONS
    if name in every and not every[name].prefix:
        return every[name]
    for strategy in every.values():
        if strategy.prefix and name.startswith(strategy.prefix):
            return strategy.named(name)
    raise UserError(f"strategy: unknown '{name}'{nearest(name, list(every))}; choose one of {', '.join(every)}")


def check_adapters(arguments: StrategyArguments) -> None:
    """UserError for a strategy that does not exist, and for adapters that it does not take, or lacks."""
    find_strategy(arguments.strategy).check(arguments)


class Mixing(Strategy):
    """Tells the weights of the layers in the learned mix."""

    def facts(self, model) -> dict[str, object]:
        return {"layer_weights": model.scalar_mix.scores.detach().float().softmax(dim=0).tolist()}

    def report(self, facts: dict, folder: Path, title: str) -> list[str]:
        from workbench.runs.figures import plot_layer_weights

        weights = facts["layer_weights"]
        plot_layer_weights(weights, folder / "layer_weights.png", title)
        shown = ", ".join(f"layer {layer} {weight:.3f}" for layer, weight in enumerate(weights) if layer)
        return [f"Layer weights: embeddings {weights[0]:.3f}, {shown}"]


class Gradual(Strategy):
    """Trains one layer more in each epoch, the lower ones at lower rates."""

    def parameter_groups(self, model, learning_rate: float, weight_decay: float) -> list[dict] | None:
        from .unfreezing import discriminative_groups

        return discriminative_groups(model, learning_rate, weight_decay)

    def callbacks(self, model) -> list:
        from .unfreezing import GradualUnfreezing

        return [GradualUnfreezing(model)]

    def trainer_mixins(self) -> tuple[type, ...]:
        from .unfreezing import FindsUnused

        return (FindsUnused,)


class PeftMethod(Strategy):
    """`peft:<method>`: checked as soon as it is named; AdaLoRA allocates its ranks while it trains."""

    def named(self, name: str) -> Strategy:
        if name == self.name or name == self.prefix:
            raise UserError(f"strategy: '{name}': give a method of PEFT, such as {self.example}")
        find_config(parse_method(name)[0])
        return super().named(name)

    def callbacks(self, model) -> list:
        return [allocation_callback()] if hasattr(model.base_model, "rankallocator") else []


class LibraryAdapters(Strategy):
    """`adapters:<config>`: saved without the encoder, in a way of our own."""

    def named(self, name: str) -> Strategy:
        check_adapters_library(name.removeprefix(ADAPTERS_PREFIX))
        return super().named(name)

    def trainer_mixins(self) -> tuple[type, ...]:
        from .adapters_library import SavesAdapters

        return (SavesAdapters,)

    def save(self, model, folder: str | Path, state_dict: dict | None = None) -> None:
        from .adapters_library import save_adapters

        save_adapters(model, folder)


class Fusion(Strategy):
    """Trains on top of adapters that stay as they are."""

    def trainer_mixins(self) -> tuple[type, ...]:
        from .fusion import TrainsFusion

        return (TrainsFusion,)


def fuse(method: str) -> Callable:
    """A `prepare` that combines the trained adapters of `arguments.adapters` by a method of `FusionConfig`."""

    def prepare(model, arguments):
        from .fusion import add_fusion

        return add_fusion(model, arguments, method)

    return prepare


STRATEGIES = {
    strategy.name: strategy
    for strategy in (
        Strategy(
            "scratch",
            "the same architecture from random weights: what pretraining is worth",
            1e-4,
            train_all,
            also_trains="all",
            is_random=True,
            why_no_first_stage="begins from random weights",
        ),
        Strategy(
            "frozen",
            "one Linear on the last layer's features (--head and --pooling say which)",
            1e-3,
            extract_features,
            head="linear",
            reaches_encoder=False,
        ),
        Mixing(
            "feature_mix",
            "one Linear on a learned mix of all layers' features (ELMo)",
            1e-3,
            extract_features,
            head="linear",
            also_trains="the mix",
            mixes_layers=True,
            reaches_encoder=False,
        ),
        Strategy("full", "every weight: fine-tuning", 2e-5, train_all, also_trains="all"),
        Strategy("top_k", "the top --top_k layers and the head", 5e-5, train_top_layers, also_trains="top layers"),
        Gradual(
            "gradual",
            "one layer more per epoch, from the top, lower ones slower (ULMFiT)",
            1e-4,
            train_gradually,
            also_trains="all, in the end",
        ),
        Strategy("layer_norm", "the LayerNorms and the head", 1e-3, train_layer_norms, also_trains="LayerNorms"),
        Strategy("bitfit", "the biases and the head (BitFit)", 1e-3, train_biases, also_trains="biases"),
        Strategy("lora", "low-rank updates of queries and values, and the head (PEFT)", 5e-4, add_lora, sharing="none"),
        Strategy(
            "houlsby",
            "an adapter after each sub-layer, shared within a layer",
            3e-4,
            add_bottlenecks(sharing="layer"),
            train_pooler=False,
            sharing="within a layer",
        ),
        Strategy(
            "houlsby_unshared",
            "an adapter of its own after each sub-layer, the LayerNorms, a head of two layers (Houlsby et al. 2019)",
            3e-4,
            add_bottlenecks(sharing="none", train_layer_norm=True),
            head="two_layer",
            train_pooler=False,
            sharing="none",
            also_trains="LayerNorms",
        ),
        Strategy(
            "houlsby_3shared",
            "one adapter for three consecutive layers",
            3e-4,
            add_bottlenecks(sharing=3),
            train_pooler=False,
            sharing="three layers",
        ),
        Strategy(
            "pfeiffer",
            "an adapter after each feed-forward",
            3e-4,
            add_bottlenecks(placement="pfeiffer"),
            sharing="none",
        ),
        Strategy(
            "parallel",
            "an adapter beside each feed-forward",
            3e-4,
            add_bottlenecks(placement="parallel"),
            sharing="none",
        ),
        PeftMethod(
            f"{PEFT_PREFIX}<method>",
            "any method of PEFT: peft:dora, peft:ia3[…], peft:lora[r=4,use_rslora=true], …",
            1e-3,
            add_peft_method,
            sharing="none",
            example="peft:ia3",
        ),
        LibraryAdapters(
            f"{ADAPTERS_PREFIX}<config>",
            "a configuration of the adapters library: adapters:seq_bn, adapters:prefix_tuning, …",
            1e-4,
            add_library_adapters,
            sharing="none",
            example="adapters:seq_bn",
            why_no_push="the adapters library publishes its own; train with houlsby, pfeiffer or lora",
        ),
    )
}
# These need trained adapters besides the encoder.
FUSIONS = {
    strategy.name: strategy
    for strategy in (
        Fusion(
            "fusion",
            "learned attention over the frozen --adapters (AdapterFusion)",
            5e-5,
            fuse("attention"),
            sharing="none",
            takes_adapters=True,
            why_no_first_stage="takes adapters of the encoder as is",
        ),
        Fusion(
            "average_fusion",
            "the mean of the frozen --adapters, and the head",
            1e-3,
            fuse("average"),
            takes_adapters=True,
            why_no_first_stage="takes adapters of the encoder as is",
        ),
    )
}
