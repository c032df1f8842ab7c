"""AdapterHub's formats: what the `adapters` library saves becomes ours, bit for bit, and back.

A folder of `adapters` holds an adapter (`adapter_config.json`, and `adapter.safetensors` or `pytorch_adapter.bin`) or a
fusion (`adapter_fusion_config.json` and its weights), and maybe a head. Ours is PEFT's (`adapter_model.safetensors`).
"""

import json
import pickle
import re
import tempfile
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from peft import PeftModel
from peft.utils import CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as CLASSIFIERS

from .config import FusionConfig, MethodConfig, check_weights_file
from .hub_format import (
    BASE_NAMES,
    VERSION,
    Checkpoint,
    adapter_from_hub,
    adapter_to_hub,
    fusion_from_hub,
    fusion_to_hub,
    head_from_hub,
    head_to_hub,
    key_to_hub,
    known_value,
    site_names,
)
from .model import MARK, PEFT_PREFIX, BottleneckModel, adapter_weights

# Configuration, weights, and weights in the older format, of what `adapters` saves.
ADAPTER = (CONFIG_NAME, "adapter.safetensors", "pytorch_adapter.bin")
FUSION = ("adapter_fusion_config.json", "model_adapter_fusion.safetensors", "pytorch_model_adapter_fusion.bin")
MOST_GROWTH = 8
HEAD = ("head_config.json", "model_head.safetensors", "pytorch_model_head.bin")


def load_adapterhub(
    model: PreTrainedModel | PeftModel, source: str, adapter_name: str | None = None, with_head: bool = True
) -> PeftModel:
    """Loads an adapter or a fusion that `adapters` has saved into `model`, and makes it active, for inference.

    Args:
        model: the base model, or a `PeftModel` with other bottleneck adapters (a fusion needs its own in it).
        source: a folder, or a repository on the Hub.
        adapter_name: its name in `model`; by default, the one that it was saved under.
        with_head: whether to load the head too, if one was saved.

    Raises:
        ValueError: the source is missing or damaged, has a setting that we do not support, or does not fit `model`.
    """
    checkpoint = read_adapterhub(source, with_head)
    name = adapter_name or checkpoint.name
    if isinstance(model, PeftModel):
        model.add_adapter(name, checkpoint.config)
    else:
        model = PeftModel(model, checkpoint.config, adapter_name=name)
    set_peft_model_state_dict(model, checkpoint.weights, adapter_name=name)
    model.set_adapter(name, inference_mode=True)
    return model.eval()


def save_adapterhub(
    model: PeftModel,
    folder: str,
    adapter_name: str,
    unshare: bool = False,
    name: str | None = None,
    with_head: bool = True,
) -> Checkpoint:
    """Saves an adapter or a fusion of `model` for `adapters`: `load_adapter(folder, use_safetensors=True)`.

    Args:
        model: with the adapter in it.
        folder: made if it is not there.
        adapter_name: the adapter's name; a fusion's there is made of those of its adapters.
        unshare: whether insertions that share a bottleneck get a copy each; `adapters` cannot share.
        name: its name there, if it is to have another.
        with_head: whether to save the head too, if one was trained.

    Returns:
        What was saved.

    Raises:
        ValueError: `adapters` has no equivalent of a setting.
    """
    config = model.peft_config[adapter_name]
    weights = get_peft_model_state_dict(model, adapter_name=adapter_name, save_embedding_layers=False)
    if unshare:
        every = adapter_weights(model, adapter_name)
        weights |= {
            BottleneckModel._remove_adapter_name_from_key(key, adapter_name): every[key].clone() for key in every
        }
    model_class = type(model.get_base_model()).__name__
    checkpoint = Checkpoint(name or adapter_name, config, weights, model_class)
    write_adapterhub(checkpoint, folder, unshare, with_head)
    return checkpoint


