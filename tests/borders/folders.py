"""Runs' folders: valid ones of which a file is spoilt, for whatever reads them."""

import json
import os
import shutil
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path

from borders.harness import Case, shown
from borders.material import tiny, without
from borders.recipes import ANYTHING, drawn, spoilt_bytes

HUGE, DEEP = "9" * 400, "[" * 3_000 + "]" * 3_000
# What a JSON value is replaced by, as it stands in the file.
VALUES = {
    "null": "null",
    "true": "true",
    "number": "3",
    "negative": "-1",
    "zero": "0",
    "fraction": "0.5",
    "NaN": "NaN",
    "Infinity": "Infinity",
    "1e999": "1e999",
    "400 digits": HUGE,
    "5000 digits": "9" * 5_000,
    "text": '"x"',
    "empty": '""',
    "surrogate": '"\\ud800"',
    "NUL": '"\\u0000"',
    "markup": '"<script>alert(1)</script>|`![x](x)"',
    "long text": f'"{"a" * 300_000}"',
    "path": '"../../../etc/passwd"',
    "list": "[]",
    "list of null": "[null]",
    "mapping": "{}",
    "mapping of mapping": '{"a": {"b": 1}}',
    "odd name": '{"\\ud800": 1, "": 2}',
    "deep": DEEP,
}
WHOLE = {
    "empty": b"",
    "not JSON": b"{",
    "null": b"null",
    "list": b"[]",
    "number": b"1",
    "text": b'"x"',
    "empty object": b"{}",
    "not UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "BOM": b'\xef\xbb\xbf{"schema": 1}',
    "NUL": b"\0" * 100,
    "deep": DEEP.encode(),
    "deep object": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "newer schema": b'{"schema": 99}',
    "schema is text": b'{"schema": "x"}',
    "schema is huge": b'{"schema": ' + HUGE.encode() + b"}",
    "50 MB": b'{"a": "' + b"x" * 50_000_000 + b'"}',
}
PLACES = ("missing", "folder", "FIFO", "zero", "link to itself", "link out")
# Places in a run's results.json, and in a study's study.json.
RESULTS = (
    "metrics",
    "metrics.test",
    "metrics.test.accuracy",
    "splits",
    "splits.test",
    "parameters",
    "parameters.total",
    "seconds",
    "seconds.train",
    "seed",
    "schema",
    "versions",
    "facts",
    "facts.date",
    "facts.dataset",
    "facts.dataset.name",
    "facts.dataset.metric",
    "facts.hardware",
    "facts.hardware.processor",
    "facts.hardware.cores",
    "facts.hyperparameters",
    "facts.curve",
    "facts.examples",
    "facts.majority",
    "facts.strategy",
    "facts.steps",
)
TRANSLATOR_RESULTS = (
    "metrics metrics.test.word_accuracy metrics.test facts facts.examples facts.wrong facts.curve "
    "facts.dataset facts.dataset.columns facts.hyperparameters facts.hardware facts.date facts.processes "
    "parameters parameters.total seconds.train splits splits.test seed facts.epochs"
).split()
STUDY = (
    "schema",
    "title",
    "sentences",
    "parts",
    "parts.0",
    "parts.0.name",
    "parts.0.split",
    "parts.0.examples",
    "parts.0.metric",
    "parts.0.metric_name",
    "parts.0.baseline",
    "parts.0.reference",
    "parts.0.reference.value",
    "parts.0.rows",
    "parts.0.rows.0",
    "parts.0.rows.0.setting",
    "parts.0.rows.0.runs",
    "parts.0.rows.0.runs.0",
    "parts.0.rows.0.mean",
    "parts.0.rows.0.sd",
    "parts.0.rows.1.difference",
    "parts.0.rows.1.difference.low",
    "parts.0.rows.1.verdict",
    "parts.0.rows.0.trained",
    "parts.0.rows.0.total",
)
CONFIG = (
    "output_dir seed task train_file max_length model_name_or_path strategy learning_rate text_column "
    "trust_remote_code pair_column data_dir max_train_examples"
).split()
YAML = (
    *("null", "-1", ".nan", "x", "[1]", "{a: 1}", "/proc/self/mem", "../..", "true", "9" * 400),
    *('"\\ud800"', "&a [*a]"),
)
# Who reads a run's folder @H/run.
READERS = {
    "compare": ("compare", "@H/run", "@M/frozen", "--examples", "3", "--output_dir", "out"),
    "classify": ("classify", "@H/run", "w3"),
    "classify two": ("classify", "@M/full", "w3", "--compare", "@H/run"),
    "publish": ("publish", "model", "@H/run", "you/it", "--dry_run"),
    "resume": ("train_classifier", *tiny("train_classifier")[:-1], "run", "--resume_from_checkpoint"),
    "overwrite": ("train_classifier", *tiny("train_classifier")[:-1], "run", "--overwrite_output_dir"),
    "study": ("study_strategies", *without(tiny("study_strategies"), "output_dir"), "--output_dir", "study"),
}
FUSION = ("train_classifier", *tiny("train_classifier"), "--strategy", "fusion")
ADAPTER_READERS = {
    "ablate": ("ablate_adapters", "@H/run", "--max_examples", "3"),
    "classify": ("classify", "@H/run", "w3"),
    "publish": ("publish", "adapter", "@H/run", "you/it", "--dry_run", "--base_model", "you/base"),
    "convert": ("convert_adapter", "@H/run", "out", "--to", "adapterhub"),
    "fuse": (*FUSION, "--adapters", "@H/run", "@M/pfeiffer1"),
}
FILES = (
    "results.json config.yaml predictions.parquet inputs.json config.json tokenizer_config.json tokenizer.json "
    "model.safetensors README.md curves.json"
).split()


