"""The door: only plain files of the kinds that are read come in, whatever else a folder or a repository holds."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from support.encoder_folders import build, word_tokenizer, write_encoder

from workbench.classification.loading import load_classifier
from workbench.classification.model import save_classifier
from workbench.errors import UserError
from workbench.hub import door
from workbench.hub.fetch import fetch_adapter, fetch_any, fetch_model

ROOT = Path(__file__).resolve().parents[2]
CODE = "raise SystemExit('ran')\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return Path(write_encoder(tmp_path_factory.mktemp("made") / "encoder"))


@pytest.fixture
def encoder(made, tmp_path) -> Path:
    """A folder of one's own with a tiny encoder."""
    (tmp_path / "encoder").mkdir()
    for path in made.iterdir():
        (tmp_path / "encoder" / path.name).write_bytes(path.read_bytes())
    return tmp_path / "encoder"


def change(folder: Path, file: str = "config.json", **fields) -> None:
    path = folder / file
    content = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(content | fields))


def refusal(folder: Path, fetch=fetch_model, **options) -> str:
    """The one line that refuses a folder, without its name."""
    with pytest.raises(UserError) as no:
        fetch(str(folder), **options)
    assert "\n" not in str(no.value) and str(no.value).startswith(f"{folder}: ")
    return str(no.value).removeprefix(f"{folder}: ")


def test_nothing_but_what_is_read_comes_in(encoder):
    for name in ("evil.py", "chat_template.jinja", "training_args.bin", "pytorch_model.bin", "optimizer.pt", ".hidden"):
        (encoder / name).write_text(CODE)
    for name in ("custom_generate/generate.py", "additional_chat_templates/x.jinja", "onnx/model.safetensors"):
        (encoder / name).parent.mkdir()
        (encoder / name).write_text(CODE)
    # transformers would load the adapter's own base beside the weights.
    (encoder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": "a/b"}))
    names = {path.name for path in Path(fetch_model(str(encoder))).iterdir()}
    assert names == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} | (
        {"special_tokens_map.json"} & names
    )


def test_with_trust_the_code_comes_along_and_a_line_says_so(encoder, capsys):
    (encoder / "modeling_mine.py").write_text("")
    change(encoder, auto_map={"AutoModel": "modeling_mine.Mine"})
    assert "brings its own code; read it, then pass --trust_remote_code to run it" in refusal(encoder)
    folder = Path(fetch_model(str(encoder), trust_remote_code=True))
    assert (folder / "modeling_mine.py").is_file() and not (folder / "custom_generate").exists()
    assert capsys.readouterr().err == (
        f"{encoder}: its own code is let in, as --trust_remote_code asks: modeling_mine.py\n"
    )


def replace(path: Path, what: str) -> None:
    """Puts something that is no plain file in the place of one."""
    path.unlink(missing_ok=True)
    outside = path.parent.parent / "outside"
    outside.write_text("{}")
    makers = {
        "link outside": lambda: path.symlink_to(outside),
        "link to a device": lambda: path.symlink_to("/dev/zero"),
        "link to nothing": lambda: path.symlink_to("nowhere"),
        "link to itself": lambda: path.symlink_to(path.name),
        "fifo": lambda: os.mkfifo(path),
        "folder": path.mkdir,
    }
    makers[what]()


@pytest.mark.parametrize(
    "what", ["link outside", "link to a device", "link to nothing", "link to itself", "fifo", "folder"]
)
@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "vocab.txt", "model.safetensors"])
def test_what_is_no_plain_file_of_the_folder_is_refused(encoder, file, what):
    replace(encoder / file, what)
    assert f"{file}: refused, because it is " in refusal(encoder)


