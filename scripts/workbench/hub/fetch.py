"""Models and adapters of others, from a folder or the Hub: through a door, into a clean folder, before a library reads.

What a script or a strategy loads by a name comes through here. The door itself, the schemas of what is in the files,
and the bound on what is built are modules of their own, which the Spaces copy.
"""

import errno
import json
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path

from workbench.errors import PATH_ERRORS, UserError
from workbench.processes import is_main_process

from . import door, schemas
from .convert import TORCH_INDEX, TORCH_WEIGHTS, safetensors_folder
from .sizes import bounded

WEIGHTS = (door.WEIGHTS, door.INDEX)
OUR_TYPES = ("piglatin", "sentence_encoder")
# What the `adapters` library saves: an adapter, a fusion of some, a head; older releases pickled their tensors.
ADAPTERHUB = ("adapter.safetensors", "pytorch_adapter.bin", "adapter_fusion_config.json", "head_config.json")
ADAPTERHUB += ("model_adapter_fusion.safetensors", "pytorch_model_adapter_fusion.bin")
ADAPTERHUB += ("model_head.safetensors", "pytorch_model_head.bin")
BROKEN = "this model does not work"
ADAPTER = (*door.ADAPTER, *ADAPTERHUB, door.LIBRARY_WEIGHTS)
REMOTE = (*door.MODEL, *ADAPTER, *door.FACTS, "model*.safetensors", door.INDEX)


def fetch_model(name: str, trust_remote_code: bool = False, also: tuple[str, ...] = ()) -> str:
    """A clean folder with a model: its config, its tokenizer, and its weights as safetensors.

    Args:
        name: a folder, or a repository on the Hub. Weights that only a `pytorch_model.bin` holds are converted.
        trust_remote_code: let the repository's own code in.
        also: other files to let in, such as `results.json`.

    Raises:
        UserError: nothing of that name, no weights, or something in it is not let in; the line names the file.
    """
    with refusals(name):
        return _model_folder(name, _find(name, trust_remote_code), trust_remote_code, also)


def fetch_any(name: str, trust_remote_code: bool = False) -> str:
    """A clean folder with the model, or else the adapter, of that name; see `fetch_model` and `fetch_adapter`."""
    with refusals(name):
        source = _find(name, trust_remote_code)
        if any(door.is_there(source / file) for file in (door.ADAPTER[0], door.LIBRARY_WEIGHTS)):
            return _adapter_folder(name, source, trust_remote_code)
        return _model_folder(name, source, trust_remote_code)


def fetch_adapter(name: str, trust_remote_code: bool = False) -> str:
    """A clean folder with an adapter of PEFT or of the `adapters` library, and the adapters that it fuses below it.

    Raises:
        UserError: nothing of that name, or something in it is not let in; the line names the file.
    """
    with refusals(name):
        return _adapter_folder(name, _find(name, trust_remote_code), trust_remote_code)


@contextmanager
def refusals(name: str) -> Iterator[None]:
    """Turns what the door refuses into a UserError that begins with the name of what was asked for."""
    try:
        yield
    except door.RefusedError as error:
        raise UserError(f"{name}: {error}") from error


def _find(name: str, trust_remote_code: bool) -> Path:
    code = (door.CODE,) if trust_remote_code else ()
    return door.find(name, (*REMOTE, *code))


def _model_folder(name: str, source: Path, trust_remote_code: bool, also: tuple[str, ...] = ()) -> str:
    weights = _safetensors(name, source)
    return str(_take(name, source, (*door.MODEL, *also), trust_remote_code, weights))


def _safetensors(name: str, source: Path) -> Path:
    """A folder with the model's safetensors: `source` itself, or the cache, where its torch weights are converted."""
    if any(door.is_there(source / file) for file in WEIGHTS):
        if door.is_there(source / door.INDEX) and not door.is_there(source / door.WEIGHTS):
            _fetch_more(name, source, tuple(door.index_names(source / door.INDEX, ".safetensors")))
        return source
    _fetch_more(name, source, ("pytorch_model*.bin", TORCH_INDEX))
    if any(door.is_there(source / file) for file in (TORCH_WEIGHTS, TORCH_INDEX)):
        return safetensors_folder(name, source)
    raise door.RefusedError(
        f"no weights ({door.WEIGHTS}) in this folder; has the training finished? {TORCH_WEIGHTS} is read too"
    )