ADAPTER_FILES = "adapter_config.json adapter_model.safetensors results.json config.yaml tokenizer_config.json".split()
TRANSLATOR_FILES = ("config.json generation_config.json tokenizer_config.json tokenizer.json model.safetensors").split()
CHECKPOINT_FILES = (
    "whole.json trainer_state.json optimizer.pt scheduler.pt rng_state.pth model.safetensors config.json"
).split()
STATE = "global_step epoch log_history best_metric best_model_checkpoint max_steps stateful_callbacks".split()
# What is no run, no repository and no place to write to.
NAMES = (
    *(
        "",
        " ",
        ".",
        "/",
        "/proc",
        "@H/pipe",
        "@M",
        "@M/texts.csv",
        "no/such",
        "~",
        "\udcff",
        "[",
        "**",
        "x=",
        "=x",
        "é",
    ),
    *("a" * 300, "a" * 5_000, "a=@M/full*", "a\nb", "-", "file:///etc/passwd", "https://x.invalid/x", "../" * 50),
)
# Of these, those where root can write.
WRITABLE = ("/", "@M", "../" * 50, "a=@M/full*")


def cases() -> Iterator[Case]:
    yield from values_of("results", "results.json", RESULTS, "full", ("compare", "publish"))
    yield from translator_values()
    yield from study_values()
    yield from whole_files()
    yield from config_values()
    yield from checkpoints()
    yield from arguments()
    for number, content in enumerate(drawn(ANYTHING, 40)):
        text = json.dumps(content, default=str, skipkeys=True).encode()
        spoil = partial(put, name="results.json", content=text)
        yield folder_case("results-drawn", f"{number}", READERS["compare"], "full", spoil)
    for number in range(40):
        spoil = partial(damage, name="results.json", draw=number)
        yield folder_case("results-bytes", f"{number}", READERS["compare"], "full", spoil)


def folder_case(group: str, name: str, reader: tuple[str, ...], run: str, spoil) -> Case:
    script, *given = reader
    prepare = partial(copy_run, run=run, spoil=spoil)
    writes = ("out", "run", "study", "runs", "README.md")
    return Case(group, name, script, tuple(given), prepare, trains=group == "checkpoints", writes=writes)


def copy_run(here: Path, material: Path, run: str, spoil) -> None:
    """A copy of a run at here/run, and in a study's folder, with a file spoilt."""
    (here / "README.md").write_text("<!-- study one -->\n<!-- end -->\n")
    (here / "study" / "cells").mkdir(parents=True)
    for folder in (here / "run", here / "study" / "texts-full-seed0"):
        shutil.copytree(material / run, folder)
        spoil(folder)


def put(run: Path, name: str, content: bytes) -> None:
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).write_bytes(content)


def damage(run: Path, name: str, draw: int) -> None:
    """One of the ways in which a file's bytes may be damaged."""
    *_, content = spoilt_bytes(run / name, draw + 1)
    put(run, name, content)


