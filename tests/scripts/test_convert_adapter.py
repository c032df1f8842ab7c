"""`scripts/convert_adapter.py`, run as a person runs it: both directions, and one line for every mistake."""

import json

import pytest
from safetensors.torch import load_file
from support.bottleneck_models import adapt, build


@pytest.fixture
def peft_folder(tmp_path):
    adapt(build(), "rte", placement="pfeiffer").save_pretrained(tmp_path, selected_adapters=["rte"])
    return tmp_path / "rte"


@pytest.mark.slow
def test_there_and_back_and_what_is_refused(peft_folder, tmp_path, run_script, refused):
    """Two commands give the same weights back and say what they wrote; mistakes end in one line and exit code 2."""
    there = run_script("convert_adapter", peft_folder, tmp_path / "hub", "--to", "adapterhub")
    assert there.returncode == 0, there.stderr
    assert "pfeiffer adapter 'rte' with bottlenecks of 4, for bert: " in there.stdout
    assert there.stdout.splitlines()[-1] == f"It is in {tmp_path / 'hub'}"
    assert json.loads((tmp_path / "hub" / "adapter_config.json").read_text())["name"] == "rte"
    back = run_script("convert_adapter", tmp_path / "hub", tmp_path / "back", "--to", "peft")
    assert back.returncode == 0, back.stderr
    first, second = (load_file(folder / "adapter_model.safetensors") for folder in (peft_folder, tmp_path / "back"))
    assert first.keys() == second.keys()
    assert all(first[key].equal(second[key]) for key in first)

    full = run_script("convert_adapter", peft_folder, tmp_path / "hub", "--to", "adapterhub")
    assert "not empty; add --overwrite_output_dir" in refused(full)
    (tmp_path / "hub" / "adapter.safetensors").write_bytes(b"\x10")
    cut = run_script("convert_adapter", tmp_path / "hub", tmp_path / "cut", "--to", "peft")
    assert "adapter.safetensors is cut short" in refused(cut)
    assert not (tmp_path / "cut").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["here", "there", "--to", "peft", "--unshare"], "--unshare is for --to adapterhub"),
        (["here", "there", "--to", "onnx"], "to: unknown value 'onnx'"),
        (["here", "there", "--to", "peft", "--with_heads", "false"], "did you mean 'with_head'"),
        (["here"], "required: TARGET"),
    ],
)
def test_wrong_options_are_one_line(arguments, message, run_script, refused, tmp_path):
    assert message in refused(run_script("convert_adapter", *arguments))


def test_help_is_quick_and_shows_two_commands(run_script):
    shown = run_script("convert_adapter", "--help")
    assert shown.returncode == 0
    assert shown.stdout.count("python scripts/convert_adapter.py") == 2
