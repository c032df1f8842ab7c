"""FSDP: the units of every kind of model, and a sharded classifier saved whole by two real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support.encoder_folders import build, write_encoder
from torch import nn

from custom_models import ARCHITECTURES, PigLatinConfig
from workbench.classification.loading import load_classifier
from workbench.classification.model import load_base_tokenizer, save_classifier
from workbench.errors import UserError
from workbench.runs.sharding import full_state_dict, unit_names
from workbench.strategies.arguments import StrategyArguments

ROOT = Path(__file__).resolve().parents[2]
WORKER = """
import os
import sys
import torch
from accelerate import FullyShardedDataParallelPlugin, PartialState
from accelerate.utils.other import get_module_children_bottom_up
from accelerate.utils.fsdp_utils import fsdp2_prepare_auto_wrap_policy
from support.encoder_folders import build
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from workbench.classification.model import load_base_tokenizer, save_classifier
from workbench.runs.sharding import unit_names
from workbench.strategies.arguments import StrategyArguments

encoder, strategy, out = sys.argv[1:]
state = PartialState(cpu=True)
assert state.num_processes == 2
model, mesh = build(encoder, strategy), init_device_mesh("cpu", (2,))
plugin = FullyShardedDataParallelPlugin(fsdp_version=2, auto_wrap_policy="transformer_based_wrap")
plugin.transformer_cls_names_to_wrap = unit_names(model)
is_unit = fsdp2_prepare_auto_wrap_policy(plugin, model)
# The order in which accelerate does it.
units = [module for module in get_module_children_bottom_up(model)[:-1] if is_unit(module)]
assert len(units) >= 2, units
for unit in units:
    if not isinstance(unit, FSDPModule):
        fully_shard(unit, mesh=mesh)
fully_shard(model, mesh=mesh)
save_classifier(model, load_base_tokenizer(StrategyArguments(model_name_or_path=encoder)), out)
state.wait_for_everyone()
torch.distributed.destroy_process_group()
# All is written: threads of gloo that are still there would abort a process that ends in the usual way.
os._exit(0)
"""


@pytest.mark.parametrize("architecture", list(ARCHITECTURES))
def test_the_units_of_a_translator_are_its_blocks(architecture):
    assert unit_names(ARCHITECTURES[architecture](PigLatinConfig())) == ["Block"]


@pytest.mark.parametrize(
    ("family", "layer"),
    [
        ("bert", "BertLayer"),
        ("roberta", "RobertaLayer"),
        ("distilbert", "TransformerBlock"),
        ("mpnet", "MPNetLayer"),
        ("modernbert", "ModernBertEncoderLayer"),
    ],
)
@pytest.mark.parametrize("strategy", ["full", "feature_mix"])
def test_the_units_of_a_classifier_are_its_layers(tmp_path, family, layer, strategy):
    assert unit_names(build(write_encoder(tmp_path, family), strategy)) == [layer]


@pytest.mark.parametrize("strategy", ["lora", "houlsby_unshared"])
def test_the_units_of_an_adapted_classifier_are_its_layers(tmp_path, strategy):
    assert unit_names(build(write_encoder(tmp_path, "roberta"), strategy)) == ["RobertaLayer"]


def test_a_bottleneck_that_layers_share_is_a_unit_of_its_own(tmp_path):
    assert unit_names(build(write_encoder(tmp_path), "houlsby_3shared")) == ["BertLayer", "Bottleneck"]


def test_what_cannot_be_sharded_is_refused_in_one_line():
    with pytest.raises(UserError, match="FSDP cannot shard a Linear here; use accelerate_configs/multi_gpu.yaml"):
        unit_names(nn.Linear(2, 2))


def test_a_whole_model_is_not_gathered():
    assert full_state_dict(nn.Linear(2, 2)) is None


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["feature_mix", "houlsby_3shared"])
def test_two_processes_save_a_sharded_classifier_whole(tmp_path, strategy):
    encoder = write_encoder(tmp_path / "encoder")
    (tmp_path / "worker.py").write_text(WORKER)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += [str(tmp_path / "worker.py"), encoder, strategy, str(tmp_path / "sharded")]
    paths = os.pathsep.join(str(path) for path in (ROOT, ROOT / "scripts", ROOT / "tests"))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    tokenizer = load_base_tokenizer(StrategyArguments(model_name_or_path=encoder))
    save_classifier(build(encoder, strategy), tokenizer, tmp_path / "alone")
    ours, theirs = (load_classifier(str(tmp_path / name))[0].state_dict() for name in ("sharded", "alone"))
    # What PEFT has put a trained copy of the head in the place of is random, and read by nothing.
    read = [name for name in theirs if "original_module" not in name]
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in read)
