"""Files of texts and of pairs: valid ones spoilt, in every format that a script reads."""

import json
import os
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from borders.harness import Case
from borders.material import PAIRS, TEXTS, tiny, without

LINES = TEXTS.splitlines()
BIG = "w2 " * 700_000  # 2 MB
CSV = {
    "empty": b"",
    "blank": b"\n\n \n",
    "one byte": b"\xff",
    "header only": b"text,label\n",
    "header without end": b"text,label",
    "one row": b"text,label\nw2,good\n",
    "two rows": b"text,label\nw2,good\nw3,bad\n",
    "one class": b"text,label\n" + b"".join(b"w%d,good\n" % n for n in range(30)),
    "each its class": b"text,label\n" + b"".join(b"w%d,c%d\n" % (n, n) for n in range(30)),
    "same text": b"text,label\n" + b"w2,good\n" * 30,
    "same text, both labels": b"text,label\n" + b"w2,good\nw2,bad\n" * 15,
    "no labels": b"text,label\n" + b"".join(b"w%d,\n" % n for n in range(30)),
    "no texts": b"text,label\n" + b",good\n,bad\n" * 15,
    "NaN labels": b"text,label\n" + b"".join(b"w%d,nan\n" % n for n in range(30)),
    "some NaN labels": b"text,label\n" + b"".join(b"w%d,%s\n" % (n, b"nan" if n % 2 else b"1") for n in range(30)),
    "infinite labels": b"text,label\n" + b"".join(b"w%d,inf\n" % n for n in range(30)),
    "float labels": b"text,label\n" + b"".join(b"w%d,%f\n" % (n, n / 7) for n in range(30)),
    "huge number labels": b"text,label\n" + b"".join(b"w%d,%s\n" % (n, b"9" * (400 + n)) for n in range(30)),
    "1e308 labels": b"text,label\n" + b"".join(b"w%d,%d.5e307\n" % (n, n) for n in range(30)),
    "100 kB labels": b"text,label\n" + b"".join(b"w%d,%s\n" % (n, b"a" * 100_000 + b"%d" % (n % 2)) for n in range(30)),
    "label is formula": b"text,label\n" + b"w2,=1+1\nw3,-x\n" * 15,
    "label has tab": b"text,label\n" + b'w2,"a\tb"\nw3,c\n' * 15,
    "label is newline": b"text,label\n" + b'w2,"a\nb"\nw3,c\n' * 15,
    "label is path": b"text,label\n" + b"w2,../x\nw3,/\n" * 15,
    "label is markup": b"text,label\n" + b"w2,<script>\nw3,|x|\n" * 15,
    "duplicate header": b"text,text,label\n" + b"w2,w3,good\n" * 20,
    "empty header": b",\n" + b"w2,good\n" * 20,
    "long header": b"text," + b"label" * 100_000 + b"\n" + b"w2,good\n" * 20,
    "1000 columns": b",".join(b"c%d" % n for n in range(1000)) + b"\n" + b",".join(b"w2" for _ in range(1000)) + b"\n",
    "unknown columns": b"foo,bar\n" + b"w2,good\nw3,bad\n" * 15,
    "one column": b"text\n" + b"w2\n" * 20,
    "too many cells": b"text,label\nw2,good,x\n" * 5,
    "too few cells": b"text,label\nw2\n",
    "stray quote": b'text,label\nw2,good\n"w3,bad\nw4,good\n',
    "quote in cell": b'text,label\nw"2,good\nw3,bad\n' * 1,
    "quote and rest": b'text,label\n"w2"x,good\n',
    "huge cell": b"text,label\n" + BIG.encode() + b",good\nw3,bad\n" * 10,
    "huge line": b"text,label" + b"," * 300_000 + b"\n",
    "NUL": b"text,label\nw2\0,good\n",
    "Latin-1": "text,label\nwé,good\n".encode("latin-1"),
    "UTF-16": TEXTS.encode("utf-16"),
    "UTF-32": TEXTS.encode("utf-32"),
    "BOM": b"\xef\xbb\xbf" + TEXTS.encode(),
    "two BOMs": b"\xef\xbb\xbf" * 2 + TEXTS.encode(),
    "CR": TEXTS.replace("\n", "\r").encode(),
    "CRLF": TEXTS.replace("\n", "\r\n").encode(),
    "mixed ends": "\r\n".join(LINES[:20]).encode() + b"\n" + "\r".join(LINES[20:]).encode(),
    "U+2028": TEXTS.replace(" ", "\u2028").encode(),
    "semicolons": TEXTS.replace(",", ";").encode(),
    "tabs": TEXTS.replace(",", "\t").encode(),
    "spaces": TEXTS.replace(",", " ").encode(),
    "control": TEXTS.replace("w3", "\x1b[2J\x07").encode(),
    "right to left": TEXTS.replace("w3", "\u202e\u05d0").encode(),
    "combining": TEXTS.replace("w3", "a" + "\u0301" * 2_000).encode(),
    "unknown words": TEXTS.replace("w", "zz").encode(),
    "emoji": TEXTS.replace("w", "\U0001f469\u200d\U0001f680").encode(),
    "binary": bytes(range(256)) * 40,
    "gzip": b"\x1f\x8b\x08\x00" + bytes(range(1, 200)),
    "zip": b"PK\x03\x04" + bytes(range(1, 200)),
    "HTML": b"<!DOCTYPE html>\n<html><body>404, sorry</body></html>\n",
    "LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n",
    "JSON": b'[{"text": "w2", "label": "good"}]',
    "many rows": b"text,label\n" + b"w2 w3,good\nw4 w5,bad\n" * 20_000,
}
JSON = {
    "empty": b"",
    "list": b'[{"text": "w2", "label": "good"}]\n',
    "not closed": b'{"text": "w2", "label": "good"\n',
    "numbers": b"1\n2\n",
    "null": b"null\n",
    "strings": b'"w2"\n',
    "empty objects": b"{}\n{}\n{}\n",
    "number texts": b'{"text": 1, "label": 2}\n' * 20,
    "null texts": b'{"text": null, "label": "good"}\n' * 20,
    "null labels": b'{"text": "w2", "label": null}\n' * 20,
    "list texts": b'{"text": ["w2"], "label": "good"}\n' * 20,
    "mapping labels": b'{"text": "w2", "label": {"a": 1}}\n' * 20,
    "truth labels": b'{"text": "w2", "label": true}\n{"text": "w3", "label": false}\n' * 10,
    "mixed labels": b'{"text": "w2", "label": 1}\n{"text": "w3", "label": "a"}\n' * 10,
    "NaN labels": b'{"text": "w2", "label": NaN}\n' * 20,
    "infinite labels": b'{"text": "w2", "label": Infinity}\n{"text": "w3", "label": -Infinity}\n' * 10,
    "1e400": b'{"text": "w2", "label": 1e400}\n{"text": "w3", "label": 1.5}\n' * 10,
    "long integer": b'{"text": "w2", "label": ' + b"9" * 5_000 + b"}\n",
    "400 digits": (b'{"text": "w2", "label": ' + b"9" * 400 + b'}\n{"text": "w3", "label": 1}\n') * 10,
    "deep": b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
    "deep mapping": b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b"\n",
    "key twice": b'{"text": "w2", "text": "w3", "label": "good"}\n' * 20,
    "surrogate text": b'{"text": "\\ud800", "label": "good"}\n{"text": "w3", "label": "bad"}\n' * 10,
    "surrogate label": b'{"text": "w2", "label": "\\ud800"}\n{"text": "w3", "label": "bad"}\n' * 10,
    "surrogate name": b'{"\\ud800": "w2", "label": "good"}\n' * 20,
    "NUL text": b'{"text": "a\\u0000b", "label": "good"}\n{"text": "w3", "label": "bad"}\n' * 10,
    "empty name": b'{"": "w2", "label": "good"}\n' * 20,
    "long name": b'{"' + b"x" * 300_000 + b'": "w2", "label": "good"}\n',
    "other names each": b"".join(b'{"text%d": "w2", "label%d": "good"}\n' % (n, n) for n in range(500)),
    "huge text": b'{"text": "' + BIG.encode() + b'", "label": "good"}\n' + b'{"text": "w3", "label": "bad"}\n' * 20,
    "trailing comma": b'{"text": "w2", "label": "good",}\n',
    "comments": b'// x\n{"text": "w2", "label": "good"}\n',
    "pretty": json.dumps([{"text": "w2", "label": "good"}], indent=1).encode(),
    "pairs swapped": b'{"text": "w2", "label": "good"}\n{"label": "bad", "text": "w3"}\n' * 10,
    "label in one row": b'{"text": "w2", "label": "good"}\n' + b'{"text": "w3"}\n' * 20,
    "boolean texts": b'{"text": true, "label": "good"}\n' * 20,
    "Latin-1": b'{"text": "\xe9", "label": "good"}\n',
}
PAIR_FILES = {
    "empty": b"",
    "header only": b"source\ttarget\n",
    "one pair": b"ab\tba\n",
    "two pairs": b"ab\tba\ncd\tdc\n",
    "one column": b"ab\nba\n" * 20,
    "three columns": b"ab\tba\tx\n" * 20,
    "same column twice": b"source\tsource\n" + b"ab\tba\n" * 20,
    "same pair": b"source\ttarget\n" + b"ab\tba\n" * 20,
    "same source": b"source\ttarget\n" + b"".join(b"ab\t%d\n" % n for n in range(20)),
    "empty targets": b"source\ttarget\n" + b"".join(b"a%d\t\n" % n for n in range(20)),
    "empty sources": b"source\ttarget\n" + b"".join(b"\ta%d\n" % n for n in range(20)),
    "some empty": PAIRS.replace("ab1c", "").encode(),
    "long words": b"source\ttarget\n" + b"".join(b"%s%d\tx\n" % (b"a" * 500, n) for n in range(20)),
    "huge word": PAIRS.encode() + b"a" * 2_000_000 + b"\tb\n",
    "many symbols": "".join(f"{chr(0x4E00 + n)}\t{chr(0x5000 + n)}\n" for n in range(3_000)).encode(),
    "quotes": b'source\ttarget\n"ab\tba\ncd\tdc"\n' + b"".join(b"a%d\tb\n" % n for n in range(20)),
    "stray quote": PAIRS.replace("ab10c", '"ab10c').encode(),
    "tab in quotes": PAIRS.replace("ab10c", '"ab\t10c"').encode(),
    "newline in quotes": PAIRS.replace("ab10c", '"ab\n10c"').encode(),
    "NUL": b"source\ttarget\na\0\tb\n",
    "control": PAIRS.replace("c", "\x1b").encode(),
    "special tokens": PAIRS.replace("ab", "<pad></s>").encode(),
    "spaces in words": PAIRS.replace("b1", " ").encode(),
    "only spaces": b"source\ttarget\n" + b" \t \n" * 20,
    "Latin-1": b"source\ttarget\n\xe9\tb\n",
    "UTF-16": PAIRS.encode("utf-16"),
    "BOM": b"\xef\xbb\xbf" + PAIRS.encode(),
    "CRLF": PAIRS.replace("\n", "\r\n").encode(),
    "CR": PAIRS.replace("\n", "\r").encode(),
    "commas": PAIRS.replace("\t", ",").encode(),
    "spaces": PAIRS.replace("\t", " ").encode(),
    "combining": PAIRS.replace("c", "\u0301").encode(),
    "emoji": PAIRS.replace("c", "\U0001f469\u200d\U0001f680").encode(),
    "right to left": PAIRS.replace("c", "\u202e").encode(),
    "binary": bytes(range(256)) * 40,
    "formula": PAIRS.replace("ab", "=HYPERLINK(1)").encode(),
    "markup": PAIRS.replace("ab", "|<b>`").encode(),
    "many": b"source\ttarget\n" + b"".join(b"a%d\tb%d\n" % (n, n) for n in range(10_000)),
}
# What a path may be instead of a file.
PLACES = (
    *("missing", "folder", "FIFO", "device", "zero", "link to nothing", "link to itself", "link to a device"),
    *("no access", "proc"),
)
READERS = {
    "train": ("train_classifier", "--train_file"),
    "validation": ("train_classifier", "--validation_file"),
    "test": ("train_classifier", "--test_file"),
    "predict": ("train_classifier", "--predict"),
    "classify": ("classify", "--file"),
    "tasks": ("train_multitask", "--tasks"),
}
PAIR_READERS = {
    "train": ("train_translator", "--train_file"),
    "validation": ("train_translator", "--validation_file"),
    "test": ("train_translator", "--test_file"),
    "translate": ("translate", "--file"),
}


