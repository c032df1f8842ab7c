"""What goes into a repository: a run's model, a PEFT adapter, the Pig Latin pairs, a metric or a Space."""

import ast
import json
import os
import re
import sys
from fnmatch import fnmatch
from functools import partial
from math import prod
from pathlib import Path

from workbench.errors import UserError
from workbench.files import MOST_BYTES, read_limited
from workbench.runs.results import RESULTS_FILE
from workbench.runs.schema import read_json

from . import cards
from .fetch import WEIGHTS, check_config, portable_tokenizer
from .push import Package

MODEL_FILES = (
    "model*.safetensors model.safetensors.index.json config.json generation_config.json tokenizer.json "
    "tokenizer_config.json special_tokens_map.json added_tokens.json vocab.txt vocab.json merges.txt bpe.codes "
    "chat_template.jinja results.json *.png"
).split()
# `config.json` names a classifier's labels, which PEFT's own files do not.
ADAPTER_FILES = [name for name in MODEL_FILES if not name.startswith(("model", "generation"))]
ADAPTER_WEIGHTS = "adapter_model.safetensors"
LIBRARY_WEIGHTS = "adapters.safetensors"
# What a Hub repository's code may import: transformers checks for these, and its users have them.
TRAVELLING = frozenset({"torch", "transformers", "tokenizers"}) | sys.stdlib_module_names
MOST_CODE = 2_000_000  # bytes
# Where programs keep keys, tokens and passwords.
SECRETS = (
    "*.pem *.key *.p12 *.pfx *.jks *.kdbx *.ppk id_rsa* id_dsa* id_ecdsa* id_ed25519* token *token.txt *token.json "
    "hf_token* *secret* *credential* *password* *passwd* .env* *.env .netrc _netrc kaggle.json service_account*.json"
).split()
TEXT_SUFFIXES = (".py", ".md", ".txt", ".json", ".yaml", ".yml", ".toml", ".cfg", ".ini", ".sh", ".html", ".js", ".css")
KEYS = re.compile(rb"\bhf_[A-Za-z0-9]{30,}|-----BEGIN [A-Z ]*PRIVATE KEY-----")
# A name, or OWNER/NAME; the Hub has none with two dots or hyphens in a row, or at an end.
HUB_MODEL = re.compile(r"(?!.*(\.\.|--))[A-Za-z0-9][\w.-]*(/[A-Za-z0-9_][\w.-]*)?(?<![.-])", re.ASCII)
DATASET = "pig_latin"
# What classification's augmentation leaves in a run's folder.
AUGMENTED_FILE = "augmented.jsonl"
EXAMPLE_ROWS = 4
LONGEST_SHORT_DESCRIPTION = 60


def model_package(
    folder: str | Path, repo_id: str, dataset_id: str | None = None, seed_runs: list[str] | None = None
) -> Package:
    """A run's model, complete in itself: code, tokenizer, weights, card, figures and results; no checkpoint, no pickle.

    Args:
        dataset_id: the Hub data set that the run was trained and tested on.
        seed_runs: folders of the same run with other seeds, for the card's mean and deviation.

    Raises:
        UserError: not a finished run, or a file is missing that its users would need.
    """
    folder = _folder(folder)
    if not any((folder / name).exists() for name in WEIGHTS):
        raise UserError(f"{folder}: no weights ({WEIGHTS[0]}) in this folder; has the training finished?")
    config = check_config(str(folder), trust_remote_code=True)
    runs = cards.read_runs([folder, *map(Path, seed_runs or [])])
    files: dict[str, bytes | Path] = _chosen(folder, MODEL_FILES)
    files |= {path.name: path for path in code_files(folder, config)}
    files |= portable_tokenizer(folder)
    for run_folder, run in zip(map(Path, seed_runs or []), runs[1:], strict=True):
        files[f"seeds/results-{run.seed}.json"] = own_file(run_folder, run_folder / RESULTS_FILE)
    return Package("model", files | cards.model_card(repo_id, config, runs, dataset_id, folder))


