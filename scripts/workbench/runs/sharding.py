"""Models whose weights FSDP spreads over processes: which of their parts are gathered together, and the whole again."""

import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel

from workbench.errors import UserError


def unit_names(model: nn.Module) -> list[str]:
    """The names of the classes that FSDP makes units of: layers, and bottlenecks that several layers share.

    `_no_split_modules` will not do: transformers 4.57 has none for BERT, and for RoBERTa names that the model lacks.

    Raises:
        UserError: a model that cannot be sharded, or a fusion of adapters that layers share.
    """
    from peft import PeftModel

    from custom_models.bottleneck import BottleneckModel, fsdp_wrap_policy

    if not isinstance(model, (PreTrainedModel, PeftModel)) or hasattr(model, "adapters_configuration"):
        raise UserError(f"FSDP cannot shard a {type(model).__name__} here; use accelerate_configs/multi_gpu.yaml")
    if isinstance(getattr(model, "base_model", None), BottleneckModel):
        try:
            is_unit = fsdp_wrap_policy(model)
        except ValueError as error:
            raise UserError(str(error)) from error
        units = [module for module in model.modules() if is_unit(module)]
    else:
        units = [layer for stack in stacks(model) for layer in stack]
    return sorted({type(unit).__name__ for unit in units})


def stacks(module: nn.Module) -> list[nn.ModuleList]:
    """The outermost lists of layers in a model."""
    if isinstance(module, nn.ModuleList) and len(module):
        return [module]
    return [stack for child in module.children() for stack in stacks(child)]


def full_state_dict(model: nn.Module) -> dict[str, torch.Tensor] | None:
    """All weights of a sharded model, in the main process; every process calls it. None: the model is whole already."""
    if not any(isinstance(parameter, DTensor) for parameter in model.parameters()):
        return None
    return get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
