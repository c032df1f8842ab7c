"""Which modules of a base model get an adapter or a LayerNorm's copy, from a configuration."""

import re
from dataclasses import dataclass

from torch import nn
from transformers.pytorch_utils import Conv1D

from .config import FAMILIES, BottleneckConfig, Family, as_list
from .layer import BottleneckLayer, is_sublayer_output, outer_modules, tuner_layers

# A module of a numbered layer: the stack of layers that it is in, the layer's number there, its name in the layer.
IN_LAYER = re.compile(r"(?P<stack>.*?)(?:^|\.)(?P<index>\d+)\.(?P<name>.+)")
MANY_NAMES = 12


@dataclass(frozen=True)
class Insertion:
    """A module's part: a bottleneck (the same one in the whole group) and a LayerNorm's copy."""

    group: tuple | None
    layer_norm: bool


@dataclass(frozen=True)
class Place:
    """A module of the base model: its name, and where in which stack of numbered layers it is."""

    name: str
    stack: str
    index: int
    site: str

    @property
    def layer(self) -> tuple[str, int]:
        return self.stack, self.index


def places_in(model: nn.Module) -> list[Place]:
    """Every module but the insides of what is adapted already; one outside numbered layers counts as its own layer."""
    wrapped = tuple(f"{name}." for name in tuner_layers(model))
    places = []
    for name, _ in outer_modules(model):
        if name and not name.startswith(wrapped):
            found = IN_LAYER.fullmatch(name)
            places.append(
                Place(name, found["stack"], int(found["index"]), found["name"]) if found else Place(name, name, 0, name)
            )
    return places


def plan_adapter(model: nn.Module, config: BottleneckConfig) -> dict[str, Insertion]:
    """The parts of the modules that get any, by their names in `model`.

    Raises:
        ValueError: the family is unknown, nothing matches, a layer that `config` names does not exist, there is no
            LayerNorm to train, a target is inside another one, or its hidden states do not fit an adapter.
    """
    family = known_family(model) if config.target_modules is None else None
    places = places_in(model)
    matching = {place.name for place in places if is_target(config, family, place)}
    adapted = {name for name in matching if not is_excluded(config, name)}
    check_found(model, config, adapted)
    check_nesting(adapted | adapted_inside(model, config), set(tuner_layers(model)))
    normed = layer_norms(model, places, family) if config.train_layer_norm else set()
    # Layers are counted before any module is excluded: that changes no number.
    layers = list(dict.fromkeys(place.layer for place in places if place.name in matching | normed))
    check_layers(config, [place for place in places if place.layer in layers])
    plan = {
        place.name: Insertion(group_of(config, place) if place.name in adapted else None, place.name in normed)
        for place in places
        if place.name in adapted | normed
        and not is_excluded(config, place.name)
        and layers.index(place.layer) not in config.leave_out
        and is_in_layers(config, place)
    }
    hidden_size = base_config(model)["hidden_size"]
    for name, insertion in plan.items():
        if insertion.group is not None:
            check_width(name, model.get_submodule(name), config.placement, hidden_size)
    return plan


def is_target(config: BottleneckConfig, family: Family | None, place: Place) -> bool:
    """Whether an adapter goes to `place`: where the family has it, or else where `target_modules` says."""
    if family is not None:
        return re.fullmatch(getattr(family, config.placement), place.site) is not None
    return is_named(config.target_modules, place.name)


def is_named(names: list[str] | str | None, name: str) -> bool:
    """Whether a module is named, by its name's end or by a regular expression for the whole name."""
    if isinstance(names, str):
        return re.fullmatch(names, name) is not None
    return any(name == given or name.endswith(f".{given}") for given in names or ())


def is_excluded(config: BottleneckConfig, name: str) -> bool:
    """Whether the module is in `exclude_modules`, or is (in) one of `modules_to_save`, which is trained whole."""
    if any(re.match(rf"(^|.*\.){saved}($|\..*)", name) for saved in config.modules_to_save or ()):
        return True
    return is_named(config.exclude_modules, name)


def is_in_layers(config: BottleneckConfig, place: Place) -> bool:
    """Whether the module is in one of `layers_to_transform`; in any layer, if none are given."""
    if config.layers_to_transform is None:
        return True
    return place.index in as_list(config.layers_to_transform) and is_in_stacks(config, place)


def is_in_stacks(config: BottleneckConfig, place: Place) -> bool:
    """Whether the module is in a numbered layer of a stack that `layers_pattern` names; of any, if it names none."""
    patterns = as_list(config.layers_pattern) or [".*"]
    return place.site != place.name and any(re.search(rf"(^|\.)({name})$", place.stack) for name in patterns)


def check_found(model: nn.Module, config: BottleneckConfig, adapted: set[str]) -> None:
    """ValueError if no module is to be adapted."""
    if adapted:
        return
    if config.exclude_modules:
        raise ValueError(f"exclude_modules {config.exclude_modules} leaves no module to adapt: exclude fewer")
    raise ValueError(f"no module matches target_modules {config.target_modules}: {candidates(model)}")


