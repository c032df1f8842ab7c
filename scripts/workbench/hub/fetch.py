"""Models from a run's folder or the Hub; what a stranger's config could do is checked before transformers reads it."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.errors import UserError

from .convert import TORCH_WEIGHTS, check_index, has_torch_weights, safetensors_folder

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
# transformers before 5.3 runs a Hub repository's code where the first is set (CVE-2026-4372), and before 5.5 lets a
# config override the caller's trust_remote_code (CVE-2026-5241).
FORBIDDEN_KEYS = ("_attn_implementation_internal", "trust_remote_code")
PICKLED = ["*.bin", "*.pt", "*.pth", "*.pkl", "*.h5", "*.msgpack"]
OUR_TYPES = ("piglatin", "sentence_encoder")


def fetch_model(name: str) -> str:
    """The local folder of a model with safetensors: `name` itself, a snapshot from the Hub, or a copy in the cache.

    Weights that only a `pytorch_model.bin` holds are converted into that copy; nothing else pickled is fetched.
    """
    path = Path(name)
    if path.is_dir():
        return name if _has_safetensors(name, path) else safetensors_folder(name, path)
    if path.exists() or name.count("/") > 1 or name.startswith((".", "/", "~")):
        raise UserError(f"{name}: no such folder (nor a Hub model's name, 'owner/name')")
    snapshot = _snapshot(name, ignore_patterns=PICKLED)
    if any(snapshot.glob("adapter*.safetensors")):
        return str(snapshot)
    if not any((snapshot / weights).is_file() for weights in WEIGHTS):
        _snapshot(name, revision=snapshot.name, allow_patterns=["pytorch_model*.bin"])
    return str(snapshot) if _has_safetensors(name, snapshot) else safetensors_folder(name, snapshot)


def _has_safetensors(name: str, folder: Path) -> bool:
    """Whether `folder` has safetensors; UserError if it has no weights at all, or an index of other files."""
    if (folder / WEIGHTS[0]).is_file():
        return True
    if (folder / WEIGHTS[1]).is_file():
        return bool(check_index(name, folder / WEIGHTS[1], ".safetensors"))
    if has_torch_weights(folder):
        return False
    raise UserError(
        f"{name}: no weights ({WEIGHTS[0]}) in this folder; has the training finished? {TORCH_WEIGHTS} is read too"
    )


def _snapshot(name: str, **options) -> Path:
    """The files of a Hub repository, as far as `options` of `snapshot_download` let them through."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, **options))
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"{name}: no such folder, and the Hub did not give such a model: {reason}") from error


@contextmanager
def loading(name: str) -> Iterator[None]:
    """Turns what a broken model raises into a UserError that begins with its name; says nothing of a new head."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, ImportError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"{name}: cannot load this model: {lines[0]}") from error
    except Exception as error:
        # A truncated safetensors file raises an exception of the Rust library's own.
        if type(error).__module__.startswith("safetensors"):
            raise UserError(f"{name}: the weights cannot be read: {error}") from error
        raise
    finally:
        logging.set_verbosity(verbosity)


def check_complete(name: str, missing: list[str]) -> None:
    """UserError if weights that are needed are not in the file, or not in these shapes: they would be random."""
    if missing:
        raise UserError(f"{name}: the weights lack {len(missing)} tensors of this model, such as {min(missing)}")


def check_tokenizer(folder: str) -> None:
    """UserError if saving this folder's tokenizer would write outside of where it is saved.

    transformers before 5.10 makes a path of a chat template's name (CVE-2026-9856).
    """
    path = Path(folder) / "tokenizer_config.json"
    names = [template.stem for template in (path.parent / "additional_chat_templates").glob("*")]
    if path.is_file():
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: cannot read this tokenizer's config: {error}") from error
        names += _template_names(config.get("chat_template") if isinstance(config, dict) else None)
    wrong = [name for name in names if not re.fullmatch(r"[\w-][\w .-]*", str(name))]
    if wrong:
        raise UserError(f"{path}: refused, because its chat template {wrong[0]!r} would be saved outside of the folder")


def _template_names(templates) -> list:
    """Names of chat templates: keys, or entries `name` of a list; one template alone has none."""
    if isinstance(templates, dict):
        return list(templates)
    if isinstance(templates, list):
        return [entry.get("name") for entry in templates if isinstance(entry, dict)]
    return []


def check_config(folder: str, trust_remote_code: bool) -> dict:
    """Reads `config.json` as plain JSON; UserError if it is broken or would run code that was not asked for."""
    path = Path(folder) / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot read this model's config: {error}") from error
    found = unasked_code(config, config.get("model_type") in OUR_TYPES, trust_remote_code)
    if found == "auto_map":
        raise UserError(f"{path}: this model brings its own code; read it, then pass --trust_remote_code to run it")
    if found:
        raise UserError(f"{path}: refused, because its '{found}' could run code that you did not ask for")
    return config


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


def all_keys(value) -> set[str]:
    """The keys of dictionaries at any depth."""
    if isinstance(value, dict):
        return set(value).union(*map(all_keys, value.values()))
    return set().union(*map(all_keys, value)) if isinstance(value, list) else set()


def portable_tokenizer(folder: Path) -> dict[str, bytes]:
    """`tokenizer_config.json` as both transformers lines read it; 5 writes names that 4.57 does not know."""
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return {}
    config = json.loads(path.read_text(encoding="utf-8"))
    if config.get("tokenizer_class") == "TokenizersBackend":
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(config.get("extra_special_tokens"), list):
        config["additional_special_tokens"] = config.pop("extra_special_tokens")
    return {path.name: (json.dumps(config, indent=2, ensure_ascii=False, sort_keys=True) + "\n").encode()}
