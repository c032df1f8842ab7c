"""Configurations of the bottleneck method, and where its adapters go in the families that we know."""

import difflib
import enum
import warnings
from dataclasses import dataclass, field, fields
from pathlib import Path

from peft import PeftConfig
from peft.utils import SAFETENSORS_WEIGHTS_NAME
from safetensors import SafetensorError, safe_open
from transformers.activations import ACT2FN


class MethodType(str, enum.Enum):  # noqa: UP042, as PeftType; see the docstring
    """One more method beside those of PEFT's `PeftType`, an enumeration that cannot be extended from outside.

    PEFT looks methods up in dictionaries, where a member counts as its text, so no member of `PeftType` is needed; of
    `str(member)` PEFT takes what follows the dot.
    """

    BOTTLENECK = "BOTTLENECK"


DEFAULT_SIZE = 64
PLACEMENTS = ("houlsby", "pfeiffer", "parallel")
INITS = ("truncated_normal", "normal", "zero_up")
METHODS = ("attention", "average")


@dataclass(frozen=True)
class Family:
    """Where adapters go inside a numbered layer: one regular expression over module names for each placement.

    A post-LayerNorm sub-layer's output module (`dense`, `dropout`, `LayerNorm`) takes all three placements and its
    LayerNorm; elsewhere `houlsby` names a module whose output is the sub-layer's, `pfeiffer` the LayerNorm behind the
    feed-forward (without one, the feed-forward itself), `parallel` the feed-forward from its input to its output.
    """

    houlsby: str
    pfeiffer: str
    parallel: str
    layer_norm: str


BERT = Family(
    houlsby=r"((cross)?attention\.)?output",
    pfeiffer="output",
    parallel="output",
    layer_norm=r"((cross)?attention\.)?output",
)
DISTILBERT = Family(
    houlsby=r"attention\.out_lin|ffn",
    pfeiffer="output_layer_norm",
    parallel="ffn",
    layer_norm="sa_layer_norm|output_layer_norm",
)
PIGLATIN = Family(
    houlsby=r"(cross_)?attention\.output|feed_forward",
    pfeiffer="feed_forward",
    parallel="feed_forward",
    layer_norm="(attention|cross_attention|feed_forward)_norm",
)
FAMILIES = {
    "bert": BERT,
    "deberta-v2": BERT,
    "distilbert": DISTILBERT,
    "electra": BERT,
    "piglatin": PIGLATIN,
    "roberta": BERT,
    "xlm-roberta": BERT,
}


@dataclass
class MethodConfig(PeftConfig):
    """The common part of the configurations of adapters and of fusions.

    Raises:
        TypeError: a field that does not exist.
        ValueError: a value that is not allowed, or (loading) a weights file cut short.
    """

    modules_to_save: list[str] | None = field(
        default=None,
        metadata={"help": "Modules outside the adapters to train and to save with them, such as the head."},
    )
    trained_on: dict | None = field(
        default=None,
        metadata={"help": "Model type, hidden size and number of layers of the base model; filled in when built."},
    )

    def __new__(cls, *args, **kwargs):
        unknown = unknown_fields(cls, kwargs)
        if unknown:
            # PEFT knows an unknown field by this text.
            raise TypeError(f"{cls.__name__} got an unexpected keyword argument {describe_unknown(cls, unknown)}")
        return super().__new__(cls)

    def __post_init__(self):
        super().__post_init__()
        self.peft_type = MethodType.BOTTLENECK

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str, subfolder: str | None = None, **kwargs):
        """As in PEFT; a local weights file is checked for being whole."""
        config = super().from_pretrained(pretrained_model_name_or_path, subfolder=subfolder, **kwargs)
        check_weights_file(Path(pretrained_model_name_or_path, subfolder or "", SAFETENSORS_WEIGHTS_NAME))
        return config


