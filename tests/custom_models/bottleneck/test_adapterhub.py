"""AdapterHub's files without the `adapters` library: settings, older formats, downloads, and what is refused.

The numbers are compared with the library's own in test_bottleneck_parity.py.
"""

import functools
import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub import HfApi, snapshot_download
from peft import PeftModel
from safetensors.torch import load_file, save_file
from support import loopback_hub
from support.bottleneck_models import adapt, build, logits
from torch import nn

from custom_models.bottleneck import BottleneckConfig, FusionConfig, adapterhub
from custom_models.bottleneck.adapterhub import convert_to_adapterhub, convert_to_peft, load_adapterhub, save_adapterhub

hub = loopback_hub.hub


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A pfeiffer adapter of a tiny BERT with its head, in AdapterHub's format."""
    model = adapt(build(), "rte", placement="pfeiffer", non_linearity="relu", modules_to_save=["classifier"])
    nn.init.normal_(model.base_model.model.classifier.modules_to_save["rte"].weight)
    save_adapterhub(model, tmp_path / "saved", "rte")
    torch.save(logits(model), tmp_path / "logits")
    return tmp_path / "saved"


def expected(saved: Path) -> torch.Tensor:
    return torch.load(saved.parent / "logits", weights_only=True)


def edit(folder: Path, name: str = "adapter_config.json", **changes) -> dict:
    """Changes an entry of a JSON file, or of its `config`; returns what is in the file then."""
    content = json.loads((folder / name).read_text())
    for key, value in changes.items():
        (content if key in content or key in ("type", "version") else content["config"])[key] = value
    (folder / name).write_text(json.dumps(content))
    return content


def rename(folder: Path, old: str, new: str) -> None:
    file = folder / "adapter.safetensors"
    save_file({key.replace(old, new): weight for key, weight in load_file(file).items()}, file)


def test_an_adapter_comes_back_with_its_head_under_any_name(saved):
    model = load_adapterhub(build(), saved)
    assert model.active_adapter == "rte" and torch.equal(logits(model), expected(saved))
    assert not any(parameter.requires_grad for parameter in model.parameters())
    named = load_adapterhub(adapt(build(), "first"), saved, adapter_name="second")
    assert named.active_adapter == "second" and torch.equal(logits(named), expected(saved))
    headless = load_adapterhub(build(), saved, with_head=False)
    assert headless.peft_config["rte"].modules_to_save is None
    assert not torch.equal(logits(headless), expected(saved))


def test_an_adapter_is_downloaded_from_the_hub(saved, hub, monkeypatch, tmp_path):
    """Only its own files are; what else is in the repository stays there."""
    api = HfApi(endpoint=hub.url, token=hub.tokens.write)
    api.create_repo("tester/rte")
    (saved / "big.bin").write_bytes(b"not wanted")
    api.upload_folder(repo_id="tester/rte", folder_path=saved)
    download = functools.partial(snapshot_download, endpoint=hub.url, token=False, cache_dir=tmp_path / "cache")
    monkeypatch.setattr(adapterhub, "snapshot_download", download)
    assert torch.equal(logits(load_adapterhub(build(), "tester/rte")), expected(saved))
    assert not list((tmp_path / "cache").rglob("big.bin"))
    with pytest.raises(ValueError, match="'tester/none' is no folder, and the Hub does not give it"):
        load_adapterhub(build(), "tester/none")


def test_both_directions_on_disk_keep_every_bit(saved, tmp_path):
    """Folder to folder, without a model: weights, head and settings are the same in the end."""
    convert_to_peft(saved, tmp_path / "peft")
    assert torch.equal(logits(PeftModel.from_pretrained(build(), tmp_path / "peft").eval()), expected(saved))
    convert_to_adapterhub(tmp_path / "peft", tmp_path / "again", name="rte")
    for name in ("adapter.safetensors", "model_head.safetensors"):
        first, second = load_file(saved / name), load_file(tmp_path / "again" / name)
        assert first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)
    first, second = (json.loads((folder / "adapter_config.json").read_text()) for folder in (saved, tmp_path / "again"))
    assert first["config"] == second["config"]


