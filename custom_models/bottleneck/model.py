"""The PEFT tuner: puts adapters into a base model, switches between them, saves and loads them."""

import copy
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from peft import PeftConfig
from peft.tuners.tuners_utils import BaseTuner, _ExcludedModule, _maybe_include_all_linear_layers
from peft.utils.other import AuxiliaryTrainingWrapper
from peft.utils.other import _set_adapter as set_auxiliary_adapter
from torch import nn

from .config import BottleneckConfig, FusionConfig, MethodConfig
from .fusion import add_penalty, build_fusion, check_summable, plan_fusion
from .layer import NO_ADAPTER, Bottleneck, BottleneckLayer, outer_modules, tuner_layers, wrap
from .plan import IN_LAYER, Insertion, base_config, hidden_width, is_excluded, plan_adapter

PEFT_PREFIX = "base_model.model."
MARK = ".bottleneck_adapters."
# What is ours in a key of a state dict, whatever an adapter's name is.
OURS = re.compile(r"\.(bottleneck_(?:adapters|norms))\.")


class BottleneckModel(BaseTuner):
    """A base model with bottleneck adapters and fusions of them in it; made by `get_peft_model`.

    Raises:
        ValueError: a family that we do not know without target names, target names or layers that do not exist, an
            adapter trained on another kind of model, adapters that cannot be fused, or a merge.
    """

    prefix = "bottleneck_"
    tuner_layer_cls = BottleneckLayer
    target_module_mapping = {}

    def inject_adapter(self, model: nn.Module, adapter_name: str, *args, **kwargs) -> None:
        """As in PEFT; what can be wrong with the configuration is found before the model is touched."""
        config = self.peft_config[adapter_name]
        base = base_config(model)
        check_adapter_name(model, adapter_name)
        check_base(config, base)
        if isinstance(config, FusionConfig):
            places = plan_fusion(tuner_layers(model), config, self.peft_config, base["hidden_size"])
            self._plan = dict.fromkeys(places, Insertion(group=None, layer_norm=False))
            config.placement = self.peft_config[config.adapters[0]].placement
            if add_penalty not in model._forward_hooks.values():
                model.register_forward_hook(add_penalty)
        else:
            self._plan = plan_adapter(model, _maybe_include_all_linear_layers(config, model))
        self._built: dict[tuple, Bottleneck] = {}
        self._hidden_size = base["hidden_size"]
        config.trained_on = base
        super().inject_adapter(model, adapter_name, *args, **kwargs)
        if isinstance(config.target_modules, set):
            # PEFT's shorthands and shortenings; in order, so that the same adapter makes the same file.
            config.target_modules = sorted(config.target_modules)

    def _prepare_adapter_config(self, peft_config: PeftConfig, model_config: dict) -> PeftConfig:
        return peft_config

    def _check_target_module_exists(self, peft_config: PeftConfig, key: str) -> bool | _ExcludedModule:
        excluded = isinstance(peft_config, BottleneckConfig) and is_excluded(peft_config, key)
        return _ExcludedModule() if excluded else key in self._plan

    def _create_and_replace(self, peft_config, adapter_name, target, target_name, parent, current_key) -> None:
        insertion = self._plan[current_key]
        if not isinstance(target, BottleneckLayer):
            target = wrap(target)
            self._replace_module(parent, target_name, target, None)
        width = hidden_width(target.base_layer, self._hidden_size)
        if isinstance(peft_config, FusionConfig):
            fusion = build_fusion(peft_config, width, attention_dropout(self.model))
            target.add(adapter_name, peft_config.placement, fusion, None)
            return
        if insertion.group is not None and insertion.group not in self._built:
            self._built[insertion.group] = Bottleneck(peft_config, width)
        norm = copy.deepcopy(target.base_norm()) if insertion.layer_norm else None
        target.add(adapter_name, peft_config.placement, self._built.get(insertion.group), norm)

    def _replace_module(
        self, parent: nn.Module, child_name: str, new_module: nn.Module, child: nn.Module | None
    ) -> None:
        setattr(parent, child_name, new_module)

    def set_adapter(self, adapter_name: str | list[str], inference_mode: bool = False) -> None:
        """As in PEFT, for one adapter at a time; ValueError for a name that is not in the model."""
        names = [adapter_name] if isinstance(adapter_name, str) else adapter_name
        check_known(names, self.peft_config)
        for _, module in outer_modules(self.model):
            if isinstance(module, AuxiliaryTrainingWrapper):
                set_auxiliary_adapter(module, adapter_name, inference_mode=inference_mode)
                # PEFT freezes the copy that was active; any other may have been loaded to be trained.
                module.set_requires_grad(module._adapters.difference(names), False)
            elif isinstance(module, BottleneckLayer):
                module.set_adapter(adapter_name, inference_mode=inference_mode)
        self.active_adapter = adapter_name

    def delete_adapter(self, adapter_name: str) -> None:
        """As in PEFT; ValueError if a fusion still needs the adapter."""
        for name, config in self.peft_config.items():
            if isinstance(config, FusionConfig) and adapter_name in config.adapters:
                raise ValueError(f"the fusion '{name}' needs the adapter '{adapter_name}': delete '{name}' first")
        super().delete_adapter(adapter_name)
        if self.active_adapters and self.peft_config:
            # Each layer has chosen for itself what is active instead; all must have chosen the same.
            self.set_adapter(self.active_adapters[0])

    def add_weighted_adapter(self, adapters: list[str], weights: list[float], adapter_name: str) -> None:
        """Adds an adapter whose weights are the weighted sum of those of `adapters`; heads are not combined.

        Raises:
            ValueError: not one weight for each adapter, a name unknown or taken, or adapters that are not alike.
        """
        if len(adapters) != len(weights) or not adapters:
            raise ValueError(f"{len(weights)} weights for {len(adapters)} adapters: give one weight for each adapter")
        weights = [float(weight) for weight in weights]
        if adapter_name in self.peft_config:
            raise ValueError(f"there is an adapter '{adapter_name}' already: choose another name")
        check_summable(adapters, self.peft_config, base_config(self.model)["hidden_size"])
        check_adapter_name(self.model, adapter_name)
        config = copy.deepcopy(self.peft_config[adapters[0]])
        config.modules_to_save = None
        self.peft_config[adapter_name] = config
        self.inject_adapter(self.model, adapter_name)
        for layer in tuner_layers(self.model).values():
            for parts in (layer.bottleneck_adapters, layer.bottleneck_norms):
                if adapter_name in parts:
                    set_weighted_sum(parts[adapter_name], [parts[name] for name in adapters], weights)

    def prune_heads(self, heads_to_prune: dict[int, list[int]]) -> None:
        """Refused: pruning builds projections anew, without the adapters around them.

        Raises:
            ValueError: always.
        """
        raise ValueError("heads cannot be pruned under adapters: prune the base model first, then add the adapters")

    def _unload_and_optionally_merge(self, *args, **kwargs) -> nn.Module:
        model = super()._unload_and_optionally_merge(*args, **kwargs)
        for key in [key for key, hook in model._forward_hooks.items() if hook is add_penalty]:
            del model._forward_hooks[key]
        return model

    def _check_merge_allowed(self) -> None:
        raise ValueError(
            "a bottleneck adapter is not linear: it cannot be merged into the base model; keep it beside it"
        )

    @contextmanager
    def _enable_peft_forward_hooks(self, *args, **kwargs) -> Iterator[None]:
        """PEFT's context around a forward pass; with `adapter_names`, each row of the batch takes its own adapter."""
        names = kwargs.get("adapter_names")
        if names is None:
            yield
            return
        if self.training:
            raise ValueError("adapter_names is for inference: call eval() first, or train one adapter at a time")
        check_known([name for name in names if name != NO_ADAPTER], self.peft_config)
        with rows_take(self.model, list(names)):
            yield

    @classmethod
    def _get_adapter_state_dict(cls, model, config, adapter_name, state_dict, unwanted_adapter_names) -> dict:
        """As in PEFT, with a shared bottleneck stored once, at the first module that has it."""
        found = super()._get_adapter_state_dict(model, config, adapter_name, state_dict, unwanted_adapter_names)
        owners = bottleneck_owners(model, adapter_name)
        return {key: value for key, value in found.items() if owner_key(key, owners) == key}

    @classmethod
    def _remove_adapter_name_from_key(cls, key: str, adapter_name: str) -> str:
        return re.sub(rf"{OURS.pattern}{re.escape(adapter_name)}\.", r".\1.", key)

    @classmethod
    def _remap_adapter_state_dict_for_load(cls, model, config, adapter_name, state_dict) -> dict:
        """Weights of a file by the keys of `model`, whether or not either of them has a head around the base model.

        Raises:
            ValueError: a weight is missing, left over or of another shape: the adapter is of another base model.
        """
        remapped = {key: value for key, value in state_dict.items() if not OURS.search(key)}
        held = {portable_key(model, key): value for key, value in state_dict.items() if OURS.search(key)}
        owners = bottleneck_owners(model, adapter_name)
        unused = dict(held)
        for key, weight in adapter_weights(model, adapter_name).items():
            saved_key = portable_key(model, cls._remove_adapter_name_from_key(owner_key(key, owners), adapter_name))
            check_fits(adapter_name, saved_key, held.get(saved_key), weight)
            remapped[key] = held[saved_key]
            unused.pop(saved_key, None)
        if isinstance(config, FusionConfig):
            unused = {key for key in unused if not is_without_members(model, key, config.adapters)}
        if unused:
            raise ValueError(
                f"the adapter '{adapter_name}' has weights for '{min(unused)}', which is not in this model:"
                " load it onto the base model that it was trained on"
            )
        return remapped


