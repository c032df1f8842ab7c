"""What AdapterHub's format says, in our words and back: settings, names of weights, heads. No files here.

"Theirs" is what the `adapters` library saves; "ours" is `BottleneckConfig`, `FusionConfig` and PEFT's keys.
"""

import re
from dataclasses import dataclass

import torch
from transformers.activations import ACT2FN

from .config import BottleneckConfig, FusionConfig, MethodConfig
from .fusion import PLACES
from .model import MARK, PEFT_PREFIX

# The release whose format we write.
VERSION = "adapters.1.3.0"

# Families that `adapters` has too, with the name of the base model inside a model with a head.
BASE_NAMES = {
    "bert": "bert",
    "deberta-v2": "deberta",
    "distilbert": "distilbert",
    "electra": "electra",
    "roberta": "roberta",
    "xlm-roberta": "roberta",
}
# A key of an adapter (older releases had a name for each kind) or of a fusion: where, whose, which part.
ADAPTER_KEY = re.compile(r"(.+)\.(?:adapters|(?:layer|attention)_text_(?:task|lang)_adapters)\.([^.]+)\.(.+)")
FUSION_KEY = re.compile(r"(.+)\.adapter_fusion_layer\.([^.]+)\.(.+)")
PARTS = {"adapter_down.0": "down", "adapter_up": "up"}

INITS = {"bert": "normal", "houlsby": "truncated_normal", "mam_adapter": "zero_up"}
ACTIVATIONS = {"leakyrelu": "leaky_relu"}
OLD_ACTIVATIONS = {"gelu": "gelu_new", "gelu_orig": "gelu"}
PLACEMENTS = {
    "houlsby": {"mh_adapter": True, "output_adapter": True, "is_parallel": False, "original_ln_before": False},
    "pfeiffer": {"mh_adapter": False, "output_adapter": True, "is_parallel": False, "original_ln_before": True},
    "parallel": {"mh_adapter": False, "output_adapter": True, "is_parallel": True, "original_ln_before": False},
}
# Settings that must have this value, as we have no equivalent of any other; and those that then mean nothing.
FIXED = {
    "architecture": None,
    "cross_adapter": False,
    "inv_adapter": None,
    "ln_after": False,
    "ln_before": False,
    "original_ln_after": True,
    "phm_layer": False,
    "stochastic_depth": 0.0,
    "use_gating": False,
}
VOID = re.compile(
    "adapter_residual_before_ln|inv_adapter_reduction_factor|init_weights_seed|hypercomplex_nonlinearity|learn_phm"
    "|phm_.*|shared_.*phm.*|factorized_phm_.*|new_attention_norm"
)
FUSION_FIXED = {"key": True, "query": True, "query_before_ln": False, "residual_before": False, "temperature": False}
# No dropout on a fusion's scores: 0.0 would mean the base model's own there, and this never drops one in practice.
NO_DROPOUT = 1e-12
FUSION_VOID = re.compile("value_before_softmax|value_initialized")

# Where the two layers of a flexible classification head go in the model with the same head, by family and activation.
TWO_LAYERS = {
    "bert": {"tanh": ("bert.pooler.dense", "classifier")},
    "deberta-v2": {"gelu": ("pooler.dense", "classifier")},
    "distilbert": {"relu": ("pre_classifier", "classifier")},
    "electra": {"gelu": ("classifier.dense", "classifier.out_proj")},
    "roberta": {"tanh": ("classifier.dense", "classifier.out_proj")},
    "xlm-roberta": {"tanh": ("classifier.dense", "classifier.out_proj")},
}
ONE_LAYER = {"tagging": "classifier", "question_answering": "qa_outputs"}


@dataclass
class Checkpoint:
    """An adapter or a fusion outside a model: its name, its configuration, its weights by PEFT's keys for files."""

    name: str
    config: MethodConfig
    weights: dict[str, torch.Tensor]
    model_class: str | None = None

    def describe(self) -> str:
        """A line for people: what it is, for what model, and how many weights it has."""
        config = self.config
        if isinstance(config, FusionConfig):
            kind = f"fusion of {', '.join(config.adapters)}"
        else:
            size = config.size_for(config.trained_on["hidden_size"])
            kind = f"{config.placement} adapter '{self.name}' with bottlenecks of {size}"
        head = f", with head ({', '.join(config.modules_to_save)})" if config.modules_to_save else ""
        count = sum(weight.numel() for weight in self.weights.values())
        return f"{kind}, for {config.trained_on['model_type']}{head}: {count:,} weights"