def cases() -> Iterator[Case]:
    for name, content in CSV.items():
        for reader in READERS:
            file = "x.tsv" if name == "tabs" else "x.csv"
            yield reading("tables", f"{reader}: {name}", *READERS[reader], file, content)
    for name, content in JSON.items():
        for reader in READERS:
            yield reading("json", f"{reader}: {name}", *READERS[reader], "x.jsonl", content)
        content = content.replace(b"text", b"source").replace(b"label", b"target")
        yield reading("json", f"pairs: {name}", *PAIR_READERS["train"], "x.json", content)
    for name, content in PAIR_FILES.items():
        for reader in PAIR_READERS:
            file = "x.csv" if name == "commas" else "x.tsv"
            yield reading("pairs", f"{reader}: {name}", *PAIR_READERS[reader], file, content)
    for name in PARQUET:
        for reader in ("train", "classify", "test"):
            yield reading("parquet", f"{reader}: {name}", *READERS[reader], "x.parquet", name)
        yield reading("parquet", f"pairs: {name}", *PAIR_READERS["train"], "x.parquet", name)
    for name in PLACES:
        for reader, (script, option) in (READERS | {f"pairs {key}": PAIR_READERS[key] for key in PAIR_READERS}).items():
            yield reading("places", f"{reader}: {name}", script, option, "x.csv", partial(place_at, what=name))
    yield from column_cases()
    for number, content in enumerate(damaged(TEXTS, 40)):
        yield reading("tables-bytes", f"{number}", *READERS["train"], "x.csv", content)
    for number, content in enumerate(damaged(PAIRS, 40)):
        yield reading("pairs-bytes", f"{number}", *PAIR_READERS["train"], "x.tsv", content)
    for name, content in CSV.items():
        yield Case("standard-input", name, "classify", ("@M/full",), stdin=content)
        yield Case("standard-input", name, "translate", ("@M/translator",), stdin=content)


