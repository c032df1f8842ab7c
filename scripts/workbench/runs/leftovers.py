"""What a run leaves in its folder: what may be deleted with it, and what somebody else has put there."""

from fnmatch import fnmatch
from pathlib import Path

# Files of runs, models, tokenizers, adapters and trackers, and what a killed process left half-written.
FILES = (
    "config.yaml inputs.json results.json curves.json README.md predictions.parquet predictions.tsv *_predictions.tsv "
    "*_translations.tsv [A-Z]*.tsv table.md table.csv "
    "config.json generation_config.json adapter_config.json head_config.json adapter_fusion_config.json heads.json "
    "*.safetensors *.safetensors.index.json tokenizer.json tokenizer_config.json special_tokens_map.json "
    "added_tokens.json vocab.txt vocab.json merges.txt bpe.codes spiece.model sentencepiece.bpe.model spm.model "
    "chat_template.jinja training_args.bin "
    "configuration_*.py modeling_*.py layers_*.py tokenization_*.py events.out.tfevents.* .lock "
    ".*.[0-9] .*.[0-9][0-9]* .*.png"
).split()
FOLDERS = ("checkpoint-[0-9]*", "tmp-checkpoint-[0-9]*", "__pycache__", "wandb", "mlruns", "trackio")


def foreign_file(folder: Path) -> Path | None:
    """A file or link that no run writes, in the folder or below it; None if all of them are a run's.

    A checkpoint is one of the Trainer's, whatever is in it.
    """
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            is_own = any(fnmatch(path.name, pattern) for pattern in FOLDERS)
            found = None if is_own else foreign_file(path) or _only_folder(path)
        else:
            found = None if _is_own(path) else path
        if found:
            return found
    return None


def _only_folder(path: Path) -> Path | None:
    """The folder, if it is hidden, as a repository's is."""
    return path if path.name.startswith(".") else None


def _is_own(path: Path) -> bool:
    """Whether a run may have written the file: a name of its own, or a figure with its numbers beside it."""
    if path.is_symlink():
        return False
    if path.suffix in (".png", ".json") and path.with_suffix(".png").is_file() and path.with_suffix(".json").is_file():
        return True
    return any(fnmatch(path.name, pattern) for pattern in FILES)