@pytest.mark.parametrize(("width", "size"), [(768, 48), (768, 50), (1024, 77), (384, 385)])
def test_the_reduction_factor_gives_the_same_size_there(width, size):
    """`adapters` computes int(hidden_size // reduction_factor); every size must survive that."""
    from custom_models.bottleneck.hub_format import adapter_to_hub

    config = BottleneckConfig(bottleneck_size=size, trained_on={"model_type": "bert", "hidden_size": width})
    factor = adapter_to_hub("a", config, False)["config"]["reduction_factor"]
    assert int(width // factor) == size


def test_adapters_of_the_first_releases_are_read(saved):
    """Other names of weights, an invertible adapter that is named but not there, `gelu` for what is now `gelu_new`."""
    rename(saved, ".adapters.", ".layer_text_task_adapters.")
    edit(
        saved, type="text_task", non_linearity="gelu", invertible_adapter={"block_type": "nice", "reduction_factor": 2}
    )
    content = edit(saved)
    del content["version"]
    del content["config"]["inv_adapter"]
    (saved / "adapter_config.json").write_text(json.dumps(content))
    config = load_adapterhub(build(), saved).peft_config["rte"]
    assert config.non_linearity == "gelu_new" and config.placement == "pfeiffer"


def test_a_bin_file_is_read_as_weights_only(saved, tmp_path):
    """An older `.bin` loads; one that would run code when unpickled is refused, and runs none."""
    weights = load_file(saved / "adapter.safetensors")
    (saved / "adapter.safetensors").unlink()
    file = saved / "pytorch_adapter.bin"
    torch.save(weights, file)
    assert torch.equal(logits(load_adapterhub(build(), saved)), expected(saved))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="pytorch_adapter.bin is cut short, or holds more than weights"):
        load_adapterhub(build(), saved)

    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "owned",)

    for content in (pickle.dumps(Evil()), b""):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="holds more than weights"):
            load_adapterhub(build(), saved)
    for content in ({"weight": Evil()}, {"weight": "text"}, [torch.ones(2)]):
        torch.save(content, file)
        with pytest.raises(ValueError, match="holds more than weights"):
            load_adapterhub(build(), saved)
    assert not (tmp_path / "owned").exists()


UNSUPPORTED = {
    "architecture": ("lora", "architecture is 'lora', which is not supported"),
    "phm_layer": (True, "phm_layer is True, which is not supported: only False is"),
    "inv_adapter": ("nice", "inv_adapter is 'nice'"),
    "use_gating": (True, "use_gating is True"),
    "ln_after": (True, "ln_after is True"),
    "cross_adapter": (True, "cross_adapter is True"),
    "stochastic_depth": (0.1, "stochastic_depth is 0.1"),
    "original_ln_after": (False, "original_ln_after is False"),
    "residual_before_ln": ("post_add", "together are not supported"),
    "mh_adapter": (True, "together are not supported: houlsby, pfeiffer and parallel placements are"),
    "scaling": ("channel", "scaling is 'channel'"),
    "init_weights": ("xavier", "init_weights is 'xavier', which is not supported: only bert, houlsby, mam_adapter"),
    "non_linearity ": ("prelu", "non_linearity is 'prelu', whose trained weights"),
    "non_linearity": ("softsign2", "non_linearity is 'softsign2'"),
    "brand_new": (1, "the setting 'brand_new' is not one that we know"),
    "model_type": ("t5", "model_type is 't5', which is not supported: only bert, deberta-v2, distilbert"),
}


# What `adapters` saves of its other methods: settings that no bottleneck has, beside the one that says what they are.
OTHER_METHODS = {
    "lora": {"architecture": "lora", "alpha": 8, "attn_matrices": ["q", "v"], "composition_mode": "add", "r": 8},
    "lora ia3": {"architecture": "lora", "alpha": 1, "composition_mode": "scale", "init_weights": "ia3", "r": 1},
    "prefix_tuning": {"architecture": "prefix_tuning", "bottleneck_size": 512, "flat": False, "prefix_length": 30},
}


@pytest.mark.parametrize("method", OTHER_METHODS)
def test_another_method_is_named_as_such(method, saved):
    edit(saved, config=OTHER_METHODS[method])
    with pytest.raises(ValueError, match=f"architecture is '{method.split()[0]}', .*only bottleneck adapters are"):
        load_adapterhub(build(), saved)


@pytest.mark.parametrize("settings", [{}, {"non_linearity": None}])
def test_a_missing_activation_is_one_clear_error(settings, saved):
    config = json.loads((saved / "adapter_config.json").read_text())["config"]
    config.pop("non_linearity")
    edit(saved, config=config | settings)
    with pytest.raises(ValueError, match="the setting 'non_linearity' is missing"):
        load_adapterhub(build(), saved)


@pytest.mark.parametrize("setting", UNSUPPORTED)
def test_an_unsupported_setting_is_named_not_ignored(setting, saved):
    value, message = UNSUPPORTED[setting]
    edit(saved, **{setting.strip(): value})
    with pytest.raises(ValueError, match=message):
        load_adapterhub(build(), saved)


def test_weights_that_are_no_bottleneck_or_vary_in_size_are_refused(saved):
    file = saved / "adapter.safetensors"
    weights = load_file(file)
    save_file(weights | {"bert.invertible_adapters.rte.F.0.weight": torch.ones(2)}, file)
    with pytest.raises(
        ValueError, match="'bert.invertible_adapters.rte.F.0.weight' is of a kind that is not supported"
    ):
        load_adapterhub(build(), saved)
    save_file(weights | {"bert.encoder.layer.0.output.adapters.rte.gate.weight": torch.ones(2)}, file)
    with pytest.raises(ValueError, match="gate.weight' is of a kind"):
        load_adapterhub(build(), saved)
    save_file(weights | {"bert.encoder.layer.0.output.adapters.rte.adapter_down.0.weight": torch.ones(9, 32)}, file)
    with pytest.raises(ValueError, match=r"bottlenecks of sizes \[4, 9\]"):
        load_adapterhub(build(), saved)