def reading(group: str, name: str, script: str, option: str, file: str, content) -> Case:
    """A script that is given the file; `content` is its bytes, a Parquet file's name or a function that makes it."""
    path = f"@H/{file}"
    arguments = without(tiny(script), option.lstrip("-"))
    if script in ("classify", "translate"):
        arguments = arguments[:1]
    given = (*arguments, option, *([path, "@M/more.csv"] if option == "--tasks" else [path]))
    return Case(group, name, script, given, partial(write, name=file, content=content), trains="one" in name)


def write(here: Path, material: Path, name: str, content) -> None:
    if isinstance(content, bytes):
        (here / name).write_bytes(content)
    elif isinstance(content, str):
        PARQUET[content](here / name)
    else:
        content(here / name, material)


def place_at(path: Path, material: Path, what: str) -> None:
    """Something else than a file."""
    make = {
        "missing": lambda: None,
        "folder": path.mkdir,
        "FIFO": lambda: os.mkfifo(path),
        "device": lambda: path.symlink_to("/dev/null"),
        "zero": lambda: path.symlink_to("/dev/zero"),
        "link to nothing": lambda: path.symlink_to("nothing"),
        "link to itself": lambda: path.symlink_to(path.name),
        "link to a device": lambda: path.symlink_to("/dev/tty"),
        "no access": lambda: (path.write_text(TEXTS), path.chmod(0)),
        "proc": lambda: path.symlink_to("/proc/self/mem"),
    }
    make[what]()