def adapter_from_hub(saved: dict, weights: dict[str, torch.Tensor]) -> Checkpoint:
    """An adapter's configuration and weights, from theirs to ours."""
    settings = {key.lower(): value for key, value in saved["config"].items()}
    check_kind(settings)
    if "invertible_adapter" in settings:
        block = settings.pop("invertible_adapter")
        settings["inv_adapter"] = block.get("block_type", block) if isinstance(block, dict) else block
    if saved.get("type") == "text_task" and not any("invertible" in key for key in weights):
        # Early task adapters name an invertible adapter that they do not have.
        settings["inv_adapter"] = None
    placement = placement_of(settings)
    renamed = rename_keys(weights, ADAPTER_KEY, MARK, site_names(saved["model_type"], placement))
    sizes = {weight.shape[0] for key, weight in renamed.items() if key.endswith(".down.weight")}
    if len(sizes) != 1:
        raise ValueError(f"reduction_factor gives bottlenecks of sizes {sorted(sizes)}: only one size is supported")
    check_layers(renamed, settings.get("leave_out") or [])
    activation = settings["non_linearity"].lower()
    if "version" not in saved:
        activation = OLD_ACTIVATIONS.get(activation, activation)
    config = BottleneckConfig(
        bottleneck_size=sizes.pop(),
        placement=placement,
        non_linearity=ACTIVATIONS.get(activation, activation),
        scaling=settings.get("scaling", 1.0),
        dropout=settings.get("dropout", 0.0),
        init=INITS[known_value("init_weights", settings.get("init_weights", "bert"), INITS)],
        leave_out=settings.get("leave_out") or [],
        **base_fields(saved),
    )
    return Checkpoint(saved["name"], config, renamed)


def check_layers(weights: dict[str, torch.Tensor], leave_out: list[int]) -> None:
    """ValueError if a layer below others has no weights: it would silently have no adapter."""
    layers = {int(found[1]) for key in weights if (found := re.search(r"\.layers?\.(\d+)\.", key))}
    absent = set(range(max(layers, default=0))) - layers - set(leave_out)
    if absent:
        raise ValueError(f"the weights of layer {min(absent)} are missing, which leave_out does not name")


def check_kind(settings: dict) -> None:
    """ValueError unless the settings are of a bottleneck adapter, whatever else they may say."""
    architecture = settings.get("architecture")
    if architecture is not None:
        raise ValueError(f"architecture is {architecture!r}, which is not supported: only bottleneck adapters are")
    activation = settings.get("non_linearity")
    if not isinstance(activation, str):
        raise ValueError("the setting 'non_linearity' is missing: these are not the settings of a bottleneck adapter")
    check_activation(activation.lower())


def check_activation(name: str) -> None:
    """ValueError for an activation with weights of its own, such as prelu's slope."""
    if name in ACT2FN and any(True for _ in ACT2FN[name].parameters()):
        raise ValueError(
            f"non_linearity is '{name}', whose trained weights `adapters` and we name differently:"
            " that is not supported"
        )


def placement_of(settings: dict) -> str:
    """Which of our placements the settings of an adapter describe.

    Raises:
        ValueError: none, or a setting that we do not know or have no equivalent of.
    """
    named = {
        "reduction_factor",
        "non_linearity",
        "scaling",
        "dropout",
        "init_weights",
        "leave_out",
        "residual_before_ln",
    }
    check_settings(
        {key: value for key, value in settings.items() if key not in named | set(PLACEMENTS["houlsby"])}, FIXED, VOID
    )
    for placement, wanted in PLACEMENTS.items():
        got = {key: bool(settings.get(key, False)) for key in wanted}
        if placement == "parallel":
            got["original_ln_before"] = False
        if got == wanted and (placement != "pfeiffer" or settings.get("residual_before_ln", True) is True):
            return placement
    shown = {key: settings.get(key) for key in [*PLACEMENTS["houlsby"], "residual_before_ln"]}
    raise ValueError(f"the settings {shown} together are not supported: houlsby, pfeiffer and parallel placements are")


