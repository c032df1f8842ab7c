"""Bottleneck adapters as a PEFT method. Importing this package registers `peft_type: BOTTLENECK` with PEFT."""

from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_PREFIX_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING

from .config import FAMILIES, BottleneckConfig, FusionConfig, MethodType, StoredConfig
from .fusion import fusion_penalty, record_attention
from .layer import Bottleneck, BottleneckLayer
from .model import BottleneckModel, fsdp_wrap_policy

# What `peft.utils.register_peft_method` does; that function takes only the names that PEFT's own enumeration has.
PEFT_TYPE_TO_CONFIG_MAPPING[MethodType.BOTTLENECK] = StoredConfig
PEFT_TYPE_TO_PREFIX_MAPPING[MethodType.BOTTLENECK] = BottleneckModel.prefix
PEFT_TYPE_TO_TUNER_MAPPING[MethodType.BOTTLENECK] = BottleneckModel

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
