"""Models through the door: torch weights become safetensors, what could run code or write elsewhere is refused."""

import functools
import json
import os
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants, snapshot_download
from safetensors.torch import load_file, save_file
from support.bottleneck_models import batch
from support.encoder_folders import FAMILIES, build, word_tokenizer, write_encoder
from support.hub_client import client
from support.loopback_hub import hub  # noqa: F401, a fixture
from transformers import AutoModelForMaskedLM, BertConfig

from workbench.classification.loading import load_classifier
from workbench.classification.model import save_classifier
from workbench.errors import UserError
from workbench.hub import convert
from workbench.hub.fetch import fetch_any, fetch_model

REPO = "tester/old"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache; where converted models are kept."""
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "home"))
    return convert.cache_folder()


@pytest.fixture
def encoder(tmp_path) -> Path:
    return Path(write_encoder(tmp_path / "encoder"))


def to_torch(folder: Path, shards: int = 1, **options) -> dict[str, torch.Tensor]:
    """Turns a folder's safetensors into what older libraries wrote; returns the tensors."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    if shards == 1:
        torch.save(tensors, folder / "pytorch_model.bin", **options)
        return tensors
    places = {}
    for number in range(shards):
        name = f"pytorch_model-{number + 1:05}-of-{shards:05}.bin"
        part = {key: tensors[key] for key in sorted(tensors)[number::shards]}
        torch.save(part, folder / name, **options)
        places |= dict.fromkeys(part, name)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return tensors


def weights_of(folder: str | Path) -> Path:
    """Where the weights in a clean folder are: the file itself, or of several the first."""
    return min(Path(folder).glob("*.safetensors")).resolve()


def check_weights(model, tensors: dict[str, torch.Tensor]) -> None:
    weights = model.base_model.state_dict()
    shared = weights.keys() & tensors.keys()
    assert len(shared) > 10 and all(torch.equal(weights[key], tensors[key]) for key in shared)


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("zipped", [True, False])
def test_an_encoder_of_torch_weights_is_the_same_as_before(encoder, cache, capsys, shards, zipped):
    tensors = to_torch(encoder, shards, _use_new_zipfile_serialization=zipped)
    check_weights(build(str(encoder)), tensors)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and said[0].startswith(f"{encoder}: read pytorch_model") and str(cache) in said[0]
    assert weights_of(fetch_model(str(encoder))).parent == Path(said[0].split()[-1])
    assert capsys.readouterr().err == "" and len(list(cache.iterdir())) == 1
    assert not list(cache.rglob("*.bin*")) and sorted(encoder.glob("*.safetensors")) == []


def test_other_weights_in_the_same_folder_are_converted_anew(encoder, cache):
    tensors = to_torch(encoder)
    first = weights_of(fetch_model(str(encoder)))
    torch.save({key: value + 1 for key, value in tensors.items()}, encoder / "pytorch_model.bin")
    second = weights_of(fetch_model(str(encoder)))
    assert first != second
    name = min(key for key in tensors if key.endswith("weight"))
    assert torch.equal(load_file(second)[name], tensors[name] + 1)


