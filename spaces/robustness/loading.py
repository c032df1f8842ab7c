"""A classifier from the Hub or a folder: safetensors only, and no code of a model's own unless the owner asks."""

import importlib
import json
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from peft import PeftModel, PeftType, get_peft_model_state_dict
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging

ADAPTER, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.py", "README.md"]
# What transformers before 5.5 lets a config do: fetch and run code (CVE-2026-4372), or trust itself (CVE-2026-5241).
# The same as scripts/workbench/hub/fetch.py
FORBIDDEN_KEYS = ("_attn_implementation_internal", "trust_remote_code")
OURS, BOTTLENECK = "sentence_encoder", "BOTTLENECK"
# The last Linear of a head, in the families' spellings: as many rows as there are classes.
# The same as scripts/workbench/classification/loading.py
LAST_LINEAR = (".classifier.weight", ".out_proj.weight", ".score.weight")
BROKEN = (OSError, ValueError, RuntimeError, KeyError, TypeError, ImportError, SafetensorError)


class CannotLoadError(Exception):
    """A model that this Space cannot show; the message says why, and what to do."""


def load_model(name: str, trust_remote_code: bool):
    """Model (evaluation mode, on the GPU if there is one) and tokenizer.

    Raises:
        CannotLoadError: nothing of that name, no trained classifier, or a config that is not safe to read.
    """
    logging.disable_progress_bar()
    folder = fetch(name)
    try:
        model = (load_adapter if (folder / ADAPTER).is_file() else load_whole)(folder, trust_remote_code)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except BROKEN as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise CannotLoadError(lines[0]) from error
    if tokenizer.pad_token is None:
        raise CannotLoadError("its tokenizer has no symbol for padding")
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer


def fetch(name: str) -> Path:
    """The local folder of a model: `name` itself, or a snapshot from the Hub without anything pickled."""
    if Path(name).is_dir():
        return Path(name)
    try:
        return Path(snapshot_download(name, allow_patterns=FILES, ignore_patterns=["*/*"]))
    except (LocalEntryNotFoundError, HFValidationError) as error:
        raise CannotLoadError("no such folder, and not to be had from the Hub either (owner/name)") from error
    except (HfHubHTTPError, OSError) as error:
        raise CannotLoadError(f"the Hub did not give it: {str(error).strip().splitlines()[0]}") from error


def load_whole(folder: Path, trust_remote_code: bool):
    """A model that `AutoModelForSequenceClassification` reads, with every weight that it needs."""
    config = check_config(folder, trust_remote_code)
    architectures = config.get("architectures") or []
    if architectures and not any("ForSequenceClassification" in str(name) for name in architectures):
        raise CannotLoadError(f"a {architectures[0]}, which is no trained text classifier")
    options = {"dtype": torch.float32, "use_safetensors": True, "trust_remote_code": trust_remote_code}
    model, report = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True, **options)
    check_complete(report["missing_keys"])
    return model


def load_adapter(folder: Path, trust_remote_code: bool):
    """A PEFT adapter with its head, on the encoder that it names."""
    fields = check_adapter(folder)
    with safe_open(folder / ADAPTER_WEIGHTS, framework="pt") as file:
        shapes = {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118, no dictionary
    base = str(fields.get("base_model_name_or_path") or "")
    try:
        base_folder = fetch(base)
    except CannotLoadError as error:
        raise CannotLoadError(f"it adapts the encoder '{base}', which cannot be fetched: {error}") from error
    config = adapted_config(folder, base_folder, shapes, trust_remote_code)
    options = {"dtype": torch.float32, "use_safetensors": True, "trust_remote_code": trust_remote_code}
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # that the head is new is true, but the adapter brings it
    model, report = AutoModelForSequenceClassification.from_pretrained(
        base_folder, config=config, ignore_mismatched_sizes=True, output_loading_info=True, **options
    )
    logging.set_verbosity(verbosity)
    model = PeftModel.from_pretrained(model, folder)
    brought = {key.removeprefix("base_model.model.") for key in shapes}
    check_complete({*report["missing_keys"], *(row[0] for row in report["mismatched_keys"])} - brought)
    check_complete(set(get_peft_model_state_dict(model, save_embedding_layers=False)) - set(shapes))
    return model


def adapted_config(folder: Path, base_folder: Path, shapes: dict[str, list[int]], trust_remote_code: bool):
    """The classifier's config beside the adapter; without one, the encoder's with as many classes as the head has."""
    check_config(base_folder, trust_remote_code)
    rows = [shape[0] for key, shape in shapes.items() if key.endswith(LAST_LINEAR)]
    if not rows:
        raise CannotLoadError("the adapter has no classifier's head: was it trained on another task?")
    if not (folder / "config.json").is_file():
        return AutoConfig.from_pretrained(base_folder, num_labels=rows[-1], trust_remote_code=trust_remote_code)
    if read_json(folder / "config.json").get("model_type") == OURS:
        raise CannotLoadError("an adapter inside igpay's sentence encoder (pooling: mean), which only igpay can load")
    check_config(folder, trust_remote_code)
    return AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)


def check_adapter(folder: Path) -> dict:
    """Reads `adapter_config.json`; CannotLoadError unless it is of a method that PEFT has, or igpay is here."""
    fields = read_json(folder / ADAPTER)
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


def check_config(folder: Path, trust_remote_code: bool) -> dict:
    """Reads `config.json` as plain JSON; CannotLoadError if it is broken or would run code that was not asked for."""
    config = read_json(folder / "config.json")
    found = unasked_code(config, config.get("model_type") == OURS and has_igpay(), trust_remote_code)
    if found == "auto_map":
        raise CannotLoadError("it brings its own code; read it, then set TRUST_REMOTE_CODE=1 to run it")
    if found:
        raise CannotLoadError(f"refused, because '{found}' in its config could run code that nobody asked for")
    return config


# The same as scripts/workbench/hub/fetch.py
def unasked_code(config: dict, is_ours: bool, trust_remote_code: bool) -> str | None:
    """The key of a config, at any depth, by which code would run that nobody asked for; None if there is none.

    Args:
        is_ours: the architecture is registered here, so that its own `auto_map` runs nothing; one further inside does.
        trust_remote_code: the code that `auto_map` names was asked for.
    """
    forbidden = next((key for key in FORBIDDEN_KEYS if key in all_keys(config)), None)
    own = {"auto_map"} if is_ours else set()
    brought = all_keys({key: value for key, value in config.items() if key not in own})
    return forbidden or ("auto_map" if "auto_map" in brought and not trust_remote_code else None)


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


def read_json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CannotLoadError(f"{path.name} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise CannotLoadError(f"{path.name} is no JSON object")
    return content


# The same as scripts/workbench/hub/fetch.py
def all_keys(value) -> set[str]:
    """The keys of dictionaries at any depth."""
    if isinstance(value, dict):
        return set(value).union(*map(all_keys, value.values()))
    return set().union(*map(all_keys, value)) if isinstance(value, list) else set()