def _fetch_more(name: str, source: Path, patterns: tuple[str, ...]) -> None:
    """Completes a snapshot of the Hub with other files of the same commit."""
    if not door.is_folder(name):
        door.find(name, patterns, source.name)


def _adapter_folder(name: str, source: Path, trust_remote_code: bool) -> str:
    """The adapter's clean folder; a fusion's parts are folders below it."""
    place = _take(name, source, (*door.MODEL, *ADAPTER), trust_remote_code, source / "no weights of a whole model")
    for part in [] if door.is_clean(source) else _members(place):
        _fetch_more(name, source, tuple(f"{part}/{file}" for file in door.ADAPTER))
        if (source / part).is_symlink() or not (source / part).is_dir():
            raise door.RefusedError(f"the adapter '{part}' that was fused is missing: it should be in a folder there")
        door.link(_take(name, source / part, door.ADAPTER, False, source / part), place / part)
    return str(place)


def _members(place: Path) -> list[str]:
    """The adapters that a fusion of ours names."""
    path = place / door.ADAPTER[0]
    fields = door.read_object(path) if path.is_file() else {}
    return (fields.get("adapters") or []) if "peft_type" in fields else []


def _take(name: str, source: Path, patterns: tuple[str, ...], trust_remote_code: bool, weights: Path) -> Path:
    """The clean folder with what matches; with trust, the Python files come along, and a line says so."""
    code = (door.CODE,) if trust_remote_code else ()
    place = door.take(source, (*patterns, *code), _checks(name, trust_remote_code), weights)
    brought = sorted(path.name for path in place.glob(door.CODE))
    if brought:
        _tell_code(name, ", ".join(brought))
    return place


def _checks(name: str, trust_remote_code: bool) -> dict[str, door.Check]:
    return {
        "config.json": partial(
            schemas.check_model_config, ours=OUR_TYPES, trust_remote_code=trust_remote_code, name=name
        ),
        "generation_config.json": schemas.check_generation_config,
        "tokenizer_config.json": partial(schemas.check_tokenizer_config, trust_remote_code=trust_remote_code),
        "adapter_config.json": partial(schemas.check_adapter_config, is_remote=not door.is_folder(name)),
        "adapter_fusion_config.json": schemas.check_hub_adapter,
        "head_config.json": schemas.check_hub_adapter,
    }


@cache
def _tell_code(name: str, files: str) -> None:
    """Says once that code of the repository comes along."""
    if is_main_process():
        print(f"{name}: its own code is let in, as --trust_remote_code asks: {files}", file=sys.stderr)


@contextmanager
def loading(name: str, *folders: str) -> Iterator[None]:
    """Turns what a broken model raises into a UserError that begins with its name; says nothing of a new head.

    Args:
        folders: clean folders, with whose weights what is built is compared; none where nothing is.
    """
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with reading(name, "cannot load this model"), ExitStack() as stack:
            if folders:
                stack.enter_context(bounded(_shapes(folders)))
            yield
    finally:
        logging.set_verbosity(verbosity)


@contextmanager
def reading(name: str, problem: str = "cannot read this adapter") -> Iterator[None]:
    """Turns whatever is raised, for a stranger's files can make a library raise anything, into a UserError."""
    try:
        yield
    except UserError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise  # a signal; a panic is what the tokenizers library makes of broken tables
        if isinstance(error, OSError) and error.errno in (*PATH_ERRORS, errno.ENOSPC, errno.EDQUOT):
            raise  # of the disk or the output folder, not of what is read
        raise UserError(f"{name}: {problem}: {_reason(name, error)}") from error


def _shapes(folders: tuple[str, ...]) -> dict[str, list[int]]:
    found = {}
    for folder in folders:
        shapes = door.read_shapes(Path(folder))
        found |= {f"{folder} {key}": shape for key, shape in shapes.items()}
    return found