def place_at(run: Path, name: str, what: str) -> None:
    """Something else in a file's place."""
    path, secret = run / name, run.parent / "secret"
    path.unlink(missing_ok=True)
    secret.write_text("of the machine\n")
    make = {
        "missing": lambda: None,
        "folder": path.mkdir,
        "FIFO": lambda: os.mkfifo(path),
        "zero": lambda: path.symlink_to("/dev/zero"),
        "link to itself": lambda: path.symlink_to(path.name),
        "link out": lambda: path.symlink_to(secret),
    }
    make[what]()


def replace(run: Path, name: str, where: str, value: str) -> None:
    """Puts JSON in the place of a value of a JSON file; what lies on the way is made."""
    content = json.loads((run / name).read_text())
    inner, *_ = [content]
    *way, last = [int(part) if part.isdigit() else part for part in where.split(".")]
    for part in way:
        inner = inner[part] if isinstance(inner, list) else inner.setdefault(part, {})
    inner[last] = "@value@"
    put(run, name, json.dumps(content).replace('"@value@"', value).encode())


def values_of(group, name, places, run, readers) -> Iterator[Case]:
    for where in places:
        for reader, (label, value) in product(readers, VALUES.items()):
            spoil = partial(replace, name=name, where=where, value=value)
            yield folder_case(group, f"{reader}: {where}={label}", READERS[reader], run, spoil)


def translator_values() -> Iterator[Case]:
    for where in TRANSLATOR_RESULTS:
        for label, value in VALUES.items():
            spoil = partial(replace, name="results.json", where=where, value=value)
            yield folder_case("cards", f"{where}={label}", READERS["publish"], "translator", spoil)


def study_values() -> Iterator[Case]:
    reader = ("update_readme", "--readme", "@H/README.md", "--studies", "@H/run")
    for where in STUDY:
        for label, value in VALUES.items():
            spoil = partial(replace, name="one/study.json", where=where, value=value)
            yield folder_case("study-pages", f"{where}={label}", reader, "studies", spoil)
    for where in RESULTS[6:15]:
        for label in ("null", "list", "text", "NaN", "400 digits", "markup"):
            spoil = partial(replace, name="one/full/results.json", where=where, value=VALUES[label])
            yield folder_case("study-pages", f"run: {where}={label}", reader, "studies", spoil)
    for label, content in WHOLE.items():
        spoil = partial(put, name="one/study.json", content=content)
        yield folder_case("study-pages", f"study.json: {label}", reader, "studies", spoil)
    for what in PLACES:
        spoil = partial(place_at, name="one/study.json", what=what)
        yield folder_case("study-pages", f"study.json is {what}", reader, "studies", spoil)


def whole_files() -> Iterator[Case]:
    for readers, run, names in (
        (READERS, "full", FILES),
        (ADAPTER_READERS, "pfeiffer", ADAPTER_FILES),
        ({"translate": ("translate", "@H/run", "apple")}, "translator", TRANSLATOR_FILES),
    ):
        for reader, given in readers.items():
            for name in names:
                for label, content in WHOLE.items():
                    spoil = partial(put, name=name, content=content)
                    yield folder_case("run-files", f"{reader}: {name}: {label}", given, run, spoil)
                for what in PLACES:
                    spoil = partial(place_at, name=name, what=what)
                    yield folder_case("run-files", f"{reader}: {name} is {what}", given, run, spoil)


def config_values() -> Iterator[Case]:
    """A run's config.yaml as a stranger may have written it."""
    readers = {"resume": READERS["resume"], "classify": READERS["classify"], "study": READERS["study"]}
    for name in CONFIG:
        for value in YAML:
            for reader, given in readers.items():
                spoil = partial(set_option, name=name, value=value)
                yield folder_case("run-config", f"{reader}: {name}={value[:15]}", given, "full", spoil)
            spoil = partial(set_option, name=name, value=value)
            given = ADAPTER_READERS["ablate"]
            yield folder_case("run-config", f"ablate: {name}={value[:15]}", given, "pfeiffer", spoil)


def set_option(run: Path, name: str, value: str) -> None:
    lines = [line for line in (run / "config.yaml").read_text().splitlines() if not line.startswith(f"{name}:")]
    put(run, "config.yaml", "\n".join([*lines, f"{name}: {value}", ""]).encode())