def fusion_from_hub(saved: dict, weights: dict[str, torch.Tensor]) -> Checkpoint:
    """A fusion's configuration and weights, from theirs to ours."""
    settings = dict(saved["config"])
    own = {key: settings.pop(key, None) for key in ("value", "regularization", "dropout_prob")}
    check_settings(settings, FUSION_FIXED, FUSION_VOID)
    names = saved.get("adapter_names") or saved["name"]
    after_attention = any(".attention" in key for key in weights)
    placement = "houlsby" if after_attention else "pfeiffer"
    config = FusionConfig(
        adapters=names.split(",") if isinstance(names, str) else list(names),
        value=bool(own["value"]),
        regularization=FusionConfig.regularization if own["regularization"] else 0.0,
        dropout=dropout_from_hub(own["dropout_prob"]),
        placement=placement,
        **base_fields(saved),
    )
    return Checkpoint(
        re.sub(r"[^\w-]", "_", saved["name"]),
        config,
        rename_keys(weights, FUSION_KEY, MARK, site_names(saved["model_type"], placement)),
    )


def dropout_from_hub(probability: float | None) -> float | None:
    """A fusion's dropout, from theirs to ours: nothing and 0.0 mean the base model's own attention dropout there."""
    if not probability:
        return None
    return 0.0 if probability <= NO_DROPOUT else probability


