"""A transform over many texts: in parallel, its results kept in the cache, with its progress shown on a terminal."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib import metadata
from pathlib import Path

from workbench.errors import UserError

from .transform import Transform, Transformed, changes_from_json, changes_to_json

TEXTS_AT_ONCE = 200


@dataclass(frozen=True)
class _Batch:
    """What each process does with a batch of rows."""

    transform: Transform

    def __call__(self, rows: dict[str, list[str]]) -> dict[str, list[str]]:
        results = [self.transform.transform(text) for text in rows["text"]]
        return {"text": [result.text for result in results], "changes": [changes_to_json(r.changes) for r in results]}


def transform_texts(texts: Sequence[str], transform: Transform, num_proc: int = 1) -> list[Transformed]:
    """Each text transformed, the same for any number of processes and any order.

    Results of known transforms are kept among the cached data sets, and read from there the next time.
    """
    if not texts:
        return []
    rows = _rows(texts, transform, num_proc)
    pairs = zip(rows["text"], rows["changes"], strict=True)
    return [Transformed(text, changes_from_json(record)) for text, record in pairs]


def _rows(texts: Sequence[str], transform: Transform, num_proc: int):
    """A `datasets.Dataset` of transformed texts and of their records in JSON."""
    import datasets

    if num_proc < 1:
        raise UserError(f"num_proc is {num_proc}: give at least 1")
    processes = min(num_proc, -(-len(texts) // TEXTS_AT_ONCE))
    bars = datasets.utils.logging.is_progress_bar_enabled()
    (datasets.enable_progress_bars if sys.stderr.isatty() else datasets.disable_progress_bars)()
    try:
        return datasets.Dataset.from_dict({"text": list(texts)}).map(
            _Batch(transform),
            batched=True,
            batch_size=TEXTS_AT_ONCE,
            num_proc=processes if processes > 1 else None,
            desc=transform.name,
            **_cache(texts, transform),
        )
    finally:
        (datasets.enable_progress_bars if bars else datasets.disable_progress_bars)()


def _cache(texts: Sequence[str], transform: Transform) -> dict:
    """The options of `map` that name the file of these results; none where they cannot be known to stay the same."""
    import datasets

    if transform.identity is None:
        return {"load_from_cache_file": False, "new_fingerprint": "transformed"}
    digest = blake2b(f"{_code()} {transform.identity}".encode(), digest_size=16)
    for text in texts:
        digest.update(f"{len(text)} {text}".encode("utf-8", "surrogatepass"))
    folder = Path(datasets.config.HF_DATASETS_CACHE) / "transformed"
    folder.mkdir(parents=True, exist_ok=True)
    name = digest.hexdigest()
    return {"load_from_cache_file": True, "new_fingerprint": name, "cache_file_name": str(folder / f"{name}.arrow")}


@cache
def _code() -> str:
    """What the results depend on besides texts and options: this folder's files, and the libraries' versions."""
    digest = blake2b(digest_size=16)
    here = Path(__file__).parent
    for path in sorted([*here.glob("*.py"), *here.glob("tables/*.json")]):
        digest.update(path.read_bytes())
    for library in ("nltk", "lemminflect", "wordfreq", "transformers"):
        with suppress(metadata.PackageNotFoundError):
            digest.update(metadata.version(library).encode())
    return digest.hexdigest()
