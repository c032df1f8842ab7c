"""Ways of reusing a pretrained sentence encoder: what each trains, what it freezes, what it adds.

The head is everything behind the encoder (for BERT the pooler and the classifier), and every strategy trains it. An
encoder that is frozen whole runs in evaluation mode, so that its features are the same in every epoch; where any weight
inside is trained, its dropout stays on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from workbench.errors import UserError, nearest

from .arguments import StrategyArguments
from .encoders import encoder_layers, encoder_of, freeze_encoder, head_names

ADAPTERS_PREFIX = "adapters:"


@dataclass(frozen=True)
class Strategy:
    """One way of reusing an encoder.

    Attributes:
        help: one line for people.
        learning_rate: a rate to begin with.
        prepare: takes a classifier and `StrategyArguments`; returns it, or what wraps it, frozen and injected.
    """

    name: str
    help: str
    learning_rate: float
    prepare: Callable


def find_strategy(name: str) -> Strategy:
    """The strategy of that name, `adapters:<config>` included; UserError names the nearest, and all."""
    if name.startswith(ADAPTERS_PREFIX) and name not in STRATEGIES:
        check_adapters_library(name)
        known = STRATEGIES[f"{ADAPTERS_PREFIX}<config>"]
        return Strategy(name, known.help, known.learning_rate, known.prepare)
    every = STRATEGIES | FUSIONS
    if name not in every:
        known = list(every)
        raise UserError(f"strategy: unknown '{name}'{nearest(name, known)}; choose one of {', '.join(known)}")
    return every[name]


def check_adapters(arguments: StrategyArguments) -> None:
    """UserError unless a fusion has two or more adapters to combine, and nothing else has any."""
    given = arguments.adapters or []
    if arguments.strategy not in FUSIONS:
        if given:
            raise UserError(f"adapters: {' and '.join(FUSIONS)} combine trained adapters, '{arguments.strategy}' none")
        if arguments.strategy.startswith(ADAPTERS_PREFIX) and getattr(arguments, "push_to_hub", None):
            raise UserError("push_to_hub: the adapters library publishes its own; train with houlsby, pfeiffer or lora")
    elif len(given) < 2:
        raise UserError(
            f"adapters: {arguments.strategy} combines two or more trained adapters, got {len(given)}: "
            "give --adapters and their folders, such as those of runs with --strategy pfeiffer"
        )


def has_adapters_library() -> bool:
    """Whether `adapters` is installed (once imported, it hides from importlib.util.find_spec)."""
    try:
        return bool(version("adapters"))
    except PackageNotFoundError:
        return False


def check_adapters_library(name: str) -> None:
    """UserError unless the `adapters` library is there, and `name` says which of its configurations."""
    if "<" in name or name == ADAPTERS_PREFIX:
        raise UserError(f"strategy: '{name}': give a configuration of the adapters library, such as adapters:seq_bn")
    if not has_adapters_library():
        raise UserError(
            f"strategy: '{name}' needs the adapters library, which exists for transformers 4.57 only: install "
            "requirements.txt (make test does), or take houlsby, pfeiffer, parallel or lora, which need no such library"
        )


# What the strategies do


def train_all(model, arguments):
    """Every weight is trained."""
    return model


def extract_features(model, arguments):
    """Only the head is trained, on an encoder that stays in evaluation mode: no dropout on its features."""
    encoder_of(model).register_forward_pre_hook(_evaluate)
    return freeze_encoder(model)


def _evaluate(encoder, inputs) -> None:
    encoder.eval()


def train_top_layers(model, arguments):
    """The top k layers and the head; UserError unless there are so many layers."""
    layers = encoder_layers(model)
    if not 1 <= arguments.top_k <= len(layers):
        raise UserError(f"top_k: {arguments.top_k}; this encoder has {len(layers)} layers, give 1 to {len(layers)}")
    freeze_encoder(model)
    for layer in layers[-arguments.top_k :]:
        layer.requires_grad_(True)
    return model


def train_gradually(model, arguments):
    """Every weight is trained if there are epochs enough; `callbacks` hold back the lower layers."""
    encoder_layers(model)
    return model


def train_layer_norms(model, arguments):
    """The encoder's normalisations (scale and shift) and the head."""
    freeze_encoder(model)
    norms = [module for module in encoder_of(model).modules() if type(module).__name__.endswith("Norm")]
    if not norms:
        raise UserError("strategy: layer_norm: this encoder has no LayerNorm")
    for norm in norms:
        norm.requires_grad_(True)
    return model


def train_biases(model, arguments):
    """The encoder's bias vectors and the head (Ben Zaken et al. 2022); UserError if it has none."""
    freeze_encoder(model)
    biases = [weight for name, weight in encoder_of(model).named_parameters() if name.endswith("bias")]
    if not biases:
        raise UserError("strategy: bitfit: this encoder has no biases")
    for bias in biases:
        bias.requires_grad_(True)
    return model


