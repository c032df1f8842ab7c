"""Runs of strangers: their results, their options, their cards and their predictions."""

import json
from pathlib import Path

from .case import code, each, edit, hostile, outside

READERS = ("compare", "publish", "classify")
YAML = {
    "object": "!!python/object/apply:os.system ['echo yaml >> $IGPAY_PAYLOAD']\n",
    "object in a field": "seed: !!python/object/apply:os.system ['echo yaml >> $IGPAY_PAYLOAD']\noutput_dir: x\n",
    "module": "task: !!python/module:payload_module\n",
    "laughs": "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + "task: *i\n",
    "deep": "a: " + "[" * 3_000 + "]" * 3_000 + "\n",
    "list": "[1, 2]\n",
    "number": "7\n",
    "tabs": "a:\t1\n\tb: 2\n",
    "not UTF-8": b"task: \xff\n",
    "empty": "",
    "keys of numbers": "1: 2\n",
    "keys of lists": "[1]: 2\n",
    "dates": "task: 2020-01-01\nmax_length: 2020-01-01\n",
    "same key twice": "task: rte\ntask: cola\n",
    "itself": "a: &a [*a]\ntask: *a\n",
}


@each(YAML, "bottleneck", targets=["ablate_adapters"])
def options(folder: Path, content: str | bytes) -> None:
    (folder / "config.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())


@each(YAML, "bottleneck", may_load=True, targets=["classify", "fuse", "publish"])
def options_beside(folder: Path, content: str | bytes) -> None:
    """They only tell the task."""
    (folder / "config.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())


@each(
    {
        "file of a device": {"train_file": "/dev/zero"},
        "file of a pipe": {"train_file": "pipe"},
        "file of a folder": {"train_file": "/"},
        "file a list": {"train_file": ["a"]},
        "task unknown": {"task": "evil", "train_file": None},
        "task a list": {"task": ["rte"]},
        "task of two": {"task": "rte"},
        "length of words": {"max_length": "x"},
        "length huge": {"max_length": 10**18},
        "length negative": {"max_length": -1},
        "no length": {"max_length": None},
        "column unknown": {"text_column": "evil"},
        "column a list": {"text_column": ["text"]},
        "folder": {"data_dir": "/proc", "train_file": None},
        "strategy a list": {"strategy": ["x"]},
        "strategy of escapes": {"strategy": "\x1b[2J" * 3},
        "examples huge": {"max_train_examples": 10**18},
        "examples negative": {"max_train_examples": -5},
    },
    "bottleneck",
    may_load={"no length", "length huge", "strategy a list", "strategy of escapes", "examples huge"},
    targets=["ablate_adapters"],
)
def option(folder: Path, fields: dict) -> None:
    import yaml

    if fields.get("train_file") == "pipe":
        import os

        os.mkfifo(folder / "pipe")
        fields = {"train_file": str(folder / "pipe")}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | fields))


RESULTS = {
    "infinite": {"metrics": {"test": {"accuracy": float("inf"), "loss": float("nan")}}},
    "of 400 digits": {"parameters": {"total": 10**400, "trainable": 10**400}},
    "of words": {"metrics": {"test": {"accuracy": "high"}}},
    "of lists": {"metrics": {"test": {"accuracy": [1]}}},
    "negative": {"parameters": {"total": -1, "trainable": -2}},
    "null": {"parameters": {"total": None, "trainable": None}},
    "newer": {"schema": 99},
    "schema a text": {"schema": "x"},
    "seed a list": {"seed": [1]},
    "seed huge": {"seed": 10**30},
    "splits of words": {"splits": {"test": "many"}},
    "seconds of words": {"seconds": {"train": "x"}},
    "versions a list": {"versions": [1]},
    "versions of lists": {"versions": {"torch": [1]}},
    "facts a list": {"facts": [1]},
    "facts of lists": {"facts": {"dataset": [1], "curve": {}, "examples": 7, "hyperparameters": [1]}},
    "facts of numbers": {
        "facts": {"dataset": {"name": 7, "columns": 3, "metric": [1]}, "strategy": [1], "majority": 3}
    },
    "names of paths": {"facts": {"dataset": {"name": "../../evil", "columns": ["text", "label"]}}},
    "names of escapes": {
        "facts": {"dataset": {"name": "\x1b[2J\x1b]0;x\x07", "columns": ["text"]}},
        "metrics": {"\x1b[2J": {"\x1b[2J": 1.0}},
    },
    "names of half a letter": {"facts": {"dataset": {"name": "\ud800"}}, "metrics": {"\ud800": {"a": 1.0}}},
    "names of a page": {
        "facts": {"dataset": {"name": "<script>x</script>"}, "strategy": "](javascript:x)"},
        "metrics": {"<b>": {"|a|": 1.0}},
    },
    "names of a card": {"facts": {"dataset": {"name": "x\n---\nlicense: evil\n---\n# owned"}, "strategy": "x\n\n# y"}},
    "names long": {"metrics": {"test": {"x" * 300_000: 1.0}}, "facts": {"dataset": {"name": "y" * 300_000}}},
    "splits many": {"metrics": {f"s{number}": {"a": 1.0} for number in range(20_000)}},
    "curve huge": {"facts": {"curve": [{"step": number, "validation_loss": 1.0} for number in range(200_000)]}},
    "no metrics": {"metrics": {}},
    "metrics null": {"metrics": {"test": None}},
}


