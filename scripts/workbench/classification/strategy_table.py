"""What each strategy trains of an encoder: the table of Houlsby et al. 2019 for any of them, without its weights."""

import torch
from torch import nn

from workbench.errors import UserError
from workbench.hub.fetch import fetch_model, loading
from workbench.runs.results import count_parameters
from workbench.strategies.arguments import StrategyArguments
from workbench.strategies.catalogue import STRATEGIES, find_strategy
from workbench.strategies.encoders import head_names, pooler_name
from workbench.strategies.strategy import Strategy

from .model import apply_strategy, classifier_config

COLUMNS = ("strategy", "sharing", "also trained", "classifier layers", "trained parameters", "share")
LABELS = ["0", "1"]


def describe_strategies(arguments: StrategyArguments) -> str:
    """The table for people: a row per strategy that needs nothing but the encoder, and what is counted.

    Raises:
        UserError: no such encoder, or one that is not safe to read.
    """
    rows, refused = strategy_rows(arguments)
    texts = [COLUMNS, *((*row[:4], f"{row[4]:,}", f"{row[5]:.2%}") for row in rows)]
    widths = [max(len(text[place]) for text in texts) for place in range(len(COLUMNS))]
    lines = ["  ".join(f"{part:{width}}" for part, width in zip(text, widths, strict=True)).rstrip() for text in texts]
    return "\n".join(
        [
            *lines,
            f"Of {arguments.model_name_or_path}. The last layer, which grows with the classes, is not counted.",
            "The share is of what full fine-tuning trains; a classifier layer is a Linear trained behind the encoder.",
            *(f"Not for this encoder: {name}: {why}" for name, why in refused.items()),
        ]
    )


def strategy_rows(arguments: StrategyArguments) -> tuple[list[tuple], dict[str, str]]:
    """A row per strategy, and why there is none of others by their name.

    A row has the `COLUMNS`: texts, but for the last two, a number of parameters and a share from 0 to 1.
    """
    folder = fetch_model(arguments.model_name_or_path, arguments.trust_remote_code)
    counts, refused = {}, {}
    for name in (strategy.example or name for name, strategy in STRATEGIES.items()):
        try:
            with loading(arguments.model_name_or_path):
                counts[name] = _count(folder, arguments, find_strategy(name))
        except UserError as error:
            if name == "full":  # every encoder can be trained whole: then it is the encoder that is wrong
                raise
            refused[name] = str(error)
    whole = counts["full"][1]
    rows = ((find_strategy(name), layers, trained) for name, (layers, trained) in counts.items())
    return [
        (strategy.name, strategy.sharing or "-", strategy.also_trains or "-", str(layers), trained, trained / whole)
        for strategy, layers, trained in rows
    ], refused


def _count(folder: str, arguments: StrategyArguments, strategy: Strategy) -> tuple[int, int]:
    """The trained Linears behind the encoder, and the trained parameters but for the last of them."""
    from transformers import AutoModelForSequenceClassification

    import custom_models  # noqa: F401, registers our architectures

    own = StrategyArguments(arguments.model_name_or_path, strategy.name, trust_remote_code=arguments.trust_remote_code)
    own = strategy.with_head(own)
    config = classifier_config(folder, own, strategy, LABELS, is_regression=False)
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config, trust_remote_code=own.trust_remote_code)
        layers = head_linears(model)
        frozen = not strategy.trains_pooler(model, None) and pooler_name(model) is not None
        prepared = apply_strategy(model, own, strategy)
    last = sum(parameter.numel() for parameter in layers[-1].parameters())
    return len(layers) - frozen, count_parameters(prepared)["trainable"] - last


def head_linears(model) -> list[nn.Linear]:
    """The Linears behind the encoder, from the bottom."""
    parts = [part for name in head_names(model) for part in model.get_submodule(name).modules()]
    return [part for part in parts if isinstance(part, nn.Linear)]