def convert_to_peft(source: str, folder: str, with_head: bool = True) -> Checkpoint:
    """Writes what `adapters` saved at `source` (a folder or a Hub repository) as a PEFT adapter, and returns it.

    Raises:
        ValueError: as `load_adapterhub`.
    """
    checkpoint = read_adapterhub(source, with_head)
    checkpoint.config.inference_mode = True
    config = json.dumps(checkpoint.config.to_dict(), indent=2, sort_keys=True)
    write_folder(folder, {CONFIG_NAME: config, SAFETENSORS_WEIGHTS_NAME: checkpoint.weights})
    return checkpoint


def convert_to_adapterhub(source: str, folder: str, name: str | None = None, with_head: bool = True) -> Checkpoint:
    """Writes the PEFT adapter at `source` (a folder or a Hub repository) for `adapters`, and returns it.

    Its name there is `name`, or that of its folder or repository (`name_there`).

    Raises:
        ValueError: as `save_adapterhub`, or there is no bottleneck adapter at `source`.
    """
    directory = find_folder(source, [CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME])
    if not (directory / SAFETENSORS_WEIGHTS_NAME).is_file():
        raise ValueError(f"{source}: there is no {SAFETENSORS_WEIGHTS_NAME}; give a folder that PEFT has saved")
    fields = read_json(directory / CONFIG_NAME)
    if fields.get("peft_type") != "BOTTLENECK":
        raise ValueError(
            f"{source}: its peft_type is {fields.get('peft_type')}, not BOTTLENECK: it is no bottleneck adapter"
        )
    config = MethodConfig.from_pretrained(str(directory))
    weights = read_weights(directory, SAFETENSORS_WEIGHTS_NAME, None)
    checkpoint = Checkpoint(name or name_there(source), config, weights, class_of(config))
    write_adapterhub(checkpoint, folder, with_head=with_head)
    return checkpoint


def name_there(source: str) -> str:
    """An adapter's name for `adapters`, made of its folder's or repository's."""
    return re.sub(r"[^\w-]", "_", Path(source).name)


def read_adapterhub(source: str, with_head: bool = True) -> Checkpoint:
    """Reads what `adapters` saved; see `load_adapterhub`."""
    directory = find_folder(source, [*ADAPTER, *FUSION, *HEAD])
    is_fusion = not (directory / ADAPTER[0]).is_file() and (directory / FUSION[0]).is_file()
    config_name, *weight_names = FUSION if is_fusion else ADAPTER
    if not (directory / config_name).is_file():
        raise ValueError(
            f"{source}: there is no {ADAPTER[0]} and no {FUSION[0]}; give a folder that `adapters` has saved"
        )
    saved = read_json(directory / config_name)
    check_saved(saved, directory / config_name)
    weights = read_weights(directory, *weight_names)
    checkpoint = fusion_from_hub(saved, weights) if is_fusion else adapter_from_hub(saved, weights)
    if with_head and (directory / HEAD[0]).is_file():
        head = head_from_hub(read_json(directory / HEAD[0]), read_weights(directory, *HEAD[1:]))
        checkpoint.weights |= head
        tops = {key.removeprefix(PEFT_PREFIX).removeprefix(f"{BASE_NAMES[saved['model_type']]}.") for key in head}
        checkpoint.config.modules_to_save = sorted({top.split(".")[0] for top in tops})
    return checkpoint