@each(RESULTS, "classifier", may_load=True, targets=READERS)
def results(folder: Path, fields: dict) -> None:
    edit(folder / "results.json", **fields)


@each(
    {
        name: RESULTS[name]
        for name in ("of 400 digits", "facts of lists", "facts of numbers", "names of half a letter", "names of a page")
    },
    "translator",
    may_load=True,
    targets=["translate", "spaces/translator", "publish"],
)
def results_of_a_translator(folder: Path, fields: dict) -> None:
    edit(folder / "results.json", **fields)


CONTENTS = {"list": b"[1]", "deep": b"[" * 100_000, "number": b"7", "not UTF-8": b"\xff", "empty": b"", "null": b"null"}


@each(CONTENTS, "classifier", may_load=True, targets=READERS)
def content_of_results(folder: Path, content: bytes) -> None:
    (folder / "results.json").write_bytes(content)


CARDS = {
    "script": "---\ntags: [x]\n---\n<script>alert(1)</script>\n",
    "object": "---\n!!python/object/apply:os.system ['echo card >> $IGPAY_PAYLOAD']\n---\n# x\n",
    "widgets": "---\nwidget:\n- text: 7\n- [1]\n- text: '<img src=x onerror=alert(1)>'\n---\n",
    "tags of numbers": "---\ntags: 7\nwidget: 7\npipeline_tag: [1]\n---\n",
    "laughs": "---\n" + YAML["laughs"].replace("task: *i", "tags: *i\nwidget: *i") + "---\n",
    "deep": "---\ntags: " + "[" * 3_000 + "\n---\n",
    "dashes": "---\n" * 100_000,
    "list": "---\n- 1\n---\n",
}


@each(CARDS, "classifier", "translator", may_load=True)
def card(folder: Path, content: str) -> None:
    (folder / "README.md").write_text(content)


@each({"binary": b"\xff\xfe\0" * 1000, "one line": b"x" * 50_000_000}, "classifier", may_load=True)
def card_of_bytes(folder: Path, content: bytes) -> None:
    (folder / "README.md").write_bytes(content)


PREDICTIONS = {"text": b"not parquet", "empty": b"", "magic": b"PAR1" + b"\xff" * 100 + b"PAR1"}


@each(PREDICTIONS, "classifier", targets=["compare"])
def predictions(folder: Path, content: bytes) -> None:
    (folder / "predictions.parquet").write_bytes(content)


@each(
    {
        "above": "../outside/evil.M",
        "absolute": "/{}/evil.M",
        "of another": "owner/evil--evil.M",
        "a list": ["evil.M"],
        "a number": 7,
    },
    "ours",
    targets=["publish"],
)
def code_outside_to_be_published(folder: Path, entry) -> None:
    (outside(folder) / "evil.py").write_text("SECRET = 1\n")
    entry = entry.replace("/{}", str(outside(folder))) if isinstance(entry, str) else entry
    edit(folder / "config.json", auto_map={"AutoConfig": entry, "AutoModel": entry})


@each(
    {"no Python": "def (:\n", "zeros": "\0", "deep": "x = " + "(" * 5_000, "not UTF-8": None},
    "ours",
    targets=["publish"],
)
def code_to_be_published(folder: Path, source: str | None) -> None:
    path = min(folder.glob("*.py"))
    path.write_bytes(b"x = '\xff'\n" if source is None else source.encode())


@hostile("classifier", may_load=True, targets=["publish"])
def secrets_beside(folder: Path) -> None:
    """They stay at home."""
    for name in ("token.txt", "key.pem", ".env", "id_rsa", "secret.json"):
        (folder / name).write_text("secret")
    code(folder / "custom_generate" / "generate.py")


@hostile("bottleneck", targets=["publish"])
def adapters_outside_to_be_published(folder: Path) -> None:
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (outside(folder) / name).write_bytes((folder / name).read_bytes())
    edit(folder / "adapter_config.json", adapters=["../outside"])


@hostile("classifier", targets=["publish"])
def head_missing_to_be_published(folder: Path) -> None:
    from .case import weights_of, without_tensors

    without_tensors(weights_of(folder), "classifier")


@hostile("lora", may_load=True, targets=["publish"])
def adapter_config_of_strings(folder: Path) -> None:
    page = "<script>alert(1)</script>|\n# owned"
    fields = json.loads((folder / "adapter_config.json").read_text())
    edit(folder / "adapter_config.json", **{name: page for name in fields if name.startswith(("lora_", "init"))})
