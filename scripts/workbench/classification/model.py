"""Sentence classifiers: built from a pretrained encoder by a strategy, saved so that others can load them, loaded.

Heavy libraries are imported inside the functions, so that scripts answer `--help` at once.
"""

from pathlib import Path

from workbench.errors import UserError
from workbench.hub.fetch import check_config, fetch_model, portable_tokenizer
from workbench.processes import is_main_process
from workbench.strategies.arguments import StrategyArguments
from workbench.strategies.catalogue import ADAPTERS_PREFIX, FUSIONS, check_adapters, find_strategy
from workbench.strategies.encoders import head_names

from .loading import OURS, encoder_with_head, loading, tokenizer_of

# What the families call the dropout in their head.
DROPOUT_FIELDS = ("classifier_dropout", "seq_classif_dropout", "classifier_dropout_prob")
# Their encoder has no gradients whose memory could be saved.
NEVER_CHECKPOINTED = ("frozen", "feature_mix")


def build_classifier(
    arguments: StrategyArguments, label_names: list[str], is_regression: bool, seed: int | None = None
):
    """A classifier on the pretrained encoder, frozen and extended as the strategy says.

    Args:
        label_names: by id; not read for regression.
        seed: fixes the head's and the added weights' initialisation.

    Raises:
        UserError: an unknown strategy, no such encoder, one that is not safe to read, or options that do not fit it.
    """
    strategy = find_strategy(arguments.strategy)
    check_adapters(arguments)
    if not is_regression and len(label_names) < 2:
        raise UserError(f"{len(label_names)} class(es): a classifier needs two or more")
    import transformers

    if seed is not None:
        transformers.set_seed(seed)
    name = arguments.model_name_or_path
    folder = fetch_model(name)
    if check_config(folder, True).get("model_type") == OURS:
        raise UserError(f"{name}: this is a trained sentence classifier; give the encoder that it was made from")
    check_config(folder, arguments.trust_remote_code)
    with loading(name):
        config = _classifier_config(folder, arguments, label_names, is_regression)
        if arguments.pooling == "mean" or strategy.name == "feature_mix":
            config = _wrap(config, arguments)
        model = _new_classifier(folder, config, arguments)
    # Adapters remember the encoder's name: a folder by its whole path, not a snapshot in the cache.
    model.name_or_path = str(Path(name).resolve()) if Path(name).is_dir() else name
    model = strategy.prepare(model, arguments)
    if getattr(arguments, "gradient_checkpointing", False) and strategy.name not in NEVER_CHECKPOINTED:
        # What is recomputed gets no gradient if nothing that enters it asks for one.
        model.enable_input_require_grads()
    return model


def load_base_tokenizer(arguments: StrategyArguments):
    """The encoder's tokenizer; UserError if it has none, or none that pads."""
    name = arguments.model_name_or_path
    folder = fetch_model(name)
    check_config(folder, arguments.trust_remote_code)
    return tokenizer_of(name, folder, arguments.trust_remote_code)


def save_classifier(model, tokenizer, folder: str | Path) -> None:
    """Writes a folder that `load_classifier` reads; every process may call it, the main one acts.

    Where transformers has the architecture it is what `AutoModelForSequenceClassification` reads, or a PEFT adapter
    with the classifier's config beside it; with mean pooling or a mix of layers, our code travels with the weights.
    """
    if not is_main_process():
        return
    from peft import PeftModel

    if isinstance(model, PeftModel):
        model.save_pretrained(folder)
        # PEFT keeps neither how many classes there are nor their names.
        model.get_base_model().config.save_pretrained(folder)
    elif hasattr(model, "adapters_configuration"):
        from workbench.strategies.adapters_library import save_adapters

        save_adapters(model, folder)
    else:
        model.save_pretrained(folder)
    merges = _merges_as_read(tokenizer)
    tokenizer.save_pretrained(folder)
    for name, content in {**merges, **portable_tokenizer(Path(folder))}.items():
        (Path(folder) / name).write_bytes(content)


def _merges_as_read(tokenizer) -> dict[str, bytes]:
    """`bpe.codes` as the tokenizer found it: transformers 5 saves it without the counts, which its reader cuts off."""
    name = tokenizer.vocab_files_names.get("merges_file")
    return {name: Path(tokenizer.merges_file).read_bytes()} if name == "bpe.codes" else {}


def parameter_groups(model, strategy: str, learning_rate: float, weight_decay: float) -> list[dict] | None:
    """The optimiser's parameter groups where the strategy has its own; None: the Trainer's."""
    if strategy != "gradual":
        return None
    from workbench.strategies.unfreezing import discriminative_groups

    return discriminative_groups(model, learning_rate, weight_decay)


