"""AdapterFusion: attention over the outputs of trained adapters, in each layer (Pfeiffer et al. 2021, section 3.2).

Shapes use B (batch), T (tokens), H (hidden size), R (bottleneck size) and N (adapters).
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import PurePath

import torch
from torch import nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn import functional as F

from .config import BottleneckConfig, FusionConfig, MethodConfig, as_list

# What an off-diagonal entry of a new value matrix is: near identity, as in the authors' code, but not exactly zero.
OFF_DIAGONAL = 1e-6
# Settings beside those of the same kind of adapter: of where it goes, and of what its weights mean.
PLACES = ("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern")
MEANING = ("non_linearity", "scaling", "sharing", "train_layer_norm")


class AttentionFusion(nn.Module):
    """softmax(q(x) · k(o_n)) weighs the values v(o_n) of the adapters' outputs o_n = U_n c_n + b_n.

    The keys' and values' projections are linear, so they are taken once, of the query and of the weighted sum; scores
    and sum are computed on the codes c_n in the bottleneck: N outputs of H features are never formed.
    """

    def __init__(self, config: FusionConfig, width: int, dropout: float):
        super().__init__()
        self.members = list(config.adapters)
        self.regularization = config.regularization
        self.dropout = nn.Dropout(dropout)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width, bias=False) if config.value else None
        self.recording = False
        self.attention: torch.Tensor | None = None
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        for projection in (self.query, self.key):
            nn.init.normal_(projection.weight, std=0.02)
            nn.init.zeros_(projection.bias)
        if self.value is not None:
            nn.init.constant_(self.value.weight, OFF_DIAGONAL)
            self.value.weight.fill_diagonal_(1.0)

    def forward(self, states: torch.Tensor, adapters: list[nn.Module]) -> torch.Tensor:
        """States (B, T, H) to the fused adapter output (B, T, H), without the residual.

        Args:
            states: what the adapters read; it is also the query.
            adapters: the N members' `Bottleneck` modules, in the order of `members`.
        """
        codes = [adapter.code(states) for adapter in adapters]
        query = self.query(states)
        scores = self._scores(query, codes, adapters)
        attention = self.dropout(scores).softmax(dim=-1)
        if self.recording:
            self.attention = attention.detach()
        fused = self._weighted_sum(attention, codes, adapters)
        return fused if self.value is None else self.value(fused)

    def _scores(self, query: torch.Tensor, codes: list[torch.Tensor], adapters: list[nn.Module]) -> torch.Tensor:
        """q · (K (U c + b) + k) for each adapter, (B, T, N), as (U^T K^T q) · c + (b^T K^T q) + k · q."""
        at_outputs = F.linear(query, self.key.weight.t())
        shared = query @ self.key.bias
        scores = []
        for code, adapter in zip(codes, adapters, strict=True):
            at_code = F.linear(at_outputs, adapter.up.weight.t())
            scores.append((at_code * code).sum(dim=-1) + at_outputs @ adapter.output_bias() + shared)
        return torch.stack(scores, dim=-1)

    @staticmethod
    def _weighted_sum(attention: torch.Tensor, codes: list[torch.Tensor], adapters: list[nn.Module]) -> torch.Tensor:
        """Sum over n of p_n (U_n c_n + b_n), (B, T, H), as one projection of all the weighted codes."""
        weighted = torch.cat([attention[..., n, None] * code for n, code in enumerate(codes)], dim=-1)
        up = torch.cat([adapter.up.weight for adapter in adapters], dim=1)
        biases = torch.stack([adapter.output_bias() for adapter in adapters])
        return F.linear(weighted, up) + attention @ biases

    def penalty(self) -> torch.Tensor | None:
        """Weighted squared distance of the value matrix to identity (section 3.2), or None where there is none."""
        if self.value is None or not self.regularization:
            return None
        return self.regularization * (identity_like(self.value.weight) - self.value.weight).pow(2).sum()


def identity_like(weight: torch.Tensor) -> torch.Tensor:
    """The identity matrix in the shape, on the device and, under FSDP 2, in the shards of `weight` (H, H)."""
    identity = torch.eye(weight.shape[0], dtype=weight.dtype, device=weight.device)
    if not isinstance(weight, DTensor):
        return identity
    # Every process has made the same matrix: none need be sent.
    return distribute_tensor(identity, weight.device_mesh, weight.placements, src_data_rank=None)


class AverageFusion(nn.Module):
    """The mean of the adapters' outputs: no parameters, a baseline for `AttentionFusion`."""

    def __init__(self, config: FusionConfig):
        super().__init__()
        self.members = list(config.adapters)

    def forward(self, states: torch.Tensor, adapters: list[nn.Module]) -> torch.Tensor:
        """States (B, T, H) to the adapters' mean output (B, T, H), without the residual."""
        return sum(adapter(states) for adapter in adapters) / len(adapters)


def build_fusion(config: FusionConfig, width: int, model_dropout: float) -> nn.Module:
    """The module that `config.method` names, for hidden states of `width` features.

    Args:
        config: the fusion's.
        width: features of the hidden states.
        model_dropout: the base model's attention dropout, for a fusion that names none.
    """
    if config.method == "average":
        return AverageFusion(config)
    return AttentionFusion(config, width, model_dropout if config.dropout is None else config.dropout)


