# The same as spaces/classifier/loading.py
"""A classifier from the Hub or a folder: safetensors only, and no code of a model's own unless the owner asks."""

import importlib
from functools import partial
from pathlib import Path

import door
import schemas
import torch
from peft import PeftModel, PeftType, get_peft_model_state_dict
from sizes import bounded
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging

ADAPTER, ADAPTER_WEIGHTS = door.ADAPTER
OURS, BOTTLENECK = "sentence_encoder", "BOTTLENECK"
# The last Linear of a head, in the families' spellings: as many rows as there are classes.
# The same as scripts/workbench/classification/loading.py
LAST_LINEAR = (".classifier.weight", ".out_proj.weight", ".score.weight")


class CannotLoadError(Exception):
    """A model that this Space cannot show; the message says why, and what to do."""


def load_model(name: str, trust_remote_code: bool):
    """Model (evaluation mode, on the GPU if there is one) and tokenizer.

    Raises:
        CannotLoadError: nothing of that name, no trained classifier, or a config that is not safe to read.
    """
    logging.disable_progress_bar()
    logging.set_verbosity_error()  # what is missing is said in one line
    folder = fetch(name, trust_remote_code)
    try:
        model = (load_adapter if (folder / ADAPTER).is_file() else load_whole)(folder, trust_remote_code)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
        schemas.check_words(tokenizer, getattr(model.get_input_embeddings(), "num_embeddings", None))
        check_answer(model.eval(), tokenizer)
    except CannotLoadError:
        raise
    except BaseException as error:  # a stranger's files can make a library raise whatever there is, or panic
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise CannotLoadError(lines[0].replace(str(folder), name)) from error
    return model.to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer


def check_answer(model, tokenizer) -> None:
    """CannotLoadError for a classifier that cannot answer to a text, or answers no number."""
    if tokenizer.pad_token is None:
        raise CannotLoadError("its tokenizer has no symbol for padding")
    with torch.inference_mode():
        logits = model(**tokenizer("a", return_tensors="pt")).logits
    if logits.shape != (1, model.config.num_labels) or not logits.isfinite().all():
        raise CannotLoadError("its answers are not a number for each class")


def fetch(name: str, trust_remote_code: bool, is_base: bool = False) -> Path:
    """A clean folder with the files of a model or an adapter that are read, from a folder or the Hub.

    Args:
        is_base: it is the encoder of an adapter, and no adapter itself.

    Raises:
        CannotLoadError: nothing of that name, or something in it is not let in.
    """
    patterns = (*door.MODEL, *door.FACTS, *((door.CODE,) if trust_remote_code else ()))
    try:
        source = door.find(name, (*patterns, *door.ADAPTER, "*.safetensors", door.INDEX))
        if is_base or not door.is_there(source / ADAPTER):
            if not door.weight_files(source):
                raise CannotLoadError(f"no weights ({door.WEIGHTS}); other formats are not read")
            return door.take(source, patterns, checks(name, trust_remote_code))
        # Without weights of its own: transformers would look for an adapter beside them.
        return door.take(source, (*patterns, *door.ADAPTER), checks(name, trust_remote_code), source / "none")
    except door.RefusedError as error:
        raise CannotLoadError(str(error)) from error


def checks(name: str, trust_remote_code: bool) -> dict[str, door.Check]:
    """What the JSON files of a model or an adapter go through."""
    ours = (OURS,) if has_igpay() else ()
    trust = {"trust_remote_code": trust_remote_code, "consent": "set TRUST_REMOTE_CODE=1"}
    return {
        "config.json": partial(schemas.check_model_config, ours=ours, name=name, **trust),
        "generation_config.json": schemas.check_generation_config,
        "tokenizer_config.json": partial(schemas.check_tokenizer_config, **trust),
        "adapter_config.json": partial(schemas.check_adapter_config, is_remote=not door.is_folder(name)),
    }