def test_names_of_an_old_bert_and_its_tied_weights_are_read(encoder):
    """MathBERT and others of 2019 to 2021: a masked language model with `LayerNorm.gamma`, saved with its ties."""
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(BertConfig.from_pretrained(encoder))
    tensors = model.state_dict()
    old = {key.replace("LayerNorm.weight", "LayerNorm.gamma"): value for key, value in tensors.items()}
    old = {key.replace("LayerNorm.bias", "LayerNorm.beta"): value for key, value in old.items()}
    assert old["cls.predictions.decoder.weight"].data_ptr() == old["bert.embeddings.word_embeddings.weight"].data_ptr()
    (encoder / "model.safetensors").unlink()
    torch.save(old, encoder / "pytorch_model.bin")
    check_weights(build(str(encoder)), {key.removeprefix("bert."): value for key, value in tensors.items()})


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, file: Path):
        self.file = file

    def __reduce__(self):
        return os.system, (f"touch {self.file}",)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_weights_file_is_refused_and_never_runs(encoder, cache, tmp_path, zipped):
    tensors = to_torch(encoder)
    ran = tmp_path / "ran"
    torch.save(tensors | {"x": Payload(ran)}, encoder / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        UserError, match=r"pytorch_model.bin is refused, for it holds more than tensors: \w+.system"
    ) as no:
        fetch_model(str(encoder))
    assert "\n" not in str(no.value)
    assert not ran.exists() and not [path for path in cache.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"state_dict": {"w": torch.zeros(2)}}, "not a plain table of names and tensors"),
        ([torch.zeros(2)], "not a plain table of names and tensors"),
        ({}, "not a plain table of names and tensors"),
        ({"w": torch.eye(2).to_sparse()}, "not a plain table of names and tensors"),
        ({"w": torch.zeros(1).expand(10**12)}, "far larger than the file"),
    ],
)
def test_what_is_no_table_of_tensors_is_refused_in_one_line(encoder, content, says):
    to_torch(encoder)
    torch.save(content, encoder / "pytorch_model.bin")
    with pytest.raises(UserError, match=says) as no:
        fetch_model(str(encoder))
    assert "\n" not in str(no.value)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"PK\x03\x04" + b"0" * 999, b"\x80\x02", b"version https://git"]
)
def test_a_broken_file_is_refused_in_one_line(encoder, content):
    to_torch(encoder)
    (encoder / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(UserError, match="pytorch_model.bin is refused, for ") as no:
        fetch_model(str(encoder))
    assert "\n" not in str(no.value)


@pytest.mark.parametrize(
    ("file", "places", "says"),
    [
        (
            "pytorch_model.bin.index.json",
            {"w": "../x.bin"},
            r"names '../x.bin', where files \*.bin beside it belong",
        ),
        ("pytorch_model.bin.index.json", {"w": "x.safetensors"}, "where files \\*.bin beside it belong"),
        ("pytorch_model.bin.index.json", {"w": "x.bin"}, "x.bin is not there"),
        ("pytorch_model.bin.index.json", {}, "names no files"),
        ("pytorch_model.bin.index.json", [], "names no files"),
        ("model.safetensors.index.json", {"w": "x.bin"}, "where files \\*.safetensors beside it belong"),
    ],
)
def test_an_index_names_files_beside_it_of_its_own_kind(encoder, file, places, says):
    (encoder / "model.safetensors").unlink()
    (encoder / file).write_text(json.dumps({"weight_map": places}))
    with pytest.raises(UserError, match=says):
        fetch_model(str(encoder))


def test_a_conversion_that_is_cut_off_leaves_nothing_behind(encoder, cache, monkeypatch):
    to_torch(encoder, shards=2)
    read = convert._read_tensors

    def full_at_the_second(name, path):
        if "00002" in path.name:
            raise OSError(28, "No space left on device")
        return read(name, path)

    monkeypatch.setattr(convert, "_read_tensors", full_at_the_second)
    with pytest.raises(UserError, match="cannot write its weights as safetensors: .*No space left"):
        fetch_model(str(encoder))
    assert list(cache.iterdir()) == []


def test_a_process_that_comes_second_takes_what_the_first_has_made(encoder, monkeypatch):
    to_torch(encoder)
    convert_whole = convert._convert

    def overtaken(name, parts, target):
        convert_whole(name, parts, target)
        monkeypatch.setattr(convert, "_convert", convert_whole)
        fetch_model(str(encoder))

    monkeypatch.setattr(convert, "_convert", overtaken)
    folder = fetch_model(str(encoder))
    place = weights_of(folder).parent
    assert [path.name for path in place.parent.iterdir()] == [place.name]
    build(folder)


@pytest.fixture
def through_hub(hub, monkeypatch, tmp_path):  # noqa: F811
    """Uploads a folder and fetches it again through the loopback Hub."""
    download = functools.partial(snapshot_download, endpoint=hub.url, token=False, cache_dir=tmp_path / "snapshots")
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)

    def fetch(folder: Path, function=fetch_model) -> Path:
        client(hub).create_repo(REPO)
        client(hub).upload_folder(repo_id=REPO, folder_path=folder)
        return Path(function(REPO))

    return fetch


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("strategy", ["full", "lora"])
def test_every_family_comes_from_a_folder_and_from_the_hub(tmp_path, through_hub, family, strategy):
    encoder = Path(write_encoder(tmp_path / "encoder", family))
    published = through_hub(encoder)
    inputs = {name: value for name, value in batch().items() if name in ("input_ids", "attention_mask")}
    logits = [build(str(folder), strategy).eval()(**inputs).logits for folder in (encoder, published)]
    assert logits[0].equal(logits[1])
    save_classifier(build(str(encoder), strategy).eval(), word_tokenizer(), tmp_path / "run")
    assert load_classifier(str(tmp_path / "run"))[0](**inputs).logits.equal(logits[0])