def callbacks(strategy: str, model) -> list:
    """What the strategy does while the Trainer trains."""
    if strategy != "gradual":
        return []
    from workbench.strategies.unfreezing import GradualUnfreezing

    return [GradualUnfreezing(model)]


def trainer_class(strategy: str, base: type) -> type:
    """`base`, a Trainer, able to train and save what the strategy makes."""
    if strategy.startswith(ADAPTERS_PREFIX):
        from workbench.strategies.adapters_library import SavesAdapters

        return type(f"Adapters{base.__name__}", (SavesAdapters, base), {})
    if strategy in FUSIONS:
        from workbench.strategies.fusion import TrainsFusion

        return type(f"Fusion{base.__name__}", (TrainsFusion, base), {})
    if strategy == "gradual":
        from workbench.strategies.unfreezing import FindsUnused

        return type(f"Gradual{base.__name__}", (FindsUnused, base), {})
    return base


def _classifier_config(folder: str, arguments: StrategyArguments, label_names: list[str], is_regression: bool):
    """The encoder's config with the task's labels and the head's dropout."""
    from transformers import AutoConfig

    names = ["score"] if is_regression else list(label_names)
    config = AutoConfig.from_pretrained(
        folder,
        trust_remote_code=arguments.trust_remote_code,
        id2label=dict(enumerate(names)),
        label2id={label: index for index, label in enumerate(names)},
    )
    config.problem_type = "regression" if is_regression else "single_label_classification"
    if hasattr(config, "classifier_pooling"):  # ModernBERT's own, by default its mean
        config.classifier_pooling = "cls"
    if arguments.classifier_dropout is not None:
        _set_head_dropout(config, arguments)
    return config


def _set_head_dropout(config, arguments: StrategyArguments) -> None:
    """UserError for no share, or for a head of transformers that has no dropout of its own."""
    if not 0 <= arguments.classifier_dropout < 1:
        raise UserError(f"classifier_dropout: {arguments.classifier_dropout}; give a number from 0 to below 1")
    # DeBERTa's config has the field only once it is set.
    is_deberta = config.model_type.startswith("deberta")
    name = "cls_dropout" if is_deberta else next((name for name in DROPOUT_FIELDS if hasattr(config, name)), None)
    if name:
        setattr(config, name, arguments.classifier_dropout)
    elif arguments.pooling != "mean" and arguments.strategy != "feature_mix":
        raise UserError(f"classifier_dropout: the head of a '{config.model_type}' model has no dropout of its own")


def _wrap(config, arguments: StrategyArguments):
    """The config of our classifier around the encoder, for mean pooling or a mix of all layers.

    Raises:
        UserError: the encoder brings its own code, which cannot be nested.
    """
    from custom_models import SentenceEncoderConfig

    if hasattr(config, "auto_map"):
        raise UserError(
            f"{arguments.model_name_or_path}: it brings its own code; pooling mean and the strategy feature_mix take "
            "an architecture of transformers"
        )
    dropout = arguments.classifier_dropout
    return SentenceEncoderConfig(
        encoder_config=config,
        pooling=arguments.pooling,
        use_scalar_mix=arguments.strategy == "feature_mix",
        classifier_dropout=getattr(config, "hidden_dropout_prob", 0.1) if dropout is None else dropout,
        id2label=config.id2label,
        label2id=config.label2id,
        problem_type=config.problem_type,
    )


def _new_classifier(folder: str, config, arguments: StrategyArguments):
    """The classifier with the encoder's weights (or random ones, from `scratch`), and a new head for a new task."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    trust = {"trust_remote_code": arguments.trust_remote_code}
    if arguments.strategy == "scratch":
        return AutoModelForSequenceClassification.from_config(config, **trust)
    model = encoder_with_head(arguments.model_name_or_path, folder, config, arguments.trust_remote_code)
    if config.model_type != OURS and AutoConfig.from_pretrained(folder, **trust).id2label != config.id2label:
        _renew_head(model, AutoModelForSequenceClassification.from_config(config, **trust))
    return model


def _renew_head(model, fresh) -> None:
    """What an earlier task has left behind the encoder begins anew; a pooler inside the encoder is pretrained."""
    for name in head_names(model):
        if not name.startswith(f"{model.base_model_prefix}."):
            model.get_submodule(name).load_state_dict(fresh.get_submodule(name).state_dict())
