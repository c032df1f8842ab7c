"""Trained sentence classifiers from a run's folder or the Hub: whole models, PEFT adapters, the `adapters` library's.

Heavy libraries are imported inside the functions, so that scripts answer `--help` at once.
"""

from math import isfinite
from pathlib import Path

from workbench.data.known_tasks import TASKS, Task
from workbench.errors import UserError
from workbench.hub.door import read_header, read_object
from workbench.hub.fetch import (
    BROKEN,
    check_complete,
    check_report,
    check_vocabulary,
    fetch_any,
    fetch_model,
    loading,
    read_config,
    reading,
)
from workbench.hub.schemas import check_words
from workbench.runs.folder import CONFIG_FILE, read_run_config
from workbench.runs.results import RunResults
from workbench.strategies.adapters_library import check_adapters_library
from workbench.strategies.encoders import head_names, pooler_name

OURS = "sentence_encoder"
PEFT_CONFIG, PEFT_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
LIBRARY_WEIGHTS = "adapters.safetensors"
# The last Linear of a head, in the families' spellings: as many rows as there are classes.
LAST_LINEAR = (".classifier.weight", ".out_proj.weight", ".score.weight")


def load_classifier(name: str, trust_remote_code: bool = False):
    """Model (evaluation mode) and tokenizer of a classifier.

    Args:
        name: a run's folder, or a model's name on the Hub; an adapter's encoder is found by the name that it keeps.
        trust_remote_code: run the repository's own code, if its architecture is not ours.

    Raises:
        UserError: nothing of that name, no safetensors weights, a config that is broken or not safe to read, or an
            adapter whose encoder is not there.
    """
    folder = fetch_any(name, trust_remote_code)
    if (Path(folder) / PEFT_CONFIG).is_file():
        model = _load_peft(name, folder, trust_remote_code)
    elif (Path(folder) / LIBRARY_WEIGHTS).is_file():
        model = _load_library_adapters(name, folder, trust_remote_code)
    else:
        model = _load_whole(name, folder, trust_remote_code)
    tokenizer = tokenizer_of(name, folder, trust_remote_code)
    check_vocabulary(name, model, tokenizer)
    check_answer(name, model.eval(), tokenizer)
    return model, tokenizer


def check_answer(name: str, model, tokenizer) -> None:
    """UserError for a classifier that cannot answer to a text, or answers no number."""
    from .predict import inspect_texts

    with reading(name, BROKEN):
        (answer,) = inspect_texts(model, tokenizer, [{"text": "a"}])
        if not all(map(isfinite, answer.probabilities.values() or [float(answer.label)])):
            raise ValueError("its answers are not numbers (NaN)")


def task_of_run(folder: str) -> Task | None:
    """The task of the classifier in a run's folder, so far as the folder tells; None if it does not."""
    try:
        data = (RunResults.read(folder).facts or {}).get("dataset") or {}
        config = read_run_config(folder) if (Path(folder) / CONFIG_FILE).is_file() else {}
        is_known = "text" in data.get("columns", ())
    except (UserError, OSError, TypeError, AttributeError):
        return None  # a model of the Hub, or with results of others: it can be used all the same
    if not is_known:
        return None
    known = TASKS.get(config.get("task"), Task(folder))
    text, pair = (data.get(name) or config.get(name) or getattr(known, name) for name in ("text_column", "pair_column"))
    return Task(folder, text, (pair or "pair") if "pair" in data["columns"] else None)


def tokenizer_of(name: str, folder: str, trust_remote_code: bool):
    """The tokenizer in `folder`; UserError if there is none, or none that pads."""
    from transformers import AutoTokenizer

    with loading(name):
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
        check_words(tokenizer)
    if tokenizer.pad_token is None:
        raise UserError(f"{name}: its tokenizer has no symbol for padding; give an encoder, such as bert-base-uncased")
    return tokenizer


def encoder_with_head(name: str, folder: str, config, trust_remote_code: bool):
    """A classifier of this config with the pretrained weights in `folder`, and random ones where there are none.

    Raises:
        UserError: weights of the encoder itself are missing, or have other shapes.
    """
    import torch
    from transformers import AutoModelForSequenceClassification

    if config.model_type == OURS:
        return _wrapped_encoder(name, folder, config)
    model, report = AutoModelForSequenceClassification.from_pretrained(
        folder,
        config=config,
        dtype=torch.float32,
        use_safetensors=True,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
        trust_remote_code=trust_remote_code,
    )
    check_report(name, report, new=tuple(f"{head}." for head in head_names(model)))
    pooler = pooler_name(model)
    model.has_new_pooler = any(key.startswith(f"{pooler}.") for key in report["missing_keys"])
    return model


