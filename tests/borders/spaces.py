"""What visitors give to Spaces, and the folders of results that strangers publish."""

import json
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from borders.files import CSV, JSON, PAIR_FILES
from borders.folders import PLACES, RESULTS, STUDY, VALUES, WHOLE, place_at, put, replace
from borders.harness import ROOT, Case
from borders.recipes import ANYTHING, drawn
from hypothesis import strategies as st

TEXTS = (
    "",
    " ",
    "\n" * 100,
    "\t",
    "a\tb\tc",
    "\x00",
    "\ud800",
    "a" * 5_000,
    "a" * 5_001,
    "a " * 2_500,
    "é\u2028b",
    "\u202eabc",
    "'" * 300,
    "-" * 300,
    "ﬁ\u0301" * 50,
    "😀" * 100,
    "<script>",
    "apple",
    "Don't",
    "APPLE-tree",
    "1" * 200,
    "\r\n" * 10,
    "aa\u00adb",
    "İı",
    "ß" * 100,
    None,
)


def cases() -> Iterator[Case]:
    for number, text in enumerate((*TEXTS, *drawn(st.text(max_size=60), 60))):
        yield Case("spaces-classifier", f"typed {number}", partial_named(typed, text=text))
        yield Case("spaces-classifier", f"lines {number}", partial_named(lines, text=text))
        yield Case("spaces-translator", f"text {number}", partial_named(translated, text=text))
    for name, content in {**CSV, **JSON, **PAIR_FILES}.items():
        for suffix in (".csv", ".tsv", ".txt"):
            yield Case(
                "spaces-classifier", f"file {name}{suffix}", partial_named(read_file, content=content, suffix=suffix)
            )
    for name in VALUES:
        yield Case(
            "spaces-classifier",
            f"label column {name}",
            partial_named(read_file, content=CSV["two rows"], suffix=".csv", label=VALUES[name]),
        )
    for where in RESULTS:
        for label, value in VALUES.items():
            yield results_case(
                f"{where}={label}", partial(replace, name="one/full/results.json", where=where, value=value)
            )
    for where in STUDY:
        for label, value in VALUES.items():
            yield results_case(f"{where}={label}", partial(replace, name="one/study.json", where=where, value=value))
    for name in ("one/study.json", "one/full/results.json", "one/README.md", "one/scores.png", "one/scores.json"):
        for label, content in WHOLE.items():
            yield results_case(f"{name}: {label}", partial(put, name=name, content=content))
        for what in PLACES:
            yield results_case(f"{name} is {what}", partial(place_at, name=name, what=what))
    for number, content in enumerate(drawn(ANYTHING, 40)):
        text = json.dumps(content, default=str, skipkeys=True).encode()
        yield results_case(f"drawn {number}", partial(put, name="one/study.json", content=text))


def partial_named(function, **given):
    """A partial with a name."""
    made = partial(function, **given)
    made.__name__ = function.__name__
    return made


def module(space: str, name: str):
    sys.path.insert(0, str(ROOT / "spaces" / space))
    return __import__(name)


def answered(function, kind: type[Exception], *given) -> None:
    """Calls a function that may raise the errors that a visitor is told."""
    try:
        function(*given)
    except kind as error:
        if len(str(error)) > 1_000:
            raise ValueError("a message of more than 1,000 characters") from error


def typed(here: Path, text) -> None:
    reading = module("classifier", "reading")
    answered(reading.read_typed, reading.InputError, text, text)


def lines(here: Path, text) -> None:
    reading = module("classifier", "reading")
    answered(reading.read_lines, reading.InputError, text)


def read_file(here: Path, content: bytes, suffix: str, label: str = "") -> None:
    path = here / f"out{suffix}"
    path.write_bytes(content)
    reading = module("classifier", "reading")
    answered(reading.read_file, reading.InputError, str(path), label)
    path.unlink()


def translated(here: Path, text) -> None:
    translation = module("translator", "translation")
    answered(partial(translation.translate_text, Reverser(), text or ""), translation.TooManyWordsError)


class Reverser:
    """A stand-in for the translator's model: every word backwards."""

    def __init__(self):
        from types import SimpleNamespace

        self.languages = SimpleNamespace(is_pig_latin=True)

    def plain(self, word: str) -> str | None:
        return word.lower() if word.isascii() else None

    def translate(self, words, progress) -> dict[str, str]:
        return {word: word[::-1] for word in words}


def results_case(name: str, spoil) -> Case:
    """The results Space's start on a folder of studies of which a file is spoilt."""
    return Case(
        "spaces-results",
        name,
        partial_named(show_results),
        (),
        partial(copy_studies, spoil=spoil),
        writes=("studies", "out"),
    )


def copy_studies(here: Path, material: Path, spoil) -> None:
    import shutil

    shutil.copytree(material / "studies", here / "studies")
    spoil(here / "studies")


def show_results(here: Path) -> None:
    """Reads all, as the page does at its start, and answers every call of it."""
    os.environ["GRADIO_TEMP_DIR"] = str(here / "out")
    study = module("results", "study")
    page = __import__("app")
    app = page.App(study.Library(here / "studies", "studies"))
    json.dumps(app.results(), allow_nan=False).encode()
    page.list_skipped(app.library.skipped).encode()
    for name in app.studies:
        json.dumps(app.study(name), allow_nan=False).encode()
        for sort in page.SORTS:
            json.dumps([str(part) for part in app.open(name, sort, "")]).encode()
        for score in app.studies[name].scores():
            app.draw(name, page.label(score), page.SORTS[0]).encode()