def write_adapterhub(checkpoint: Checkpoint, folder: str, unshared: bool = False, with_head: bool = True) -> None:
    """Writes an adapter or a fusion for `adapters`; ValueError for what it has no equivalent of.

    Without its head, the checkpoint loses it.
    """
    config = checkpoint.config
    family = (config.trained_on or {}).get("model_type")
    if family not in BASE_NAMES:
        raise ValueError(f"`adapters` has no model of type '{family}' in common with us: only {', '.join(BASE_NAMES)}")
    is_fusion = isinstance(config, FusionConfig)
    described = fusion_to_hub(config) if is_fusion else adapter_to_hub(checkpoint.name, config, unshared)
    common = {
        "hidden_size": config.trained_on["hidden_size"],
        "model_class": checkpoint.model_class,
        "model_name": config.base_model_name_or_path or "",
        "model_type": family,
        "version": VERSION,
    }
    own = {key: weight for key, weight in checkpoint.weights.items() if MARK in key}
    if not with_head:
        checkpoint.weights, checkpoint.config.modules_to_save = own, None
    infix = f".adapter_fusion_layer.{described['name']}." if is_fusion else f".adapters.{checkpoint.name}."
    sites = {ours: theirs for theirs, ours in site_names(family, config.placement).items()}
    config_name, weights_name, _ = FUSION if is_fusion else ADAPTER
    files = {
        config_name: json.dumps(common | described, indent=2, sort_keys=True),
        weights_name: {key_to_hub(key, infix, sites): weight for key, weight in own.items()},
    }
    head = {key.removeprefix(PEFT_PREFIX): weight for key, weight in checkpoint.weights.items() if key not in own}
    if head:
        described, weights = head_to_hub(head, family, checkpoint.name, checkpoint.model_class)
        files |= {HEAD[0]: json.dumps(common | described, indent=2, sort_keys=True), HEAD[1]: weights}
    write_folder(folder, files)


def check_saved(saved: dict, path: Path) -> None:
    """ValueError unless `saved`, read from `path`, describes something of a family that we have."""
    if "peft_type" in saved or not isinstance(saved.get("config"), dict) or "name" not in saved:
        raise ValueError(f"{path} was not saved by `adapters` ('name' and 'config' are missing): is it PEFT's already?")
    known_value("model_type", saved.get("model_type"), BASE_NAMES)


def class_of(config: MethodConfig) -> str | None:
    """The class of the model that a PEFT adapter was saved from, if its configuration tells."""
    if config.task_type == "SEQ_CLS":
        return CLASSIFIERS.get((config.trained_on or {}).get("model_type"))
    return (config.auto_mapping or {}).get("base_model_class")


def find_folder(source: str, names: list[str]) -> Path:
    """The folder `source`, or where the files `names` of the repository `source` are after a download."""
    if Path(source).is_dir():
        return Path(source)
    try:
        return Path(snapshot_download(str(source), allow_patterns=names))
    except (OSError, HfHubHTTPError, HFValidationError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"'{source}' is no folder, and the Hub does not give it as a repository: {reason}") from error


def read_json(path: Path) -> dict:
    """A JSON object; ValueError naming file and line if it is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not JSON ({error}): copy or download it again") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path}: a JSON object is wanted, not a {type(found).__name__}")
    return found


def read_weights(folder: Path, safe_name: str, old_name: str | None) -> dict[str, torch.Tensor]:
    """The weights in `folder`, from safetensors or, if there is none, through torch's reader that takes only weights.

    Raises:
        ValueError: there is no file, it is cut short, or it holds anything but weights.
    """
    if (folder / safe_name).is_file():
        check_weights_file(folder / safe_name)
        return load_file(folder / safe_name)
    path = folder / (old_name or safe_name)
    if not path.is_file():
        raise ValueError(f"{folder}: there is no {safe_name}" + (f" and no {old_name}" if old_name else ""))
    damaged = f"{path} is cut short, or holds more than weights: it is not read; copy or download it again"
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise ValueError(damaged) from error
    if not isinstance(weights, dict) or not all(isinstance(weight, torch.Tensor) for weight in weights.values()):
        raise ValueError(damaged)
    # A tensor that repeats one number in the file would be written out in full.
    if sum(weight.numel() * weight.element_size() for weight in weights.values()) > MOST_GROWTH * path.stat().st_size:
        raise ValueError(damaged)
    return weights


def write_folder(folder: str, files: dict[str, str | dict[str, torch.Tensor]]) -> None:
    """Writes texts and weights as files of `folder`: beside it first, so that nothing whole becomes half of another."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target) as beside:
        for name, content in files.items():
            if isinstance(content, str):
                Path(beside, name).write_text(content + "\n", encoding="utf-8")
            else:
                save_file(
                    {key: weight.contiguous() for key, weight in content.items()}, Path(beside, name), {"format": "pt"}
                )
        for name in files:
            Path(beside, name).replace(target / name)