def check_width(name: str, module: nn.Module, placement: str, hidden_size: int | None) -> None:
    """ValueError if the size of the hidden states at a module is unknown, or in parallel if input and output differ."""
    base = module.base_layer if isinstance(module, BottleneckLayer) else module
    width = hidden_width(base, hidden_size)
    given = base.weight.shape[0] if isinstance(base, Conv1D) else getattr(base, "in_features", width)
    if placement == "parallel" and given != width:
        raise ValueError(
            f"'{name}' takes {given} features and gives {width}: a parallel adapter needs as many in as out; choose"
            " another placement, or target the whole feed-forward"
        )


def hidden_width(module: nn.Module, hidden_size: int | None) -> int:
    """Features of the hidden states that `module` of the base model gives: its own, or the model's.

    Raises:
        ValueError: neither is known.
    """
    last = module.dense if is_sublayer_output(module) else module
    widths = (getattr(last, name, None) for name in ("out_features", "nf", "embedding_dim"))
    shape = getattr(last, "normalized_shape", None)
    width = next((width for width in widths if width), shape[-1] if shape else hidden_size)
    if width is None:
        raise ValueError(f"the hidden size at a {type(last).__name__} is unknown: target a Linear instead")
    return width


def adapted_inside(model: nn.Module, config: BottleneckConfig) -> set[str]:
    """Modules named in `target_modules` that are inside a module adapted earlier, by their names in the base model."""
    if config.target_modules is None:
        return set()
    names = {name.replace(".base_layer", "") for name, _ in outer_modules(model) if ".base_layer." in name}
    return {name for name in names if is_named(config.target_modules, name) and not is_excluded(config, name)}


def group_of(config: BottleneckConfig, place: Place) -> tuple:
    """Insertions of the same group share one bottleneck."""
    if config.sharing == "none":
        return (place.name,)
    return place.stack, place.index // (1 if config.sharing == "layer" else config.sharing)


def layer_norms(model: nn.Module, places: list[Place], family: Family | None) -> set[str]:
    """Names of the layers' LayerNorms (or of the post-LayerNorm sub-layer outputs that hold them)."""
    if family is None:
        raise ValueError("train_layer_norm needs a family that we know: name the LayerNorms in modules_to_save instead")
    matching = [place.name for place in places if re.fullmatch(family.layer_norm, place.site)]
    found = {name for name in matching if any(True for _ in model.get_submodule(name).parameters())}
    if not found:
        raise ValueError("train_layer_norm is set, but the layers of this model have no LayerNorm: unset it")
    return found


def check_layers(config: BottleneckConfig, chosen: list[Place]) -> None:
    """ValueError if `leave_out` or `layers_to_transform` names a layer that is not in `chosen`, or none is left."""
    num_layers = len({place.layer for place in chosen})
    beyond = [layer for layer in config.leave_out if layer >= num_layers]
    if beyond:
        raise ValueError(f"leave_out names layer {beyond[0]}: this model has layers 0 to {num_layers - 1}")
    if len(set(config.leave_out)) == num_layers:
        raise ValueError(f"leave_out names all {num_layers} layers: leave at least one in")
    there = sorted({place.index for place in chosen if is_in_stacks(config, place)})
    missing = [layer for layer in as_list(config.layers_to_transform) if layer not in there]
    if missing:
        raise ValueError(f"layers_to_transform names layer {missing[0]}: the modules to adapt are in layers {there}")


def check_nesting(targets: set[str], wrapped: set[str]) -> None:
    """ValueError if one adapted module is inside another: wrapping the outer one would rename the inner one."""
    for inner in targets | wrapped:
        parts = inner.split(".")
        outside = {".".join(parts[:end]) for end in range(1, len(parts))}
        for outer in sorted(outside & (targets | wrapped)):
            raise ValueError(f"'{inner}' is inside '{outer}', and both are to be adapted: target one of the two")


def known_family(model: nn.Module) -> Family:
    """Where adapters go in `model`, by the model type of it or of the first model inside it that we know.

    Raises:
        ValueError: we know none; the text lists modules to name instead.
    """
    model_type = base_config(model).get("model_type")
    if model_type not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise ValueError(
            f"model type '{model_type}' is none of the families that we know ({known}): {candidates(model)}"
        )
    return FAMILIES[model_type]


def candidates(model: nn.Module) -> str:
    """Advice for an error: modules of numbered layers that give hidden states, by their name in the layer."""
    hidden_size = base_config(model).get("hidden_size")
    found = {}
    for place in places_in(model):
        module = model.get_submodule(place.name)
        width = getattr(module, "out_features", getattr(module, "nf", None))
        if place.site != place.name and (isinstance(module, nn.LayerNorm) or (width and width == hidden_size)):
            found[place.site] = None
    names = ", ".join(f"'{name}'" for name in list(found)[:MANY_NAMES])
    return f"give target_modules, such as some of {names}" if found else "give target_modules"


def base_config(model: nn.Module) -> dict:
    """The configuration of `model`, or of the first model inside it whose family we know, as a dict."""
    found = [getattr(module, "config", None) for _, module in outer_modules(model)]
    configs = [config for config in found if hasattr(config, "model_type")]
    known = [config for config in configs if config.model_type in FAMILIES]
    config = (known or configs or [None])[0]
    names = ("model_type", "hidden_size", "num_hidden_layers")
    return {name: getattr(config, name, None) for name in names}