@dataclass
class BottleneckConfig(MethodConfig):
    """A bottleneck adapter: down-projection, non-linearity, up-projection, residual (Houlsby et al. 2019).

    Raises:
        ValueError: a value that is not allowed; the text says which are.
    """

    bottleneck_size: int | None = field(
        default=None, metadata={"help": f"Width of the bottleneck; {DEFAULT_SIZE} if no reduction factor is given."}
    )
    reduction_factor: float | None = field(
        default=None, metadata={"help": "Hidden size / width of the bottleneck, instead of bottleneck_size."}
    )
    placement: str = field(
        default="houlsby",
        metadata={
            "help": "houlsby: after attention and after the feed-forward (Houlsby et al. 2019); pfeiffer: after the "
            "feed-forward's LayerNorm, residual from before it (Pfeiffer et al. 2021); parallel: beside the "
            "feed-forward (He et al. 2022)."
        },
    )
    non_linearity: str = field(default="gelu", metadata={"help": "Activation, by its name in transformers."})
    scaling: float | str = field(default=1.0, metadata={"help": "Factor on the adapter's output, or 'learned'."})
    dropout: float = field(default=0.0, metadata={"help": "Dropout on the adapter's output, before the residual."})
    init: str = field(
        default="truncated_normal",
        metadata={
            "help": "truncated_normal: both projections, sd 0.01, cut at two sd (Houlsby et al. 2019); normal: sd 0.02 "
            "(BERT's); zero_up: the up-projection is zero, so that training starts at the base model (He et al. 2022)."
        },
    )
    leave_out: list[int] = field(
        default_factory=list, metadata={"help": "Layers without adapters, from 0; a decoder's follow the encoder's."}
    )
    train_layer_norm: bool = field(
        default=False,
        metadata={"help": "Whether to train copies of the layers' LayerNorms too; the base keeps its own."},
    )
    sharing: str | int = field(
        default="none",
        metadata={
            "help": "none: every insertion has its own adapter; layer: those of a layer share one; a number k: those "
            "of k consecutive layers share one."
        },
    )
    target_modules: list[str] | str | None = field(
        default=None,
        metadata={
            "help": "Names (or a regular expression) of the modules to adapt, for a family that we do not know; "
            "'all-linear': every linear layer but the head."
        },
    )
    exclude_modules: list[str] | str | None = field(
        default=None, metadata={"help": "Names (or a regular expression) of modules that get no adapter."}
    )
    layers_to_transform: list[int] | int | None = field(
        default=None,
        metadata={"help": "Layers with adapters, numbered from 0 in each stack, instead of those in leave_out."},
    )
    layers_pattern: list[str] | str | None = field(
        default=None,
        metadata={
            "help": "Names of the stacks that layers_to_transform is about, such as encoder.layers; all if none."
        },
    )

    def __post_init__(self):
        super().__post_init__()
        if self.bottleneck_size is None and self.reduction_factor is None:
            self.bottleneck_size = DEFAULT_SIZE
        if isinstance(self.sharing, str) and self.sharing.isdigit():
            self.sharing = int(self.sharing)
        if isinstance(self.target_modules, (set, tuple)):
            self.target_modules = sorted(self.target_modules)
        self._check_numbers()
        self._check_layers()
        check_choice("placement", self.placement, PLACEMENTS)
        check_choice("init", self.init, INITS)
        check_choice("non_linearity", self.non_linearity, tuple(ACT2FN))

    def _check_numbers(self) -> None:
        if self.bottleneck_size is not None and self.reduction_factor is not None:
            raise ValueError("both bottleneck_size and reduction_factor are given: give one of the two")
        check_number("bottleneck_size", self.bottleneck_size, at_least=1, whole=True)
        if self.reduction_factor is not None and not is_number(self.reduction_factor, above=0):
            raise ValueError(f"reduction_factor is {self.reduction_factor!r}: give a number above 0")
        if self.scaling != "learned" and not is_number(self.scaling):
            raise ValueError(f"scaling is {self.scaling!r}: give a number or 'learned'")
        check_dropout(self.dropout)
        if self.sharing not in ("none", "layer"):
            if isinstance(self.sharing, str):
                raise ValueError(f"sharing is '{self.sharing}': choose none, layer, or a number of layers")
            check_number("sharing", self.sharing, at_least=1, whole=True)
        for layer in self.leave_out:
            check_number("a layer in leave_out", layer, at_least=0, whole=True)

    def _check_layers(self) -> None:
        if self.layers_to_transform == []:
            self.layers_to_transform = None
        if self.layers_to_transform is None:
            if self.layers_pattern:
                raise ValueError("layers_pattern is given without layers_to_transform: give both or none")
            return
        if self.leave_out:
            raise ValueError("both leave_out and layers_to_transform are given: give one of the two")
        if isinstance(self.target_modules, str):
            raise ValueError(
                f"layers_to_transform cannot go with target_modules '{self.target_modules}': name the modules in a list"
            )
        for layer in as_list(self.layers_to_transform):
            check_number("a layer in layers_to_transform", layer, at_least=0, whole=True)

    def size_for(self, width: int) -> int:
        """The bottleneck's width where hidden states have `width` features; at least 1."""
        return self.bottleneck_size or max(1, int(width // self.reduction_factor))


@dataclass
class FusionConfig(MethodConfig):
    """Combines trained bottleneck adapters of the same model (AdapterFusion, Pfeiffer et al. 2021, section 3.2).

    Raises:
        ValueError: fewer than two adapters, the same one twice, or a value that is not allowed.
    """

    adapters: list[str] = field(
        default_factory=list, metadata={"help": "Names of the adapters to combine; they stay frozen."}
    )
    method: str = field(
        default="attention",
        metadata={"help": "attention: learned, for each token of each layer; average: the mean, nothing to train."},
    )
    value: bool = field(default=True, metadata={"help": "Whether attention has a value matrix, begun near identity."})
    regularization: float = field(
        default=0.01,
        metadata={"help": "Weight of the squared distance of the value matrices to identity, in the loss."},
    )
    dropout: float | None = field(
        default=0.0, metadata={"help": "Dropout on the attention scores; None: the base model's attention dropout."}
    )
    placement: str | None = field(
        default=None, metadata={"help": "Placement of the adapters that it was trained with; filled in when built."}
    )
    target_modules: list[str] | str | None = field(
        default=None, metadata={"help": "Not used: a fusion goes where its adapters are."}
    )

    def __post_init__(self):
        super().__post_init__()
        check_choice("method", self.method, METHODS)
        if len(self.adapters) < 2 or len(set(self.adapters)) < len(self.adapters):
            raise ValueError(f"adapters to fuse are {self.adapters}: give two or more different names")
        if not is_number(self.regularization) or self.regularization < 0:
            raise ValueError(f"regularization is {self.regularization!r}: give a number from 0 up")
        if self.dropout is not None:
            check_dropout(self.dropout)
        if self.placement is not None:
            check_choice("placement", self.placement, PLACEMENTS)


class StoredConfig(MethodConfig):
    """The class that PEFT reads an `adapter_config.json` as: a `FusionConfig` if it names adapters to fuse, or a
    `BottleneckConfig`; never a `StoredConfig`.

    The two have one type since PEFT takes adapters of one type only into a model, and a fusion needs its adapters in
    the same model. Fields that neither has, of a newer version say, are ignored with a warning, as PEFT does.
    """

    def __new__(cls, **stored):
        kind = FusionConfig if "adapters" in stored else BottleneckConfig
        unknown = unknown_fields(kind, stored)
        if unknown:
            warnings.warn(
                f"Unexpected keyword arguments {unknown} for class {kind.__name__}, these are ignored:"
                f" {describe_unknown(kind, unknown)}",
                stacklevel=2,
            )
        return kind(**{name: value for name, value in stored.items() if name not in unknown})


def as_list(value: object) -> list:
    """`value` as a list: itself, nothing for None, or the one that it is."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple, set)) else [value]


def is_number(value: object, above: float | None = None) -> bool:
    """Whether `value` is an int or a float (no bool), and above a bound if one is given."""
    numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
    return numeric and (above is None or value > above)


def check_number(name: str, value: object, at_least: int, whole: bool = False) -> None:
    """ValueError unless `value` is None or a number from `at_least` up (a whole one where asked)."""
    if value is None or (is_number(value) and value >= at_least and (not whole or value == int(value))):
        return
    raise ValueError(f"{name} is {value!r}: give a {'whole ' if whole else ''}number from {at_least} up")


def check_dropout(value: object) -> None:
    """ValueError unless `value` is a probability below 1."""
    if not is_number(value) or not 0 <= value < 1:
        raise ValueError(f"dropout is {value!r}: give a number from 0 up to, but not including, 1")


def check_choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """ValueError, with the nearest or all allowed values, unless `value` is one of them."""
    if value in allowed:
        return
    near = difflib.get_close_matches(str(value), allowed, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise ValueError(f"{name} is '{value}': {hint}choose one of {', '.join(allowed)}")


def unknown_fields(config_class: type, given: dict) -> list[str]:
    """The names in `given` that are no fields of `config_class`, in order."""
    return sorted(set(given) - {item.name for item in fields(config_class)})


def describe_unknown(config_class: type, unknown: list[str]) -> str:
    """The first of the `unknown` fields, and the nearest or all that `config_class` has."""
    known = sorted(item.name for item in fields(config_class))
    near = difflib.get_close_matches(unknown[0], known, n=1)
    return f"'{unknown[0]}': " + (f"did you mean '{near[0]}'?" if near else f"its fields are {', '.join(known)}")


def check_weights_file(path: Path) -> None:
    """ValueError if the safetensors file at `path` is cut short or is none; a missing one is left to PEFT to find."""
    if not path.is_file():
        return
    try:
        with safe_open(path, framework="pt"):
            pass
    except SafetensorError as error:
        raise ValueError(
            f"{path} is cut short or is no safetensors file ({error}): copy or download it again"
        ) from error