def _reason(name: str, error: Exception) -> str:
    """One line of what a library says, with the model's name instead of its clean folder's."""
    lines = str(error).strip().splitlines() or [""]
    is_plain = isinstance(error, (OSError, ValueError, RuntimeError, TypeError, ImportError)) and lines[0]
    text = lines[0] if is_plain else f"{type(error).__name__} {lines[0]}".strip()
    return re.sub(rf"{re.escape(str(door.room()))}/[^/\s'\"]+", lambda found: name, text)


def check_complete(name: str, missing: list[str]) -> None:
    """UserError if weights that are needed are not in the file, or not in these shapes: they would be random."""
    if missing:
        raise UserError(f"{name}: the weights lack {len(missing)} tensors of this model, such as {min(missing)}")


def check_report(name: str, report: dict, new: tuple[str, ...] = ()) -> None:
    """UserError unless a model's weights and its config are of the same tensors.

    Args:
        report: the loading info of `from_pretrained`.
        new: beginnings of the names of tensors that may be random, as a new head's are.
    """
    # On 5 each comes with both shapes.
    mismatched = [key if isinstance(key, str) else key[0] for key in report["mismatched_keys"]]
    random = [*report["missing_keys"], *mismatched]
    check_complete(name, [key for key in random if not key.startswith(new)] if new else random)
    layers = [key for key in report["unexpected_keys"] if re.search(r"\.layers?\.\d+\.", key)]
    if layers:
        raise UserError(f"{name}: the config has fewer layers than the weights, which have {min(layers)}")


def check_loads(name: str) -> None:
    """UserError unless the model in a folder loads, with all its weights, as for whoever downloads it.

    One that brings an architecture of its own cannot be tried: its code would run.
    """
    with refusals(name):
        source = door.read_object(door.regular(Path(name) / "config.json"))
    if "auto_map" in source and source.get("model_type") not in OUR_TYPES:
        return
    folder = fetch_model(name)
    import transformers

    import custom_models  # noqa: F401, registers our architectures

    config = read_config(folder)
    is_classifier = any("ForSequenceClassification" in kind for kind in config.get("architectures") or ())
    writer = "AutoModelForSeq2SeqLM" if config.get("is_encoder_decoder") else "AutoModelForCausalLM"
    auto_class = getattr(transformers, "AutoModelForSequenceClassification" if is_classifier else writer)
    with loading(name, folder):
        _, report = auto_class.from_pretrained(folder, use_safetensors=True, output_loading_info=True)
    check_report(name, report)


def check_vocabulary(name: str, model, tokenizer) -> None:
    """UserError if the tokenizer has symbols that the model has no embedding of."""
    rows = getattr(model.get_input_embeddings(), "num_embeddings", sys.maxsize)
    needed = schemas.count_rows(tokenizer)
    if needed > rows:
        raise UserError(f"{name}: the tokenizer has {needed:,} symbols, the model embeddings of {rows:,}")


def read_config(folder: str) -> dict:
    """The `config.json` in a clean folder, which has been checked; empty if there is none."""
    path = Path(folder) / "config.json"
    return door.read_object(path) if path.is_file() else {}


def check_config(folder: str, trust_remote_code: bool) -> dict:
    """A model's `config.json`; UserError if it is broken, or would do what was not asked for."""
    with refusals(folder):
        content = door.read_object(door.regular(Path(folder) / "config.json"), "config.json")
        with door.naming("config.json"):
            return schemas.check_model_config(content, OUR_TYPES, trust_remote_code, folder)


def portable_tokenizer(folder: Path) -> dict[str, bytes]:
    """`tokenizer_config.json` as both transformers lines read it; 5 writes names that 4.57 does not know."""
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return {}
    with refusals(str(folder)):
        config = door.read_object(door.regular(path), path.name)
    if config.get("tokenizer_class") == "TokenizersBackend":
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(config.get("extra_special_tokens"), list):
        config["additional_special_tokens"] = config.pop("extra_special_tokens")
    return {path.name: (json.dumps(config, indent=2, ensure_ascii=False, sort_keys=True) + "\n").encode()}