def check_base(config: MethodConfig, base: dict) -> None:
    """ValueError if the adapter was trained on another kind of model than `base` (see `base_config`)."""
    for name, trained in (config.trained_on or {}).items():
        if trained is not None and base.get(name) != trained:
            raise ValueError(
                f"the adapter was trained on a model with {name} {trained}, this one has {base.get(name)}:"
                f" load it onto {config.base_model_name_or_path or 'the base model that it was trained on'}"
            )


def check_adapter_name(model: nn.Module, adapter_name: str) -> None:
    """ValueError for a name that is a module's, whose weights PEFT would take for this adapter's, or a method's."""
    taken = {"base_model", "model", "bottleneck_adapters", "bottleneck_norms", NO_ADAPTER}
    taken.update(part for name, _ in outer_modules(model) for part in name.split("."))
    if adapter_name in taken or "." in adapter_name or hasattr(nn.ModuleDict, adapter_name):
        raise ValueError(
            f"'{adapter_name}' cannot name an adapter (a dot, or a module's or method's name): choose another name"
        )


def check_known(names: Iterable[str], known: Iterable[str]) -> None:
    """ValueError for the first name that is not an adapter's."""
    for name in names:
        if name not in known:
            raise ValueError(f"there is no adapter '{name}': the model has {', '.join(known)}")


