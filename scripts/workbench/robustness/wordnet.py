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

from workbench.errors import UserError, run_main

from . import tables

COMMAND = "make wordnet (or python -m nltk.downloader wordnet)"


@cache
def reader():
    """NLTK's WordNet, ready to be asked; UserError with the command that installs it where it is missing."""
    try:
        from nltk.corpus.reader.wordnet import WordNetCorpusReader
        from nltk.data import find
    except ImportError as error:
        raise UserError(f"synonyms are WordNet's, read with NLTK, which cannot be imported: {error}") from error
    for place in ("corpora/wordnet", "corpora/wordnet.zip/wordnet/"):
        try:
            return WordNetCorpusReader(find(place), None)
        except LookupError:
            continue
    raise UserError(f"WordNet is not installed, and synonyms are its: {COMMAND}")


def main() -> None:
    """Installs WordNet where it is missing, and says where it is."""
    try:
        print(f"WordNet is in {reader().root}")
        return
    except UserError:
        import nltk  # noqa: F401 (where it is missing, there is nothing to install for)
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
    """Puts the files of Debian's wordnet-base, and the list that they lack, into `folder`; else NLTK downloads them."""
    with tempfile.TemporaryDirectory() as scratch:
        package = download_package(scratch)
        if package is None:
            download()
        else:
            subprocess.run(["dpkg-deb", "-x", str(package), scratch], check=True)
            copy_dictionary(Path(scratch) / "usr/share/wordnet", folder / "corpora" / "wordnet")


def download_package(folder: str) -> Path | None:
    """Debian's wordnet-base in `folder`, the lists of packages brought up to date where that is allowed and needed."""
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    fetch = ["apt-get", "download", "wordnet-base"]
    for command in (fetch, [*as_root, "apt-get", "update"], fetch):
        with contextlib.suppress(FileNotFoundError):
            subprocess.run(command, cwd=folder, capture_output=True, check=False)
        if package := next(Path(folder).glob("*.deb"), None):
            return package
    return None


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