def _wrapped_encoder(name: str, folder: str, config):
    """Our classifier around the encoder in `folder`."""
    import torch
    from transformers import AutoModel

    from custom_models import SentenceEncoderForSequenceClassification

    encoder, report = AutoModel.from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True
    )
    check_report(name, report, new=("pooler.",))
    model = SentenceEncoderForSequenceClassification(config)
    pooler, place = getattr(encoder, "pooler", None), pooler_name(model)
    # The same Linear and tanh on the same state: pretrained with the encoder. ALBERT's is the Linear itself.
    dense = getattr(pooler, "dense", pooler)
    model.has_new_pooler = dense is None or bool(report["missing_keys"])
    if place and not model.has_new_pooler:
        own = model.get_submodule(place)
        getattr(own, "dense", own).load_state_dict(dense.state_dict())
    encoder.pooler = None
    model.encoder.load_state_dict(encoder.state_dict())
    return model


def _load_whole(name: str, folder: str, trust_remote_code: bool):
    import torch
    from transformers import AutoModelForSequenceClassification

    import custom_models  # noqa: F401, registers our architectures

    with loading(name, folder):
        model, report = AutoModelForSequenceClassification.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
            trust_remote_code=trust_remote_code,
        )
    check_report(name, report)
    return model


def _load_peft(name: str, folder: str, trust_remote_code: bool):
    """The encoder that a PEFT adapter names, with the adapter and its head."""
    from peft import PeftModel, get_peft_model_state_dict

    import custom_models.bottleneck  # noqa: F401, registers our adapters with PEFT

    fields, weights = read_object(Path(folder) / PEFT_CONFIG), Path(folder) / PEFT_WEIGHTS
    if "peft_type" not in fields:
        raise UserError(f"{name}: an adapter of the adapters library; convert it with scripts/convert_adapter.py")
    if not weights.is_file():
        raise UserError(f"{name}: no weights ({PEFT_WEIGHTS}) in this folder")
    shapes = read_header(weights)
    base_folder = _base_folder(name, fields, trust_remote_code)
    with loading(name, folder, base_folder):
        model = _base_classifier(name, folder, base_folder, trust_remote_code, shapes)
        if fields.get("adapters"):
            from workbench.strategies.fusion import load_fusion

            model = load_fusion(model, folder, fields["adapters"])
        else:
            model = PeftModel.from_pretrained(model, folder)
        check_complete(name, sorted(set(get_peft_model_state_dict(model, save_embedding_layers=False)) - set(shapes)))
    return model


def _load_library_adapters(name: str, folder: str, trust_remote_code: bool):
    """The encoder with the adapters and the head that `adapters_library.save_adapters` wrote."""
    fields = read_config(folder)
    configuration = fields.get("adapters_config", "")
    check_adapters_library(configuration)
    from workbench.strategies.adapters_library import add_adapters, read_adapters

    base_folder = _base_folder(name, fields, trust_remote_code)
    with loading(name, folder, base_folder):
        model = _base_classifier(name, folder, base_folder, trust_remote_code, {})
        model = add_adapters(model, configuration)
        read_adapters(model, folder)
    return model


def _base_folder(name: str, fields: dict, trust_remote_code: bool) -> str:
    """The clean folder of the encoder that an adapter's config names; UserError if it is not to be had."""
    try:
        return fetch_model(fields.get("base_model_name_or_path") or "", trust_remote_code)
    except UserError as error:
        raise UserError(f"{name}: the encoder that this adapter was trained on: {error}") from error


def _base_classifier(name: str, folder: str, base_folder: str, trust_remote_code: bool, shapes: dict[str, list[int]]):
    """The classifier that the adapter in `folder` was trained on, with the config that was saved beside it.

    Without one (adapters of others), the adapter's head says how many classes there are.
    """
    from transformers import AutoConfig

    import custom_models  # noqa: F401, registers our architectures

    if (Path(folder) / "config.json").is_file():
        config = AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
    else:
        rows = [shape[0] for key, shape in shapes.items() if key.endswith(LAST_LINEAR)]
        labels = {"num_labels": rows[-1]} if rows else {}
        config = AutoConfig.from_pretrained(base_folder, trust_remote_code=trust_remote_code, **labels)
    return encoder_with_head(name, base_folder, config, trust_remote_code)