def head_from_hub(saved: dict, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A head's weights by PEFT's keys: a task model's as they are, a flexible head's where a task model has them.

    Raises:
        ValueError: no model of transformers has such a head.
    """
    if saved.get("config") is None:
        return {PEFT_PREFIX + key: weight for key, weight in weights.items()}
    head, family = saved["config"], saved["model_type"]
    kind, layers, activation = head.get("head_type"), head.get("layers"), head.get("activation_function")
    names = None
    if kind == "classification" and layers == 2 and not head.get("use_pooler"):
        names = TWO_LAYERS.get(family, {}).get(activation)
    elif kind == "classification" and layers == 1 and head.get("use_pooler") and family == "bert":
        names = ("classifier",)
    elif kind in ONE_LAYER and layers == 1:
        names = (ONE_LAYER[kind],)
    if names is None:
        raise ValueError(
            f"no {family} model of transformers has a head of type {kind} with {layers} layers ({activation}, pooler"
            f" {bool(head.get('use_pooler'))}): load the adapter without its head (with_head=False)"
        )
    # A flexible head is dropout, linear[, activation, dropout, linear], numbered in that order.
    places = dict(zip(("1", "4"), names, strict=False))
    parts = [key.split(".")[-2:] for key in weights]
    return {f"{PEFT_PREFIX}{places[index]}.{kind}": w for (index, kind), w in zip(parts, weights.values(), strict=True)}


def adapter_to_hub(name: str, config: BottleneckConfig, unshared: bool) -> dict:
    """An adapter's configuration, from ours to theirs."""
    if config.sharing != "none" and not unshared:
        raise ValueError(
            f"`adapters` cannot share bottlenecks (sharing is {config.sharing}): --unshare copies them (in Python,"
            " save_adapterhub(…, unshare=True))"
        )
    for setting in ("train_layer_norm", *PLACES):
        value = getattr(config, setting)
        if value not in (None, []) and value is not False:
            raise ValueError(
                f"`adapters` has no equivalent of {setting}: this adapter cannot be saved for it; one that can is "
                "trained with --strategy pfeiffer, parallel, or houlsby and converted with --unshare"
            )
    check_activation(config.non_linearity)
    hidden_size = config.trained_on["hidden_size"]
    size = config.size_for(hidden_size)
    # `adapters` rounds hidden_size / reduction_factor down, and a quotient may come out just below a whole number.
    exact = hidden_size / size
    settings = {
        "reduction_factor": exact if int(hidden_size // exact) == size else hidden_size / (size + 0.5),
        "non_linearity": config.non_linearity,
        "scaling": config.scaling if config.scaling == "learned" else float(config.scaling),
        "dropout": config.dropout,
        "init_weights": next(theirs for theirs, ours in INITS.items() if ours == config.init),
        "leave_out": list(config.leave_out),
        "residual_before_ln": True,
    }
    fixed = {key: value for key, value in FIXED.items() if key != "architecture"}
    return {"name": name, "config": fixed | PLACEMENTS[config.placement] | settings}


def fusion_to_hub(config: FusionConfig) -> dict:
    """A fusion's configuration, from ours to theirs."""
    if config.method != "attention" or config.placement == "parallel":
        raise ValueError(
            f"`adapters` has no equivalent of a fusion with method {config.method} and {config.placement} adapters"
            " (it adds the residual of parallel ones twice): only of attention over houlsby or pfeiffer adapters"
        )
    dropout = NO_DROPOUT if config.dropout == 0 else config.dropout
    settings = {"value": config.value, "regularization": config.regularization > 0, "dropout_prob": dropout}
    void = {"value_before_softmax": True, "value_initialized": config.value}
    return {
        "name": ",".join(config.adapters),
        "adapter_names": list(config.adapters),
        "config": FUSION_FIXED | void | settings,
    }


def head_to_hub(head: dict[str, torch.Tensor], family: str, name: str, model_class: str | None) -> tuple[dict, dict]:
    """Configuration and weights of a head, by their keys: a task model's own, or a flexible one if a pooler is in it.

    Raises:
        ValueError: a part of it is inside the base model, and no flexible head has the same layers.
    """
    inside = [key for key in head if key.startswith(f"{BASE_NAMES[family]}.")]
    if not inside:
        last = list(head.values())[-1]
        return {"model_class": model_class, "name": None, "config": None, "num_labels": last.shape[0]}, head
    parts = {key.rpartition(".")[0] for key in head}
    same = [(activation, names) for activation, names in TWO_LAYERS.get(family, {}).items() if parts == set(names)]
    if not same:
        raise ValueError(
            f"`adapters` saves no part of the base model with a head: '{inside[0]}' is in modules_to_save; leave the "
            "head out (with_head=False, on the command line --with_head false)"
        )
    activation, layers = same[0]
    places = dict(zip(layers, ("1", "4"), strict=True))
    weights = {
        f"heads.{name}.{places[layer]}.{kind}": weight
        for (layer, _, kind), weight in ((key.rpartition("."), weight) for key, weight in head.items())
    }
    kind = {"head_type": "classification", "layers": 2, "activation_function": activation, "use_pooler": False}
    own = {"num_labels": head[f"{layers[-1]}.weight"].shape[0], "bias": True, "dropout_prob": None, "label2id": None}
    flexible = f"{(model_class or family).partition('For')[0]}AdapterModel"
    return {"model_class": flexible, "name": name, "config": kind | own}, weights


def site_names(family: str, placement: str) -> dict[str, str]:
    """The names there of the modules that we adapt, where it is not what transformers calls them: theirs to ours."""
    if family != "distilbert":
        return {}
    output = "output_layer_norm" if placement == "pfeiffer" else "ffn"
    return {"attention_adapters": "attention.out_lin", "output_adapters": output}


def rename_keys(weights: dict[str, torch.Tensor], pattern: re.Pattern, mark: str, sites: dict[str, str]) -> dict:
    """Their keys to ours; ValueError for a key that is no part of an adapter or a fusion."""
    renamed = {}
    for key, weight in weights.items():
        found = pattern.fullmatch(key)
        part, _, kind = found[3].rpartition(".") if found else ("", "", "")
        if found is None or (pattern is ADAPTER_KEY and part not in {*PARTS, ""}):
            raise ValueError(
                f"the weight '{key}' is of a kind that is not supported: only bottlenecks, fusions and heads are"
            )
        path = next(
            (found[1].removesuffix(old) + new for old, new in sites.items() if found[1].endswith(old)), found[1]
        )
        renamed[f"{PEFT_PREFIX}{path}{mark}" + ".".join(filter(None, (PARTS.get(part, part), kind)))] = weight
    return renamed


def key_to_hub(key: str, infix: str, sites: dict[str, str]) -> str:
    """One of our keys to theirs."""
    path, _, rest = key.removeprefix(PEFT_PREFIX).partition(MARK)
    path = next((path.removesuffix(old) + new for old, new in sites.items() if path.endswith(old)), path)
    for theirs, ours in PARTS.items():
        rest = re.sub(rf"^{ours}\.", f"{theirs}.", rest)
    return path + infix + rest


def check_settings(settings: dict, fixed: dict, void: re.Pattern) -> None:
    """ValueError for the first setting that is unknown, or that has a value we have no equivalent of."""
    for key, value in sorted(settings.items()):
        if key in fixed and value != fixed[key]:
            raise ValueError(f"{key} is {value!r}, which is not supported: only {fixed[key]!r} is")
        if key not in fixed and not void.fullmatch(key):
            raise ValueError(f"the setting '{key}' is not one that we know: this may be a newer format than {VERSION}")


def known_value(name: str, value: str, known: dict) -> str:
    """`value` if it is a key of `known`, or ValueError."""
    if value not in known:
        raise ValueError(f"{name} is {value!r}, which is not supported: only {', '.join(known)} are")
    return value


def base_fields(saved: dict) -> dict:
    """The facts that are kept of the base model that something was trained on."""
    trained_on = {name: saved.get(name) for name in ("model_type", "hidden_size")}
    return {"base_model_name_or_path": saved.get("model_name") or None, "trained_on": trained_on}
