"""Sentence classifiers: built from a pretrained encoder by a strategy, saved so that others can load them, loaded.

Heavy libraries are imported inside the functions, so that scripts answer `--help` at once.
"""

from pathlib import Path

from workbench.errors import UserError
from workbench.hub.fetch import fetch_model, loading, portable_tokenizer, read_config
from workbench.hub.schemas import count_rows
from workbench.processes import is_main_process
from workbench.strategies.arguments import StrategyArguments
from workbench.strategies.catalogue import find_strategy
from workbench.strategies.encoders import head_names, pooler_name
from workbench.strategies.strategy import Strategy

from .loading import OURS, encoder_with_head, tokenizer_of

# What the families call the dropout in their head.
DROPOUT_FIELDS = ("classifier_dropout", "seq_classif_dropout", "classifier_dropout_prob")


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
    strategy.check(arguments)
    arguments = strategy.with_head(arguments)
    if not is_regression and len(label_names) < 2:
        raise UserError(f"{len(label_names)} class(es): a classifier needs two or more")
    import transformers

    if seed is not None:
        transformers.set_seed(seed)
    name = arguments.model_name_or_path
    folder = fetch_model(name, arguments.trust_remote_code)
    if read_config(folder).get("model_type") == OURS:
        raise UserError(f"{name}: this is a trained sentence classifier; give the encoder that it was made from")
    with loading(name, folder):
        config = classifier_config(folder, arguments, strategy, label_names, is_regression)
        model = _new_classifier(folder, config, arguments, strategy)
        _check_forward(model)
    # Adapters remember the encoder's name: a folder by its whole path, not a snapshot in the cache.
    model.name_or_path = str(Path(name).resolve()) if Path(name).is_dir() else name
    model = apply_strategy(model, arguments, strategy)
    if getattr(arguments, "gradient_checkpointing", False) and strategy.reaches_encoder:
        # What is recomputed gets no gradient if nothing that enters it asks for one.
        model.enable_input_require_grads()
    return model


def _check_forward(model) -> None:
    """Raises whatever the library does for a config that can be built and not be used; random numbers stay as they are.

    Without it that would come after data and tokenizer have been prepared.
    """
    import torch

    was_training, ids = model.training, torch.zeros((1, 2), dtype=torch.long)
    with torch.inference_mode():
        model.eval()(input_ids=ids, attention_mask=torch.ones_like(ids))
    model.train(was_training)


def apply_strategy(model, arguments: StrategyArguments, strategy: Strategy):
    """The classifier frozen and extended, its pooler trained or not as asked; `model.strategy` is how it is saved."""
    arguments = strategy.with_head(arguments)
    arguments.train_pooler = strategy.trains_pooler(model, arguments.train_pooler)
    pooler = None if arguments.train_pooler else model.get_submodule(pooler_name(model))
    model = strategy.prepare(model, arguments)
    if pooler is not None:
        pooler.requires_grad_(False)
    model.strategy = strategy
    return model


def load_base_tokenizer(arguments: StrategyArguments):
    """The encoder's tokenizer; UserError if it has none, or none that pads."""
    name = arguments.model_name_or_path
    folder = fetch_model(name, arguments.trust_remote_code)
    tokenizer = tokenizer_of(name, folder, arguments.trust_remote_code)
    rows = read_config(folder).get("vocab_size")
    needed = count_rows(tokenizer)
    if isinstance(rows, int) and needed > rows:
        raise UserError(f"{name}: its tokenizer has {needed:,} symbols, the encoder embeddings of {rows:,}")
    return tokenizer


def save_classifier(model, tokenizer, folder: str | Path) -> None:
    """Writes a folder that `load_classifier` reads; every process calls it, for with FSDP each holds a part.

    Where transformers has the architecture it is what `AutoModelForSequenceClassification` reads, or a PEFT adapter
    with the classifier's config beside it; with mean pooling, a mix of layers or a head of ours, our code travels with
    the weights.
    """
    from workbench.runs.sharding import full_state_dict

    state_dict = full_state_dict(model)
    if not is_main_process():
        return
    model.strategy.save(model, folder, state_dict)
    merges = _merges_as_read(tokenizer)
    tokenizer.save_pretrained(folder)
    for name, content in {**merges, **portable_tokenizer(Path(folder))}.items():
        (Path(folder) / name).write_bytes(content)


def _merges_as_read(tokenizer) -> dict[str, bytes]:
    """`bpe.codes` as the tokenizer found it: transformers 5 saves it without the counts, which its reader cuts off."""
    name = tokenizer.vocab_files_names.get("merges_file")
    return {name: Path(tokenizer.merges_file).read_bytes()} if name == "bpe.codes" else {}