def checkpoints() -> Iterator[Case]:
    """Checkpoints that a run is to go on from."""
    spoils = {
        "name best": lambda run: (run / "checkpoint-1").rename(run / "checkpoint-best"),
        "name long": lambda run: (run / "checkpoint-1").rename(run / f"checkpoint-{'9' * 100}"),
        "name negative": lambda run: (run / "checkpoint-1").rename(run / "checkpoint--1"),
        "name other digits": lambda run: (run / "checkpoint-1").rename(run / "checkpoint-²"),
        "is a file": lambda run: (shutil.rmtree(run / "checkpoint-1"), (run / "checkpoint-1").write_text("x")),
        "is empty": lambda run: (shutil.rmtree(run / "checkpoint-1"), (run / "checkpoint-1").mkdir()),
        "a second, empty": lambda run: (run / "checkpoint-2").mkdir(),
    }
    for name, spoil in spoils.items():
        yield folder_case("checkpoints", name, READERS["resume"], "full", partial(unfinish, spoil=spoil))
    for file in CHECKPOINT_FILES:
        for label in ("empty", "not JSON", "null", "list", "empty object", "NUL", "deep", "schema is text"):
            spoil = partial(unfinish, spoil=partial(put, name=f"checkpoint-1/{file}", content=WHOLE[label]))
            yield folder_case("checkpoints", f"{file}: {label}", READERS["resume"], "full", spoil)
        for what in ("missing", "folder", "FIFO", "link to itself"):
            spoil = partial(unfinish, spoil=partial(place_at, name=f"checkpoint-1/{file}", what=what))
            yield folder_case("checkpoints", f"{file} is {what}", READERS["resume"], "full", spoil)
    for where in STATE:
        for label in ("null", "text", "negative", "list", "400 digits", "NaN"):
            spoil = partial(replace, name="checkpoint-1/trainer_state.json", where=where, value=VALUES[label])
            spoil = partial(unfinish, spoil=spoil)
            yield folder_case("checkpoints", f"{where}={label}", READERS["resume"], "full", spoil)


def unfinish(run: Path, spoil) -> None:
    """A run that was ended before its results were written."""
    (run / "results.json").unlink(missing_ok=True)
    # The copy is resumed where it lies.
    config = run / "config.yaml"
    config.write_text(config.read_text())
    spoil(run)


def arguments() -> Iterator[Case]:
    """Names of runs, settings, repositories and places to write that are none."""
    for name in NAMES:
        page = (name, "out", "runs", os.path.normpath(name or "x"))
        encoder = without(tiny("train_classifier"), "model_name_or_path")
        for what, script, given, writes in (
            ("setting", "compare", (name, "@M/full"), ()),
            ("run", "classify", (name, "w3"), ()),
            ("second run", "classify", ("@M/full", "w3", "--compare", name), ()),
            ("run", "translate", (name, "apple"), ()),
            ("adapter", "convert_adapter", (name, "out"), ("out",)),
            ("run", "ablate_adapters", (name,), ()),
            ("encoder", "train_classifier", (*encoder, "--model_name_or_path", name), ("out",)),
            ("study", "update_readme", ("--readme", "@H/README.md", "--studies", name), ("README.md",)),
            ("readme", "update_readme", ("--readme", name, "--studies", "@M/studies", "--check"), ()),
            ("page", "compare", ("@M/full", "@M/frozen", "--output_dir", name), page),
            ("picture", "translate", ("@M/translator", "apple", "--attention", name), ()),
            ("model", "publish", ("model", name, "you/it", "--dry_run"), ()),
            ("repository", "publish", ("model", "@M/translator", name, "--dry_run"), ()),
            ("data set", "publish", ("dataset", name, "you/it", "--dry_run"), ()),
            ("space", "publish", ("space", name, "you/it", "--dry_run"), ()),
            ("seed run", "publish", ("model", "@M/translator", "you/it", "--dry_run", "--seed_runs", name), ()),
        ):
            # Nothing may be written outside of the case's folder, whoever runs the tests.
            if what != "page" or name not in WRITABLE:
                yield Case("names", f"{what} {shown(name)}", script, given, write_readme, writes=writes)


def write_readme(here: Path, material: Path) -> None:
    os.mkfifo(here / "pipe")
    (here / "README.md").write_text("<!-- study one -->\n<!-- end -->\n")
