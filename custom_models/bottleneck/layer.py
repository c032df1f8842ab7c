"""The bottleneck adapter, and the kinds of module of a base model that it is wrapped around.

Shapes use B (batch), T (tokens), H (hidden size) and R (bottleneck size).
"""

import math
from collections.abc import Iterable, Iterator

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper
from torch import nn
from torch.nn import functional as F
from transformers.activations import ACT2FN
from transformers.pytorch_utils import Conv1D

from .config import BottleneckConfig
from .fusion import AttentionFusion, AverageFusion

# PEFT's name for rows of a mixed batch that take no adapter.
NO_ADAPTER = "__base__"


def add_all(fresh: torch.Tensor, residuals: Iterable[torch.Tensor]) -> torch.Tensor:
    """The sum, in the place of `fresh`, which nobody else holds: a step makes dozens of such sums, of MiB each."""
    for residual in residuals:
        fresh = fresh.add_(residual) if fresh.dtype == residual.dtype else fresh + residual
    return fresh


class Bottleneck(nn.Module):
    """s · (U f(D x + d) + u), to be added to the residual; Houlsby et al. 2019, figure 2, and He et al. 2022 for s."""

    def __init__(self, config: BottleneckConfig, width: int):
        super().__init__()
        size = config.size_for(width)
        self.down = nn.Linear(width, size)
        self.activation = ACT2FN[config.non_linearity]
        self.up = nn.Linear(size, width)
        learned = config.scaling == "learned"
        self.scaling = nn.Parameter(torch.ones(1)) if learned else float(config.scaling)
        self.dropout = config.dropout
        self.reset_parameters(config.init)

    def reset_parameters(self, init: str) -> None:
        """Near (`zero_up`: exactly) zero output, so that the model begins as the base model."""
        for projection in (self.down, self.up):
            nn.init.zeros_(projection.bias)
            if init == "truncated_normal":
                nn.init.trunc_normal_(projection.weight, std=0.01, a=-0.02, b=0.02)
            elif init == "normal":
                nn.init.normal_(projection.weight, std=0.02)
        if init == "zero_up":
            nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
            nn.init.zeros_(self.up.weight)

    def forward(self, states: torch.Tensor, *residuals: torch.Tensor) -> torch.Tensor:
        """(B, T, H) to (B, T, H), with the `residuals` (B, T, H) added."""
        delta = self.up(self.activation(self.down(states)))
        return add_all(F.dropout(self._scaled(delta), self.dropout, self.training), residuals)

    def code(self, states: torch.Tensor) -> torch.Tensor:
        """(B, T, H) to the scaled activations (B, T, R) of the bottleneck, which `AttentionFusion` works on."""
        return self._scaled(self.activation(self.down(states)))

    def output_bias(self) -> torch.Tensor:
        """The output for a code of zeros, (H,)."""
        return self._scaled(self.up.bias)

    def _scaled(self, tensor: torch.Tensor) -> torch.Tensor:
        if isinstance(self.scaling, float) and self.scaling == 1.0:
            return tensor
        return tensor * self.scaling