def inject(model, config):
    """`model` with a PEFT method in it, whose saved folder carries the whole head."""
    from peft import get_peft_model

    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise UserError(f"strategy: {error}") from error


def add_lora(model, arguments):
    """Low-rank updates of the query and value projections (Hu et al. 2022)."""
    from peft import LoraConfig
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as TARGETS

    kind = encoder_of(model).config.model_type
    if arguments.lora_rank < 1 or arguments.lora_alpha <= 0:
        raise UserError(
            f"lora_rank and lora_alpha are {arguments.lora_rank} and {arguments.lora_alpha}: give 1 or more"
        )
    config = LoraConfig(
        task_type="SEQ_CLS",
        r=arguments.lora_rank,
        lora_alpha=arguments.lora_alpha,
        target_modules={**TARGETS, **LORA_TARGETS}.get(kind, "all-linear"),
        modules_to_save=head_names(model),
    )
    return inject(model, config)


# Families whose projections PEFT does not know by name; in others, every Linear of the encoder gets an update.
LORA_TARGETS = {
    "albert": ["query", "value"],
    "camembert": ["query", "value"],
    "distilbert": ["q_lin", "v_lin"],
    "modernbert": ["Wqkv"],
    "mpnet": ["attn.q", "attn.v"],
}


def add_bottlenecks(**options) -> Callable:
    """A `prepare` that puts our bottleneck adapters in; `options` are fields of `BottleneckConfig`."""

    def prepare(model, arguments):
        from custom_models.bottleneck import BottleneckConfig

        try:
            config = BottleneckConfig(
                task_type="SEQ_CLS",
                bottleneck_size=arguments.bottleneck_size,
                modules_to_save=head_names(model),
                **options,
            )
        except ValueError as error:
            raise UserError(str(error)) from error
        return inject(model, config)

    return prepare


def add_library_adapters(model, arguments):
    """Whatever the configuration string means to the `adapters` library."""
    check_adapters_library(arguments.strategy)
    from .adapters_library import add_adapters

    return add_adapters(model, arguments.strategy.removeprefix(ADAPTERS_PREFIX))


def fuse(method: str) -> Callable:
    """A `prepare` that combines the trained adapters of `arguments.adapters` by a method of `FusionConfig`."""

    def prepare(model, arguments):
        from .fusion import add_fusion

        return add_fusion(model, arguments, method)

    return prepare


STRATEGIES = {
    strategy.name: strategy
    for strategy in (
        Strategy("scratch", "the same architecture from random weights: what pretraining is worth", 1e-4, train_all),
        Strategy("frozen", "the head alone, on the features of the last layer", 1e-3, extract_features),
        Strategy("feature_mix", "the head and a learned mix of all layers' features (ELMo)", 1e-3, extract_features),
        Strategy("full", "every weight: fine-tuning", 2e-5, train_all),
        Strategy("top_k", "the top --top_k layers and the head", 5e-5, train_top_layers),
        Strategy(
            "gradual", "one layer more per epoch, from the top, lower ones slower (ULMFiT)", 1e-4, train_gradually
        ),
        Strategy("layer_norm", "the LayerNorms and the head", 1e-3, train_layer_norms),
        Strategy("bitfit", "the biases and the head (BitFit)", 1e-3, train_biases),
        Strategy("lora", "low-rank updates of queries and values, and the head (PEFT)", 5e-4, add_lora),
        Strategy(
            "houlsby", "an adapter after each sub-layer, shared within a layer", 3e-4, add_bottlenecks(sharing="layer")
        ),
        Strategy(
            "houlsby_unshared",
            "an adapter of its own after each sub-layer, and the LayerNorms (Houlsby et al. 2019)",
            3e-4,
            add_bottlenecks(sharing="none", train_layer_norm=True),
        ),
        Strategy("houlsby_3shared", "one adapter for three consecutive layers", 3e-4, add_bottlenecks(sharing=3)),
        Strategy("pfeiffer", "an adapter after each feed-forward", 3e-4, add_bottlenecks(placement="pfeiffer")),
        Strategy("parallel", "an adapter beside each feed-forward", 3e-4, add_bottlenecks(placement="parallel")),
        Strategy(
            f"{ADAPTERS_PREFIX}<config>",
            "a configuration of the adapters library: adapters:seq_bn, adapters:prefix_tuning, …",
            1e-4,
            add_library_adapters,
        ),
    )
}
# These need trained adapters besides the encoder.
FUSIONS = {
    strategy.name: strategy
    for strategy in (
        Strategy("fusion", "learned attention over the frozen --adapters (AdapterFusion)", 5e-5, fuse("attention")),
        Strategy("average_fusion", "the mean of the frozen --adapters, and the head", 1e-3, fuse("average")),
    )
}
