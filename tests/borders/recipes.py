"""Recipes: valid ones spoilt, and ones that hypothesis makes of the options' names and of any YAML."""

import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import yaml
from borders.harness import Case
from borders.material import tiny, without
from borders.options import SCHEMAS, fields_of, own_files, takes_recipe
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

SPOILT = {
    "empty": b"",
    "only comments": b"# nothing\n",
    "null": b"null\n",
    "list": b"- a\n- b\n",
    "text": b"seed\n",
    "number key": b"1: 2\n",
    "null key": b"null: 2\n",
    "list key": b"[1, 2]: 3\n",
    "mapping key": b"{a: 1}: 3\n",
    "key twice": b"seed: 1\nseed: 2\n",
    "key is surrogate": b'"\\ud800": 2\n',
    "key is long": b"a" * 100_000 + b": 1\n",
    "key has newline": b'"a\\nb": 1\n',
    "unknown key": b"sead: 1\n",
    "config key": b"config: recipe.yaml\n",
    "merge key": b"<<: {seed: 1}\n",
    "merge itself": b"a: &a\n  <<: *a\n",
    "unclosed": b'seed: "1\n',
    "tabs": b"seed:\t1\n\tx: 2\n",
    "two documents": b"seed: 1\n---\nseed: 2\n",
    "python object": b"seed: !!python/object/apply:os.system ['touch ../outside']\n",
    "unknown tag": b"seed: !x 1\n",
    "NUL": b"seed: 1\0\n",
    "not UTF-8": b"seed: \xff\n",
    "UTF-16": "seed: 1\n".encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbfseed: 1\n",
    "CRLF": b"seed: 1\r\nreport_to: none\r\n",
    "deep list": b"seed: " + b"[" * 3_000 + b"]" * 3_000 + b"\n",
    "deep mapping": b"seed: " + b"{a: " * 3_000 + b"1" + b"}" * 3_000 + b"\n",
    "deep indentation": b"".join(b" " * n + b"a:\n" for n in range(2_000)),
    "billion laughs": b"a0: &a0 [x, x]\n"
    + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (n, n, n - 1, n - 1) for n in range(1, 40)),
    "bomb in an option": b"seed: &a [x]\nreport_to: [" + b"*a," * 100_000 + b"]\n",
    "itself": b"seed: &a [*a]\n",
    "unknown anchor": b"seed: *no\n",
    "date": b"seed: 2020-01-01\n",
    "infinite date": b"seed: 99999-99-99\n",
    "sexagesimal": b"seed: 1:99:99\n",
    "huge integer": b"seed: " + b"9" * 5_000 + b"\n",
    "set": b"seed: !!set {1, 2}\n",
    "binary": b"seed: !!binary \xff\n",
    "omap": b"seed: !!omap [a: 1]\n",
    "value is a timestamp": b"report_to: 2001-12-14t21:59:43.10-05:00\n",
    "resume and overwrite": b"resume_from_checkpoint: true\noverwrite_output_dir: true\n",
    "many keys": b"".join(b"x%d: 1\n" % n for n in range(20_000)),
    "long line": b"report_to: " + b"x" * 1_000_000 + b"\n",
    "emoji": "seed: \U0001f600\n".encode(),
    "percent": b"%YAML 9.9\n---\nseed: 1\n",
}
# Values of nested tables, by script and option.
NESTED = {
    "study_strategies": ("strategy_options", "task_options", "peft_options"),
    "fuse_adapters": ("strategy_options", "peft_options"),
    "train_multitask": ("task_options",),
    "train_classifier": ("peft_options",),
}
TABLES = (
    "null",
    "3",
    "[frozen]",
    "x",
    "{frozen: 3}",
    "{frozen: [1]}",
    "{frozen: null}",
    "{frozen: {}}",
    "{frozen: {learning_rate: x}}",
    "{frozen: {learning_rate: null}}",
    "{frozen: {learning_rate: .nan}}",
    "{frozen: {learning_rate: -1}}",
    "{frozen: {learning_rate: {a: 1}}}",
    "{frozen: {lerning_rate: 1}}",
    "{frozen: {1: 2}}",
    "{frozen: {null: 2}}",
    "{frozen: {seed: 2}}",
    "{frozen: {output_dir: x}}",
    "{frozen: {train_batch_size: 0}}",
    "{frozen: {strategy: full}}",
    "{1: {learning_rate: 1}}",
    "{null: null}",
    "{no_such: {learning_rate: 1}}",
    "{texts: 3}",
    "{texts: {max_train_examples: x}}",
    "{texts: {max_train_examples: -1}}",
    "{texts: {max_train_examples: 0}}",
    "{texts: {max_train_examples: null}}",
    "{texts: {text_column: 3}}",
    "{texts: {text_column: [text]}}",
    "{texts: {text_column: no_such}}",
    "{texts: {data_dir: 3}}",
    "{texts: {1: 3}}",
    "{r: 0}",
    "{r: -1}",
    "{r: x}",
    "{r: null}",
    "{r: .inf}",
    "{r: 100000000000}",
    "{no_such: 1}",
    "{1: 1}",
    "{target_modules: '(a+)+$'}",
    "{target_modules: '['}",
    "{target_modules: [no_such]}",
    "{target_modules: 3}",
    "{modules_to_save: [no_such]}",
    "{peft_type: IA3}",
    "{task_type: x}",
    "{layers_to_transform: [99]}",
    "{rank_pattern: 3}",
    "{lora_dropout: 2}",
    "{lora_alpha: .nan}",
    "{bias: x}",
    "{init_lora_weights: x}",
    "{use_dora: maybe}",
    "{layer_replication: [[0, 100000000]]}",
    "{megatron_config: {a: 1}, megatron_core: x}",
    "{auto_mapping: {parent_library: os}}",
    "{r: " + "[" * 1_000 + "]" * 1_000 + "}",
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.sampled_from(["0", "1e3", "nan", "true", "runs", "../x", "\x00", "\u2028", "none", "linear"])
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=3), max_leaves=5
)


