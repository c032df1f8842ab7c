"""Bottleneck adapters as a PEFT method. Importing this package registers `peft_type: BOTTLENECK` with PEFT."""

from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING
from peft.utils import PeftType, register_peft_method

from .config import FAMILIES, PEFT_TYPE, BottleneckConfig, FusionConfig, MethodConfig
from .fusion import fusion_penalty, record_attention
from .layer import Bottleneck, BottleneckLayer
from .model import BottleneckModel, fsdp_wrap_policy


def extend_peft_type(name: str) -> None:
    """Adds a member to PEFT's enumeration of methods: `register_peft_method` refuses a name that is not in it."""
    if name in PeftType.__members__:
        return
    member = str.__new__(PeftType, name)
    member._name_, member._value_ = name, name
    PeftType._member_names_.append(name)
    PeftType._member_map_[name] = member
    PeftType._value2member_map_[name] = member
    type.__setattr__(PeftType, name, member)


extend_peft_type(PEFT_TYPE)
if PeftType[PEFT_TYPE] not in PEFT_TYPE_TO_TUNER_MAPPING:
    register_peft_method(name=PEFT_TYPE.lower(), config_cls=MethodConfig, model_cls=BottleneckModel)

__all__ = [
    "FAMILIES",
    "Bottleneck",
    "BottleneckConfig",
    "BottleneckLayer",
    "BottleneckModel",
    "FusionConfig",
    "fsdp_wrap_policy",
    "fusion_penalty",
    "record_attention",
]
