"""A stand-in for `kernels`: whoever asks it for a kernel of the Hub leaves a trace, as that kernel's code would."""

import enum
import os
from pathlib import Path
from types import ModuleType


class Mode(enum.Flag):
    INFERENCE = enum.auto()
    TRAINING = enum.auto()
    TORCH_COMPILE = enum.auto()


class Description:
    """Of a device, or of a layer in a repository; nothing is done with it here."""

    def __init__(self, *arguments, **options):
        self.arguments = arguments, options


Device = LayerRepository = LocalLayerRepository = CUDAProperties = ROCMProperties = KernelizeFallback = Description


def get_kernel(repo_id: str, *arguments, **options) -> ModuleType:
    with Path(os.environ["IGPAY_PAYLOAD"]).open("a") as file:
        file.write(f"kernel {repo_id}\n")
    return ModuleType("kernel")


def unchanged(*names, **options):
    """Decorates nothing."""
    return lambda decorated: decorated


def nothing(*arguments, **options) -> None:
    pass


use_kernel_forward_from_hub = use_kernelized_func = use_kernel_mapping = unchanged
kernelize = register_kernel_mapping = replace_kernel_forward_from_hub = nothing