def cases() -> Iterator[Case]:
    scripts = [script for script in SCHEMAS if takes_recipe(script)]
    for place, (name, content) in enumerate(SPOILT.items()):
        for script in (scripts[place % len(scripts)], scripts[(place + 3) % len(scripts)]):
            yield Case("recipes", name, script, ("recipe.yaml", *tiny(script)), partial(write, content=content))
    for script, names in NESTED.items():
        for name in names:
            for table in TABLES:
                yield nested_case(script, name, table)
    for script in scripts:
        names = [item.name for item, _ in fields_of(script)]
        for number, recipe in enumerate(
            drawn(st.dictionaries(st.sampled_from(names), ANYTHING, min_size=1, max_size=3), 30)
        ):
            content = yaml.safe_dump(recipe, allow_unicode=True).encode("utf-8", "replace")
            arguments = tiny(script)
            for option in recipe:
                arguments = without(arguments, option)
            writes = ("out", "runs", *([str(recipe["output_dir"])] if "output_dir" in recipe else []))
            yield Case(
                "recipes-drawn",
                f"{number}",
                script,
                ("recipe.yaml", *arguments),
                partial(write, content=content),
                writes=writes,
            )
    for number, content in enumerate(
        spoilt_bytes(Path(__file__).parents[2] / "scripts" / "recipes" / "strategies.yaml", 60)
    ):
        arguments = ("recipe.yaml", *tiny("study_strategies"))
        yield Case("recipes-bytes", f"{number}", "study_strategies", arguments, partial(write, content=content))


def write(here: Path, material: Path, content: bytes) -> None:
    (here / "recipe.yaml").write_bytes(content)
    own_files(here, material)


def nested_case(script: str, name: str, table: str) -> Case:
    arguments = ["recipe.yaml", *tiny(script)]
    if name == "peft_options":
        peft = {"study_strategies": "--strategies", "fuse_adapters": "--strategy", "train_classifier": "--strategy"}
        arguments = [*without(arguments, "strategies"), peft[script], "peft:lora"]
    short = table if len(table) < 60 else table[:20]
    return Case(
        "nested", f"{name}={short}", script, tuple(arguments), partial(write, content=f"{name}: {table}\n".encode())
    )


def drawn(strategy: st.SearchStrategy, count: int) -> list:
    """The same values in every process."""
    values: list = []
    quiet = {"database": None, "deadline": None, "suppress_health_check": list(HealthCheck)}

    @settings(max_examples=count, derandomize=True, phases=[Phase.generate], **quiet)
    @given(strategy)
    def keep(value) -> None:
        values.append(value)

    keep()
    return values[:count]


def spoilt_bytes(path: Path, count: int) -> Iterator[bytes]:
    """A file's content, each time otherwise damaged: cut, bytes changed, left out, doubled, a slice put elsewhere."""
    content, draw = path.read_bytes(), random.Random(0)
    for _ in range(count):
        at, end = sorted((draw.randrange(len(content)), draw.randrange(len(content))))
        yield draw.choice(
            (
                content[:at],
                content[:at] + bytes([draw.randrange(256)]) + content[at + 1 :],
                content[:at] + content[end:],
                content[:at] + content[at:end] * 2 + content[end:],
                content[end:] + content[at:end],
                content[:at]
                + draw.choice([b"\n", b" ", b":", b"[", b"{", b'"', b"- ", b"\t", b"&a ", b"*a ", b"!", b"\0"])
                + content[at:],
            )
        )