def test_links_inside_the_folder_and_into_the_hubs_cache_are_followed(encoder, tmp_path):
    (encoder / "config.json").rename(encoder / "real")
    (encoder / "config.json").symlink_to("real")
    assert (Path(fetch_model(str(encoder))) / "config.json").is_file()
    blobs, snapshot = tmp_path / "models--a--b" / "blobs", tmp_path / "models--a--b" / "snapshots" / "0"
    snapshot.mkdir(parents=True)
    encoder.rename(blobs)
    for path in blobs.iterdir():
        (snapshot / path.name).symlink_to(f"../../blobs/{path.name}")
    folder = Path(fetch_model(str(snapshot)))
    assert folder.name.startswith("models_a_b-") and not (folder / "config.json").is_symlink()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "cannot be read"),
        (b"{", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"\xff\xfe{}", "cannot be read"),
        (b'{"hidden_size": ' + b"1" * 5_000 + b"}", "cannot be read"),
        (b"[]", "holds list, where a JSON object"),
        (b"null", "holds NoneType, where a JSON object"),
        (b'{"a": ' * 40 + b"1" + b"}" * 40, "'a' is nested more than 32 deep"),
        (b'{"hidden_dropout_prob": NaN}', "'hidden_dropout_prob' is nan"),
        (b'{"layer_norm_eps": 1e999}', "'layer_norm_eps' is inf"),
        (b'{"id2label": {"0": "\\ud800"}}', "'0' holds half of a surrogate pair"),
        (b'{"\\udfff": 1}', "holds half of a surrogate pair"),
        (b'{"x": "' + b"a" * (17 << 20) + b'"}', "bytes; 16,777,216 are allowed"),
    ],
)
@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "generation_config.json"])
def test_json_that_is_broken_or_endless_is_refused(encoder, file, text, says):
    (encoder / file).write_bytes(text)
    line = refusal(encoder)
    assert line.startswith(f"{file}: ") and says in line


def header(entries: dict, data: bytes = b"") -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is cut short"),
        (b"\x08\0\0\0\0\0\0\0{half", "is cut short"),
        (struct.pack("<Q", 2**63) + b"{}", "is cut short"),
        (struct.pack("<Q", 4) + b"null", "its header is broken"),
        (struct.pack("<Q", 9) + b"[" * 9, "its header is broken"),
        (header({"w": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4]}}, b"0000"), "broken"),
        (header({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}), "broken"),
        (header({"w": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, b"0000"), "broken"),
        (header({"w": {"dtype": "F32", "data_offsets": [0, 4]}}, b"0000"), "broken"),
        (header({"w": 1}), "broken"),
    ],
)
def test_weights_whose_header_promises_too_much_are_refused(encoder, content, says):
    (encoder / "model.safetensors").write_bytes(content)
    line = refusal(encoder)
    assert line.startswith("model.safetensors") and says in line


