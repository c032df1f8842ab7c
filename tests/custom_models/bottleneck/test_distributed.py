"""Adapters trained by several processes: DDP through `accelerate`, and parameters sharded by FSDP 2."""

import os
import sys
from pathlib import Path

import pytest
import torch
from support.bottleneck_models import adapt, batch, build, model_of
from torch import nn

from custom_models.bottleneck import BottleneckConfig, FusionConfig, fsdp_wrap_policy

WORKER = """
import os
import sys
import torch
from accelerate import Accelerator
from support.bottleneck_models import batch, model_of
from custom_models.bottleneck import fsdp_wrap_policy
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

accelerator = Accelerator(cpu=True)
assert accelerator.num_processes == 2
rank, way, kind, out = accelerator.process_index, *sys.argv[1:]
model = model_of(kind)
whole = batch(4)
mine = {key: value[rank * 2 : rank * 2 + 2] for key, value in whole.items()}
if way == "fsdp":
    is_unit, mesh = fsdp_wrap_policy(model), init_device_mesh("cpu", (2,))
    units = [module for module in model.modules() if is_unit(module)]
    assert len(units) == (4 if kind == "2" else 3), units
    for unit in sorted(units, key=lambda unit: type(unit).__name__ != "Bottleneck"):
        fully_shard(unit, mesh=mesh)
    model = fully_shard(model, mesh=mesh)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.5)
else:
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.5)
    model, optimizer = accelerator.prepare(model, optimizer)
for _ in range(2):
    optimizer.zero_grad()
    loss = model(**mine).loss
    accelerator.backward(loss)
    optimizer.step()
trained = {name.removeprefix("module."): p for name, p in model.named_parameters() if p.requires_grad}
full = {name: (p.full_tensor() if hasattr(p, "full_tensor") else p).detach().clone() for name, p in trained.items()}
if rank == 0:
    torch.save(full, out)
accelerator.wait_for_everyone()
torch.distributed.destroy_process_group()
# All is written: threads of gloo that are still there would abort a process that ends in the usual way.
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("way", "kind"), [("ddp", "none"), ("ddp", "loaded"), ("fsdp", "2"), ("fsdp", "fusion")])
def test_two_processes_train_what_one_does(way, kind, tmp_path, run_module):
    """Two steps over halves of a batch end in the same adapters and head as two steps over the whole batch."""
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER)
    run_module("torch.distributed.run", "--standalone", "--nproc_per_node", 2, worker, way, kind, tmp_path / "out")
    model = model_of(kind)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        model(**batch(4)).loss.backward()
        optimizer.step()
    together = torch.load(tmp_path / "out", weights_only=True)
    alone = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert together.keys() == alone.keys()
    for name, parameter in alone.items():
        torch.testing.assert_close(together[name], parameter.detach(), atol=1e-5, rtol=1e-4, msg=name)


@pytest.fixture
def run_module():
    """Runs a Python module with arguments, offline, on one thread; asserts that it ends well."""
    import subprocess

    def run(*arguments) -> None:
        root = Path(__file__).resolve().parents[3]
        paths = os.pathsep.join([str(root), str(root / "tests")])
        environment = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "PYTHONPATH": paths}
        command = [sys.executable, "-m", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]

    return run


def test_units_are_the_layers_and_what_they_share():
    """A bottleneck inside one layer is gathered with it; one that layers share is gathered on its own."""

    def units(model: nn.Module) -> list[str]:
        is_unit = fsdp_wrap_policy(model)
        return sorted(type(module).__name__ for module in model.modules() if is_unit(module))

    layers = ["BertLayer"] * 3
    assert units(adapt(build())) == units(adapt(build(), sharing="layer")) == layers
    assert units(adapt(build(), sharing=2)) == ["BertLayer", "BertLayer", "BertLayer", "Bottleneck"]
    model = adapt(build(), "first", sharing=2)
    model.add_adapter("second", BottleneckConfig(bottleneck_size=4, sharing=2))
    model.add_adapter("fusion", FusionConfig(adapters=["first", "second"]))
    with pytest.raises(ValueError, match="FSDP cannot fuse adapters that layers share"):
        fsdp_wrap_policy(model)
