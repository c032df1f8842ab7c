"""WordNet through NLTK's reader, and its installation: `python -m workbench.robustness.wordnet`, or `make wordnet`.

Debian's package is unpacked where there is apt-get (nobody needs to be root for it); elsewhere NLTK downloads the data.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

from workbench.errors import UserError, run_main

from . import tables

DEBIAN_PACKAGES = ("wordnet-base", "wordnet-sense-index")
# index.sense's numbers of the parts of speech, an adjective that goes with another one among the adjectives.
KINDS = {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a"}
NO_OTHER_LANGUAGES = object()  # what is not None, of which NLTK would warn
COMMAND = "make wordnet (or python -m nltk.downloader wordnet)"


@cache
def reader():
    """NLTK's WordNet, ready to be asked; UserError with the command that installs it where it is missing."""
    from nltk.corpus.reader.wordnet import WordNetCorpusReader
    from nltk.data import find

    class Reader(WordNetCorpusReader):
        def map_wn(self, version="wordnet"):
            """None of the maps between versions, which only other languages need: they take longer than all else."""

    for place in ("corpora/wordnet", "corpora/wordnet.zip/wordnet/"):
        try:
            return Reader(find(place), NO_OTHER_LANGUAGES)
        except LookupError:
            continue
    raise UserError(f"WordNet is not installed, and synonyms are its: {COMMAND}")


class Sense(NamedTuple):
    """A meaning of a word as one part of speech.

    Args:
        place: of the meaning's `synset` in its file.
        count: how often the word had this meaning in the texts that WordNet's makers counted.
    """

    place: int
    count: int


@cache
def sense_index() -> dict[str, tuple[Sense, ...]]:
    """The meanings of each word as each part of speech, `film%n`, in WordNet's order; expressions as `high_school%n`.

    NLTK reads a file for each of these questions; one pass over `index.sense` answers all of them.
    """
    numbered: dict[str, list[tuple[int, int, int]]] = {}
    with reader().open("index.sense") as lines:
        for line in lines.read().splitlines():
            key, place, number, count = line.split()
            word, _, kind = key.partition("%")
            numbered.setdefault(f"{word}%{KINDS[kind[0]]}", []).append((int(number), int(place), int(count)))
    return {word: tuple(Sense(*rest) for _, *rest in sorted(senses)) for word, senses in numbered.items()}


def synset(part: str, sense: Sense):
    """NLTK's `Synset` of a meaning; `part` is n, v, a or r."""
    return reader().synset_from_pos_and_offset(part, sense.place)


def main() -> None:
    """Installs WordNet where it is missing, and says where it is."""
    try:
        print(f"WordNet is in {reader().root}")
        return
    except UserError:
        reader.cache_clear()
    if shutil.which("apt-get") and shutil.which("dpkg-deb"):
        install_from_debian(data_folder())
    else:
        download()
    print(f"WordNet is in {reader().root}")


def data_folder() -> Path:
    """The first folder in which NLTK looks for data: NLTK_DATA, or nltk_data in the home folder."""
    from nltk.data import path

    return Path(path[0])


def install_from_debian(folder: Path) -> None:
    """Puts the files of Debian's packages, and the list that they lack, into `folder`; else NLTK downloads them."""
    with tempfile.TemporaryDirectory() as scratch:
        packages = download_packages(scratch)
        for package in packages:
            subprocess.run(["dpkg-deb", "-x", str(package), scratch], check=True)
        if packages:
            copy_dictionary(Path(scratch) / "usr/share/wordnet", folder / "corpora" / "wordnet")
        else:
            download()


def download_packages(folder: str) -> list[Path]:
    """Debian's packages in `folder`, its lists of packages brought up to date where that is needed and allowed."""
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    fetch = ["apt-get", "download", *DEBIAN_PACKAGES]
    for command in (fetch, [*as_root, "apt-get", "update"], fetch):
        with contextlib.suppress(FileNotFoundError):
            subprocess.run(command, cwd=folder, capture_output=True, check=False)
        packages = sorted(Path(folder).glob("*.deb"))
        if len(packages) == len(DEBIAN_PACKAGES):
            return packages
    return []


def copy_dictionary(source: Path, target: Path) -> None:
    """Copies WordNet's files, with the list of the lexicographers' files, which NLTK wants to see."""
    shutil.copytree(source, target, dirs_exist_ok=True)
    files = tables.read("wordnet_files")["files"]
    lines = ["\t".join((f"{number:02}", *name.split())) for number, name in enumerate(files)]
    (target / "lexnames").write_text("\n".join(lines) + "\n", encoding="utf-8")


def download() -> None:
    """Has NLTK download it; what comes of that is seen afterwards."""
    subprocess.run([sys.executable, "-m", "nltk.downloader", "--quiet", "wordnet"], check=False)


if __name__ == "__main__":
    run_main(main)