def write_card(folder: Path, repo_id: str | None) -> Package | None:
    """Writes the card of a run's model or adapter into its folder; returns the package, to be pushed or not.

    None for what only the `adapters` library loads: it has repositories and cards of its own.
    """
    from workbench.files import write_whole

    name = repo_id or f"your-name/{_name_for(folder)}"
    if (folder / LIBRARY_WEIGHTS).is_file():
        return None
    if (folder / "adapter_config.json").is_file():
        package = adapter_package(folder, name, None if repo_id else _base_name(folder))
    else:
        package = model_package(folder, name)
    write_whole(folder / "README.md", package.files["README.md"].decode())
    return package


def _base_name(folder: Path) -> str:
    """A name for an adapter's base model as long as nothing is published: its Hub name, or its folder's."""
    config = _read_adapter(folder)
    name = config["base_model_name_or_path"] or ""
    return _name_for(Path(name)) if is_folder(name) else name


def _name_for(folder: Path) -> str:
    return re.sub(r"[^\w.-]+|-{2,}|\.{2,}", "-", folder.resolve().name).strip("-.") or "translator"


def _folder(folder: str | Path) -> Path:
    if not Path(folder).is_dir():
        raise UserError(f"{folder}: no such folder")
    return Path(folder)


def _chosen(folder: Path, patterns: list[str]) -> dict[str, Path]:
    """The folder's files that match; a figure brings the numbers that are shown in it.

    Raises:
        UserError: one is a link to a file elsewhere.
    """
    named = [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and any(fnmatch(path.name, pattern) for pattern in patterns)
    ]
    data = [path.with_suffix(".json") for path in named if path.suffix == ".png"]
    chosen = [path for path in (*named, *data) if path.is_file() and not is_secret(path)]
    return {path.name: own_file(folder, path) for path in chosen}


def own_file(folder: Path, path: Path) -> Path:
    """The path; UserError if it leads out of the folder, or if what it holds is nobody else's business."""
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{path}: leads to a file outside of the folder; put the file itself there, or take it out")
    if path.suffix in TEXT_SUFFIXES:
        key = KEYS.search(read_limited(path, MOST_BYTES))
        if key:
            raise UserError(f"{path}: holds what looks like a token or a private key; take it out")
    return path


def is_secret(path: Path) -> bool:
    """Whether a file is one that programs keep keys and passwords in."""
    return any(fnmatch(path.name.lower(), pattern) for pattern in SECRETS)


def code_files(folder: Path, config: dict) -> list[Path]:
    """The Python files that the config's `auto_map` needs, and those that these import.

    Raises:
        UserError: one is missing, or imports what does not travel with a Hub repository.
    """
    waiting = list(map(partial(_module, folder), _entries(config.get("auto_map") or {})))
    found: dict[str, Path] = {}
    while waiting:
        module = waiting.pop()
        path = folder / f"{module}.py"
        if module in found:
            continue
        if not path.is_file():
            raise UserError(f"{folder}: {module}.py is missing, which the model's code needs; save the model again")
        problems = imports_that_stay(path)
        if problems:
            raise UserError(f"{problems[0]}: this import does not travel with a Hub repository")
        found[module] = own_file(folder, path)
        waiting += sibling_imports(path)
    return list(found.values())


def _entries(auto_map) -> list:
    """The classes that an `auto_map` names; a tokenizer's are a list, of which one may be missing."""
    values = auto_map.values() if isinstance(auto_map, dict) else [auto_map]
    entries = [part for value in values for part in (value if isinstance(value, list) else [value])]
    return [entry for entry in entries if entry is not None]