def test_a_head_that_no_model_has_is_refused_unless_left_out(saved):
    head = {"head_type": "classification", "layers": 3, "activation_function": "tanh", "use_pooler": False}
    edit(saved, "head_config.json", config=head)
    with pytest.raises(ValueError, match="head of type classification with 3 layers .*with_head=False"):
        load_adapterhub(build(), saved)
    load_adapterhub(build(), saved, with_head=False)


def test_the_wrong_base_and_damaged_or_missing_files_are_one_clear_error(saved, tmp_path):
    with pytest.raises(ValueError, match="model_type bert, this one has roberta"):
        load_adapterhub(build("roberta"), saved)
    cases = {
        "cut": (lambda f: (f / "adapter.safetensors").write_bytes(b"\x10\0\0"), "adapter.safetensors is cut short"),
        "no weights": (lambda f: (f / "adapter.safetensors").unlink(), "no adapter.safetensors and no pytorch_adapter"),
        "no config": (lambda f: (f / "adapter_config.json").unlink(), "no adapter_config.json and no adapter_fusion"),
        "not JSON": (lambda f: (f / "adapter_config.json").write_text("{\n  'a'"), "not JSON .*line 2"),
        "a list": (lambda f: (f / "adapter_config.json").write_text("[]"), "a JSON object is wanted, not a list"),
        "other JSON": (lambda f: (f / "adapter_config.json").write_text("{}"), "was not saved by `adapters`"),
    }
    for name, (damage, message) in cases.items():
        folder = Path(shutil.copytree(saved, tmp_path / name))
        damage(folder)
        with pytest.raises(ValueError, match=message):
            load_adapterhub(build(), folder)


def test_what_adapters_has_no_equivalent_of_is_not_saved_for_it(tmp_path):
    refused = {
        "sharing is layer": adapt(build(), "a", sharing="layer"),
        "no equivalent of train_layer_norm": adapt(build(), "a", train_layer_norm=True),
        "no equivalent of layers_to_transform": adapt(build(), "a", layers_to_transform=0),
        "no equivalent of exclude_modules": adapt(build(), "a", exclude_modules=["layer.0.output"]),
        "non_linearity is 'prelu', whose trained weights": adapt(build(), "a", non_linearity="prelu"),
        "'bert.pooler.dense.weight' is in modules_to_save": adapt(build(), "a", modules_to_save=["pooler"]),
    }
    for message, model in refused.items():
        with pytest.raises(ValueError, match=message):
            save_adapterhub(model, tmp_path / "out", "a")
    model = adapt(build(), "a", placement="parallel")
    model.add_adapter("b", BottleneckConfig(bottleneck_size=4, placement="parallel"))
    model.add_adapter("fusion", FusionConfig(adapters=["a", "b"]))
    with pytest.raises(ValueError, match="method attention and parallel adapters"):
        save_adapterhub(model, tmp_path / "out", "fusion")
    assert not (tmp_path / "out").exists()
    adapt(build("distilbert")).save_pretrained(tmp_path / "peft")
    shutil.copy(tmp_path / "peft" / "adapter_config.json", tmp_path / "adapter_config.json")
    with pytest.raises(ValueError, match="there is no adapter_model.safetensors"):
        convert_to_adapterhub(tmp_path, tmp_path / "out")
    edit_file = tmp_path / "peft" / "adapter_config.json"
    edit_file.write_text(json.dumps(json.loads(edit_file.read_text()) | {"peft_type": "LORA"}))
    with pytest.raises(ValueError, match="its peft_type is LORA, not BOTTLENECK"):
        convert_to_adapterhub(tmp_path / "peft", tmp_path / "out")


@pytest.mark.parametrize(
    ("ours", "theirs"), [(None, None), (0.25, 0.25), (0.0, pytest.approx(0.0, abs=1e-9)), (None, 0.0)]
)
def test_a_fusions_dropout_keeps_its_meaning(ours, theirs):
    """There, 0.0 is the same as none given: the base model's own attention dropout."""
    from custom_models.bottleneck.hub_format import fusion_from_hub, fusion_to_hub

    config = FusionConfig(adapters=["a", "b"], placement="pfeiffer", dropout=ours)
    described = fusion_to_hub(config)
    if theirs != 0.0 or ours is not None:
        assert described["config"]["dropout_prob"] == theirs
    assert bool(described["config"]["dropout_prob"]) == (ours is not None)
    saved = described | {"model_type": "bert", "hidden_size": 32, "model_name": ""}
    if isinstance(theirs, float):
        saved["config"]["dropout_prob"] = theirs
    assert fusion_from_hub(saved, {}).config.dropout == ours


def test_a_failed_write_leaves_the_old_files_whole(saved, monkeypatch):
    """Files are written beside and renamed: an error half-way changes nothing."""
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    monkeypatch.setattr(adapterhub, "save_file", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save_adapterhub(adapt(build(), "rte"), saved, "rte")
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before