def check_fits(adapter_name: str, key: str, saved: torch.Tensor | None, wanted: torch.Tensor) -> None:
    """ValueError unless the file has the weight `key` in the shape that the model wants."""
    if saved is not None and saved.shape == wanted.shape:
        return
    got = "is missing" if saved is None else f"has shape {tuple(saved.shape)}"
    raise ValueError(
        f"the adapter '{adapter_name}' does not fit: '{key}' {got}, the model wants {tuple(wanted.shape)};"
        " load it onto the base model that it was trained on"
    )


def auxiliary_modules(model: nn.Module) -> list[AuxiliaryTrainingWrapper]:
    """Modules that PEFT keeps a copy of for each adapter, such as heads."""
    return [module for _, module in outer_modules(model) if isinstance(module, AuxiliaryTrainingWrapper)]


def attention_dropout(model: nn.Module) -> float:
    """The base model's dropout on attention weights, 0.0 if it names none."""
    config = getattr(model, "config", None)
    names = ("attention_probs_dropout_prob", "attention_dropout")
    return next((getattr(config, name) for name in names if hasattr(config, name)), 0.0)


def bottleneck_owners(model: nn.Module, adapter_name: str) -> dict[str, str]:
    """By state dict prefix of each bottleneck of `adapter_name`: the first prefix of that same bottleneck."""
    first, owners = {}, {}
    for name, layer in tuner_layers(model).items():
        if adapter_name in layer.bottleneck_adapters:
            prefix = f"{name}.bottleneck_adapters.{adapter_name}."
            owners[prefix] = first.setdefault(id(layer.bottleneck_adapters[adapter_name]), prefix)
    return owners


def owner_key(key: str, owners: dict[str, str]) -> str:
    """The state dict key under which the weight `key` is stored, given `bottleneck_owners`."""
    prefix = key[: key.index(".", key.index(MARK) + len(MARK)) + 1] if MARK in key else ""
    return owners.get(prefix, prefix) + key[len(prefix) :]


