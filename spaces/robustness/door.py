# The same as scripts/workbench/hub/door.py
"""A door for what others made: a clean folder with the files that a library is to read, and nothing else.

Whatever is not on the list (code, templates, pickles, folders) stays outside, links lead nowhere but into the folder
or the Hub's cache, JSON is read here first and written anew, and weights are safetensors whose header is whole.

It imports nothing of ours: the Spaces carry a copy of this file.
"""

import atexit
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from math import prod
from pathlib import Path

# What a JSON file goes through: what it returns is written, and its ValueError refuses the file.
Check = Callable[[dict], dict]

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
VOCABULARY = ("*vocab*.json", "*.txt", "*.model", "*.codes", "*.spm", "emoji.json", "word_*.json", "byte_maps.json")
MODEL = (*TOKENIZER, *VOCABULARY, "config.json", "generation_config.json")
FACTS = ("results.json", "README.md", "config.yaml")
ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
LIBRARY_WEIGHTS = "adapters.safetensors"
CODE = "*.py"
# Read as JSON here and written anew; what is not among them is copied (tokenizer.json may have 20 MB), or linked.
OBJECTS = frozenset(
    {*TOKENIZER[1:], INDEX, "config.json", "generation_config.json", "adapter_config.json", "head_config.json"}
    | {"adapter_fusion_config.json"}
)
# Bytes; configs of honest models have a few thousand, a tokenizer.json up to some 30 million.
LARGEST_CONFIG, LARGEST_TEXT, LARGEST_HEADER = 16 << 20, 64 << 20, 64 << 20
DEEPEST = 32
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
PLAIN_FILE = re.compile(r"[\w-][\w.-]*")
# Bits per number of the types that safetensors has.
BITS = {"BOOL": 8, "U8": 8, "I8": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32}
BITS |= {"I64": 64, "U64": 64, "F64": 64, "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E8M0": 8}
BITS |= dict.fromkeys(("F8_E5M2", "F8_E4M3", "F8_E5M2FNUZ", "F8_E4M3FNUZ"), 8)
# A repeated part that itself repeats: matching may take time exponential in the text's length.
NESTED_REPEAT = re.compile(r"\((?:[^()\\]|\\.)*[+*](?:[^()\\]|\\.)*\)\s*(?:[+*]|\{\d+,)")
# Letters may be written as escapes.
REGEX_KEY = rb"".join(rb"(?:%c|\\u00%02x)" % (letter, letter) for letter in b"Regex")
PATTERN = re.compile(rb'"%b"\s*:\s*("(?:[^"\\]|\\.)*")' % REGEX_KEY, re.IGNORECASE)
LONGEST_PATTERN = 2_000
# What a normalizer puts in the place of each match; several one after the other may multiply a text's length.
REPLACE = re.compile(rb'"%b"' % b"".join(rb"(?:%c|\\u00(?i:%02x))" % (letter, letter) for letter in b"Replace"))
MOST_TIMES_LONGER = 1_000
# A brace opens a part of a tokenizer or an added token, of which transformers 4.57 takes time quadratic in the number.
MOST_BRACES = 25_000

_rooms: dict[int, Path] = {}


class RefusedError(ValueError):
    """What is in a folder or repository is not let in; the message, one line, names the file and what is wrong."""


def find(name: str, patterns: tuple[str, ...], revision: str | None = None) -> Path:
    """The folder `name`, or a snapshot of the Hub repository of that name with the files that match.

    Raises:
        RefusedError: there is no such folder or repository, or the Hub does not give it.
    """
    if is_folder(name):
        return Path(name)
    if "\0" in name or os.path.lexists(name) or not HUB_NAME.fullmatch(name):
        raise RefusedError("no such folder (nor a Hub model's name, 'owner/name')")
    from huggingface_hub import snapshot_download

    # In the Hub's patterns a star stands for slashes too.
    ignored = [] if any("/" in pattern for pattern in patterns) else ["*/*"]
    try:
        found = snapshot_download(name, revision=revision, allow_patterns=list(patterns), ignore_patterns=ignored)
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise RefusedError(f"no such folder, and the Hub did not give such a model: {lines[0]}") from error
    return Path(found)


def is_folder(name: str) -> bool:
    """Whether there is a folder of that name; False for what cannot be a path."""
    try:
        return stat.S_ISDIR(os.stat(name).st_mode)  # noqa: PTH116, a Path hides what an empty name is
    except (OSError, ValueError):
        return False


def take(source: Path, patterns: tuple[str, ...], checks: Mapping[str, Check], weights: Path | None = None) -> Path:
    """The files of `source` that match, in a folder of this process's own; the same one as long as they do not change.

    Args:
        patterns: names of files, with stars.
        checks: file name -> check of its content.
        weights: a folder with `model.safetensors`, or its index and parts; by default `source`, where it has them.

    Raises:
        RefusedError: a file that is no regular one, leads outside or is too large, or JSON that a check refuses.
    """
    if is_clean(source):
        return source.resolve()
    files = {path.name: regular(path) for path in listed(source) if matches(path.name, patterns)}
    files |= {path.name: regular(path) for path in weight_files(weights or source)}
    key = hashlib.sha256(repr((str(source), patterns, [_state(*item) for item in sorted(files.items())])).encode())
    place = room() / f"{slug(source)}-{key.hexdigest()[:16]}"
    if not place.is_dir():
        with tempfile.TemporaryDirectory(dir=room()) as draft:
            for name, path in files.items():
                _let_in(name, path, Path(draft, "files", name), checks.get(name))
            Path(draft, "files").mkdir(exist_ok=True)
            Path(draft, "files").rename(place)
    return place


