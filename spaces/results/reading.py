"""What lies in a folder of studies, read as strangers' files: bounded in number, size and depth."""

import io
import json
import os
import re
import stat
import struct
import zlib
from pathlib import Path

from checks import MAX_MARKDOWN, MAX_NAME, BrokenFileError, Check, whole
from PIL import Image

SCHEMA = 1
MAX_BYTES, MAX_PIXELS, MAX_DEPTH, MAX_FILES, MAX_PARAGRAPHS = 1_000_000, 25_000_000, 6, 100_000, 8
BROKEN_PICTURE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)  # what Pillow raises


def find_files(root: Path) -> tuple[list[Path], list[str]]:
    """All files below `root` in the order of their names, and what was not looked into, with the reason."""
    files, skipped = [], []
    walk = os.walk(root, onerror=lambda error: skipped.append(f"{shown(root, error.filename)}: {error.strerror}"))
    for folder, folders, names in walk:
        depth = len(Path(folder).relative_to(root).parts)
        if depth >= MAX_DEPTH and folders:
            skipped.append(f"{shown(root, folder)}: folders below this one are too deep")
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if depth < MAX_DEPTH else []
        files += [Path(folder, name) for name in sorted(names)]
        if len(files) > MAX_FILES:
            skipped.append(f"more than {MAX_FILES:,} files: those from {shown(root, folder)} on are not read")
            break
    return files[:MAX_FILES], skipped


def shown(root: Path, path: str | Path) -> str:
    """A path seen from the root, also where its bytes are not UTF-8."""
    name = os.path.relpath(path, root)
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def read_bytes(path: Path) -> bytes:
    """A regular file's content; a pipe or a device would block or never end."""
    try:
        os.fsdecode(path).encode()
        if not stat.S_ISREG(path.stat().st_mode):
            raise BrokenFileError("is not a regular file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except UnicodeEncodeError as error:
        raise BrokenFileError("has a name that is not UTF-8") from error
    except OSError as error:
        raise BrokenFileError(f"cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise BrokenFileError(f"larger than {MAX_BYTES:,} bytes")
    return content


def read_text(path: Path) -> str:
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BrokenFileError(f"broken: not UTF-8 at byte {error.start:,}") from error


def read_object(path: Path, check: Check) -> dict:
    """The checked part of a JSON object of a known schema."""
    try:
        content = json.loads(read_text(path))
    except BrokenFileError:
        raise
    except RecursionError as error:
        raise BrokenFileError("broken: nested too deeply") from error
    except ValueError as error:
        raise BrokenFileError(f"broken: {error}") from error
    if not isinstance(content, dict):
        raise BrokenFileError("broken: not a JSON object")
    schema = content.get("schema", 0)
    if whole(schema, "schema") > SCHEMA:
        raise BrokenFileError(f"schema {schema} is newer than this page's ({SCHEMA})")
    return check(content, "")


def read_readme(path: Path) -> tuple[str, list[str]]:
    """A README's title and first paragraphs, without what the page shows itself (tables, figures) or cannot (code)."""
    content = re.sub(r"\A---\n.*?\n---\n", "", read_text(path).replace("\r\n", "\n"), flags=re.S)
    content = re.sub(r"^```.*?^```", "", content, flags=re.S | re.M)
    title = re.search(r"^# +(.+)$", content, re.M)
    blocks = (block.strip() for block in re.split(r"\n[ \t]*\n", content))
    sentences = [block[:MAX_MARKDOWN] for block in blocks if block and not block.startswith(("#", "|", "!["))]
    return (title[1][:MAX_NAME] if title else ""), sentences[:MAX_PARAGRAPHS]


def check_picture(path: Path) -> None:
    """A PNG must have all its chunks, and no more pixels than a browser can take."""
    try:
        with Image.open(io.BytesIO(read_bytes(path)), formats=["PNG"]) as picture:
            width, height = picture.size
            picture.verify()
    except BrokenFileError:
        raise
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        struct.error,
        zlib.error,
        Image.DecompressionBombError,
    ) as error:
        raise BrokenFileError("broken: not a whole PNG") from error
    if width * height > MAX_PIXELS:
        raise BrokenFileError(f"larger than {MAX_PIXELS:,} pixels")