def plan_fusion(
    layers: dict[str, nn.Module], config: FusionConfig, configs: dict[str, MethodConfig], hidden_size: int
) -> list[str]:
    """Names of the adapted modules that have all adapters to fuse.

    Raises:
        ValueError: an adapter is missing, has trained LayerNorms, is not placed as the fusion's were, or is not like
            the others (see `check_alike`).
    """
    check_alike(config.adapters, configs, hidden_size)
    for name in config.adapters:
        if configs[name].train_layer_norm:
            raise ValueError(f"'{name}' cannot be fused: it trained its own LayerNorms (train_layer_norm)")
        if config.placement not in (None, configs[name].placement):
            raise ValueError(
                f"the fusion was trained with {config.placement} adapters, '{name}' is {configs[name].placement}:"
                " load the adapters that it was trained with"
            )
    return [name for name, layer in layers.items() if set(config.adapters) <= set(layer.bottleneck_adapters)]


def check_alike(names: list[str], configs: dict[str, MethodConfig], hidden_size: int) -> None:
    """ValueError unless all `names` are bottleneck adapters of one base model, of one size and in the same places."""
    for name in names:
        if not isinstance(configs.get(name), BottleneckConfig):
            there = ", ".join(known for known, config in configs.items() if isinstance(config, BottleneckConfig))
            raise ValueError(f"there is no adapter '{name}' to combine: load it first (the model has {there})")
    compared = {
        "bottleneck_size": lambda config: config.size_for(hidden_size),
        "placement": lambda config: config.placement,
        "leave_out": lambda config: sorted(config.leave_out),
    }
    compared |= {name: partial(sorted_field, name) for name in PLACES}
    check_equal(names, configs, compared)
    first = names[0]
    for name in names[1:]:
        check_same_base(first, configs[first].base_model_name_or_path, name, configs[name].base_model_name_or_path)


def check_summable(names: list[str], configs: dict[str, MethodConfig], hidden_size: int) -> None:
    """ValueError unless `names` are alike (see `check_alike`) in what their weights mean too, so that a sum does."""
    check_alike(names, configs, hidden_size)
    check_equal(names, configs, {name: partial(sorted_field, name) for name in MEANING})


def check_equal(names: list[str], configs: dict[str, MethodConfig], compared: dict[str, Callable]) -> None:
    """ValueError naming the first of the `compared` settings in which two configurations differ."""
    first = names[0]
    for name, (field, value) in itertools.product(names[1:], compared.items()):
        if value(configs[first]) != value(configs[name]):
            raise ValueError(
                f"'{first}' and '{name}' cannot be combined: {field} is {value(configs[first])} and"
                f" {value(configs[name])}; combine adapters that are alike in it"
            )


def sorted_field(name: str, config: BottleneckConfig) -> object:
    """The value of a field, in an order of its own if it is a collection: the order given makes no difference."""
    value = getattr(config, name)
    return sorted(as_list(value)) if isinstance(value, (list, tuple, set)) else value


def check_same_base(first: str, first_base: str | None, second: str, second_base: str | None) -> None:
    """ValueError if the base models have different names; what stands before the last slash makes no difference."""
    bases = {PurePath(base).name.lower() for base in (first_base, second_base) if base}
    if len(bases) > 1:
        raise ValueError(
            f"'{first}' was trained on {first_base}, '{second}' on {second_base}: combine adapters of one base model,"
            " or set base_model_name_or_path in their configurations alike if these are the same weights"
        )


def active_fusions(model: nn.Module) -> dict[str, AttentionFusion]:
    """The active attention fusions of `model`, by the name of the module that each is in, in the model's order."""
    found = {}
    for name, module in model.named_modules():
        adapters = getattr(module, "bottleneck_adapters", None)
        for active in module.active_adapters if adapters is not None else ():
            if active in adapters and isinstance(adapters[active], AttentionFusion):
                found[name] = adapters[active]
    return found


def fusion_penalty(model: nn.Module) -> torch.Tensor | float:
    """Sum of the active fusions' penalties, 0.0 without any; for a training loop that computes the loss itself.

    In the loss that a model returns while training, it is included.
    """
    penalties = [fusion.penalty() for fusion in active_fusions(model).values()]
    return sum((whole(penalty) for penalty in penalties if penalty is not None), start=0.0)


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """`tensor` on every process, where FSDP 2 has it in shards."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def add_penalty(model: nn.Module, inputs: tuple, output):
    """Forward hook: adds the fusions' penalty to the loss of `output`, while training.

    A hook, since `PeftModel` calls the base model itself, past its tuner; of a tuple (`return_dict=False`), a first
    part of no dimension is the loss.
    """
    if not model.training:
        return output
    if isinstance(output, dict) and output.get("loss") is not None:
        output["loss"] = output["loss"] + fusion_penalty(model)
    elif isinstance(output, tuple) and output and isinstance(output[0], torch.Tensor) and output[0].dim() == 0:
        return output[0] + fusion_penalty(model), *output[1:]
    return output


@contextmanager
def record_attention(model: nn.Module) -> Iterator[dict[str, AttentionFusion]]:
    """Inside, each forward pass leaves its weights (B, T, N) in `.attention` of the active fusions, which it yields.

    Raises:
        ValueError: no attention fusion is active.
    """
    fusions = active_fusions(model)
    if not fusions:
        raise ValueError("no attention fusion is active: set_adapter() to one with method='attention' first")
    for fusion in fusions.values():
        fusion.recording = True
    try:
        yield fusions
    finally:
        for fusion in fusions.values():
            fusion.recording = False