def column_cases() -> Iterator[Case]:
    """Columns that are named by hand."""
    names = ("", "no_such", "text", "label", "0", "1", "3", "-1", "9" * 30, "\udcff", "a" * 5_000, "TEXT")
    for option in ("text_column", "label_column", "pair_column"):
        for name in names:
            given = (*tiny("train_classifier"), f"--{option}={name}")
            yield Case("columns", f"{option}={name[:10]}", "train_classifier", given)
            if option != "pair_column":
                given = ("@M/full", "--file", "@M/texts.csv", f"--{option}={name}")
                yield Case("columns", f"{option}={name[:10]}", "classify", given)
    for option in ("source_column", "target_column"):
        for name in (*names, "source", "target"):
            given = (*tiny("train_translator"), f"--{option}={name}")
            yield Case("columns", f"{option}={name[:10]}", "train_translator", given)
    same = ("--source_column=source", "--target_column=source")
    yield Case("columns", "the same twice", "train_translator", (*tiny("train_translator"), *same), must_refuse=True)
    same = ("--text_column=text", "--label_column=text")
    yield Case("columns", "the same twice", "train_classifier", (*tiny("train_classifier"), *same), must_refuse=True)


def damaged(text: str, count: int) -> Iterator[bytes]:
    """The file with a few bytes changed, left out, doubled or put in."""
    draw = random.Random(1)
    for _ in range(count):
        content = bytearray(text.encode())
        for _ in range(draw.randrange(1, 5)):
            at = draw.randrange(len(content))
            piece = draw.choice([b'"', b",", b"\t", b"\n", b"\r", b"\\", b"\0", b"\xff", b"''", b'""', b";"])
            if draw.random() < 0.5:
                content[at:at] = piece
            else:
                content[at : at + draw.randrange(1, 40)] = piece
        yield bytes(content)