def listed(source: Path) -> list[Path]:
    try:
        return sorted(source.iterdir())
    except OSError as error:
        raise RefusedError(f"cannot be read: {error.strerror}") from error


def link(target: Path, place: Path) -> None:
    """A link at `place`, instead of an earlier one."""
    place.unlink(missing_ok=True)
    place.symlink_to(target)


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _state(name: str, path: Path) -> tuple:
    found = path.stat()
    return name, str(path), found.st_size, found.st_mtime_ns, found.st_ino


def slug(source: Path) -> str:
    """A plain name that reminds of the folder, or of a snapshot's repository."""
    source = source.resolve()
    name = source.parent.parent.name if source.parent.name == "snapshots" else source.name
    return re.sub(r"\W+", "_", name, flags=re.ASCII)[-40:] or "model"


def room() -> Path:
    """A directory of this process's own, which is removed when it ends."""
    process = os.getpid()
    if process not in _rooms:
        _rooms[process] = Path(tempfile.mkdtemp(prefix="igpay-")).resolve()
        atexit.register(_clear_room, process)
    return _rooms[process]


def is_clean(source: Path) -> bool:
    """Whether a folder is one that came in already."""
    return source.resolve().parent == room()


def _clear_room(process: int) -> None:
    # A forked process inherits what its parent registered, but the room is the parent's.
    if os.getpid() == process:
        shutil.rmtree(_rooms[process], ignore_errors=True)


def regular(path: Path) -> Path:
    """Where a file's content is; RefusedError unless that is a regular file in the same folder or its Hub cache."""
    folder = path.parent.resolve()
    # A snapshot of the Hub, and a fusion's parts below it, link to blobs.
    snapshots = [place.parent for place in (folder, folder.parent) if place.parent.name == "snapshots"]
    places = [folder, *(place.parent / "blobs" for place in snapshots)]
    try:
        target = path.resolve(strict=True)
        is_regular = stat.S_ISREG(target.stat().st_mode)
    except (OSError, RuntimeError, ValueError) as error:
        raise RefusedError(f"{path.name}: refused, because it is a link to nothing") from error
    if not any(target.is_relative_to(place) for place in places):
        raise RefusedError(f"{path.name}: refused, because it is a link that leads outside of the folder")
    if not is_regular:
        raise RefusedError(f"{path.name}: refused, because it is no regular file")
    return target


def weight_files(folder: Path) -> list[Path]:
    """`model.safetensors`, or its index and the parts that it names; none where there is neither."""
    if is_there(folder / WEIGHTS):
        return [folder / WEIGHTS]
    if not is_there(folder / INDEX):
        return []
    return [folder / INDEX, *index_parts(folder / INDEX, ".safetensors")]


def is_there(path: Path) -> bool:
    """Whether there is a file, or anything else, of that name."""
    return os.path.lexists(path)


def index_parts(path: Path, suffix: str) -> list[Path]:
    """The weight files that an index names, which are all there."""
    parts = [path.with_name(name) for name in index_names(path, suffix)]
    for part in parts:
        if not is_there(part):
            raise RefusedError(f"{path.name}: {part.name} is not there, which it names")
    return parts


def index_names(path: Path, suffix: str) -> list[str]:
    """The names in an index, sorted; RefusedError unless they are plain names that end with `suffix`."""
    places = read_object(regular(path), path.name).get("weight_map")
    names = set(map(str, places.values())) if isinstance(places, dict) else set()
    if not names:
        raise RefusedError(f"{path.name}: names no files")
    for name in sorted(names):
        if not PLAIN_FILE.fullmatch(name) or not name.endswith(suffix):
            raise RefusedError(f"{path.name}: names {name!r}, where files *{suffix} beside it belong")
    return sorted(names)


def _let_in(name: str, path: Path, target: Path, check: Check | None) -> None:
    """Writes, copies or links one file into the clean folder."""
    target.parent.mkdir(exist_ok=True)
    if name.endswith((".safetensors", ".bin")):
        if name.endswith(".safetensors"):
            read_header(path, name)
        target.symlink_to(path)
    elif name in OBJECTS:
        content = read_object(path, name)
        with naming(name):
            content = check(content) if check else content
        target.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")
    else:
        content = read_bytes(path, LARGEST_TEXT, name)
        if name == TOKENIZER[0]:
            check_patterns(content)
        target.write_bytes(content)


@contextmanager
def naming(file: str) -> Iterator[None]:
    """Turns a ValueError into a RefusedError that begins with the file's name."""
    try:
        yield
    except ValueError as error:
        raise RefusedError(f"{file}: {error}") from error