def load_whole(folder: Path, trust_remote_code: bool):
    """A model that `AutoModelForSequenceClassification` reads, with every weight that it needs."""
    config = door.read_object(folder / "config.json") if (folder / "config.json").is_file() else {}
    architectures = config.get("architectures") or []
    if architectures and not any("ForSequenceClassification" in str(name) for name in architectures):
        raise CannotLoadError(f"a {architectures[0]}, which is no trained text classifier")
    options = {"dtype": torch.float32, "use_safetensors": True, "trust_remote_code": trust_remote_code}
    with bounded(door.read_shapes(folder)):
        model, report = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True, **options)
    check_complete({*report["missing_keys"], *(row[0] for row in report["mismatched_keys"])})
    return model


def load_adapter(folder: Path, trust_remote_code: bool):
    """A PEFT adapter with its head, on the encoder that it names."""
    fields = check_adapter(folder)
    shapes = door.read_header(folder / ADAPTER_WEIGHTS)
    base = str(fields.get("base_model_name_or_path") or "")
    try:
        base_folder = fetch(base, trust_remote_code, is_base=True)
    except CannotLoadError as error:
        raise CannotLoadError(f"it adapts the encoder '{base}', which cannot be fetched: {error}") from error
    config = adapted_config(folder, base_folder, shapes, trust_remote_code)
    options = {"dtype": torch.float32, "use_safetensors": True, "trust_remote_code": trust_remote_code}
    with bounded(shapes | door.read_shapes(base_folder)):
        model, report = AutoModelForSequenceClassification.from_pretrained(
            base_folder, config=config, ignore_mismatched_sizes=True, output_loading_info=True, **options
        )
        model = PeftModel.from_pretrained(model, folder)
    brought = {key.removeprefix("base_model.model.") for key in shapes}
    check_complete({*report["missing_keys"], *(row[0] for row in report["mismatched_keys"])} - brought)
    check_complete(set(get_peft_model_state_dict(model, save_embedding_layers=False)) - set(shapes))
    return model


def adapted_config(folder: Path, base_folder: Path, shapes: dict[str, list[int]], trust_remote_code: bool):
    """The classifier's config beside the adapter; without one, the encoder's with as many classes as the head has."""
    rows = [shape[0] for key, shape in shapes.items() if key.endswith(LAST_LINEAR)]
    if not rows:
        raise CannotLoadError("the adapter has no classifier's head: was it trained on another task?")
    if not (folder / "config.json").is_file():
        return AutoConfig.from_pretrained(base_folder, num_labels=rows[-1], trust_remote_code=trust_remote_code)
    if door.read_object(folder / "config.json").get("model_type") == OURS:
        raise CannotLoadError("an adapter inside igpay's sentence encoder (pooling: mean), which only igpay can load")
    return AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)


def check_adapter(folder: Path) -> dict:
    """Reads `adapter_config.json`; CannotLoadError unless it is of a method that PEFT has, or igpay is here."""
    fields = door.read_object(folder / ADAPTER)
    method = fields.get("peft_type")
    if method is None:
        raise CannotLoadError("an adapter of the `adapters` library, not of PEFT: convert it with igpay")
    if method == BOTTLENECK and not has_igpay():
        raise CannotLoadError("a bottleneck adapter, which is igpay's PEFT method: add igpay to requirements.txt")
    if method != BOTTLENECK and method not in PeftType.__members__:
        raise CannotLoadError(f"its peft_type is '{method}', which this version of PEFT does not have")
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise CannotLoadError(f"no weights ({ADAPTER_WEIGHTS}); other formats are not read")
    return fields


def check_complete(missing) -> None:
    """CannotLoadError if weights are missing: they would be random."""
    if missing:
        raise CannotLoadError(f"it lacks {len(missing)} weights, such as {min(missing)}: is it a trained classifier?")


def has_igpay() -> bool:
    """Whether igpay is installed; its architectures and adapters are then known to transformers and PEFT."""
    try:
        importlib.import_module("custom_models.bottleneck")
    except ImportError:
        return False
    return True