def _module(folder: Path, entry) -> str:
    """The module of `module.Class`; UserError for anything else, such as a path."""
    if not isinstance(entry, str) or not re.fullmatch(r"[A-Za-z_]\w*\.[A-Za-z_]\w*", entry):
        raise UserError(
            f"{folder / 'config.json'}: its auto_map names '{str(entry)[:80]}', no class of a file beside it"
        )
    return entry.partition(".")[0]


def parse(path: Path) -> ast.Module:
    """A Python file's syntax tree; UserError if it does not parse."""
    try:
        return ast.parse(read_limited(path, MOST_CODE))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else str(error) or "nested too deeply"
        raise UserError(f"{path}{line}: does not parse as Python: {reason}") from error


def imports_that_stay(path: Path) -> list[str]:
    """`file, line: import` for each import that fails where only torch, transformers and this folder are."""
    problems = []
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            travels = all(alias.name.split(".")[0] in TRAVELLING for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            travels = node.module.split(".")[0] in TRAVELLING
        elif isinstance(node, ast.ImportFrom):
            # transformers copies `.sibling` alone: not `.`, `..package` or `.package.module`.
            travels = node.level == 1 and node.module is not None and "." not in node.module
            travels = travels and path.with_name(f"{node.module}.py").is_file()
        else:
            continue
        if not travels:
            problems.append(f"{path}, line {node.lineno}: {ast.unparse(node)}")
    return problems


def sibling_imports(path: Path) -> list[str]:
    """Names of the modules of the same folder that a file imports."""
    return [node.module for node in ast.walk(parse(path)) if isinstance(node, ast.ImportFrom) and node.level == 1]


def adapter_package(folder: str | Path, repo_id: str, base_model: str | None = None) -> Package:
    """A PEFT adapter's folder, with the base model's Hub id and a card; of a fusion, also the adapters in it.

    Args:
        base_model: the base model's Hub id, where the adapter was trained on a local folder.

    Raises:
        UserError: no adapter, pickled weights only, or a base model that nobody else could load.
    """
    folder = _folder(folder)
    config = _read_adapter(folder)
    trained_on = config["base_model_name_or_path"] or ""
    name = base_model or trained_on
    if not HUB_MODEL.fullmatch(name) or (not base_model and is_folder(name)):
        raise UserError(
            f"{folder}: its base model is '{name}', which is no Hub model's name: publish that model, then give its "
            "name with --base_model"
        )
    base_folder = Path(trained_on) if is_folder(trained_on) else None
    base = _base_config(name, base_folder)
    runs = cards.read_runs([folder]) if (folder / RESULTS_FILE).exists() else []
    files: dict[str, bytes | Path] = {**_chosen(folder, ADAPTER_FILES), **portable_tokenizer(folder)}
    for part in ("", *(f"{member}/" for member in config.get("adapters") or ())):
        files |= {f"{part}{file}": content for file, content in _adapter_files(folder / part, name).items()}
    counts = _counts([path for key, path in files.items() if key.endswith(ADAPTER_WEIGHTS)], base_folder, runs)
    own = _read_json(folder / "config.json", "") if (folder / "config.json").is_file() else {}
    config = {**config, "base_model_name_or_path": name}
    return Package("model", files | cards.adapter_card(repo_id, config, base, own, counts, runs, folder))


def _adapter_files(folder: Path, base_model: str) -> dict[str, bytes | Path]:
    """An adapter's two files, the config with the base model's Hub id; UserError if one is missing."""
    config = _read_adapter(folder)
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise UserError(f"{folder}: no weights ({ADAPTER_WEIGHTS}); save the adapter as safetensors")
    config["base_model_name_or_path"] = base_model
    text = json.dumps(config, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    return {"adapter_config.json": text.encode(), ADAPTER_WEIGHTS: own_file(folder, folder / ADAPTER_WEIGHTS)}


def _read_adapter(folder: Path) -> dict:
    """The `adapter_config.json`; UserError if there is none, or what a card tells of it is of another type."""
    path = folder / "adapter_config.json"
    config = {"base_model_name_or_path": None, **_read_json(path, "this is no PEFT adapter")}
    members = config.get("adapters") or []
    plain = isinstance(members, (list, dict)) and all(re.fullmatch(r"[\w-][\w.-]*", str(name)) for name in members)
    for name, is_right in (
        ("peft_type", isinstance(config.get("peft_type"), str) and re.fullmatch(r"\w{1,60}", config["peft_type"])),
        ("task_type", isinstance(config.get("task_type"), (str, type(None)))),
        ("base_model_name_or_path", isinstance(config["base_model_name_or_path"], (str, type(None)))),
        ("adapters", plain),
    ):
        if not is_right:
            raise UserError(f"{path}: {name} is {str(config.get(name))[:80]!r}, which no adapter's is")
    return config


def is_folder(name: str) -> bool:
    """Whether a name is a folder's; False for what cannot be a path."""
    return os.path.isdir(name)  # noqa: PTH112


def _read_json(path: Path, otherwise: str) -> dict:
    if not path.exists():
        raise UserError(f"{path.parent}: no {path.name}; {otherwise}")
    return read_json(path)


def _base_config(name: str, folder: Path | None) -> dict:
    """The base model's `config.json`: from the local folder it was trained on, else from the Hub."""
    if folder is not None:
        return _read_json(folder / "config.json", "this is no model")
    from huggingface_hub import hf_hub_download

    from .push import plain_errors

    with plain_errors(f"base model {name}"):
        return _read_json(Path(hf_hub_download(name, "config.json")), "this is no model")


def _counts(weights: list[Path], base_folder: Path | None, runs: list) -> dict[str, int]:
    """Parameters of `adapter`, and where they are known those of the `base` and the `trainable` ones."""
    counts = {"adapter": sum(map(count_saved, weights))}
    if runs:
        parameters = runs[0].parameters
        return {**counts, "base": parameters["total"] - counts["adapter"], "trainable": parameters["trainable"]}
    if base_folder is not None and (whole := sorted(base_folder.glob("model*.safetensors"))):
        return {**counts, "base": sum(map(count_saved, whole)), "trainable": counts["adapter"]}
    return counts


def count_saved(path: Path) -> int:
    """Parameters in a safetensors file, from its header; UserError if it is broken."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return sum(prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118, no mapping
    except SafetensorError as error:
        raise UserError(f"{path}: the weights cannot be read: {error}") from error


def dataset_package(source: str, repo_id: str) -> Package:
    """The Pig Latin pairs, or the transformed examples that a run has added to its training.

    The pairs, `large` and `small`, are JSON lines; CSV would read the word "null" as nothing.
    """
    from workbench.data.pig_latin import SIZES, pig_latin_pairs

    if Path(source).name == AUGMENTED_FILE:
        return _augmented_package(Path(source), repo_id)
    if source != DATASET:
        raise UserError(
            f"unknown data set '{source}': there is {DATASET}, the generated pairs, and a run's {AUGMENTED_FILE}"
        )
    files: dict[str, bytes | Path] = {}
    sizes, examples = {}, []
    for name in SIZES:
        pairs = pig_latin_pairs(name)
        for split, rows in pairs.items():
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            files[f"{name}/{split}.jsonl"] = lines.encode()
        sizes[name] = {split: len(rows) for split, rows in pairs.items()}
        examples = examples or pairs["train"].select(range(EXAMPLE_ROWS)).to_list()
    return Package("dataset", {**files, "README.md": cards.dataset_card(repo_id, sizes, examples)})


def _augmented_package(path: Path, repo_id: str) -> Package:
    """The file as it is, with a card of the transforms in it; UserError if it is missing or not JSON lines."""
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
        transforms = sorted({name for row in rows for name in row["transforms"]})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: cannot be read as transformed examples: {error}") from error
    return Package("dataset", {path.name: path, "README.md": cards.augmented_card(repo_id, len(rows), transforms)})


def space_package(folder: str | Path, repo_id: str) -> Package:
    """A Space's folder as it is, once its front matter, its files and its pinned requirement agree.

    Raises:
        UserError: what the Hub would refuse or could not start.
    """
    folder = _folder(folder)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and _ships(path.relative_to(folder))]
    paths = [own_file(folder, path) for path in files]
    for name in ("README.md", "requirements.txt"):
        if not (folder / name).is_file():
            raise UserError(f"{folder}: no {name}; a Space is a folder with README.md, app.py and requirements.txt")
    _check_front_matter(folder)
    return Package("space", {path.relative_to(folder).as_posix(): path for path in paths})


def _ships(path: Path) -> bool:
    """Whether a file belongs to a Space: nothing hidden (`.env`, say), nothing cached, pickled or secret."""
    hidden = any(part.startswith((".", "__pycache__")) for part in path.parts)
    return not (hidden or path.suffix in (".pyc", ".pkl", ".bin", ".pt") or is_secret(path))


def _check_front_matter(folder: Path) -> None:
    card = read_front_matter(folder / "README.md")
    for name in ("title", "sdk", "sdk_version", "app_file"):
        if not isinstance(card.get(name), str):
            raise UserError(f"{folder / 'README.md'}: the front matter has no text for '{name}'")
    if not isinstance(card.get("python_version", ""), str):
        raise UserError(f"{folder / 'README.md'}: write python_version in quotes; YAML reads 3.10 as the number 3.1")
    if card["sdk"] != "gradio":
        raise UserError(f"{folder / 'README.md'}: sdk is '{card['sdk']}', only gradio is known here")
    if len(str(card.get("short_description", ""))) > LONGEST_SHORT_DESCRIPTION:
        raise UserError(f"{folder / 'README.md'}: short_description has more than {LONGEST_SHORT_DESCRIPTION} letters")
    if not (folder / card["app_file"]).is_file() or not _ships(Path(card["app_file"])):
        raise UserError(f"{folder}: no {card['app_file']}, which README.md names as app_file")
    pins = re.findall(r"^gradio(?:\[[^\]]*\])?==(\S+)", _read_text(folder / "requirements.txt"), flags=re.MULTILINE)
    if pins != [card["sdk_version"]]:
        pinned = f"pins gradio=={pins[0]}" if pins else "does not pin gradio"
        raise UserError(
            f"{folder}: sdk_version is {card['sdk_version']}, but requirements.txt {pinned}; make them equal"
        )


def read_front_matter(path: Path) -> dict:
    """The YAML block that a README.md begins with; UserError if there is none."""
    import yaml

    block = re.match(r"---\r?\n(.*?)\r?\n---\s", _read_text(path), re.DOTALL)
    try:
        card = yaml.safe_load(block[1]) if block else None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UserError(f"{path}: the front matter is no YAML: {error}") from error
    if not isinstance(card, dict):
        raise UserError(f"{path}: no front matter (a YAML block between two lines of ---)")
    return card


def _read_text(path: Path) -> str:
    try:
        return read_limited(path, MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 at its byte {error.start + 1}") from error


def metric_package(folder: str | Path, repo_id: str) -> Package:
    """A metric's Space; `evaluate.load(repo_id)` looks for a module named like the repository.

    Raises:
        UserError: as `space_package`, or the module is missing.
    """
    package = space_package(folder, repo_id)
    module = f"{repo_id.partition('/')[2]}.py"
    if module not in package.files:
        raise UserError(
            f"{folder}: no {module}; a metric's repository has its module's name, as in OWNER/word_accuracy"
        )
    tags = read_front_matter(Path(folder) / "README.md").get("tags") or []
    if not isinstance(tags, list) or not all(name in tags for name in ("evaluate", "metric")):
        raise UserError(f"{Path(folder) / 'README.md'}: the tags of a metric are 'evaluate' and 'metric'")
    return package