def read_bytes(path: Path, most: int, name: str | None = None) -> bytes:
    """The content of a regular file; a FIFO or device is refused, not waited for."""
    name = name or path.name
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise RefusedError(f"{name}: refused, because it is no regular file")
            if found.st_size > most:
                raise RefusedError(f"{name}: refused, because it has {found.st_size:,} bytes; {most:,} are allowed")
            return file.read(most + 1)
    except OSError as error:
        raise RefusedError(f"{name}: cannot be read: {error.strerror}") from error


def read_object(path: Path, name: str | None = None) -> dict:
    """A JSON object of bounded size and depth, finite numbers and whole characters; RefusedError for anything else."""
    name = name or path.name
    try:
        content = json.loads(read_bytes(path, LARGEST_CONFIG, name))
    except RefusedError:
        raise
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"{name}: cannot be read: {str(error).splitlines()[0][:200]}") from error
    if not isinstance(content, dict):
        raise RefusedError(f"{name}: holds {type(content).__name__}, where a JSON object ({{…}}) belongs")
    with naming(name):
        for key, value, depth in walk(content):
            check_plain(key, value, depth)
    return content


def walk(content, key: str = "", depth: int = 0) -> Iterator[tuple[str, object, int]]:
    """(key, value, depth) of everything inside, at any depth; members of a list have the list's key."""
    waiting = [(key, content, depth)]
    while waiting:
        key, value, depth = waiting.pop()
        if isinstance(value, dict):
            waiting += [(name, part, depth + 1) for name, part in value.items()]
        elif isinstance(value, list):
            waiting += [(key, part, depth + 1) for part in value]
        if depth:
            yield key, value, depth


def check_plain(key: str, value, depth: int) -> None:
    """ValueError for what JSON may say but no library is to meet: NaN, infinity, half characters, endless depth."""
    shown = ascii(key[:60])
    if depth > DEEPEST:
        raise ValueError(f"{shown} is nested more than {DEEPEST} deep")
    if isinstance(value, float) and not abs(value) < float("inf"):
        raise ValueError(f"{shown} is {value}, not a finite number")
    for text in (key, value):
        if isinstance(text, str) and not _is_whole(text):
            raise ValueError(f"{shown} holds half of a surrogate pair, which is no character")


def _is_whole(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def read_header(path: Path, name: str | None = None) -> dict[str, list[int]]:
    """Shapes by tensor of a safetensors file, from its header; RefusedError if that is broken or promises too much.

    Source of the format: https://github.com/huggingface/safetensors#format
    """
    name, size = name or path.name, path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, LARGEST_HEADER):
            raise RefusedError(f"{name} is cut short, or is no safetensors file")
        text = file.read(length)
    try:
        header = json.loads(text)
        shapes = {key: _shape(entry, size - 8 - length) for key, entry in header.items() if key != "__metadata__"}
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise RefusedError(f"{name}: its header is broken: copy or download it again") from error
    return shapes


def _shape(entry: dict, size: int) -> list[int]:
    """A tensor's shape; ValueError unless it fills its part of the file's `size` bytes of data."""
    shape, (start, end) = entry["shape"], entry["data_offsets"]
    if not all(type(number) is int and number >= 0 for number in (*shape, start, end)) or not start <= end <= size:
        raise ValueError("offsets outside of the file")
    if prod(shape) * BITS[entry["dtype"]] != (end - start) * 8:
        raise ValueError("a shape that its bytes do not fill")
    return shape


def read_shapes(folder: Path) -> dict[str, list[int]]:
    """Shapes by tensor of all safetensors in a clean folder."""
    return {key: shape for file in folder.glob("*.safetensors") for key, shape in read_header(file).items()}


def check_patterns(content: bytes) -> None:
    """RefusedError if a tokenizer.json or a regular expression in it may take forever, or it is no JSON object."""
    if not content.lstrip()[:1] == b"{":
        raise RefusedError("tokenizer.json: holds no JSON object ({…})")
    if content.count(b"{") > MOST_BRACES:
        raise RefusedError(f"tokenizer.json: refused, because it has more than {MOST_BRACES:,} parts or added tokens")
    if REPLACE.search(content):
        check_growth(content)
    for pattern in map(json.loads, PATTERN.findall(content)):
        if len(pattern) > LONGEST_PATTERN or NESTED_REPEAT.search(pattern):
            shown = ascii(pattern[:40])
            raise RefusedError(f"tokenizer.json: refused, because its pattern {shown} may take forever on some texts")


def check_growth(content: bytes) -> None:
    """RefusedError if a tokenizer.json's normalizer can make a text very many times longer."""
    try:
        normalizer = json.loads(content).get("normalizer")
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"tokenizer.json: cannot be read: {str(error)[:200]}") from error
    texts = [len(value) for key, value, _ in walk(normalizer or {}) if key == "content" and isinstance(value, str)]
    if prod(max(1, length) for length in texts) > MOST_TIMES_LONGER:
        raise RefusedError(
            f"tokenizer.json: refused, because its normalizer makes a text more than {MOST_TIMES_LONGER:,} times longer"
        )