def portable_key(model: nn.Module, key: str) -> str:
    """`key` without what differs between a base model and the same one under a head."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    base_prefix = getattr(inner, "base_model_prefix", "")
    key = key.removeprefix(PEFT_PREFIX)
    return key.removeprefix(f"{base_prefix}.") if base_prefix else key


def is_without_members(model: nn.Module, key: str, adapters: list[str]) -> bool:
    """Whether a fusion's weight `key` (see `portable_key`) is of a layer that all of `adapters` leave out.

    The `adapters` library has a fusion, which nothing goes through, in those layers too.
    """
    module = OURS.split(key)[0]
    base_layers = {portable_key(model, name.replace(".base_layer", "")) for name, _ in outer_modules(model)}
    place = IN_LAYER.fullmatch(module)
    if place is None or module not in base_layers:
        return False
    held = [name for name, layer in tuner_layers(model).items() if set(adapters) & set(layer.bottleneck_adapters)]
    places = [IN_LAYER.fullmatch(portable_key(model, name)) for name in held]
    return place.group("stack", "index") not in [other.group("stack", "index") for other in places if other]


def adapter_weights(model: nn.Module, adapter_name: str) -> dict[str, torch.Tensor]:
    """Weights of `adapter_name` in the adapted modules of `model`, a shared one under each of its keys."""
    found = {}
    for name, layer in tuner_layers(model).items():
        for part in BottleneckLayer.adapter_layer_names:
            held = getattr(layer, part)
            if adapter_name in held:
                weights = held[adapter_name].state_dict(prefix=f"{name}.{part}.{adapter_name}.")
                found.update(weights)
    return found


@torch.no_grad()
def set_weighted_sum(target: nn.Module, sources: list[nn.Module], weights: list[float]) -> None:
    """Sets each parameter of `target` to the weighted sum of the same parameter of `sources`."""
    target.to(next(sources[0].parameters()).dtype)
    for name, parameter in target.named_parameters():
        terms = [weight * source.get_parameter(name) for source, weight in zip(sources, weights, strict=True)]
        parameter.copy_(sum(terms))


@contextmanager
def rows_take(model: nn.Module, names: list[str]) -> Iterator[None]:
    """Inside, row i of a batch takes the adapter names[i], in adapted modules and in those that PEFT copies (heads)."""
    layers, copied = tuner_layers(model).values(), auxiliary_modules(model)
    active = [module._active_adapter for module in copied]
    handles = []
    for layer in layers:
        layer.row_adapters = names
    for module in copied:
        # PEFT asks the copied module itself for every name, and only if its active adapter has a copy.
        module._active_adapter = sorted(module._adapters)[:1]
        own = [name if name in module._adapters else NO_ADAPTER for name in names]
        handles.append(module.register_forward_pre_hook(partial(pass_names, own), with_kwargs=True))
    try:
        yield
    finally:
        for layer in layers:
            layer.row_adapters = None
        for module, handle, name in zip(copied, handles, active, strict=True):
            module._active_adapter = name
            handle.remove()


def pass_names(names: list[str], module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """Pre-forward hook: tells a module that PEFT has copied which copy each row takes."""
    return args, {**kwargs, "adapter_names": names}


def fsdp_wrap_policy(model: nn.Module) -> Callable[[nn.Module], bool]:
    """Tells of a module whether FSDP 2 makes a unit of it: a layer, or a bottleneck that several layers share.

    Call `fully_shard` on the bottlenecks first: what is in a layer when it becomes a unit is gathered with it alone.

    Raises:
        ValueError: a fusion of such bottlenecks, whose weights it would read while they are sharded.
    """
    holders: dict[int, set] = {}
    stacks = set()
    for name, layer in tuner_layers(model).items():
        place = IN_LAYER.fullmatch(name)
        stacks.update([place["stack"]] if place else ())
        for adapter in layer.bottleneck_adapters.values():
            holders.setdefault(id(adapter), set()).add(place["stack"] + place["index"] if place else name)
    units = {key for key, layers in holders.items() if len(layers) > 1}
    if units and any(isinstance(config, FusionConfig) for config in model.peft_config.values()):
        raise ValueError(
            "FSDP cannot fuse adapters that layers share: fuse adapters with sharing none or layer, or use DDP"
        )
    units.update(id(layer) for stack in stacks for layer in model.get_submodule(stack).children())
    return lambda module: id(module) in units