class BottleneckLayer(nn.Module, BaseTunerLayer):
    """A module of the base model with any number of named adapters, of which at most one is active.

    `bottleneck_adapters` holds adapters and fusions, `bottleneck_norms` the LayerNorm's copies trained with them.
    """

    adapter_layer_names = ("bottleneck_adapters", "bottleneck_norms")

    def __init__(self, base_layer: nn.Module):
        super().__init__()
        self.base_layer = base_layer
        self.bottleneck_adapters = nn.ModuleDict()
        self.bottleneck_norms = nn.ModuleDict()
        self.placements: dict[str, str] = {}
        self.row_adapters: list[str] | None = None
        self.merged_adapters = []
        self._active_adapter = []

    def __getattr__(self, name: str):
        """A part of the wrapped module: models read parts of their modules, such as `output.dense`."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "base_layer":
                raise
            return getattr(self.base_layer, name)

    def __setattr__(self, name: str, value: object) -> None:
        """A part of the wrapped module is replaced there."""
        base = self.__dict__.get("_modules", {}).get("base_layer")
        if base is not None and (name in base._modules or name in base._parameters):
            setattr(base, name, value)
        else:
            super().__setattr__(name, value)

    def add(self, name: str, placement: str, adapter: nn.Module | None, norm: nn.Module | None) -> None:
        """Adds what the adapter `name` has at this module: a bottleneck or a fusion, a LayerNorm, or both."""
        self.placements[name] = placement
        if adapter is not None:
            self.bottleneck_adapters[name] = adapter
        if norm is not None:
            self.bottleneck_norms[name] = norm
        self._move_adapter_to_device_of_base_layer(name)

    def base_norm(self) -> nn.Module | None:
        """The base model's LayerNorm at this module, if it has one."""
        return None

    def norm(self, name: str | None, states: torch.Tensor) -> torch.Tensor:
        """`states` through the LayerNorm under the adapter `name`: its own copy, or the base model's.

        A copy is float32 on a base of half the precision; not every device takes states and weights that differ in it.
        """
        if name not in self.bottleneck_norms:
            return self.base_norm()(states)
        copy = self.bottleneck_norms[name]
        dtype = next(copy.parameters()).dtype
        if states.dtype == dtype or torch.is_autocast_enabled(states.device.type):
            return copy(states)
        return copy(states.to(dtype)).to(states.dtype)

    def added(self, name: str, states: torch.Tensor, *residuals: torch.Tensor) -> torch.Tensor:
        """The `residuals` and what the adapter or fusion `name` makes of `states`, added; all are (B, T, H)."""
        adapter = self.bottleneck_adapters[name]
        source = states if torch.is_autocast_enabled(states.device.type) else states.to(self._adapter_dtype(adapter))
        if isinstance(adapter, (AttentionFusion, AverageFusion)):
            output = adapter(source, [self.bottleneck_adapters[member] for member in adapter.members])
        elif source.dtype == states.dtype:
            return adapter(source, *residuals)
        else:
            output = adapter(source)
        return sum(residuals, output.to(states.dtype))

    def _adapter_dtype(self, adapter: nn.Module) -> torch.dtype:
        member = self.bottleneck_adapters[adapter.members[0]] if hasattr(adapter, "members") else adapter
        return member.down.weight.dtype

    def forward(self, *inputs, **kwargs):
        if self.row_adapters is not None and not self._disable_adapters:
            return self._mixed_forward(*inputs, **kwargs)
        active = None if self._disable_adapters or not self._active_adapter else self._active_adapter[0]
        return self.adapted(active, *inputs, **kwargs)

    def adapted(self, name: str | None, *inputs, **kwargs):
        """The module's output under the adapter `name`, or the base model's for None or a name that is not here."""
        raise NotImplementedError

    def _mixed_forward(self, *inputs: torch.Tensor, **kwargs: torch.Tensor) -> torch.Tensor:
        """Each row under its own adapter: one pass for each adapter, over its rows."""
        output = None
        for name, rows in self._rows(inputs[0]).items():
            part = self.adapted(name, *(x[rows] for x in inputs), **{key: x[rows] for key, x in kwargs.items()})
            output = part.new_empty(len(inputs[0]), *part.shape[1:]) if output is None else output
            output[rows] = part
        return output

    def _rows(self, states: torch.Tensor) -> dict[str | None, torch.Tensor]:
        """By adapter (None: no adapter), the numbers of its rows in a batch of `states`."""
        batch = len(states)
        if batch % len(self.row_adapters):
            raise ValueError(f"{len(self.row_adapters)} adapter_names for {batch} rows: give one for each row")
        # Beam search repeats each row in place.
        names = [name for name in self.row_adapters for _ in range(batch // len(self.row_adapters))]
        numbers = {name: [row for row, other in enumerate(names) if other == name] for name in dict.fromkeys(names)}
        return {
            None if name == NO_ADAPTER else name: torch.tensor(rows, device=states.device)
            for name, rows in numbers.items()
        }

    def set_adapter(self, adapter_names: str | list[str], inference_mode: bool = False) -> None:
        """As in PEFT, but for one adapter at a time.

        Raises:
            ValueError: more than one name.
        """
        names = [adapter_names] if isinstance(adapter_names, str) else list(adapter_names)
        if len(names) > 1:
            raise ValueError(f"{len(names)} adapters at once {names}: set one, or fuse them (FusionConfig)")
        super().set_adapter(names, inference_mode=inference_mode)

    def delete_adapter(self, adapter_name: str) -> None:
        self.placements.pop(adapter_name, None)
        super().delete_adapter(adapter_name)

    def _get_base_layer_device_and_dtype(self, base_layer: nn.Module):
        weight = next(base_layer.parameters(), None)
        return (None, None) if weight is None else (weight.device, weight.dtype)


class SublayerOutput(BottleneckLayer):
    """Around the end of a post-LayerNorm sub-layer: LayerNorm(dropout(dense(h)) + x), as in BERT."""

    def base_norm(self) -> nn.Module:
        return self.base_layer.LayerNorm

    def adapted(self, name: str | None, hidden_states: torch.Tensor, input_tensor: torch.Tensor) -> torch.Tensor:
        """(B, T, inner size) and the sub-layer's input (B, T, H) to (B, T, H)."""
        projected = self.base_layer.dropout(self.base_layer.dense(hidden_states))
        if name not in self.bottleneck_adapters:
            return self.norm(name, projected + input_tensor)
        if self.placements[name] == "houlsby":
            return self.norm(name, self.added(name, projected, projected, input_tensor))
        total = projected + input_tensor
        source = input_tensor if self.placements[name] == "parallel" else self.norm(name, total)
        return self.norm(name, self.added(name, source, total))


class LayerNormOutput(BottleneckLayer):
    """Around a LayerNorm that closes a sub-layer; it takes the sum of the sub-layer's output and input."""

    def base_norm(self) -> nn.Module:
        return self.base_layer

    def adapted(self, name: str | None, total: torch.Tensor) -> torch.Tensor:
        """(B, T, H) to (B, T, H)."""
        if name not in self.bottleneck_adapters:
            return self.norm(name, total)
        return self.norm(name, self.added(name, self.norm(name, total), total))


class ModuleOutput(BottleneckLayer):
    """Around any other module from and to hidden states; the adapter reads its output, or in parallel its input.

    Of a module that returns a tuple, such as attention, the first part is adapted.
    """

    def adapted(self, name: str | None, *inputs, **kwargs):
        """(B, T, any) to (B, T, H); in parallel, the input has H features too."""
        output = self.base_layer(*inputs, **kwargs)
        if name not in self.bottleneck_adapters:
            return output
        states = self._states(output)
        return self._with_states(output, self.added(name, self._source(name, states, inputs, kwargs), states))

    def _mixed_forward(self, *inputs, **kwargs):
        """Each row under its own adapter: one pass through the module, and one through each adapter over its rows."""
        output = self.base_layer(*inputs, **kwargs)
        states = self._states(output)
        mixed = states.clone()
        for name, rows in self._rows(states).items():
            if name in self.bottleneck_adapters:
                mixed[rows] = self.added(name, self._source(name, states, inputs, kwargs)[rows], states[rows])
        return self._with_states(output, mixed)

    def _source(self, name: str, states: torch.Tensor, inputs: tuple, kwargs: dict) -> torch.Tensor:
        """The input of the adapter `name`."""
        if self.placements[name] != "parallel":
            return states
        return inputs[0] if inputs else next(iter(kwargs.values()))

    def _states(self, output: object) -> torch.Tensor:
        """The hidden states in a module's output; ValueError if it is neither a tensor nor a tuple that begins so."""
        states = output[0] if isinstance(output, tuple) and output else output
        if not isinstance(states, torch.Tensor):
            raise ValueError(
                f"an adapted {type(self.base_layer).__name__} returns a {type(output).__name__}: target a module that"
                " returns hidden states, or a tuple that begins with them"
            )
        return states

    @staticmethod
    def _with_states(output: object, states: torch.Tensor) -> object:
        return (states, *output[1:]) if isinstance(output, tuple) else states


class LinearOutput(ModuleOutput):
    """Around a linear layer; by this word in a class's name, PEFT's all-linear finds what is adapted already."""


def wrap(module: nn.Module) -> BottleneckLayer:
    """The wrapper that fits `module`, from what it is made of."""
    if is_sublayer_output(module):
        return SublayerOutput(module)
    if isinstance(module, (nn.Linear, Conv1D)):
        return LinearOutput(module)
    return LayerNormOutput(module) if isinstance(module, nn.LayerNorm) else ModuleOutput(module)


def is_sublayer_output(module: nn.Module) -> bool:
    """Whether `module` is the end of a post-LayerNorm sub-layer, as in BERT."""
    return all(hasattr(module, part) for part in ("dense", "dropout", "LayerNorm"))


def outer_modules(module: nn.Module, name: str = "") -> Iterator[tuple[str, nn.Module]]:
    """As `named_modules`, without the insides of what adapters have added: many adapters outnumber the model."""
    yield name, module
    if isinstance(module, AuxiliaryTrainingWrapper):
        return
    inner = [("base_layer", module.base_layer)] if isinstance(module, BottleneckLayer) else module.named_children()
    for child_name, child in inner:
        yield from outer_modules(child, f"{name}.{child_name}" if name else child_name)


def tuner_layers(model: nn.Module) -> dict[str, BottleneckLayer]:
    """The adapted modules of `model` by name, without what FSDP puts into names."""
    named = ((name, module) for name, module in outer_modules(model) if isinstance(module, BottleneckLayer))
    return {name.replace("_fsdp_wrapped_module.", ""): module for name, module in named}
