"""A run goes on with the data and the model that it began with."""

import huggingface_hub
import pytest

from workbench.errors import UserError
from workbench.runs.inputs import INPUTS_FILE, check_inputs, digest_inputs, find_changed_input


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "encoder"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors", "README.md"):
        (folder / name).write_text(name)
    return folder


def test_another_weight_or_tokenizer_is_another_model_but_its_card_is_not(model):
    options = {"model_name_or_path": str(model), "adapters": None}
    before = digest_inputs(options)
    assert list(before) == ["model_name_or_path"]
    (model / "README.md").write_text("a better card")
    assert digest_inputs(options) == before
    for name in ("model.safetensors", "tokenizer.json"):
        content = (model / name).read_text()
        (model / name).write_text(content.upper())
        assert digest_inputs(options) != before
        (model / name).write_text(content)
        assert digest_inputs(options) == before
    (model / "model-2.safetensors").write_text("more")
    assert digest_inputs(options) != before


def test_each_adapter_is_told_by_its_folder(model):
    options = {"adapters": [str(model), "not/there"]}
    assert list(digest_inputs(options)) == [str(model)]


def test_a_model_of_the_hub_is_the_version_that_was_loaded(model, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda name, file: str(model / file))
    before = digest_inputs({"model_name_or_path": "bert-base-uncased"})
    assert list(before) == ["model_name_or_path"]
    (model / "model.safetensors").write_text("trained on")
    assert digest_inputs({"model_name_or_path": "bert-base-uncased"}) != before
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda name, file: None)
    assert digest_inputs({"model_name_or_path": "bert-base-uncased"}) == {}


@pytest.mark.parametrize(
    ("options", "prefix"),
    [({"task": "rte"}, ""), ({"tasks": ["rte", "mrpc"]}, ""), ({"intermediate_task": "rte"}, "intermediate_")],
)
def test_of_a_folder_of_data_the_tasks_own_files_count(tmp_path, options, prefix):
    (tmp_path / "RTE").mkdir()
    train = tmp_path / "RTE" / "train.tsv"
    train.write_text("a")
    options = options | {f"{prefix}data_dir": str(tmp_path)}
    before = digest_inputs(options)
    assert list(before) == [str(train)]
    (tmp_path / "RTE" / "notes.txt").write_text("mine")
    assert digest_inputs(options) == before
    train.write_text("b")
    assert digest_inputs(options) != before


def test_what_has_changed_is_named_once_and_what_was_not_told_is_not_missed(tmp_path, model):
    options = {"model_name_or_path": str(model)}
    assert find_changed_input(tmp_path, options) is None
    (tmp_path / INPUTS_FILE).write_text('{"model_name_or_path": "another"}')
    with pytest.raises(UserError, match="cannot go on with other data: model_name_or_path has changed since"):
        check_inputs(tmp_path, options)


@pytest.mark.parametrize("content", ["", "[1]", "{"])
def test_a_damaged_list_of_inputs_is_one_error(tmp_path, content):
    (tmp_path / INPUTS_FILE).write_text(content)
    with pytest.raises(UserError, match=r"inputs.json: damaged"):
        check_inputs(tmp_path, {})