@pytest.mark.parametrize(
    ("places", "says"),
    [
        ({"w": "x.bin"}, "names 'x.bin', where files *.safetensors beside it belong"),
        ({"w": "../x.safetensors"}, "names '../x.safetensors'"),
        ({"w": "/x.safetensors"}, "names '/x.safetensors'"),
        ({"w": "sub/x.safetensors"}, "names 'sub/x.safetensors'"),
        ({"w": 3}, "names '3'"),
        ({"w": "x.safetensors"}, "x.safetensors is not there"),
        ({}, "names no files"),
        ("x", "names no files"),
    ],
)
def test_an_index_of_anything_but_safetensors_beside_it_is_refused(encoder, places, says):
    (encoder / "model.safetensors").unlink()
    (encoder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    assert says in refusal(encoder)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(?:x*)*y", "(a|b+){2,}", "a" * 3_000])
def test_a_tokenizers_pattern_that_may_take_forever_is_refused(encoder, pattern):
    content = json.loads((encoder / "tokenizer.json").read_text())
    content["pre_tokenizer"] = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    (encoder / "tokenizer.json").write_text(json.dumps(content).replace('"Regex"', r'"\u0052egex"'))
    assert "tokenizer.json: refused, because its pattern" in refusal(encoder)


def test_more_added_tokens_than_can_be_read_in_time_are_refused(encoder):
    content = json.loads((encoder / "tokenizer.json").read_text())
    content["added_tokens"] = [{"id": 60 + number, "content": f"t{number}"} for number in range(25_001)]
    (encoder / "tokenizer.json").write_text(json.dumps(content))
    assert "tokenizer.json: refused, because it has more than 25,000 parts or added tokens" in refusal(encoder)


def test_a_normalizer_that_multiplies_a_text_is_refused(encoder):
    content = json.loads((encoder / "tokenizer.json").read_text())
    step = {"type": "Replace", "pattern": {"String": "w"}, "content": "w" * 10}
    for times, is_refused in ((3, False), (4, True)):
        content["normalizer"] = {"type": "Sequence", "normalizers": [step] * times}
        (encoder / "tokenizer.json").write_text(json.dumps(content).replace('"Replace"', r'"R\u0065pl\u0061\u0063e"'))
        if is_refused:
            assert "its normalizer makes a text more than 1,000 times longer" in refusal(encoder)
        else:
            fetch_model(str(encoder))


def test_the_patterns_of_known_tokenizers_come_in(encoder):
    gpt2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    llama = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"
    content = json.loads((encoder / "tokenizer.json").read_text())
    for pattern in (gpt2, llama, r"[\s\S]"):
        content["pre_tokenizer"] = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated"}
        (encoder / "tokenizer.json").write_text(json.dumps(content))
        fetch_model(str(encoder))


@pytest.mark.parametrize("name", ["", "\0", "a" * 5_000, "../x", "/nowhere", "~", "a/b/c", "\udc80", "a b"])
def test_a_name_that_is_neither_folder_nor_repository_is_one_line(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for fetch in (fetch_model, fetch_any, fetch_adapter):
        with pytest.raises(UserError) as no:
            fetch(name)
        assert len(str(no.value).splitlines()) == 1


def test_a_file_that_has_changed_comes_in_anew(encoder):
    first = fetch_model(str(encoder))
    assert fetch_model(str(encoder)) == first == fetch_model(first)
    change(encoder, hidden_dropout_prob=0.25)
    second = Path(fetch_model(str(encoder)))
    assert json.loads((second / "config.json").read_text())["hidden_dropout_prob"] == 0.25


def test_the_clean_folders_of_a_process_go_with_it_and_not_with_its_children(encoder):
    program = """
import os, sys
from workbench.hub import door
from workbench.hub.fetch import fetch_model
folder = fetch_model(sys.argv[1])
child = os.fork()
if not child:
    sys.exit(0)
os.waitpid(child, 0)
assert os.path.isdir(folder)
print(door.room())
"""
    command, environment = [sys.executable, "-c", program, str(encoder)], {**os.environ, "PYTHONPATH": "scripts"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() and not Path(done.stdout.strip()).exists()


# Adapters


@pytest.fixture
def adapter(encoder, tmp_path) -> Path:
    """A run's LoRA."""
    model = build(str(encoder), "lora")
    save_classifier(model, word_tokenizer(), tmp_path / "lora")
    return tmp_path / "lora"


def test_an_adapter_brings_its_own_files_alone(adapter):
    (adapter / "model.safetensors").write_bytes(b"")
    (adapter / "evil.py").write_text(CODE)
    names = {path.name for path in Path(fetch_any(str(adapter))).iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "config.json", "tokenizer.json"} <= names
    assert not names & {"model.safetensors", "evil.py", "results.json"}
    load_classifier(str(adapter))


@pytest.mark.parametrize(
    ("file", "what", "says"),
    [
        ("adapter_config.json", "fifo", "adapter_config.json: refused, because it is no regular file"),
        ("adapter_model.safetensors", "link outside", "adapter_model.safetensors: refused, because it is a link"),
    ],
)
def test_an_adapters_files_are_plain_ones_too(adapter, file, what, says):
    replace(adapter / file, what)
    assert says in refusal(adapter, fetch_any)


def test_the_encoder_of_an_adapter_comes_through_the_door(adapter, encoder):
    change(encoder, _attn_implementation="someone/kernels")
    with pytest.raises(UserError, match="the encoder that this adapter was trained on: .*'_attn_implementation'") as no:
        load_classifier(str(adapter))
    assert "\n" not in str(no.value)


@pytest.mark.parametrize("part", ["../other", "/etc", "a/b", "nowhere"])
def test_the_adapters_of_a_fusion_are_folders_in_it(adapter, part):
    change(adapter, "adapter_config.json", peft_type="BOTTLENECK", adapters=[part, "second"])
    assert "'adapters'" in (line := refusal(adapter, fetch_any)) or "is missing" in line


def test_a_fusions_parts_are_checked_like_itself(adapter, tmp_path):
    change(adapter, "adapter_config.json", peft_type="BOTTLENECK", adapters=["first"])
    (tmp_path / "elsewhere").mkdir()
    (adapter / "first").symlink_to(tmp_path / "elsewhere")
    assert "the adapter 'first' that was fused is missing" in refusal(adapter, fetch_any)
    (adapter / "first").unlink()
    (adapter / "first").mkdir()
    save_file({"w": torch.zeros(1)}, adapter / "first" / "adapter_model.safetensors")
    config = {"peft_type": "BOTTLENECK", "auto_mapping": {"parent_library": "evil"}}
    (adapter / "first" / "adapter_config.json").write_text(json.dumps(config))
    assert "'auto_mapping' names 'evil'" in refusal(adapter, fetch_any)
    change(adapter / "first", "adapter_config.json", auto_mapping=None)
    assert {path.name for path in (Path(fetch_any(str(adapter))) / "first").iterdir()} == set(door.ADAPTER)