def _table(path: Path, **columns) -> None:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), path)


def _texts() -> list[str]:
    return [f"w{n} w2" for n in range(30)]


def _typed(kind: str, values) -> object:
    import pyarrow

    struct = pyarrow.struct([("a", pyarrow.int64())])
    return pyarrow.array(
        values, {"binary": pyarrow.binary(), "decimal": pyarrow.decimal128(5, 2), "struct": struct}[kind]
    )


def _same_name(path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    column = pyarrow.array(_texts())
    parquet.write_table(pyarrow.Table.from_arrays([column, column, column], names=["text", "text", "label"]), path)


def _bomb(path: Path) -> None:
    """Thirty million rows in a few kilobytes."""
    import pyarrow
    from pyarrow import parquet

    names = ("text", "label")
    indices = pyarrow.repeat(pyarrow.scalar(0, pyarrow.int32()), 3_000_000)
    column = pyarrow.DictionaryArray.from_arrays(indices, pyarrow.array(["w2 w3"]))
    with parquet.ParquetWriter(path, pyarrow.schema([(name, column.type) for name in names])) as writer:
        for _ in range(10):
            writer.write_table(pyarrow.table(dict.fromkeys(names, column)))


def _cut(path: Path, share: float) -> None:
    _table(path, text=_texts(), label=["a", "b"] * 15)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def _bytes(path: Path, at: float, piece: bytes) -> None:
    _table(path, text=_texts(), label=["a", "b"] * 15)
    content = bytearray(path.read_bytes())
    place = int(len(content) * at)
    content[place : place + len(piece)] = piece
    path.write_bytes(content)


PARQUET = {
    "valid": lambda path: _table(path, text=_texts(), source=_texts(), label=["a", "b"] * 15, target=["a", "b"] * 15),
    "empty file": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text(TEXTS),
    "magic only": lambda path: path.write_bytes(b"PAR1PAR1"),
    "cut in the middle": lambda path: _cut(path, 0.5),
    "cut at the end": lambda path: _cut(path, 0.99),
    "body damaged": lambda path: _bytes(path, 0.1, b"\xff" * 40),
    "footer damaged": lambda path: _bytes(path, 0.8, b"\xff" * 40),
    "footer length": lambda path: _bytes(path, 0.999, b"\xff\xff\xff\x7fPAR1"),
    "no rows": lambda path: _table(path, text=[], label=[]),
    "no columns": lambda path: _table(path),
    "null columns": lambda path: _table(path, text=[None] * 30, label=[None] * 30),
    "numbers": lambda path: _table(path, text=list(range(30)), label=list(range(30))),
    "lists": lambda path: _table(path, text=[["w2"]] * 30, label=["a", "b"] * 15),
    "structs": lambda path: _table(path, text=_typed("struct", [{"a": 1}] * 30), label=["a", "b"] * 15),
    "binary": lambda path: _table(path, text=_typed("binary", [b"\xff"] * 30), label=["a", "b"] * 15),
    "NaN labels": lambda path: _table(path, text=_texts(), label=[float("nan")] * 30),
    "infinite labels": lambda path: _table(path, text=_texts(), label=[float("inf"), 1.5] * 15),
    "date labels": lambda path: _table(path, text=_texts(), label=[__import__("datetime").date(2020, 1, 1)] * 30),
    "decimal labels": lambda path: _table(path, text=_texts(), label=_typed("decimal", [1, 2] * 15)),
    "same name": _same_name,
    "huge text": lambda path: _table(path, text=[BIG, *_texts()[1:]], label=["a", "b"] * 15),
    "long label": lambda path: _table(path, text=_texts(), label=["a" * 100_000, "b"] * 15),
    "1000 columns": lambda path: _table(path, **{f"c{n}": ["a"] for n in range(1000)}),
    "empty name": lambda path: _table(path, **{"": _texts(), "label": ["a", "b"] * 15}),
    "bomb": _bomb,
}