def classifier_config(
    folder: str, arguments: StrategyArguments, strategy: Strategy, label_names: list[str], is_regression: bool
):
    """The encoder's config with the task's labels and the head's dropout, or that of our classifier around it."""
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
    head = _our_head(config, arguments, strategy)
    if arguments.classifier_dropout is not None:
        _set_head_dropout(config, arguments, is_ours=head is not None)
    return config if head is None else _wrap(config, arguments, strategy, head)


def _our_head(config, arguments: StrategyArguments, strategy: Strategy) -> str | None:
    """The head of our classifier that does what was asked for; None where transformers' own for the family does.

    Raises:
        UserError: the family has no such head, and a new one would read the wrong token.
    """
    is_ours = arguments.pooling == "mean" or strategy.mixes_layers
    if arguments.head == "pooler":
        return "pooler" if is_ours else None
    if hasattr(config, "auto_map"):
        return arguments.head
    own = _own_head(config)
    if arguments.head == "linear":
        return None if own == "linear" and not is_ours else "linear"
    if own == "pooler" and arguments.pooling == "cls":
        return "two_layer"
    if own == "linear" and not is_ours:
        raise UserError(f"head: a '{config.model_type}' model has one Linear: give --head linear, or --pooling mean")
    return "pooler" if is_ours else None


def _own_head(config) -> str:
    """The head of transformers' classifier of the family: `pooler`, `two_layer` or `linear`."""
    import torch
    from transformers import AutoModelForSequenceClassification

    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config)
    if pooler_name(model):
        return "pooler"
    layers = [part for name in head_names(model) for part in model.get_submodule(name).modules()]
    return "linear" if sum(isinstance(part, torch.nn.Linear) for part in layers) == 1 else "two_layer"


def _set_head_dropout(config, arguments: StrategyArguments, is_ours: bool) -> None:
    """UserError for no share, or for a head of transformers that has no dropout of its own."""
    if not 0 <= arguments.classifier_dropout < 1:
        raise UserError(f"classifier_dropout: {arguments.classifier_dropout}; give a number from 0 to below 1")
    # DeBERTa's config has the field only once it is set.
    is_deberta = config.model_type.startswith("deberta")
    name = "cls_dropout" if is_deberta else next((name for name in DROPOUT_FIELDS if hasattr(config, name)), None)
    if name:
        setattr(config, name, arguments.classifier_dropout)
    elif not is_ours:
        raise UserError(f"classifier_dropout: the head of a '{config.model_type}' model has no dropout of its own")


def _wrap(config, arguments: StrategyArguments, strategy: Strategy, head: str):
    """The config of our classifier around the encoder, for mean pooling, a mix of all layers or a head of ours.

    Raises:
        UserError: the encoder brings its own code, which cannot be nested.
    """
    from custom_models import SentenceEncoderConfig

    if hasattr(config, "auto_map"):
        raise UserError(
            f"{arguments.model_name_or_path}: it brings its own code; pooling mean, a mix of layers and the heads "
            "linear and two_layer take an architecture of transformers: give --head pooler, for its own"
        )
    dropout = arguments.classifier_dropout
    return SentenceEncoderConfig(
        encoder_config=config,
        pooling=arguments.pooling,
        use_scalar_mix=strategy.mixes_layers,
        head=head,
        classifier_dropout=getattr(config, "hidden_dropout_prob", 0.1) if dropout is None else dropout,
        id2label=config.id2label,
        label2id=config.label2id,
        problem_type=config.problem_type,
    )


def _new_classifier(folder: str, config, arguments: StrategyArguments, strategy: Strategy):
    """The classifier with the encoder's weights (or random ones), and a new head for a new task."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    trust = {"trust_remote_code": arguments.trust_remote_code}
    if strategy.is_random:
        model = AutoModelForSequenceClassification.from_config(config, **trust)
        model.has_new_pooler = True
        return model
    model = encoder_with_head(arguments.model_name_or_path, folder, config, arguments.trust_remote_code)
    if config.model_type != OURS and AutoConfig.from_pretrained(folder, **trust).id2label != config.id2label:
        _renew_head(model, AutoModelForSequenceClassification.from_config(config, **trust))
    return model


def _renew_head(model, fresh) -> None:
    """A new head for a new task: an earlier task's is initialised anew; a pooler inside the encoder is pretrained."""
    for name in head_names(model):
        if not name.startswith(f"{model.base_model_prefix}."):
            model.get_submodule(name).load_state_dict(fresh.get_submodule(name).state_dict())