@pytest.mark.parametrize("shards", [1, 2])
def test_the_hub_gives_torch_weights_where_there_are_no_others(encoder, cache, through_hub, capsys, shards):
    tensors = to_torch(encoder, shards)
    folder = through_hub(encoder)
    assert weights_of(folder).parent.parent == cache
    check_weights(build(str(folder)), tensors)
    assert capsys.readouterr().err.startswith(f"{REPO}: read pytorch_model")
    assert fetch_model(REPO) == str(folder) and capsys.readouterr().err == ""


def test_the_hub_gives_no_torch_weights_beside_safetensors(encoder, cache, through_hub):
    (encoder / "pytorch_model.bin").write_bytes(b"pickled")
    folder = through_hub(encoder)
    assert not cache.exists() and not (folder / "pytorch_model.bin").exists()
    build(str(folder))


def test_the_hub_gives_the_parts_that_an_index_names(encoder, through_hub):
    tensors = load_file(encoder / "model.safetensors")
    (encoder / "model.safetensors").unlink()
    for number, names in enumerate((sorted(tensors)[::2], sorted(tensors)[1::2])):
        save_file({name: tensors[name] for name in names}, encoder / f"part{number}.safetensors", {"format": "pt"})
    places = {name: f"part{place % 2}.safetensors" for place, name in enumerate(sorted(tensors))}
    (encoder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    (encoder / "other.safetensors").write_bytes(b"not asked for")
    folder = through_hub(encoder)
    assert {path.name for path in folder.glob("*.safetensors")} == {"part0.safetensors", "part1.safetensors"}
    check_weights(build(str(folder)), tensors)


def test_the_hub_gives_a_fusion_with_its_parts_and_no_code(tmp_path, through_hub):
    whole = tmp_path / "fusion"
    for place, parts in ((whole, ["first", "second"]), (whole / "first", None), (whole / "second", None)):
        place.mkdir()
        config = {"peft_type": "BOTTLENECK", "base_model_name_or_path": "tester/base", "adapters": parts}
        (place / "adapter_config.json").write_text(json.dumps(config))
        save_file({"w": torch.zeros(1)}, place / "adapter_model.safetensors")
        (place / "evil.py").write_text("")
    folder = through_hub(whole, fetch_any)
    found = {
        path.relative_to(folder).as_posix() for place in ("", "first", "second") for path in (folder / place).iterdir()
    }
    files = {"adapter_config.json", "adapter_model.safetensors"}
    assert found == files | {f"{part}/{file}" for part in ("first", "second") for file in files} | {"first", "second"}


def test_an_adapter_of_the_hub_names_a_base_of_the_hub(tmp_path, through_hub):
    (tmp_path / "lora").mkdir()
    config = {"peft_type": "LORA", "base_model_name_or_path": "/etc"}
    (tmp_path / "lora" / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="'base_model_name_or_path' '/etc' is no Hub model's name"):
        through_hub(tmp_path / "lora", fetch_any)


def test_a_repository_without_weights_is_refused_in_one_line(encoder, through_hub):
    (encoder / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"tester/old: no weights \(model.safetensors\)"):
        through_hub(encoder)


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped", "a/b", "a\\b", "..", ""])
@pytest.mark.parametrize("shape", ["list", "table"])
def test_a_chat_template_that_would_be_saved_elsewhere_is_refused(encoder, name, shape):
    config = json.loads((encoder / "tokenizer_config.json").read_text())
    whole = [{"name": "default", "template": "x"}, {"name": name, "template": "y"}]
    config["chat_template"] = whole if shape == "list" else {entry["name"]: "x" for entry in whole}
    (encoder / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="refused, because its chat template .* would be saved outside") as no:
        fetch_model(str(encoder))
    assert "\n" not in str(no.value)


def test_templates_with_plain_names_pass(encoder):
    config = json.loads((encoder / "tokenizer_config.json").read_text())
    config["chat_template"] = [{"name": "default", "template": "x"}, {"name": "tool_use", "template": "y"}]
    (encoder / "tokenizer_config.json").write_text(json.dumps(config))
    folder = Path(fetch_model(str(encoder)))
    assert json.loads((folder / "tokenizer_config.json").read_text())["chat_template"] == config["chat_template"]
