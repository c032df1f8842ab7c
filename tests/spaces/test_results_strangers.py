"""The Space `results` over folders that somebody has made to stop it: each is named or shown, and all is answered."""

import itertools
import json
import os
import struct
import sys
import zlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("checks", "reading", "study", "rows", "drawing", "app")
RUN = {"metrics": {"test": {"accuracy": 0.5}}, "seed": 0, "parameters": {"total": 10, "trainable": 2}, "schema": 1}
ROW = {"setting": "a", "runs": ["r"], "values": {"0": 0.5}, "mean": 0.5, "n": 1, "verdict": ""}
PART = {"name": "t", "split": "test", "metric": "accuracy", "metric_name": "accuracy", "higher_is_better": True}
PART |= {"rows": [ROW]}
STUDY = {"schema": 1, "title": "A", "sentences": ["b"], "parts": [PART]}
HUGE = [float("nan"), float("inf"), float("-inf"), 10**400, -(10**400), 1e308, True, "1", None, [], {}]


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def picture(width: int, height: int, *more: bytes) -> bytes:
    """A PNG of one colour, as large as its header says."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(min(height * (1 + width // 8), 10_000_000)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(more) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


BOMB = chunk(b"zTXt", b"c\0\0" + zlib.compress(bytes(200_000_000), 9))
HOSTILE_RUNS = [
    *({"metrics": {"test": {"accuracy": value}}} for value in HUGE),
    *({"seed": value} for value in HUGE),
    *({"parameters": value} for value in HUGE),
    *({"splits": {"test": value}} for value in HUGE),
    *({"facts": {"dataset": {"name": value}}} for value in HUGE),
    {"metrics": {"test": {"m" * 300_000: 1}}},
    {"metrics": {"\ud800": {"\udfff": 1}}},
    {"metrics": {f"s{n}": {f"m{m}": 1 for m in range(90)} for n in range(90)}},
    {"metrics": {"test": {"<script>alert(1)</script>": 1, "\0": 2, "\x1b[2J": 3}}},
    {"fit": {"ci": {"a": [1, 2]}, "E": 1e99}},
    {"schema": float("inf")},
    {"schema": []},
    {"facts": {"dataset": {"name": "x" * 300_000}}},
]
HOSTILE_STUDIES = [
    *(
        {"parts": [PART | {"rows": [ROW | {name: value}]}]}
        for name in ("mean", "values", "n", "low", "trained")
        for value in HUGE
    ),
    {"parts": []},
    {"parts": [PART | {"rows": []}]},
    {"parts": [PART | {"rows": [ROW | {"values": {}}]}]},
    {"parts": [PART | {"rows": [ROW] * 600}]},
    {"parts": [PART | {"baseline": "nobody"}]},
    {"parts": [PART | {"rows": [ROW | {"trained": 5, "total": 0}]}]},
    {"parts": [PART | {"reference": {"name": "x", "value": -1e100}}]},
    {"parts": [PART | {"rows": [ROW | {"mean": 1e100}, ROW | {"mean": -1e100}]}]},
    {"sentences": ["a" * 6000]},
    {"title": ""},
]
HOSTILE_TEXTS = ["", "{", "[" * 100_000, "[]", '{"seed": ' + "1" * 5000 + "}", "\ufeff{}", "null", "\0" * 100]


@pytest.fixture(scope="module")
def app():
    """The Space's modules over all of the hostile folders at once, and none of their names left behind."""
    kept = {name: sys.modules.pop(name) for name in MODULES if name in sys.modules}
    sys.path.insert(0, str(ROOT / "spaces" / "results"))
    yield __import__("app")
    sys.path.remove(str(ROOT / "spaces" / "results"))
    for name in MODULES:
        sys.modules.pop(name, None)
    sys.modules.update(kept)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    root, number = tmp_path_factory.mktemp("hostile"), itertools.count()

    def folder() -> Path:
        path = root / f"study{next(number)}" / "run"
        path.mkdir(parents=True)
        (path / "results.json").write_text(json.dumps(RUN))
        return path

    for change in HOSTILE_RUNS:
        (folder() / "results.json").write_text(json.dumps(RUN | change))
    for change in HOSTILE_STUDIES:
        (folder().parent / "study.json").write_text(json.dumps(STUDY | change))
    for text in HOSTILE_TEXTS:
        path = folder()
        for name in (path / "results.json", path.parent / "study.json", path.parent / "README.md"):
            name.write_text(text)
    for content in (
        b"",
        b"\x89PNG",
        picture(8, 8)[:-20],
        picture(60_000, 60_000),
        picture(8, 8, BOMB),
        b"GIF89a" + bytes(99),
    ):
        (folder().parent / "scores.png").write_bytes(content)
    for name in ("results.json", "../study.json", "../README.md", "../scores.png"):
        path = folder() / name
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    for name, target in (("results.json", "/dev/zero"), ("../README.md", "/proc/self/mem"), ("../a.png", "a.png")):
        path = folder() / name
        path.unlink(missing_ok=True)
        path.symlink_to(target)
    (folder().parent / "loop").symlink_to(root)
    (folder() / "results.json").chmod(0)
    for name in ("n" * 250, "<img src=x onerror=alert(1)>", "{{x}}", "$a$", "`b`", "\x1b[2J", os.fsdecode(b"\xff")):
        (root / name / "run").mkdir(parents=True)
        (root / name / "run" / "results.json").write_text(json.dumps(RUN))
    (folder().parent / "README.md").write_text("# " + " " * 500_000 + "\n" + "```\n" * 100_000 + "---\n" * 10_000)
    return root


def test_no_strangers_folder_stops_the_page(app, hostile):
    library = app.Library(hostile, "hostile")
    space = app.App(library)
    app.build(space)
    assert len(library.skipped) > 60 and all("\ud800" not in line and len(line) < 2000 for line in library.skipped)
    json.dumps(space.results(), allow_nan=False).encode()
    assert len(space.studies) > 60
    for name, study in space.studies.items():
        json.dumps(space.study(name), allow_nan=False).encode()
        _, sentences, parts, _, runs = space.open(name, "score", "")
        shown = sentences + parts + runs
        for score in (app.OWN, *map(app.label, study.scores())):
            for sort in app.SORTS:
                shown += space.draw(name, score, sort)
        assert [mark for mark in ("<script", "<img", "nan", "inf<") if mark in shown] == []
        shown.encode()
