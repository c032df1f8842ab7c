"""A translator from the Hub or a folder: safetensors only, and no code of a model's own unless the owner asks."""

from functools import partial
from pathlib import Path

import door
import piglatin  # noqa: F401, registers igpay's architectures
import schemas
import torch
from sizes import bounded
from transformers import AutoTokenizer, GenerationConfig
from transformers.utils import logging

OURS = ("piglatin",)
# What decides where an answer begins and ends; whatever else a model's generation_config.json sets is ours to set.
SYMBOLS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id", "max_length")


class CannotLoadError(Exception):
    """A model that this Space cannot show; the message says why, and what to do."""


def fetch(name: str, trust_remote_code: bool) -> Path:
    """A clean folder with the files of a model that are read, from a folder or the Hub.

    Raises:
        CannotLoadError: nothing of that name, or something in it is not let in.
    """
    patterns = (*door.MODEL, *door.FACTS, *((door.CODE,) if trust_remote_code else ()))
    trust = {"trust_remote_code": trust_remote_code, "consent": "set TRUST_REMOTE_CODE=1"}
    checks = {
        "config.json": partial(schemas.check_model_config, ours=OURS, name=name, **trust),
        "generation_config.json": schemas.check_generation_config,
        "tokenizer_config.json": partial(schemas.check_tokenizer_config, **trust),
    }
    try:
        source = door.find(name, (*patterns, "*.safetensors", door.INDEX))
        if not door.weight_files(source):
            raise CannotLoadError(f"no weights ({door.WEIGHTS}); other formats are not read")
        return door.take(source, patterns, checks)
    except door.RefusedError as error:
        raise CannotLoadError(str(error)) from error


def load_model(name: str, folder: Path, auto_class, trust_remote_code: bool):
    """Model (evaluation mode) and tokenizer in a clean folder.

    Args:
        name: what errors call the model.

    Raises:
        CannotLoadError: no translator, or one whose weights are not those of its config.
    """
    logging.disable_progress_bar()
    logging.set_verbosity_error()  # what is missing is said in one line
    options = {"dtype": torch.float32, "use_safetensors": True, "trust_remote_code": trust_remote_code}
    try:
        with bounded(door.read_shapes(folder)):
            model, report = auto_class.from_pretrained(folder, output_loading_info=True, **options)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
        schemas.check_words(tokenizer, getattr(model.get_input_embeddings(), "num_embeddings", None))
        check_complete({*report["missing_keys"], *(row[0] for row in report["mismatched_keys"])})
        model.generation_config = GenerationConfig(**{key: getattr(model.generation_config, key) for key in SYMBOLS})
        model.eval().generate(**tokenizer(["a"], return_tensors="pt"), do_sample=False, max_new_tokens=1)
    except CannotLoadError:
        raise
    except BaseException as error:  # a stranger's files can make a library raise whatever there is, or panic
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise CannotLoadError(lines[0].replace(str(folder), name)) from error
    return model, tokenizer


def check_complete(missing: set[str]) -> None:
    """CannotLoadError if weights are missing: they would be random."""
    if missing:
        raise CannotLoadError(f"it lacks {len(missing)} weights, such as {min(missing)}: is it a trained translator?")
